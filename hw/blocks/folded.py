# amaranth: UnusedElaboratable=no
"""Inner products of codes, in bit heaps: what is paid once per vector is paid at the edges."""

from functools import cached_property
from typing import Any

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import data

from golden.formats import Format, IntFormat
from golden.inner_products import Folded, check_formats, offset, products_range, sums_range
from hw.blocks.interface import OPERANDS, AddingCell, Block, Cell, Operand
from hw.delay import delay
from hw.formats import shape_of
from hw.heap import PRODUCED, FoldedPrograms, HeapSum, folded_programs
from hw.heap.folded import lanes_of, sum_width
from hw.targets.fabric import Fabric

__all__ = ["EDGE", "FoldedDot", "FoldedGrid", "FoldedTerm"]


EDGE = 1
"""Registers of a code in each cell, before its heap: the edge's bits go to all of a row's cells."""


def _unsigned(width: int) -> IntFormat:
    return IntFormat(width, signed=False)


class FoldedDot(AddingCell):
    """Sum of products of codes, which are never negative.

    With ``codes`` it has a product for each lane, ``a' w'``; with ``winograd`` one for each pair
    of lanes, ``(a0' + w1') (a1' + w0')``, whose sums are registers of the cell, for each weight
    meets each activation. That is the sum of the products of the levels, with two terms more: one
    of the activations, of :class:`FoldedTerm`, and one of the weights, see
    :mod:`golden.inner_products`.

    Latency is that of the programs, and :data:`EDGE` for registers of the codes, those of the
    activations near the heap, for each of a row's cells has such; a sum per cycle.

    Parameters
    ----------
    kind : str
        Inner product.
    weights, activations : Format
        Formats of the elements, integers.
    lanes : int
        Elements of each vector.
    fabric : Fabric
        Fabric with carry cells of four inputs.
    total : IntFormat, optional
        Format of an accumulator, to which the heap's last stage adds the sum, modulo its size.
    produced : int
        Products, the first ones, that the fabric's DSPs make.

    Members
    -------
    i : In(StructLayout)
        ``activations``, ``[lanes]``, as codes that are never negative; ``weights``, ``[lanes]``.
    before, keep
        Those of :class:`~hw.blocks.interface.AddingCell`; only with an accumulator.
    o : Out
        Sum, unsigned; with an accumulator, its next value, of the shape of ``total``.
    """

    def __init__(self, *, kind: Folded, weights: Format, activations: Format, lanes: int,
                 fabric: Fabric, total: IntFormat | None = None, produced: int = 0):
        check_formats(kind, weights, activations, lanes)
        if not 0 <= produced <= lanes // lanes_of(kind):
            raise ValueError("Products of DSPs must be in range "
                             f"[0, {lanes // lanes_of(kind)}], not {produced}")
        self.kind: Folded = kind
        self.weights = weights
        self.activations = activations
        self.lanes = lanes
        self.fabric = fabric
        self.total = total
        self.produced = produced
        super().__init__(
            edges={"activations": data.ArrayLayout(activations.bits, lanes),
                   "weights": data.ArrayLayout(shape_of(weights), lanes)},
            sum_shape=len(self.programs.products.outputs), total=total)

    @property
    def programs(self) -> FoldedPrograms:
        """Programs of the heaps."""
        return folded_programs(self.kind, self.weights, self.activations, self.lanes,
                               total=0 if self.total is None else self.total.width,
                               produced=self.produced, most=self.fabric.most_halves)

    @property
    def luts(self) -> list[int]:
        """LUTs of the programs of sums, if there are any, and of products."""
        return [program.luts for program in self.programs[:2] if program is not None]

    @property
    def latency(self) -> int:
        """Cycles from the vectors to their sum."""
        return EDGE + sum(program.latency for program in self.programs[:2] if program is not None)

    def body(self, platform):
        m = Module()
        m.submodules.products = products = HeapSum(program=self.programs.products)
        codes: dict[Operand, Value] = {
            "activations": self.fabric.register(m, Value.cast(self.i.activations), "activations"),
            "weights": delay(m, Value.cast(self.i.weights), EDGE, "weights")}
        factors, rest = self._sums(m, codes) if self.kind == "winograd" else self._codes(codes)
        made = []
        for place, pair in enumerate(factors):
            one, other = (_unsigned(len(factor)) for factor in pair)
            m.submodules[f"product_{place}"] = dsp = self.fabric.multiplier(one, other)
            m.d.comb += [dsp.a.eq(pair[0]), dsp.b.eq(pair[1])]
            # The largest factors are less than their digits could be.
            width = products_range(self.kind, self.weights, self.activations,
                                   lanes_of(self.kind)).format.width
            made.append(delay(m, dsp.o[:width], PRODUCED - dsp.latency, f"product_{place}"))
        m.d.comb += [products.i.eq(Cat(*rest, *made)), self.o.eq(products.o)]
        self.take_accumulator(m, products)
        return m

    def _sums(self, m: Module, codes: dict[Operand, Value]
              ) -> tuple[list[tuple[Value, Value]], list[Value]]:
        # Factors of the DSPs' products, and what the others are made of.
        assert self.programs.sums is not None  # of a winograd
        m.submodules.sums = sums = HeapSum(program=self.programs.sums)
        m.d.comb += sums.i.eq(Cat(codes[name] for name in OPERANDS))
        width = sum_width(self.weights, self.activations)
        digits = [sums.o.word_select(lane, width) for lane in range(self.lanes)]
        own = digits[:2 * self.produced]
        return [*zip(own[::2], own[1::2], strict=True)], digits[2 * self.produced:]

    def _codes(self, codes: dict[Operand, Value]
               ) -> tuple[list[tuple[Value, Value]], list[Value]]:
        apart = {name: [code.word_select(lane, len(code) // self.lanes)
                        for lane in range(self.lanes)] for name, code in codes.items()}
        own = [(apart["activations"][lane], apart["weights"][lane] ^ offset(self.weights))
               for lane in range(self.produced)]
        return own, [code for name in OPERANDS for code in apart[name][self.produced:]]


class FoldedTerm(Cell):
    """Activations' term of a row, which every :class:`FoldedDot` of the row has too much.

    Parameters
    ----------
    kind : str
        Inner product.
    weights, activations : Format
    lanes : int
        Elements of the vector.
    fabric : Fabric
    latency : int
        Cycles from the vector to its term, at least :data:`EDGE` more than those of the program.
        A term per cycle.

    Members
    -------
    i : In(StructLayout)
        ``activations``: codes that are never negative, ``[lanes]``. ``weights`` has no bits.
    o : Out
        Term, unsigned.
    """

    def __init__(self, *, kind: Folded, weights: Format, activations: Format, lanes: int,
                 fabric: Fabric, latency: int):
        check_formats(kind, weights, activations, lanes)
        self.kind: Folded = kind
        self.weights = weights
        self.activations = activations
        self.lanes = lanes
        self.fabric = fabric
        self._latency = latency
        self._program = folded_programs(kind, weights, activations, lanes,
                                        most=fabric.most_halves).activations
        if latency < self._program.latency + EDGE:
            raise ValueError(f"Latency must be at least {self._program.latency + EDGE}, "
                             f"not {latency}")
        super().__init__(sum_shape=len(self._program.outputs), edges={
            "activations": data.ArrayLayout(activations.bits, lanes),
            "weights": data.StructLayout({})})

    @property
    def latency(self) -> int:
        """Cycles from the vector to its term."""
        return self._latency

    def edge(self, m: Module, operand: Operand, beat: data.View) -> list[Any]:
        """Return the vectors that have a term: those of the activations."""
        if operand == "weights":
            return []
        return _codes(m, self.activations, "term", beat[operand])

    def body(self, platform):
        m = Module()
        m.submodules.sum = heap = HeapSum(program=self._program)
        codes = delay(m, Value.cast(self.i.activations), EDGE, "codes")
        m.d.comb += [heap.i.eq(codes),
                     self.o.eq(delay(m, heap.o, self.latency - EDGE - heap.latency, "term"))]
        return m


def _codes(m: Module, fmt: Format, name: str, vectors: Any) -> list[Any]:
    # Vectors of codes: a sign's bit is inverted.
    codes = []
    for index, vector in enumerate(vectors):
        code: Any = Signal(data.ArrayLayout(fmt.bits, len(vector)), name=f"{name}_{index}")
        m.d.comb += [code[lane].eq(Value.cast(vector[lane]) ^ offset(fmt))
                     for lane in range(len(vector))]
        codes.append(code)
    return codes


class FoldedGrid(Block):
    """A :class:`FoldedDot` for each row and column, and a :class:`FoldedTerm` for each row.

    The block's sums have the weights' term: ``o[r][c] = sum(activations[r][k] * weights[c][k]) +
    weights_term(weights[c])``, see :func:`golden.inner_products.weights_term`. Of an array, whose
    cells add to accumulators, that is so for whole jobs.

    A row's term of ``winograd`` takes as many LUTs as the products of some cells; it is worth them
    from about 8 columns on, for 8 bits and 16 lanes.

    Parameters
    ----------
    kind : str
        Inner product.
    **block
        Parameters of :class:`~hw.blocks.interface.Block`.
    total : IntFormat, optional
        Format of an array's accumulators; only cells in an array add to them.
    produced : int
        Products of each cell that DSPs make.
    """

    def __init__(self, *, kind: Folded, weights: Format, activations: Format, rows: int, cols: int,
                 lanes: int, fabric: Fabric, total: IntFormat | None = None, produced: int = 0):
        check_formats(kind, weights, activations, lanes)
        self.kind: Folded = kind
        self.total = total
        self.produced = produced
        super().__init__(weights=weights, activations=activations, rows=rows, cols=cols,
                         lanes=lanes, fabric=fabric)

    @property
    def title(self) -> str:
        """Kind of arithmetic, for reports."""
        return "Winograd's inner product" if self.kind == "winograd" else "bit heaps of codes"

    @property
    def lanes_per_product(self) -> int:
        """Lanes whose products a cell computes by one product."""
        return lanes_of(self.kind)

    @property
    def sum_format(self) -> IntFormat:
        """Format of each sum, with the weights' term."""
        return sums_range(self.kind, self.weights, self.activations, self.lanes).format

    @cached_property
    def latency(self) -> int:
        """Cycles from a beat to its sums, of cells and of terms."""
        terms = folded_programs(self.kind, self.weights, self.activations, self.lanes,
                                most=self.fabric.most_halves)
        return max(self.cell.latency, EDGE + terms.activations.latency)

    @property
    def cell(self) -> FoldedDot:
        """Sum of products of one pair of vectors."""
        return FoldedDot(kind=self.kind, weights=self.weights, activations=self.activations,
                         lanes=self.lanes, fabric=self.fabric, total=self.total,
                         produced=self.produced)

    @property
    def multipliers(self) -> list[int]:
        """Size of a product."""
        if self.kind == "winograd":
            return [sum_width(self.weights, self.activations)**2]
        return [self.weights.bits * self.activations.bits]

    @property
    def luts(self) -> int:
        """LUTs of the programs of all cells and of all rows' terms."""
        cell = self.cell
        return self.rows * (self.cols * sum(cell.luts) + cell.programs.activations.luts)

    @property
    def dsps(self) -> int:
        """DSPs of the cells."""
        return self.rows * self.cols * self.produced

    def term(self, latency: int) -> FoldedTerm:
        """Return the activations' term of a row, of some latency, at least that of the block."""
        return FoldedTerm(kind=self.kind, weights=self.weights, activations=self.activations,
                          lanes=self.lanes, fabric=self.fabric, latency=latency)

    def edge(self, m: Module, operand: Operand, beat: data.View) -> list[Any]:
        """Vectors, those of activations as codes, as much later as a term takes longer."""
        vectors: Any = beat[operand]
        if operand == "activations":
            vectors = _codes(m, self.activations, operand, vectors)
        wait = self.latency - self.cell.latency
        return [delay(m, vector, wait, f"{operand}_{index}")
                for index, vector in enumerate(vectors)]

    def cells(self, m: Module) -> list[Cell]:
        """Add a cell for each pair of vectors and a term for each row; return the cells."""
        cells = []
        vectors = {name: self.edge(m, name, self.i.p) for name in OPERANDS}
        terms = self.term(self.latency).edge(m, "activations", self.i.p)
        for row in range(self.rows):
            m.submodules[f"term_{row}"] = term = self.term(self.latency)
            m.d.comb += term.i.activations.eq(terms[row])
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
