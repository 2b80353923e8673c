"""Bit-exact numpy reference of quantized networks. Imports nothing from ``hw`` or ``sim``."""
