"""Drivers and simulators: the design in Amaranth, the emitted Verilog in Verilator."""
