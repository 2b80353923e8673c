"""Networks on the emitted Verilog: the digits network, and models of files."""
