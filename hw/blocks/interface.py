# amaranth: UnusedElaboratable=no
"""What every block is to the array around it: edges, and a cell for each pair of vectors."""

from abc import abstractmethod
from collections.abc import Mapping
from functools import cached_property
from typing import Any, Literal

from amaranth.hdl import Module, Signal
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out

from golden.formats import Format, IntFormat
from golden.ranges import dot_range
from hw.delay import delay
from hw.formats import beat_layout, shape_of
from hw.shared import Shared
from hw.targets.fabric import GENERIC, Fabric

__all__ = ["Block", "Cell", "OPERANDS", "Operand"]

Operand = Literal["activations", "weights"]
OPERANDS: tuple[Operand, Operand] = ("activations", "weights")


class Cell(Shared):
    """What a pair of vectors has of its own: of what the edges make of the two, their sum.

    Parameters
    ----------
    edges : mapping of str to Layout
        What the edge makes of a vector of ``activations`` and of ``weights``.
    sums : Shape
        Of the sum.

    Members
    -------
    i : In(StructLayout)
        ``activations`` and ``weights``.
    o : Out(sums)
        Sum, :attr:`latency` cycles after the vectors.
    """

    i: data.View
    o: Signal

    def __init__(self, *, edges: Mapping[Any, Any], sums: Any, **more):
        super().__init__({"i": In(data.StructLayout(dict(edges))), "o": Out(sums), **more})

    @property
    @abstractmethod
    def latency(self) -> int:
        """Cycles from the vectors to their sum."""


class Block(Shared):
    """Sums of ``lanes`` products for each pair of an activation vector and a weight vector.

    ``o[r][c] = sum(activations[r][k] * weights[c][k] for k in range(lanes))``, exact. A block has
    no state from beat to beat and never stalls: it takes a beat in any cycle, and its sums are
    there :attr:`latency` cycles later. Throughput is one beat per cycle.

    What can be done once per vector is done at an *edge*; the rest stands in a :class:`Cell` for
    each pair. An array has the cells where it likes, and needs no block as such.

    Parameters
    ----------
    weights, activations : Format
        Of the elements.
    rows, cols, lanes : int
        Activation vectors, weight vectors, and elements of each.
    fabric : Fabric
        What it is made of.

    Members
    -------
    i : In(stream.Signature(StructLayout, always_ready=True))
        Codes: ``activations`` is ``[rows][lanes]``, ``weights`` is ``[cols][lanes]``.
    o : Out(stream.Signature(ArrayLayout(ArrayLayout(shape_of(sums), cols), rows), ...))
        Sums, always ready likewise.
    """

    i: stream.Interface
    o: stream.Interface

    title: str
    """What the block is made of, for reports."""

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
        sums = data.ArrayLayout(data.ArrayLayout(shape_of(self.sums), cols), rows)
        super().__init__({
            "i": In(stream.Signature(self.beat, always_ready=True)),
            "o": Out(stream.Signature(sums, always_ready=True)),
            **more,
        })

    @property
    def beat(self) -> data.StructLayout:
        """Layout of what comes in."""
        return data.StructLayout({
            "activations": beat_layout(self.activations, self.rows, self.lanes),
            "weights": beat_layout(self.weights, self.cols, self.lanes),
        })

    @property
    def sums(self) -> IntFormat:
        """Format of each sum, exactly as wide as ``lanes`` products need."""
        return dot_range(self.weights, self.activations, self.lanes).format

    @property
    @abstractmethod
    def cell(self) -> Cell:
        """A cell, for others like it."""

    @abstractmethod
    def edge(self, m: Module, operand: Operand, beat: data.View) -> list[Any]:
        """Return what a cell takes of each vector of an operand, given what comes in."""

    @cached_property
    def latency(self) -> int:
        """Cycles from a beat to its sums."""
        return self.cell.latency

    def cells(self, m: Module) -> list[Cell]:
        """Put a cell between the edges of each pair of vectors, and return them."""
        rows, cols = (self.edge(m, name, self.i.p) for name in OPERANDS)
        found = []
        for row, activations in enumerate(rows):
            for col, weights in enumerate(cols):
                m.submodules[f"cell_{row}_{col}"] = cell = self.cell
                m.d.comb += [
                    cell.i.activations.eq(activations),
                    cell.i.weights.eq(weights),
                    self.o.p[row][col].eq(cell.o),
                ]
                found.append(cell)
        m.d.comb += self.o.valid.eq(
            delay(m, self.i.valid, self.latency, "valid", reset_less=False))
        return found

    def body(self, platform):
        m = Module()
        self.cells(m)
        return m
