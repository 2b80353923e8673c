"""Sums of an operand's vectors, to be multiplied by the other operand's offset."""

from typing import Any

from amaranth.hdl import Module
from amaranth.lib import data

from golden.formats import Format, IntFormat
from golden.ranges import levels_range
from hw.blocks.interface import Cell, Operand
from hw.blocks.sum_tree import SumTree, tree_latency
from hw.delay import delay
from hw.formats import level, shape_of

__all__ = ["VectorSum"]


class VectorSum(Cell):
    """Sum of a vector, in levels, kept in step with a block of the same latency.

    Parameters
    ----------
    fmt : Format
        Format of the elements.
    lanes : int
        Elements of the vector.
    latency : int
        Cycles from the vector to its sum, at least ``ceil(log4(lanes))``. A sum per cycle.

    Members
    -------
    i : In(StructLayout)
        ``activations``: codes, ``[lanes]``. ``weights`` has no bits.
    o : Out(shape_of(sum_format))
        Sum.
    """

    def __init__(self, *, fmt: Format, lanes: int, latency: int):
        if latency < tree_latency(lanes):
            raise ValueError(f"Latency must be at least {tree_latency(lanes)}, not {latency!r}")
        self.fmt = fmt
        self.lanes = lanes
        self._latency = latency
        super().__init__(sum_shape=shape_of(self.sum_format), edges={
            "activations": data.ArrayLayout(shape_of(fmt), lanes),
            "weights": data.StructLayout({})})

    @property
    def latency(self) -> int:
        """Cycles from the vector to its sum."""
        return self._latency

    @property
    def sum_format(self) -> IntFormat:
        """Format of the sum."""
        return levels_range(self.fmt).times(self.lanes).format

    def edge(self, m: Module, operand: Operand, beat: data.View) -> list[Any]:
        """Return the vectors to sum: those of the activations."""
        return [*beat[operand]] if operand == "activations" else []

    def body(self, platform):
        m = Module()
        m.submodules.tree = tree = SumTree(term=levels_range(self.fmt), count=self.lanes)
        m.d.comb += [tree.i[k].eq(level(self.fmt, self.i.activations[k]))
                     for k in range(self.lanes)]
        m.d.comb += self.o.eq(delay(m, tree.o, self.latency - tree.latency, "sum"))
        return m
