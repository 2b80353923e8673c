# amaranth: UnusedElaboratable=no
"""Sums of products of levels that are twice an integer and an offset."""

from typing import Any, NamedTuple

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import data

from golden.formats import Format, IntFormat, OddFormat
from golden.ranges import dot_range
from hw.arith import adder_tree
from hw.blocks.grid import DotProductGrid
from hw.blocks.interface import OPERANDS, Block, Cell, Operand
from hw.blocks.popcount import AndPopcountGrid
from hw.blocks.sum_tree import tree_latency
from hw.blocks.vector_sums import VectorSum
from hw.delay import delay
from hw.formats import shape_of
from hw.targets.fabric import GENERIC, Fabric

__all__ = ["SplitCell", "SplitGrid", "split"]

BIT = IntFormat(1, signed=False)


class Part(NamedTuple):
    """``level = scale * inner + offset``, with ``inner`` a level of ``format``."""

    format: IntFormat
    scale: int
    offset: int


def split(fmt: Format) -> Part:
    """Return the narrow integers and the constants that give a format's levels.

    Odd levels of two bits and more are ``2 s + 1`` with ``s`` signed; odd levels of one bit are
    ``2 c - 1`` with ``c`` a bit; integers stay as they are.
    """
    if isinstance(fmt, IntFormat):
        return Part(fmt, 1, 0)
    if isinstance(fmt, OddFormat):
        return Part(IntFormat(fmt.width), 2, 1) if fmt.width > 1 else Part(BIT, 2, -1)
    raise TypeError(f"Format must be of odd or integer levels, not {fmt!r}")


class SplitCell(Cell):
    """Inner product of narrow integers, plus the sums of its two vectors.

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
        ``activations`` and ``weights``, each with ``codes`` of the inner product, ``[lanes]``, and
        the ``sum`` to add, :attr:`summed` cycles later; no bits if no sum is added.
    o : Out(sum_shape)
        Sum.
    """

    def __init__(self, *, weights: Format, activations: Format, lanes: int,
                 fabric: Fabric = GENERIC):
        self.weights = weights
        self.activations = activations
        self.lanes = lanes
        self.fabric = fabric
        self.sum_shape = shape_of(dot_range(weights, activations, lanes).format)
        self.parts = {"activations": split(activations), "weights": split(weights)}
        other = {"activations": self.parts["weights"], "weights": self.parts["activations"]}
        bits = all(part.format == BIT for part in self.parts.values())
        self.inner = (AndPopcountGrid if bits else DotProductGrid)(
            weights=self.parts["weights"].format, activations=self.parts["activations"].format,
            rows=1, cols=1, lanes=lanes, fabric=fabric)
        super().__init__(sum_shape=self.sum_shape, edges={name: data.StructLayout({
            "codes": data.ArrayLayout(shape_of(part.format), lanes),
            # The total counts modulo its width only.
            "sum": self.sum_shape if other[name].offset else 0})
            for name, part in self.parts.items()})

    @property
    def latency(self) -> int:
        """Cycles from the vectors to their sum."""
        return self.summed + 1

    @property
    def summed(self) -> int:
        """Cycles from the vectors to the sum of each vector."""
        return max(self.inner.latency, tree_latency(self.lanes))

    def body(self, platform):
        m = Module()
        m.submodules.product = dot = self.inner.cell
        m.d.comb += [dot.i[name].eq(self.i[name].codes) for name in OPERANDS]
        product = delay(m, dot.o, self.summed - dot.latency, "product")
        scale = self.parts["activations"].scale * self.parts["weights"].scale
        total = Signal(self.sum_shape, name="total", reset_less=True)
        sums = [self.i[name]["sum"] for name in OPERANDS if len(self.i[name]["sum"])]
        m.d.sync += total.eq(adder_tree([_times(product, scale), *sums]))
        m.d.comb += self.o.eq(total)
        return m


class SplitGrid(Block):
    """Inner products of narrow integers, with corrections computed once per vector.

    With ``w = j s + p`` and ``x = k t + q``, where ``j`` and ``k`` are 1 or 2::

        sum(w x) = j k sum(s t) + j q sum(s) + k p sum(t) + lanes p q

    so that the products, the only part computed for every pair of vectors, are narrower:
    ``4 sum(s t) + 2 sum(s) + 2 sum(t) + lanes`` for two odd formats, ``2 sum(s x) + sum(x)`` for
    one, ``2 popcount(c & x) - popcount(x)`` for binary times bit. See :class:`Block`.

    Latency is 1 cycle more than the longer of inner products and sums of vectors.
    """

    @property
    def cell(self) -> SplitCell:
        """Inner product of one pair of vectors, with its corrections."""
        return SplitCell(weights=self.weights, activations=self.activations, lanes=self.lanes,
                         fabric=self.fabric)

    @property
    def title(self) -> str:
        """Kind of arithmetic, for reports."""
        return f"affine split, {self.cell.inner.title} inside"

    def edge(self, m: Module, operand: Operand, beat: data.View) -> list[Any]:
        """Codes of the inner products; if the other factor has an offset, also their sums."""
        cell, fmt = self.cell, getattr(self, operand)
        own, other = (cell.parts[name] for name in (
            OPERANDS if operand == "activations" else OPERANDS[::-1]))
        layout = cell.i.shape().members[operand]
        edges: list[Any] = [Signal(layout, name=f"{operand}_{vector}")
                            for vector in range(beat[operand].shape().length)]
        for vector, edge in enumerate(edges):
            m.d.comb += [edge.codes[k].eq(_inner(fmt, beat[operand][vector][k]))
                         for k in range(self.lanes)]
        if other.offset:
            # The constant, which depends on neither vector, is added once.
            constant = self.lanes * own.offset * other.offset if operand == "activations" else 0
            for vector, edge in enumerate(edges):
                one = m.submodules[f"sum_of_{operand}_{vector}"] = VectorSum(
                    fmt=own.format, lanes=self.lanes, latency=cell.summed)
                m.d.comb += [
                    one.i.activations.eq(edge.codes),
                    edge["sum"].eq(_times(one.o, own.scale * other.offset) + constant),
                ]
        return edges


def _inner(fmt: Format, code: Value) -> Value:
    # Code of the part's format: two's complement has the highest bit inverted.
    return Cat(code[:-1], ~code[-1]) if isinstance(fmt, OddFormat) and fmt.width > 1 else code


def _times(value: Value, factor: int) -> Value:
    # The factor is plus or minus a power of two: a shift, not a multiplier.
    scaled = value << abs(factor).bit_length() - 1
    return -scaled if factor < 0 else scaled
