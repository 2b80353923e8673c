# amaranth: UnusedElaboratable=no
"""Choice of the block for a pair of formats."""

from dataclasses import replace
from typing import Any

from golden.formats import FloatFormat, Format, IntFormat, OddFormat
from golden.inner_products import InnerProduct
from hw.blocks.floats import FloatGrid, FloatHeapGrid
from hw.blocks.folded import FoldedGrid
from hw.blocks.grid import DotProductGrid
from hw.blocks.heaps import HeapGrid
from hw.blocks.interface import Block
from hw.blocks.popcount import AndPopcountGrid, XnorPopcountGrid
from hw.blocks.select import SelectGrid, selects
from hw.blocks.split import SplitGrid
from hw.blocks.table import TableGrid
from hw.heap import have_heaps
from hw.targets.fabric import Fabric

__all__ = ["block_for", "kind_for"]

BIT, BINARY = IntFormat(1, signed=False), OddFormat(1)

TABLE_BITS = 6
"""Most bits of two codes whose products are looked up, unless both are integers."""


def kind_for(weights: Format, activations: Format) -> type[Block]:
    """Kind of block for two formats: the first of these that applies.

    ======================================================  =================================
    formats                                                 block
    ======================================================  =================================
    both of single bits, 0 and 1                            popcount of AND
    both binary                                             popcount of XNOR
    binary and bit                                          popcount of AND, and affine split
    one of levels -1, 0 and 1: ternary, binary, bit         add, subtract or skip
    integers both                                           multipliers
    at most 6 bits together, not integers both              table of products
    odd levels and odd or integer ones                      affine split
    a float                                                 significands multiplied, shifted
    any other                                               multipliers, of decoded levels
    ======================================================  =================================
    """
    pair = {weights, activations}
    if pair == {BIT}:
        return AndPopcountGrid
    if pair == {BINARY}:
        return XnorPopcountGrid
    if pair == {BIT, BINARY}:
        return SplitGrid
    if selects(weights) or selects(activations):
        return SelectGrid
    if all(isinstance(fmt, IntFormat) for fmt in pair):
        return DotProductGrid
    if weights.bits + activations.bits <= TABLE_BITS:
        return TableGrid
    if any(isinstance(fmt, FloatFormat) for fmt in pair):
        return FloatGrid
    if all(isinstance(fmt, IntFormat | OddFormat) for fmt in pair):
        return SplitGrid
    return DotProductGrid


def block_for(*, fabric: Fabric, weights: Format, activations: Format, rows: int, cols: int,
              lanes: int, total: IntFormat | None = None, produced: int | None = None,
              inner_product: InnerProduct = "direct") -> Block:
    """Return the block for two formats, of :func:`kind_for`; bit heaps where the fabric has cells.

    Integers and odd levels have heaps of products' bits, floats of aligned magnitudes' bits.

    Parameters
    ----------
    fabric, weights, activations, rows, cols, lanes
        As for :class:`~hw.blocks.interface.Block`.
    total : IntFormat, optional
        Format of accumulators that take the sums as they are.
    produced : int, optional
        Products of a cell that the fabric's DSPs make, of a lane each, or of two for ``winograd``:
        bit heaps take any number, other blocks all or none. By default it is up to the block: none
        of a bit heap.
    inner_product : str
        Any but ``direct`` is of codes (:class:`~hw.blocks.folded.FoldedGrid`), so that the sums
        have the weights' term.
    """
    shape: dict[str, Any] = {"weights": weights, "activations": activations, "rows": rows,
                             "cols": cols, "lanes": lanes, "fabric": fabric}
    if inner_product != "direct":
        return FoldedGrid(kind=inner_product, **shape, total=total, produced=produced or 0)
    if fabric.heaps and have_heaps(weights, activations):
        return HeapGrid(**shape, total=total, produced=produced or 0)
    if produced is not None and produced < lanes:
        shape["fabric"] = replace(fabric, dsp=0)
    kind = kind_for(weights, activations)
    if fabric.heaps and kind is FloatGrid:
        return FloatHeapGrid(**shape, total=total)
    return kind(**shape)
