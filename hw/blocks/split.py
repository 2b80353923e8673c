# amaranth: UnusedElaboratable=no
"""Sums of products of levels that are twice an integer and an offset."""

from typing import NamedTuple

from amaranth.hdl import Cat, Module, Signal, Value

from golden.formats import Format, IntFormat, OddFormat
from hw.arith import adder_tree
from hw.blocks.grid import DotProductGrid
from hw.blocks.interface import Block
from hw.blocks.popcount import AndPopcountGrid
from hw.blocks.sum_tree import tree_latency
from hw.blocks.vector_sums import VectorSums
from hw.delay import delay
from hw.formats import shape_of

__all__ = ["SplitGrid", "split"]

BIT = IntFormat(1, signed=False)


class Part(NamedTuple):
    """``level = scale * inner + offset``, with ``inner`` a level of ``format``."""

    format: IntFormat
    scale: int
    offset: int


def split(fmt: Format) -> Part:
    """The narrow integers that levels are made of.

    Odd levels of two bits and more are ``2 s + 1`` with ``s`` signed, those of one bit ``2 c - 1``
    with ``c`` a bit; integers are themselves.
    """
    if isinstance(fmt, IntFormat):
        return Part(fmt, 1, 0)
    if isinstance(fmt, OddFormat):
        return Part(IntFormat(fmt.width), 2, 1) if fmt.width > 1 else Part(BIT, 2, -1)
    raise TypeError(f"Format must be of odd or integer levels, not {fmt!r}")


class SplitGrid(Block):
    """Inner products of narrow integers, and what is to be added to them once per vector.

    With ``w = j s + p`` and ``x = k t + q``, where ``j`` and ``k`` are 1 or 2::

        sum(w x) = j k sum(s t) + j q sum(s) + k p sum(t) + lanes p q

    so that the products, the only part that every pair of vectors has of its own, are narrower:
    ``4 sum(s t) + 2 sum(s) + 2 sum(t) + lanes`` for two odd formats, ``2 sum(s x) + sum(x)`` for
    one, ``2 popcount(c & x) - popcount(x)`` for binary times bit. See :class:`Block`.

    Latency is 1 cycle more than that of the inner products or of the sums of vectors, whichever
    is longer.
    """

    def __init__(self, *, weights: Format, activations: Format, rows: int, cols: int, lanes: int):
        super().__init__(weights=weights, activations=activations, rows=rows, cols=cols,
                         lanes=lanes)
        self._weight, self._activation = split(weights), split(activations)
        bits = self._weight.format == self._activation.format == BIT
        self._inner = (AndPopcountGrid if bits else DotProductGrid)(
            weights=self._weight.format, activations=self._activation.format, rows=rows, cols=cols,
            lanes=lanes)
        self.title = f"affine split, {self._inner.title} inside"

    @property
    def latency(self) -> int:
        """Cycles from a beat to its sums."""
        return self._summed + 1

    @property
    def _summed(self) -> int:
        return max(self._inner.latency, tree_latency(self.lanes))

    def body(self, platform):
        m = Module()
        m.submodules.inner = inner = self._inner
        weight, activation = self._weight, self._activation
        m.d.comb += [inner.i.p.weights[c][k].eq(_inner(self.weights, self.i.p.weights[c][k]))
                     for c in range(self.cols) for k in range(self.lanes)]
        m.d.comb += [
            inner.i.p.activations[r][k].eq(_inner(self.activations, self.i.p.activations[r][k]))
            for r in range(self.rows) for k in range(self.lanes)]

        # A sum of each vector, where the other factor has an offset.
        constant = self.lanes * weight.offset * activation.offset
        of_row: list[list[Value]] = [[] for _ in range(self.rows)]
        if weight.offset:
            sums = m.submodules.row_sums = VectorSums(
                fmt=activation.format, vectors=self.rows, lanes=self.lanes, latency=self._summed)
            m.d.comb += sums.i.eq(inner.i.p.activations)
            factor = activation.scale * weight.offset
            of_row = [[_times(sums.o[row], factor) + constant] for row in range(self.rows)]
        of_col: list[list[Value]] = [[] for _ in range(self.cols)]
        if activation.offset:
            sums = m.submodules.col_sums = VectorSums(
                fmt=weight.format, vectors=self.cols, lanes=self.lanes, latency=self._summed)
            m.d.comb += sums.i.eq(inner.i.p.weights)
            factor = weight.scale * activation.offset
            of_col = [[_times(sums.o[col], factor)] for col in range(self.cols)]

        for row in range(self.rows):
            for col in range(self.cols):
                product = delay(m, inner.o.p[row][col], self._summed - inner.latency,
                                f"product_{row}_{col}")
                total = Signal(shape_of(self.sums), name=f"sum_{row}_{col}", reset_less=True)
                m.d.sync += total.eq(adder_tree([
                    _times(product, weight.scale * activation.scale), *of_row[row],
                    *of_col[col]]))
                m.d.comb += self.o.p[row][col].eq(total)
        m.d.comb += [
            inner.i.valid.eq(self.i.valid),
            self.o.valid.eq(delay(m, inner.o.valid, self.latency - inner.latency, "valid",
                                  reset_less=False)),
        ]
        return m


def _inner(fmt: Format, code: Value) -> Value:
    # Code of the part's format: in two's complement the highest bit counts the other way round.
    return Cat(code[:-1], ~code[-1]) if isinstance(fmt, OddFormat) and fmt.width > 1 else code


def _times(value: Value, factor: int) -> Value:
    # By plus or minus a power of two, and not by a multiplier of the target's.
    scaled = value << abs(factor).bit_length() - 1
    return -scaled if factor < 0 else scaled
