# amaranth: UnusedElaboratable=no
"""Dot products as one bit heap, compiled onto a fabric's carry cells."""

from functools import cached_property
from typing import Any

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import data

from golden.formats import Format, IntFormat
from golden.ranges import dot_range
from hw.blocks.interface import OPERANDS, AddingCell, Block, Operand
from hw.blocks.vector_sums import VectorSum
from hw.delay import delay
from hw.formats import shape_of
from hw.heap import PRODUCED, HeapSum, addend, affine, late_of, product_format, program_of
from hw.targets.fabric import Fabric

__all__ = ["HeapDot", "HeapGrid"]


class HeapDot(AddingCell):
    """Sum of the products of two vectors, all bits of all products in one heap.

    Latency is that of the program, which a search finds; a sum per cycle.

    Parameters
    ----------
    weights, activations : Format
        Formats of the elements, integers or odd levels.
    lanes : int
        Elements of each vector.
    fabric : Fabric
        Fabric with carry cells of four inputs.
    total : IntFormat, optional
        Format of an accumulator, to which the heap's last stage adds the sum.
    produced : int
        Lanes, the first ones, whose products the fabric's DSPs make.

    Members
    -------
    i : In(StructLayout)
        ``activations`` and ``weights``, each with ``codes``, ``[lanes]``, and, where it is needed,
        an ``addend`` of the vector alone, which comes :func:`hw.heap.late_of`
        cycles later.
    before, keep
        Those of :class:`~hw.blocks.interface.AddingCell`; only with an accumulator.
    o : Out(shape_of(total or dot_range(weights, activations, lanes).format))
        Sum of the products; with an accumulator, its next value.
    """

    def __init__(self, *, weights: Format, activations: Format, lanes: int, fabric: Fabric,
                 total: IntFormat | None = None, produced: int = 0):
        if not 0 <= produced <= lanes:
            raise ValueError(f"Products of DSPs must be in range [0, {lanes}], not {produced}")
        self.weights = weights
        self.activations = activations
        self.lanes = lanes
        self.fabric = fabric
        self.produced = produced
        super().__init__(
            edges={name: data.StructLayout({
                "codes": data.ArrayLayout(shape_of(getattr(self, name)), lanes),
                "addend": 0 if (one := self.vector_sum(name)) is None else shape_of(one.sum_format),
                }) for name in OPERANDS},
            sum_shape=shape_of(dot_range(weights, activations, lanes).format),
            total=total)

    def vector_sum(self, operand: Operand) -> VectorSum | None:
        """Return a component that computes a vector's addend; None if there is none."""
        own, other = (getattr(self, name) for name in (
            OPERANDS if operand == "activations" else OPERANDS[::-1]))
        factor = addend(own, other)
        return VectorSum(fmt=affine(own).format, lanes=self.lanes, latency=late_of(self.lanes),
                         factor=factor) if factor else None

    @cached_property
    def sum(self) -> HeapSum:
        """Component of the compiled heap."""
        return HeapSum(program=program_of(
            self.weights, self.activations, self.lanes, produced=self.produced,
            total=0 if self.total is None else self.total.width, most=self.fabric.most_halves))

    @property
    def latency(self) -> int:
        """Cycles from the vectors to their sum."""
        return self.sum.latency

    def body(self, platform):
        m = Module()
        m.submodules.sum = heap = self.sum
        codes = {name: self.i[name].codes for name in OPERANDS}
        one, other = (affine(getattr(self, name)).format for name in OPERANDS)
        products = []
        for lane in range(self.produced):
            m.submodules[f"product_{lane}"] = dsp = self.fabric.multiplier(one, other)
            m.d.comb += [dsp.a.eq(codes["activations"][lane]), dsp.b.eq(codes["weights"][lane])]
            # Codes that no level has could make a wider one. DSPs are far from the carry chains.
            product = dsp.o[:product_format(self.weights, self.activations).width]
            products.append(delay(m, product, PRODUCED - dsp.latency, f"product_{lane}"))
        m.d.comb += [
            heap.i.eq(Cat(*(codes[name][lane] for name in OPERANDS
                            for lane in range(self.produced, self.lanes)),
                          *(Value.cast(self.i[name].addend) for name in OPERANDS), *products)),
            self.o.eq(heap.o),
        ]
        self.take_accumulator(m, heap)
        return m


class HeapGrid(Block):
    """A :class:`HeapDot` for each row and column; see :class:`~hw.blocks.interface.Block`.

    The addends that odd levels need are computed once per vector.

    Parameters
    ----------
    **block
        Parameters of :class:`~hw.blocks.interface.Block`.
    total : IntFormat, optional
        Format of an array's accumulators; only cells in an array add to them.
    produced : int
        Lanes of each cell whose products DSPs make.
    """

    title = "bit heaps"

    def __init__(self, *, weights: Format, activations: Format, rows: int, cols: int, lanes: int,
                 fabric: Fabric, total: IntFormat | None = None, produced: int = 0):
        self.total = total
        self.produced = produced
        super().__init__(weights=weights, activations=activations, rows=rows, cols=cols,
                         lanes=lanes, fabric=fabric)

    @property
    def multipliers(self) -> list[int]:
        """Size of a lane's product."""
        return [self.weights.bits * self.activations.bits]

    @property
    def cell(self) -> HeapDot:
        """Dot product of one pair of vectors."""
        return HeapDot(weights=self.weights, activations=self.activations, lanes=self.lanes,
                       fabric=self.fabric, total=self.total, produced=self.produced)

    @property
    def luts(self) -> int:
        """LUTs of the cells' programs."""
        return self.rows * self.cols * self.cell.sum.program.luts

    @property
    def dsps(self) -> int:
        """DSPs of the cells."""
        return self.rows * self.cols * self.produced

    def edge(self, m: Module, operand: Operand, beat: data.View) -> list[Any]:
        """Codes of each vector; if the other factor has an offset, also their sums."""
        cell, edges = self.cell, []
        for index, vector in enumerate(beat[operand]):
            edge: Any = Signal(cell.i.shape().members[operand], name=f"{operand}_{index}")
            m.d.comb += edge.codes.eq(vector)
            if (one := cell.vector_sum(operand)) is not None:
                m.submodules[f"addend_of_{operand}_{index}"] = one
                m.d.comb += [one.i.activations.eq(vector), edge.addend.eq(one.o)]
            edges.append(edge)
        return edges
