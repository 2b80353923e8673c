# amaranth: UnusedElaboratable=no
"""Grids of dot products, the base of most blocks; and the plain one, for any formats."""

from abc import abstractmethod
from functools import cached_property
from typing import Any, ClassVar

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import data

from golden.formats import Format
from golden.ranges import dot_range
from hw.blocks.interface import OPERANDS, Block, Cell, Operand
from hw.blocks.sum_tree import SumTree
from hw.formats import level, level_shape, shape_of
from hw.pipeline import Pipeline, dry_run
from hw.targets.fabric import GENERIC, Fabric

__all__ = ["Dot", "DotProduct", "DotProductGrid", "Grid"]


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

    Subclasses define the terms. :meth:`prepare` is the work done once per element, at the edge of
    a :class:`Grid`, for all cells that share the element.

    Parameters
    ----------
    weights, activations : Format
        Formats of the elements.
    lanes : int
        Elements of each vector.
    fabric : Fabric
        Fabric of the arithmetic.

    Members
    -------
    i : In(StructLayout)
        Prepared elements: ``activations`` and ``weights``, each ``[lanes]``.
    o : Out(shape_of(dot_range(weights, activations, lanes).format))
        Sum of the products.
    """

    group: ClassVar[int] = 1
    """Lanes per summand."""

    def __init__(self, *, weights: Format, activations: Format, lanes: int,
                 fabric: Fabric = GENERIC, **more):
        self.weights = weights
        self.activations = activations
        self.lanes = lanes
        self.fabric = fabric
        super().__init__(
            edges={name: data.ArrayLayout(self.prepared(name), lanes) for name in OPERANDS},
            sum_shape=shape_of(dot_range(weights, activations, lanes).format), **more)

    def format(self, operand: Operand) -> Format:
        """Format of an operand."""
        return getattr(self, operand)

    def prepared(self, operand: Operand) -> Any:
        """Shape of a prepared element: that of its code, unless a subclass overrides it."""
        return shape_of(self.format(operand))

    def prepare(self, operand: Operand, code: Value) -> Any:
        """Prepared element; a dictionary of fields if its shape is a structure."""
        return code

    @cached_property
    def tree(self) -> SumTree:
        """Tree that adds the summands."""
        return SumTree(
            term=dot_range(self.weights, self.activations, min(self.lanes, self.group)),
            count=-(-self.lanes // self.group))

    @property
    def latency(self) -> int:
        """Cycles from the vectors to the sum of their products."""
        return dry_run(lambda m: self.summand_pipe(m, 0)[1]).stage + self.tree.latency

    @abstractmethod
    def term(self, weight: Any, activation: Any) -> Value:
        """Return the product of two elements, combinationally."""

    def summand(self, pipe: Pipeline, k: int) -> Value:
        """Return summand ``k`` of the tree, computed in ``pipe`` from the vectors."""
        return pipe.register(self.term(self.i.weights[k], self.i.activations[k]),
                             f"product_{k}", shape_of(self.tree.term.format))

    def summand_pipe(self, m: Module, k: int) -> tuple[Value, Pipeline]:
        """Return summand ``k``, and the pipeline that has computed it."""
        pipe = Pipeline(m, {}, fabric=self.fabric)
        return self.summand(pipe, k), pipe

    def body(self, platform):
        m = Module()
        m.submodules.tree = tree = self.tree
        m.d.comb += [tree.i[k].eq(self.summand_pipe(m, k)[0]) for k in range(tree.count)]
        m.d.comb += self.o.eq(tree.o)
        return m


class Grid(Block):
    """A :class:`Dot` for each row and column; see :class:`Block`."""

    dot: ClassVar[type[Dot]]

    @property
    def cell(self) -> Dot:
        """Dot product of one pair of vectors."""
        return self.dot(weights=self.weights, activations=self.activations, lanes=self.lanes,
                        fabric=self.fabric)

    @property
    def multipliers(self) -> list[int]:
        """Sizes of a lane's products that DSPs make."""
        return dry_run(lambda m: self.cell.summand_pipe(m, 0)[1]).multipliers

    def edge(self, m: Module, operand: Operand, beat: data.View) -> list[data.View]:
        """Vectors of prepared elements."""
        dot, vectors = self.cell, []
        for index in range(beat[operand].shape().length):
            codes = [beat[operand][index][k] for k in range(self.lanes)]
            elements = [dot.prepare(operand, code) for code in codes]
            if all(element is code for element, code in zip(elements, codes, strict=True)):
                vectors.append(beat[operand][index])
                continue
            vector: Any = Signal(data.ArrayLayout(dot.prepared(operand), self.lanes),
                                 name=f"{operand}_{index}")
            for k, element in enumerate(elements):
                parts = element.items() if isinstance(element, dict) else ()
                m.d.comb += [vector[k][part].eq(value) for part, value in parts]
                if not parts:
                    m.d.comb += vector[k].eq(element)
            vectors.append(vector)
        return vectors


class DotProduct(Dot):
    """Sum of the products of levels, by multipliers; see :class:`Dot`.

    The plain block, for any formats: codes become levels once per element.
    """

    def prepared(self, operand: Operand) -> Any:
        """Shape of a level."""
        return level_shape(self.format(operand))

    def prepare(self, operand: Operand, code: Value) -> Any:
        """Level of a code."""
        return level(self.format(operand), code)

    def term(self, weight: Any, activation: Any) -> Value:
        """Return the product of two levels."""
        return weight * activation

    def summand(self, pipe: Pipeline, k: int) -> Value:
        """Return a product, by the fabric's multiplier."""
        return pipe.multiply(self.i.weights[k], self.i.activations[k], f"product_{k}",
                             shape_of(self.tree.term.format))


class DotProductGrid(Grid):
    """A grid of :class:`DotProduct`."""

    title = "multipliers"
    dot = DotProduct
