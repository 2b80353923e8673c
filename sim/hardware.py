# amaranth: UnusedElaboratable=no
"""Simulated designs that the layers of a network run on."""

from collections.abc import Hashable
from dataclasses import dataclass, field

from hw.shared import Shared
from hw.tile.config import TileConfig
from sim.backend import Backend
from sim.components import component_simulation

__all__ = ["Hardware", "Units"]


class Units:
    """Simulations of units, each made once, when a layer first needs it.

    Parameters
    ----------
    simulator, fast
        Parameters of :func:`sim.simulation.simulation`.
    """

    def __init__(self, simulator: str = "verilator", *, fast: bool = False):
        self.simulator = simulator
        self.fast = fast
        self._backends: dict[tuple[type, Hashable], Backend] = {}

    def __call__(self, unit: Shared) -> Backend:
        """Return the simulation of a unit, or of an equal one that was simulated before."""
        key = unit.shared_key
        if key not in self._backends:
            name = f"{type(unit).__name__.lower()}_{len(self._backends)}"
            self._backends[key] = component_simulation(unit, name, self.simulator, fast=self.fast)
        return self._backends[key]


@dataclass(frozen=True, kw_only=True)
class Hardware:
    """Designs that run a network.

    Parameters
    ----------
    config : TileConfig
        Tile of the layers of sums.
    tile : Backend
        Simulation of that tile.
    units : Units
        Simulations of the units of all other layers.
    """

    config: TileConfig
    tile: Backend
    units: Units = field(default_factory=Units)
