"""What a tile's sums take with each inner product that it may have."""

from dataclasses import replace
from typing import NamedTuple

from golden.inner_products import INNER_PRODUCTS
from hw.blocks.folded import FoldedGrid
from hw.blocks.heaps import HeapGrid
from hw.tile.config import TileConfig
from hw.tile.dsps import block_of

__all__ = ["SMALLEST", "SumsCost", "inner_products", "smallest"]

SMALLEST = "smallest"
"""Name of a choice among inner products: the one of :func:`smallest`."""


class SumsCost(NamedTuple):
    """LUTs of all sums, with accumulators, rows' terms and what subtracts them, and their DSPs."""

    lut: int
    dsp: int


def inner_products(config: TileConfig) -> dict[str, SumsCost]:
    """Return what sums take by inner product, for a tile whose sums are bit heaps; else nothing.

    A program has its LUTs, and a bit that is added, held or subtracted outside of one has one.
    """
    found = {}
    for name in INNER_PRODUCTS:
        try:
            c = replace(config, inner_product=name)
            block = block_of(c)
        except ValueError:
            continue  # the formats, lanes or zero points do not allow it
        if isinstance(block, FoldedGrid):
            # A row's term has an accumulator with two banks. Each output subtracts one.
            found[name] = SumsCost(
                block.luts + (2 * c.rows + c.outputs) * c.accumulator.width, block.dsps)
        elif isinstance(block, HeapGrid):
            found[name] = SumsCost(block.luts, block.dsps)
    return found


def smallest(config: TileConfig) -> TileConfig:
    """Return the tile with the inner product whose sums take the fewest LUTs, then DSPs.

    A shape decides: a row's term is shared by its columns. Of equal ones it is the first of
    :data:`golden.inner_products.INNER_PRODUCTS`.
    """
    found = inner_products(config)
    return replace(config, inner_product=min(found, key=found.__getitem__)) if found else config
