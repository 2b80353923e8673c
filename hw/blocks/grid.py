# amaranth: UnusedElaboratable=no
"""Grids of dot products: what most blocks are, and the plain one, for any formats."""

from abc import abstractmethod
from typing import Any, ClassVar

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import data

from golden.formats import Format
from golden.ranges import Range, dot_range
from hw.blocks.interface import OPERANDS, Block, Cell, Operand
from hw.blocks.sum_tree import SumTree, tree_latency
from hw.formats import level, level_shape, shape_of

__all__ = ["Dot", "DotProduct", "DotProductGrid", "Grid", "add"]


class Dot(Cell):
    """Sum of the products of two vectors: terms, each with a register, then a tree.

    ===========  ==============================================
    cycle        contents
    ===========  ==============================================
    0            the vectors
    1            terms
    2 ...        sums of up to 4, 16, 64 ... terms
    ===========  ==============================================

    The registers behind the terms matter beyond their speed: without them Yosys gathers the
    whole sum into one compressor of full adders, off the carry chains, at 1.5 times the LUTs.

    Latency is :attr:`latency`, ``1 + ceil(log4(lanes))`` cycles unless a subclass has more; a sum
    per cycle.

    Subclasses say what a term is. What they can do once per element, for all that share it, they
    do in :meth:`prepare`, which stands at the edge of a :class:`Grid`.

    Parameters
    ----------
    weights, activations : Format
        Of the elements.
    lanes : int
        Elements of each vector.

    Members
    -------
    i : In(StructLayout)
        Elements as prepared: ``activations`` and ``weights`` are each ``[lanes]``.
    o : Out(shape_of(dot_range(weights, activations, lanes).format))
        Their product.
    """

    def __init__(self, *, weights: Format, activations: Format, lanes: int):
        self.weights = weights
        self.activations = activations
        self.lanes = lanes
        super().__init__(
            edges={name: data.ArrayLayout(self.prepared(name), lanes) for name in OPERANDS},
            sums=shape_of(dot_range(weights, activations, lanes).format))

    def format(self, operand: Operand) -> Format:
        """Format of an operand."""
        return getattr(self, operand)

    def prepared(self, operand: Operand) -> Any:
        """Shape of an element as the product takes it; its code's unless a subclass says more."""
        return shape_of(self.format(operand))

    def prepare(self, operand: Operand, code: Value) -> Any:
        """Element as the product takes it; of a structure, a dictionary of its fields."""
        return code

    @classmethod
    def cycles(cls, lanes: int) -> int:
        """Latency of a product of ``lanes`` elements."""
        return 1 + tree_latency(lanes)

    @property
    def latency(self) -> int:
        """Cycles from the vectors to their product."""
        return self.cycles(self.lanes)

    @abstractmethod
    def term(self, m: Module, weight: Any, activation: Any) -> Value:
        """Return the product of two elements, combinationally."""

    def body(self, platform):
        m = Module()
        one = dot_range(self.weights, self.activations, 1)
        terms = []
        for k in range(self.lanes):
            product = Signal(shape_of(one.format), name=f"product_{k}", reset_less=True)
            m.d.sync += product.eq(self.term(m, self.i.weights[k], self.i.activations[k]))
            terms.append(product)
        m.d.comb += self.o.eq(add(m, terms, one))
        return m


def add(m: Module, terms: list[Value], term: Range) -> Value:
    """Sum of ``terms``, each in the range ``term``, by a :class:`SumTree` called ``tree``."""
    m.submodules.tree = tree = SumTree(term=term, count=len(terms))
    m.d.comb += [tree.i[k].eq(value) for k, value in enumerate(terms)]
    return tree.o


class Grid(Block):
    """A :class:`Dot` for each row and column; see :class:`Block`."""

    dot: ClassVar[type[Dot]]

    @property
    def cell(self) -> Dot:
        """A dot product."""
        return self.dot(weights=self.weights, activations=self.activations, lanes=self.lanes)

    def edge(self, m: Module, operand: Operand, beat: data.View) -> list[data.View]:
        """Vectors as the dot products take them."""
        dot, found = self.cell, []
        for index in range(beat[operand].shape().length):
            codes = [beat[operand][index][k] for k in range(self.lanes)]
            elements = [dot.prepare(operand, code) for code in codes]
            if all(element is code for element, code in zip(elements, codes, strict=True)):
                found.append(beat[operand][index])
                continue
            vector: Any = Signal(data.ArrayLayout(dot.prepared(operand), self.lanes),
                                 name=f"{operand}_{index}")
            for k, element in enumerate(elements):
                parts = element.items() if isinstance(element, dict) else ()
                m.d.comb += [vector[k][part].eq(value) for part, value in parts]
                if not parts:
                    m.d.comb += vector[k].eq(element)
            found.append(vector)
        return found


class DotProduct(Dot):
    """Sum of the products of levels, by multipliers; see :class:`Dot`.

    The plain way, for any formats: codes become levels once per element.
    """

    def prepared(self, operand: Operand) -> Any:
        """Shape of a level."""
        return level_shape(self.format(operand))

    def prepare(self, operand: Operand, code: Value) -> Any:
        """Level of a code."""
        return level(self.format(operand), code)

    def term(self, m: Module, weight: Any, activation: Any) -> Value:
        """Return the product of two levels."""
        return weight * activation


class DotProductGrid(Grid):
    """A grid of :class:`DotProduct`."""

    title = "multipliers"
    dot = DotProduct
