"""What a tile's sums take with each inner product that it may have."""

from dataclasses import replace
from typing import NamedTuple

from golden.inner_products import INNER_PRODUCTS
from hw.blocks.folded import FoldedGrid
from hw.blocks.heaps import HeapGrid
from hw.tile.config import TileConfig
from hw.tile.dsps import block_of

__all__ = ["SMALLEST", "InnerProduct", "inner_products", "smallest"]

SMALLEST = "smallest"
"""Name of a choice among inner products: the one of :func:`smallest`."""


class InnerProduct(NamedTuple):
    """LUTs of the programs of all sums, with cells' accumulators and rows' terms, and their DSPs.

    Accumulators of rows' terms and what subtracts these are not counted.
    """

    lut: int
    dsp: int


def inner_products(config: TileConfig) -> dict[str, InnerProduct]:
    """Return what sums take by inner product, for a tile whose sums are bit heaps; else nothing."""
    found = {}
    for name in INNER_PRODUCTS:
        try:
            block = block_of(replace(config, inner_product=name))
        except ValueError:
            continue  # the formats, lanes or zero points do not allow it
        if isinstance(block, HeapGrid | FoldedGrid):
            found[name] = InnerProduct(block.luts, block.dsps)
    return found


def smallest(config: TileConfig) -> TileConfig:
    """Return the tile with the inner product whose sums take the fewest LUTs, then DSPs.

    A shape decides: a row's term is shared by its columns. Of equal ones it is the first of
    :data:`golden.inner_products.INNER_PRODUCTS`.
    """
    found = inner_products(config)
    return replace(config, inner_product=min(found, key=found.__getitem__)) if found else config
