# amaranth: UnusedElaboratable=no
"""Winograd's inner product: one product for the products of two lanes, in bit heaps."""

from functools import cached_property
from typing import Any

from amaranth.hdl import Cat, Module, Value
from amaranth.lib import data

from golden.formats import Format, IntFormat
from golden.winograd import check_formats, pairs_range, products_range
from hw.blocks.interface import OPERANDS, AddingCell, Block, Cell, Operand
from hw.delay import delay
from hw.formats import shape_of
from hw.heap import PRODUCED, HeapSum, PairPrograms, pair_programs
from hw.heap.pairs import sum_width
from hw.targets.fabric import Fabric

__all__ = ["PairDot", "PairGrid", "PairTerm"]


class PairDot(AddingCell):
    """Sum of one product for each pair of lanes: ``(a0' + w1') (a1' + w0')`` of the codes.

    That is the sum of the products of the levels, with two terms more: one of the activations, of
    :class:`PairTerm`, and one of the weights, see :mod:`golden.winograd`. The sums of codes are
    registers of the cell, for each weight meets each activation.

    Latency is that of the two programs; a sum per cycle.

    Parameters
    ----------
    weights, activations : Format
        Formats of the elements, integers.
    lanes : int
        Elements of each vector, an even number.
    fabric : Fabric
        Fabric with carry cells of four inputs.
    total : IntFormat, optional
        Format of an accumulator, to which the heap's last stage adds the sum, modulo its size.
    produced : int
        Pairs of lanes, the first ones, whose product the fabric's DSPs make.

    Members
    -------
    i : In(StructLayout)
        Codes: ``activations`` and ``weights``, each ``[lanes]``.
    before : In(total.width)
        Accumulator, in the cycle of ``o``; only with one.
    o : Out
        Sum, unsigned; with an accumulator, its next value, of the shape of ``total``.
    """

    def __init__(self, *, weights: Format, activations: Format, lanes: int, fabric: Fabric,
                 total: IntFormat | None = None, produced: int = 0):
        check_formats(weights, activations, lanes)
        if not 0 <= produced <= lanes // 2:
            raise ValueError(f"Products of DSPs must be in range [0, {lanes // 2}], not {produced}")
        self.weights = weights
        self.activations = activations
        self.lanes = lanes
        self.fabric = fabric
        self.total = total
        self.produced = produced
        super().__init__(
            edges={name: data.ArrayLayout(shape_of(getattr(self, name)), lanes)
                   for name in OPERANDS},
            sum_shape=len(self.programs.products.outputs), total=total)

    @property
    def programs(self) -> PairPrograms:
        """Programs of the heaps."""
        return pair_programs(self.weights, self.activations, self.lanes,
                             total=0 if self.total is None else self.total.width,
                             produced=self.produced, most=self.fabric.most_halves)

    @property
    def latency(self) -> int:
        """Cycles from the vectors to their sum."""
        return self.programs.sums.latency + self.programs.products.latency

    def body(self, platform):
        m = Module()
        m.submodules.sums = sums = HeapSum(program=self.programs.sums)
        m.submodules.products = products = HeapSum(program=self.programs.products)
        width = sum_width(self.weights, self.activations)
        digit = IntFormat(width, signed=False)
        made = []
        for pair in range(self.produced):
            m.submodules[f"product_{pair}"] = dsp = self.fabric.multiplier(digit, digit)
            m.d.comb += [dsp.a.eq(sums.o.word_select(2 * pair, width)),
                         dsp.b.eq(sums.o.word_select(2 * pair + 1, width))]
            # The largest sum of two codes is less than its digits could be.
            product = dsp.o[:products_range(self.weights, self.activations, 1).format.width]
            made.append(delay(m, product, PRODUCED - dsp.latency, f"product_{pair}"))
        m.d.comb += [
            sums.i.eq(Cat(Value.cast(self.i[name]) for name in OPERANDS)),
            products.i.eq(Cat(sums.o[2 * self.produced * width:], *made)),
            self.o.eq(products.o),
        ]
        if self.total is not None:
            m.d.comb += products.total.eq(self.before)
        return m


