# amaranth: UnusedElaboratable=no
"""Simulated designs that the layers of a network run on."""

from collections.abc import Hashable
from typing import TypeAlias

from hw.shared import Shared
from hw.tile.config import TileConfig
from sim.backend import Backend
from sim.components import component_simulation
from sim.simulation import simulation

__all__ = ["Design", "Designs"]

Design: TypeAlias = TileConfig | Shared
"""What a layer runs on: a tile, or a unit."""


class Designs:
    """Simulations of tiles and units, each made once, when a layer first needs it.

    Parameters
    ----------
    simulator, fast
        Parameters of :func:`sim.simulation.simulation`.
    """

    def __init__(self, simulator: str = "verilator", *, fast: bool = False):
        self.simulator = simulator
        self.fast = fast
        self._backends: dict[Hashable, Backend] = {}

    def __call__(self, design: Design) -> Backend:
        """Return the simulation of a design, or of an equal one that was simulated before."""
        key = design if isinstance(design, TileConfig) else design.shared_key
        if key not in self._backends:
            self._backends[key] = self._simulation(design)
        return self._backends[key]

    def _simulation(self, design: Design) -> Backend:
        if isinstance(design, TileConfig):
            return simulation(design, self.simulator, fast=self.fast)
        name = f"{type(design).__name__.lower()}_{len(self._backends)}"
        return component_simulation(design, name, self.simulator, fast=self.fast)
