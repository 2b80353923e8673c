# amaranth: UnusedElaboratable=no
"""Blocks: codes of ``rows`` and ``cols`` vectors in, ``rows * cols`` exact sums out."""

from hw.blocks.grid import DotProductGrid
from hw.blocks.interface import Block

__all__ = ["Block", "block_for"]


def block_for(*, target, weights, activations, rows, cols, lanes) -> Block:
    """Block that suits a target, formats and shape."""
    return DotProductGrid(weights=weights, activations=activations, rows=rows, cols=cols,
                          lanes=lanes)
