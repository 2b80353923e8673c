# amaranth: UnusedElaboratable=no
"""Products of single bits, counted."""

from typing import Any

from amaranth.hdl import Module, Signal, Value

from golden.ranges import dot_range
from hw.arith import adder_tree
from hw.blocks.grid import Dot, Grid, add
from hw.blocks.sum_tree import tree_latency
from hw.formats import shape_of

__all__ = ["AndPopcountGrid", "XnorPopcountGrid"]

GROUP = 16
"""Lanes that are counted between two registers."""


class AndPopcount(Dot):
    """``popcount(weights & activations)``, for levels 0 and 1; see :class:`Dot`.

    ===========  ==============================================
    cycle        contents
    ===========  ==============================================
    0            the vectors
    1            sums of up to 16 products
    2 ...        sums of up to 4, 16, 64 ... of these
    ===========  ==============================================

    A count is a plain sum of bits, of which Yosys makes a compressor of full adders; one that was
    spelled out was no smaller on any target from 4 to 16 lanes.

    Latency is ``1 + ceil(log4(ceil(lanes / 16)))`` cycles.
    """

    @classmethod
    def cycles(cls, lanes: int) -> int:
        """Latency of a product of ``lanes`` elements."""
        return 1 + tree_latency(-(-lanes // GROUP))

    def term(self, m: Module, weight: Any, activation: Any) -> Value:
        """Return the bit that is counted."""
        return weight & activation

    def counted(self, count: Value, lanes: int) -> Value:
        """Sum of ``lanes`` products of which ``count`` bits are 1."""
        return count

    def body(self, platform):
        m = Module()
        group = dot_range(self.weights, self.activations, min(self.lanes, GROUP))
        sums = []
        for start in range(0, self.lanes, GROUP):
            bits = [self.term(m, self.i.weights[k], self.i.activations[k])
                    for k in range(start, min(start + GROUP, self.lanes))]
            sums.append(Signal(shape_of(group.format), name=f"sum_{start}", reset_less=True))
            m.d.sync += sums[-1].eq(self.counted(adder_tree(bits), len(bits)))
        m.d.comb += self.o.eq(add(m, sums, group))
        return m


class XnorPopcount(AndPopcount):
    """``2 * popcount(~(weights ^ activations)) - lanes``, for levels -1 and 1.

    Otherwise as :class:`AndPopcount`.
    """

    def term(self, m: Module, weight: Any, activation: Any) -> Value:
        """Return whether the signs are equal."""
        return ~(weight ^ activation)

    def counted(self, count: Value, lanes: int) -> Value:
        """As many products are -1 as are not counted."""
        return (count << 1) - lanes


class AndPopcountGrid(Grid):
    """A grid of :class:`AndPopcount`."""

    title = "AND-popcount"
    dot = AndPopcount


class XnorPopcountGrid(Grid):
    """A grid of :class:`XnorPopcount`."""

    title = "XNOR-popcount"
    dot = XnorPopcount
