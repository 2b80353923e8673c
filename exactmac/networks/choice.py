"""The tile that a model needs most, and what its other layers need."""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from exactmac.networks.source import source_of
from golden.costs import cost_of
from golden.inner_products import INNER_PRODUCTS
from hw.tile.config import TileConfig
from hw.tile.inner_products import SMALLEST
from sim.layers import placement

__all__ = ["SHAPE", "Choice", "choice_of", "shape_of"]

SHAPE = ("rows", "cols", "lanes", "depth", "outputs", "channels", "target", "optimize",
         "prepared", "inner_product", "dsp")
"""Choices of a tile that a model leaves open."""


@dataclass(frozen=True)
class Choice:
    """A tile of a model.

    Parameters
    ----------
    config : TileConfig
    network, arithmetic : str
        Name of the network, and whose arithmetic it has.
    layers : tuple of str
        Layers that run on the tile.
    others : mapping of str to str
        What each other layer needs, by its name.
    warnings : tuple of str
    """

    config: TileConfig
    network: str
    arithmetic: str
    layers: tuple[str, ...]
    others: Mapping[str, str]
    warnings: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The model and its layers, for a manifest."""
        return {"network": self.network, "arithmetic": self.arithmetic,
                "layers": list(self.layers), "others": dict(self.others)}


def shape_of(args: argparse.Namespace) -> dict[str, Any]:
    """Return the shape of a model's tiles: results leave as fast as a column each, by default.

    Raises
    ------
    ValueError
        If the inner product is to be the smallest: a model's tiles differ in what that is.
    """
    given = {name: value for name in SHAPE if (value := getattr(args, name)) is not None}
    if given.get("inner_product") == SMALLEST:
        raise ValueError(f"Inner product must be one of {', '.join(INNER_PRODUCTS)} for a model, "
                         f"not {SMALLEST}")
    return {"outputs": given.get("cols", TileConfig.cols)} | given


def choice_of(args: argparse.Namespace) -> Choice:
    """Return the tile that computes the most products of a model, of those that its layers need.

    The file decides formats, zero points, contract and depth, the arguments the shape.

    Raises
    ------
    OSError, ValueError
        If the model cannot be read, or none of its layers has a tile of that shape.
    """
    source = source_of(args)
    network = source.network
    place = placement(network, **shape_of(args))
    if not place.tiles:
        raise ValueError(f"Model must have a layer of sums that a tile computes, not {args.model}"
                         + "".join(f"; {name!r}: {reason}" for name, reason
                                   in place.golden.items()))
    products = {tile: sum(cost_of(layer, network).macs for layer in layers)
                for tile, layers in place.tiles.items()}
    config = max(products, key=lambda tile: products[tile])
    others = {}
    for layer in network.layers:
        design = place.designs.get(layer.name)
        if design is None:
            others[layer.name] = f"golden alone: {place.golden[layer.name]}"
        elif not isinstance(design, TileConfig):
            others[layer.name] = f"unit {type(design).__name__}"
        elif design != config:
            others[layer.name] = f"tile {design.name}"
    return Choice(config, network.name, source.arithmetic,
                  tuple(layer.name for layer in place.tiles[config]), others,
                  tuple(source.warnings()))
