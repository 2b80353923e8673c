"""Simulations of emitted Verilog for tests: compiled without optimization, and once a session."""

from sim.layers.designs import Designs

__all__ = ["compiled"]

compiled = Designs()
"""Returns the compiled Verilog of a tile or a unit; cheapest below half a million cycles.

Tests that need just some tile share one, such as those of :mod:`tests.gallery`.
"""