class PairTerm(Cell):
    """Activations' term of a row, which every :class:`PairDot` of the row has too much.

    ``sum(a0' a1') + W sum(a')``, of the codes and the offset of the weights
    (:mod:`golden.winograd`).

    Parameters
    ----------
    weights, activations : Format
    lanes : int
        Elements of the vector, an even number.
    fabric : Fabric
    latency : int
        Cycles from the vector to its term, at least those of the program. A term per cycle.

    Members
    -------
    i : In(StructLayout)
        ``activations``: codes, ``[lanes]``. ``weights`` has no bits.
    o : Out
        Term, unsigned.
    """

    def __init__(self, *, weights: Format, activations: Format, lanes: int, fabric: Fabric,
                 latency: int):
        check_formats(weights, activations, lanes)
        self.weights = weights
        self.activations = activations
        self.lanes = lanes
        self.fabric = fabric
        self._latency = latency
        self._program = pair_programs(weights, activations, lanes,
                                      most=fabric.most_halves).activations
        if latency < self._program.latency:
            raise ValueError(f"Latency must be at least {self._program.latency}, not {latency}")
        super().__init__(sum_shape=len(self._program.outputs), edges={
            "activations": data.ArrayLayout(shape_of(activations), lanes),
            "weights": data.StructLayout({})})

    @property
    def latency(self) -> int:
        """Cycles from the vector to its term."""
        return self._latency

    def edge(self, m: Module, operand: Operand, beat: data.View) -> list[Any]:
        """Return the vectors that have a term: those of the activations."""
        return [*beat[operand]] if operand == "activations" else []

    def body(self, platform):
        m = Module()
        m.submodules.sum = heap = HeapSum(program=self._program)
        m.d.comb += [heap.i.eq(Value.cast(self.i.activations)),
                     self.o.eq(delay(m, heap.o, self.latency - heap.latency, "term"))]
        return m


class PairGrid(Block):
    """A :class:`PairDot` for each row and column, and a :class:`PairTerm` for each row.

    The block's sums have the weights' term: ``o[r][c] = sum(activations[r][k] * weights[c][k]) +
    weights_term(weights[c])``, see :func:`golden.winograd.weights_term`. Of an array, whose cells
    add to accumulators, that is so for whole jobs.

    A row's term takes as many LUTs as the products of some cells; it is worth them from about 8
    columns on, for 8 bits and 16 lanes.

    Parameters
    ----------
    **block
        Parameters of :class:`~hw.blocks.interface.Block`; lanes are an even number.
    total : IntFormat, optional
        Format of an array's accumulators; only cells in an array add to them.
    produced : int
        Pairs of lanes of each cell whose product DSPs make.
    """

    lanes_per_product = 2
    title = "Winograd's inner product"

    def __init__(self, *, weights: Format, activations: Format, rows: int, cols: int,
                 lanes: int, fabric: Fabric, total: IntFormat | None = None, produced: int = 0):
        check_formats(weights, activations, lanes)
        self.total = total
        self.produced = produced
        super().__init__(weights=weights, activations=activations, rows=rows, cols=cols,
                         lanes=lanes, fabric=fabric)

    @property
    def sum_format(self) -> IntFormat:
        """Format of each sum, with the weights' term."""
        return pairs_range(self.weights, self.activations, self.lanes // 2).format

    @cached_property
    def latency(self) -> int:
        """Cycles from a beat to its sums, of cells and of terms."""
        terms = pair_programs(self.weights, self.activations, self.lanes,
                              most=self.fabric.most_halves)
        return max(self.cell.latency, terms.activations.latency)

    @property
    def cell(self) -> PairDot:
        """Sum of products of one pair of vectors."""
        return PairDot(weights=self.weights, activations=self.activations, lanes=self.lanes,
                       fabric=self.fabric, total=self.total, produced=self.produced)

    @property
    def multipliers(self) -> list[int]:
        """Size of the product of two sums of codes."""
        return [sum_width(self.weights, self.activations)**2]

    @property
    def luts(self) -> int:
        """LUTs of the programs of all cells and of all rows' terms."""
        sums, products, term = (program.luts for program in self.cell.programs)
        return self.rows * (self.cols * (sums + products) + term)

    @property
    def dsps(self) -> int:
        """DSPs of the cells."""
        return self.rows * self.cols * self.produced

    @property
    def term(self) -> PairTerm:
        """Activations' term of a row."""
        return PairTerm(weights=self.weights, activations=self.activations, lanes=self.lanes,
                        fabric=self.fabric, latency=self.latency)

    def edge(self, m: Module, operand: Operand, beat: data.View) -> list[Any]:
        """Codes of each vector, as late as the terms need."""
        wait = self.latency - self.cell.latency
        return [delay(m, vector, wait, f"{operand}_{index}")
                for index, vector in enumerate(beat[operand])]

    def cells(self, m: Module) -> list[Cell]:
        """Add a cell for each pair of vectors and a term for each row; return the cells."""
        cells = []
        vectors = {name: self.edge(m, name, self.i.p) for name in OPERANDS}
        for row in range(self.rows):
            m.submodules[f"term_{row}"] = term = self.term
            m.d.comb += term.i.activations.eq(self.i.p.activations[row])
            for col in range(self.cols):
                m.submodules[f"cell_{row}_{col}"] = cell = self.cell
                m.d.comb += [
                    cell.i.activations.eq(vectors["activations"][row]),
                    cell.i.weights.eq(vectors["weights"][col]),
                    self.o.p[row][col].eq(cell.o - term.o),
                ]
                cells.append(cell)
        m.d.comb += self.o.valid.eq(
            delay(m, self.i.valid, self.latency, "valid", reset_less=False))
        return cells
