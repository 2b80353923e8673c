"""Sums of each vector of an operand, which are multiplied by what the other one is offset by."""

from amaranth.hdl import Module
from amaranth.lib import data
from amaranth.lib.wiring import In, Out

from golden.formats import Format, IntFormat
from golden.ranges import levels_range
from hw.blocks.sum_tree import SumTree, tree_latency
from hw.delay import delay
from hw.formats import beat_layout, level, shape_of
from hw.shared import Shared

__all__ = ["VectorSums"]


class VectorSums(Shared):
    """``o[n] = sum(i[n])``, in levels, kept in step with a block of the same latency.

    The vectors are a block's rows of activations, or its columns of weights.

    Parameters
    ----------
    fmt : Format
        Of the elements.
    vectors, lanes : int
        Vectors, and elements of each.
    latency : int
        Cycles from the vectors to their sums, at least ``ceil(log4(lanes))``. A sum of each
        vector per cycle.

    Members
    -------
    i : In(ArrayLayout(ArrayLayout(shape_of(fmt), lanes), vectors))
        Codes.
    o : Out(ArrayLayout(shape_of(sums), vectors))
        Sums.
    """

    i: data.View
    o: data.View

    def __init__(self, *, fmt: Format, vectors: int, lanes: int, latency: int):
        if latency < tree_latency(lanes):
            raise ValueError(f"Latency must be at least {tree_latency(lanes)}, not {latency!r}")
        self.fmt = fmt
        self.vectors = vectors
        self.lanes = lanes
        self.latency = latency
        super().__init__({
            "i": In(beat_layout(fmt, vectors, lanes)),
            "o": Out(data.ArrayLayout(shape_of(self.sums), vectors)),
        })

    @property
    def sums(self) -> IntFormat:
        """Format of each sum."""
        return levels_range(self.fmt).times(self.lanes).format

    def body(self, platform):
        m = Module()
        for vector in range(self.vectors):
            tree = SumTree(term=levels_range(self.fmt), count=self.lanes)
            m.submodules[f"tree_{vector}"] = tree
            m.d.comb += [tree.i[k].eq(level(self.fmt, self.i[vector][k]))
                         for k in range(self.lanes)]
            m.d.comb += self.o[vector].eq(
                delay(m, tree.o, self.latency - tree_latency(self.lanes), f"sum_{vector}"))
        return m
