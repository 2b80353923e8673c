"""What each layer of a network runs on: a tile, a unit, or golden alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from golden.networks import Layer, Linear, Network, Reduce
from hw.drive import longest, tile_of, tiles_of
from hw.shared import Shared
from hw.tile.config import TileConfig
from sim.layers.designs import Design
from sim.layers.on_units import UNITS

__all__ = ["Placement", "placement"]


@dataclass(frozen=True, eq=False)
class Placement:
    """Design of each layer of a network.

    Parameters
    ----------
    network : Network
    designs : mapping of str to TileConfig or Shared
        Tile or unit of each layer that runs on hardware, by its name.
    golden : mapping of str to str
        Why each of the other layers has no hardware, by its name.
    """

    network: Network
    designs: Mapping[str, Design]
    golden: Mapping[str, str]

    @property
    def tiles(self) -> dict[TileConfig, list[Layer]]:
        """Layers of each tile, in the order of the network."""
        tiles: dict[TileConfig, list[Layer]] = {}
        for layer in self.network.layers:
            design = self.designs.get(layer.name)
            if isinstance(design, TileConfig):
                tiles.setdefault(design, []).append(layer)
        return tiles

    @property
    def units(self) -> dict[str, Shared]:
        """Unit of each layer that runs on one, by its name."""
        return {name: design for name, design in self.designs.items()
                if isinstance(design, Shared)}


def placement(network: Network, **choices: Any) -> Placement:
    """Return what each layer of a network runs on.

    Layers of sums run on tiles, as few different ones as they need
    (:func:`hw.drive.tiles.tiles_of`); other layers on a unit. Layers that have neither, or whose
    formats no hardware has, are golden's alone.

    Parameters
    ----------
    network : Network
    **choices
        Shape of every tile: choices of a :class:`~hw.tile.config.TileConfig`.

    Raises
    ------
    ValueError
        If a layer has a tile, but none of that shape; the message names the layer.
    """
    designs: dict[str, Design] = {}
    golden, sums = {}, []
    for layer in network.layers:
        try:
            if isinstance(layer, Linear | Reduce):
                tile_of(network, layer, **_LEAST, depth=longest(network, layer))
                sums.append(layer)
            elif type(layer) in UNITS:
                designs[layer.name] = UNITS[type(layer)].unit(network, layer)
            else:
                golden[layer.name] = "its kind has no unit"
        except (TypeError, ValueError) as error:
            golden[layer.name] = str(error)
    designs |= tiles_of(network, sums, **choices)
    return Placement(network, designs, golden)


_LEAST = {"rows": 1, "cols": 32, "lanes": 1}
"""Shape that every format has."""
