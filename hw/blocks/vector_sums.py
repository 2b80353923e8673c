"""Sums of an operand's vectors, to be multiplied by the other operand's offset."""

from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import data

from golden.formats import Format, IntFormat
from golden.ranges import Range, levels_range
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
        Cycles from the vector to its sum, at least ``ceil(log4(lanes))``, and one more with a
        factor. A sum per cycle.
    factor : int
        What the sum is multiplied by.

    Members
    -------
    i : In(StructLayout)
        ``activations``: codes, ``[lanes]``. ``weights`` has no bits.
    o : Out(shape_of(sum_format))
        Sum.
    """

    def __init__(self, *, fmt: Format, lanes: int, latency: int, factor: int = 1):
        least = tree_latency(lanes) + (factor != 1)
        if latency < least:
            raise ValueError(f"Latency must be at least {least}, not {latency!r}")
        self.fmt = fmt
        self.lanes = lanes
        self.factor = factor
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
        return (levels_range(self.fmt).times(self.lanes) * Range(self.factor, self.factor)).format

    def edge(self, m: Module, operand: Operand, beat: data.View) -> list[Any]:
        """Return the vectors to sum: those of the activations."""
        return [*beat[operand]] if operand == "activations" else []

    def body(self, platform):
        m = Module()
        m.submodules.tree = tree = SumTree(term=levels_range(self.fmt), count=self.lanes)
        m.d.comb += [tree.i[k].eq(level(self.fmt, self.i.activations[k]))
                     for k in range(self.lanes)]
        total, latency = tree.o, tree.latency
        if self.factor != 1:
            total, latency = Signal.like(self.o, name="product", reset_less=True), latency + 1
            m.d.sync += total.eq(tree.o * self.factor)
        m.d.comb += self.o.eq(delay(m, total, self.latency - latency, "sum"))
        return m
