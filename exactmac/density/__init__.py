"""Placed area and speed of exact arithmetic, beside plain Verilog: ``exactmac bench density``."""
