# amaranth: UnusedElaboratable=no
"""Sums of products of single bits, by counting."""

from typing import Any

from amaranth.hdl import Value

from hw.arith import adder_tree
from hw.blocks.grid import Dot, Grid
from hw.formats import shape_of
from hw.pipeline import Pipeline

__all__ = ["AndPopcountGrid", "XnorPopcountGrid"]

class AndPopcount(Dot):
    """``popcount(weights & activations)``, for levels 0 and 1; see :class:`Dot`.

    ===========  ==============================================
    cycle        contents
    ===========  ==============================================
    0            the vectors
    1            sums of up to 16 products
    2 ...        sums of up to 4, 16, 64 ... of these
    ===========  ==============================================

    A count is a plain sum of bits, which Yosys turns into a compressor of full adders. An explicit
    compressor was no smaller on any target from 4 to 16 lanes.

    Latency is ``1 + ceil(log4(ceil(lanes / 16)))`` cycles.
    """

    group = 16

    def term(self, weight: Any, activation: Any) -> Value:
        """Return the bit that is counted."""
        return weight & activation

    def counted(self, count: Value, lanes: int) -> Value:
        """Sum of ``lanes`` products, of which ``count`` have the bit 1."""
        return count

    def summand(self, pipe: Pipeline, k: int) -> Value:
        """Return the sum of a group of products."""
        start = k * self.group
        bits = [self.term(self.i.weights[lane], self.i.activations[lane])
                for lane in range(start, min(start + self.group, self.lanes))]
        return pipe.register(self.counted(adder_tree(bits), len(bits)), f"sum_{start}",
                             shape_of(self.tree.term.format))


class XnorPopcount(AndPopcount):
    """``2 * popcount(~(weights ^ activations)) - lanes``, for levels -1 and 1.

    All else is as in :class:`AndPopcount`.
    """

    def term(self, weight: Any, activation: Any) -> Value:
        """Return 1 for equal signs."""
        return ~(weight ^ activation)

    def counted(self, count: Value, lanes: int) -> Value:
        """Sum of the products: those not counted are -1."""
        return (count << 1) - lanes


class AndPopcountGrid(Grid):
    """A grid of :class:`AndPopcount`."""

    title = "AND-popcount"
    dot = AndPopcount


class XnorPopcountGrid(Grid):
    """A grid of :class:`XnorPopcount`."""

    title = "XNOR-popcount"
    dot = XnorPopcount
