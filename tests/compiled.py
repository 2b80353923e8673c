"""Simulations of emitted Verilog for tests: compiled without optimization, and once a session."""

from functools import cache

from hw.tile.config import TileConfig
from sim.backend import Backend
from sim.simulation import simulation

__all__ = ["compiled"]


@cache
def compiled(config: TileConfig) -> Backend:
    """Return the tile's emitted Verilog, compiled; cheapest below half a million cycles.

    Tests that need just some tile share one, such as those of :mod:`tests.gallery`.
    """
    return simulation(config, fast=False)
