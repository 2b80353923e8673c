# amaranth: UnusedElaboratable=no
"""Area of a block alone, compared with the plain block."""

from dataclasses import dataclass

from hw import emit
from hw.blocks import Block, DotProductGrid
from hw.flow.mapping import Target
from hw.flow.yosys import Area, synthesize
from hw.folder import scratch
from hw.formats import level_shape

__all__ = ["Comparison", "compare", "compared_shape"]

BUDGET = 12_000
"""Largest plain block, in units of :func:`compared_shape`: Yosys takes some 20 s for it."""


@dataclass(frozen=True)
class Comparison:
    """Areas of a block and of the plain one, of equal formats and shape, on one target.

    Parameters
    ----------
    rows, cols, lanes : int
        Shape of both blocks.
    chosen, plain : Area
    """

    rows: int
    cols: int
    lanes: int
    chosen: Area
    plain: Area


def compared_shape(block: Block) -> tuple[int, int, int]:
    """Rows, columns and lanes to compare: the block's own, or fewer to save time.

    Wide multipliers take long, more than in proportion to their partial products: 17 x 17 bits for
    a product of ``e4m3fn``, 34 x 34 for a product of ``cfloat8_1_5_2``.
    """
    partials = level_shape(block.weights).width * level_shape(block.activations).width
    shapes = ((block.rows, block.cols, block.lanes),
              (min(block.rows, 2), min(block.cols, 2), block.lanes), (1, 1, block.lanes))
    for rows, cols, lanes in shapes:
        if partials**1.5 * rows * cols * lanes <= BUDGET:
            return rows, cols, lanes
    return 1, 1, 1


def compare(block: Block, target: Target) -> Comparison:
    """Synthesize a block like ``block`` and a plain one, both without a tile around them."""
    rows, cols, lanes = compared_shape(block)
    areas = []
    for kind in (type(block), DotProductGrid):
        one = kind(weights=block.weights, activations=block.activations, rows=rows, cols=cols,
                   lanes=lanes, fabric=block.fabric)
        with scratch() as folder:
            verilog = folder / "block.v"
            verilog.write_text(emit.modules(one, "block"))
            areas.append(synthesize([verilog], "block", target))
    return Comparison(rows, cols, lanes, *areas)
