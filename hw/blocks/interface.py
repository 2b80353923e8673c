# amaranth: UnusedElaboratable=no
"""Interface between blocks and the array: edges, and a cell for each pair of vectors."""

from abc import abstractmethod
from collections.abc import Mapping
from functools import cached_property
from typing import Any, Literal

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out

from golden.formats import Format, IntFormat
from golden.ranges import dot_range
from hw.delay import delay
from hw.formats import beat_layout, shape_of
from hw.heap import HeapSum
from hw.shared import Shared
from hw.targets.fabric import GENERIC, Fabric

__all__ = ["AddingCell", "Block", "Cell", "OPERANDS", "Operand"]

Operand = Literal["activations", "weights"]
OPERANDS: tuple[Operand, Operand] = ("activations", "weights")


class Cell(Shared):
    """Sum of products of one pair of vectors, as prepared by their edges.

    Parameters
    ----------
    edges : mapping of str to Layout
        Layout of a prepared vector, of ``activations`` and of ``weights``.
    sum_shape : Shape
        Shape of the sum.

    Members
    -------
    i : In(StructLayout)
        Prepared vectors: ``activations`` and ``weights``.
    o : Out(sum_shape)
        Sum, :attr:`latency` cycles after the vectors.
    """

    i: data.View
    o: Signal

    def __init__(self, *, edges: Mapping[Any, Any], sum_shape: Any, **more):
        super().__init__({"i": In(data.StructLayout(dict(edges))), "o": Out(sum_shape), **more})

    @property
    @abstractmethod
    def latency(self) -> int:
        """Cycles from the vectors to their sum."""

    @property
    def may_clear(self) -> bool:
        """Whether :meth:`add_to` can take the accumulator as 0."""
        return False

    def add_to(self, m: Module, accumulator: Value, keep: Value | None = None) -> Value:
        """Return the next value of an accumulator, to which the sum is added.

        Of a cell that :attr:`may_clear`, ``keep`` of 0 takes the accumulator as 0.
        """
        assert keep is None
        return accumulator + self.o


class AddingCell(Cell):
    """Cell that adds its sum to an accumulator itself, if it has one.

    Parameters
    ----------
    edges, sum_shape
        Parameters of :class:`Cell`; the shape is that of the sum alone.
    total : IntFormat or None
        Format of the accumulator.

    Members
    -------
    i, o
        Those of :class:`Cell`; with an accumulator, ``o`` is its next value.
    before : In(total.width)
        Accumulator, in the cycle of ``o``; only with one.
    keep : In(1)
        In that cycle: 0 takes the accumulator as 0; only with one.
    """

    before: Signal
    keep: Signal

    def __init__(self, *, edges: Mapping[Any, Any], sum_shape: Any, total: IntFormat | None):
        self.total = total
        super().__init__(edges=edges,
                         sum_shape=sum_shape if total is None else shape_of(total),
                         **({} if total is None else {"before": In(total.width), "keep": In(1)}))

    @property
    def may_clear(self) -> bool:
        """Whether the cell has an accumulator."""
        return self.total is not None

    def add_to(self, m: Module, accumulator: Value, keep: Value | None = None) -> Value:
        """Return the accumulator's next value."""
        if self.total is None:
            return super().add_to(m, accumulator, keep)
        m.d.comb += [self.before.eq(accumulator), self.keep.eq(1 if keep is None else keep)]
        return self.o

    def take_accumulator(self, m: Module, heap: HeapSum):
        """Connect the accumulator, if there is one, with the heap that adds to it."""
        if self.total is not None:
            m.d.comb += [heap.total.eq(self.before), heap.keep.eq(self.keep)]


class Block(Shared):
    """Sums of ``lanes`` products for each pair of an activation vector and a weight vector.

    ``o[r][c] = sum(activations[r][k] * weights[c][k] for k in range(lanes))``, exact. A block has
    no state from beat to beat and never stalls: it takes a beat in any cycle, and its sums follow
    :attr:`latency` cycles later. Throughput is one beat per cycle.

    An *edge* does the work of each vector once; a :class:`Cell` does the work of each pair. An
    array places the edges and cells itself, without the block around them.

    Parameters
    ----------
    weights, activations : Format
        Formats of the elements.
    rows, cols, lanes : int
        Activation vectors, weight vectors, and elements of each.
    fabric : Fabric
        Fabric of the arithmetic.

    Members
    -------
    i : In(stream.Signature(StructLayout, always_ready=True))
        Codes: ``activations``, ``[rows][lanes]``, and ``weights``, ``[cols][lanes]``.
    o : Out(stream.Signature(ArrayLayout(ArrayLayout(shape_of(sum_format), cols), rows), ...))
        Sums, always ready.
    """

    i: stream.Interface
    o: stream.Interface

    title: str
    """Kind of arithmetic, for reports."""

    def __init__(self, *, weights: Format, activations: Format, rows: int, cols: int, lanes: int,
                 fabric: Fabric = GENERIC, **more):
        for name, value in (("Rows", rows), ("Cols", cols), ("Lanes", lanes)):
            if value < 1:
                raise ValueError(f"{name} must be a positive integer, not {value!r}")
        self.weights = weights
        self.activations = activations
        self.rows = rows
        self.cols = cols
        self.lanes = lanes
        self.fabric = fabric
        sums = data.ArrayLayout(data.ArrayLayout(shape_of(self.sum_format), cols), rows)
        super().__init__({
            "i": In(stream.Signature(self.beat, always_ready=True)),
            "o": Out(stream.Signature(sums, always_ready=True)),
            **more,
        })

    @property
    def beat(self) -> data.StructLayout:
        """Layout of an input beat."""
        return data.StructLayout({
            "activations": beat_layout(self.activations, self.rows, self.lanes),
            "weights": beat_layout(self.weights, self.cols, self.lanes),
        })

    @property
    def sum_format(self) -> IntFormat:
        """Format of each sum, exactly as wide as ``lanes`` products need."""
        return dot_range(self.weights, self.activations, self.lanes).format

    @property
    def lanes_per_product(self) -> int:
        """Lanes whose products a cell computes by one product."""
        return 1

    @property
    def multipliers(self) -> list[int]:
        """Sizes of a product's parts that DSPs could make, see :class:`hw.pipeline.Pipeline`."""
        return []

    @property
    @abstractmethod
    def cell(self) -> Cell:
        """Cell of one pair of vectors; callers make others like it."""

    @abstractmethod
    def edge(self, m: Module, operand: Operand, beat: data.View) -> list[Any]:
        """Return the prepared vectors of an operand in an input beat."""

    @cached_property
    def latency(self) -> int:
        """Cycles from a beat to its sums."""
        return self.cell.latency

    def cells(self, m: Module) -> list[Cell]:
        """Add a cell for each pair of vectors, and return the cells."""
        rows, cols = (self.edge(m, name, self.i.p) for name in OPERANDS)
        cells = []
        for row, activations in enumerate(rows):
            for col, weights in enumerate(cols):
                m.submodules[f"cell_{row}_{col}"] = cell = self.cell
                m.d.comb += [
                    cell.i.activations.eq(activations),
                    cell.i.weights.eq(weights),
                    self.o.p[row][col].eq(cell.o),
                ]
                cells.append(cell)
        m.d.comb += self.o.valid.eq(
            delay(m, self.i.valid, self.latency, "valid", reset_less=False))
        return cells

    def body(self, platform):
        m = Module()
        self.cells(m)
        return m
