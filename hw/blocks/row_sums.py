"""Sums of each row's activations, which weight zero points are multiplied by."""

from amaranth.hdl import Module
from amaranth.lib import data
from amaranth.lib.wiring import In, Out

from golden.formats import Format, IntFormat
from golden.ranges import levels_range
from hw.blocks.sum_tree import SumTree, tree_latency
from hw.delay import delay
from hw.formats import beat_layout, level, shape_of
from hw.shared import Shared

__all__ = ["RowSums"]


class RowSums(Shared):
    """``o[r] = sum(activations[r])``, kept in step with a block of the same latency.

    Parameters
    ----------
    activations : Format
        Of the elements.
    rows, lanes : int
        Vectors, and elements of each.
    latency : int
        Cycles from the activations to their sums, at least ``ceil(log4(lanes))``. A sum of each
        row per cycle.

    Members
    -------
    i : In(ArrayLayout(ArrayLayout(shape_of(activations), lanes), rows))
        Codes of activations.
    o : Out(ArrayLayout(shape_of(sums), rows))
        Sums.
    """

    i: data.View
    o: data.View

    def __init__(self, *, activations: Format, rows: int, lanes: int, latency: int):
        if latency < tree_latency(lanes):
            raise ValueError(f"Latency must be at least {tree_latency(lanes)}, not {latency!r}")
        self.activations = activations
        self.rows = rows
        self.lanes = lanes
        self.latency = latency
        super().__init__({
            "i": In(beat_layout(activations, rows, lanes)),
            "o": Out(data.ArrayLayout(shape_of(self.sums), rows)),
        })

    @property
    def sums(self) -> IntFormat:
        """Format of each sum."""
        return levels_range(self.activations).times(self.lanes).format

    def body(self, platform):
        m = Module()
        for row in range(self.rows):
            tree = SumTree(term=levels_range(self.activations), count=self.lanes)
            m.submodules[f"tree_{row}"] = tree
            m.d.comb += [tree.i[k].eq(level(self.activations, self.i[row][k]))
                         for k in range(self.lanes)]
            m.d.comb += self.o[row].eq(
                delay(m, tree.o, self.latency - tree_latency(self.lanes), f"sum_{row}"))
        return m
