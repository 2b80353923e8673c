"""Blocks: codes of ``rows`` and ``cols`` vectors in, ``rows * cols`` exact sums out."""

from hw.blocks.choose import block_for, kind_for
from hw.blocks.grid import DotProductGrid
from hw.blocks.interface import Block

__all__ = ["Block", "DotProductGrid", "block_for", "kind_for"]
