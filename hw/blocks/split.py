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
    """The narrow integers that levels are made of.

    Odd levels of two bits and more are ``2 s + 1`` with ``s`` signed, those of one bit ``2 c - 1``
    with ``c`` a bit; integers are themselves.
    """
    if isinstance(fmt, IntFormat):
        return Part(fmt, 1, 0)
    if isinstance(fmt, OddFormat):
        return Part(IntFormat(fmt.width), 2, 1) if fmt.width > 1 else Part(BIT, 2, -1)
    raise TypeError(f"Format must be of odd or integer levels, not {fmt!r}")


class SplitCell(Cell):
    """An inner product of narrow integers, and the two sums of vectors that belong to it.

    Parameters
    ----------
    weights, activations : Format
        Of the elements.
    lanes : int
        Elements of each vector.
    fabric : Fabric
        What it is made of.

    Members
    -------
    i : In(StructLayout)
        Of ``activations`` and ``weights`` each: ``codes`` of the inner product, ``[lanes]``, and
        the ``sum`` to be added, :attr:`summed` cycles later; no bits where there is none.
    o : Out(sums)
        Sum.
    """

    def __init__(self, *, weights: Format, activations: Format, lanes: int,
                 fabric: Fabric = GENERIC):
        self.weights = weights
        self.activations = activations
        self.lanes = lanes
        self.fabric = fabric
        self.sums = shape_of(dot_range(weights, activations, lanes).format)
        self.parts = {"activations": split(activations), "weights": split(weights)}
        other = {"activations": self.parts["weights"], "weights": self.parts["activations"]}
        bits = all(part.format == BIT for part in self.parts.values())
        self.inner = (AndPopcountGrid if bits else DotProductGrid)(
            weights=self.parts["weights"].format, activations=self.parts["activations"].format,
            rows=1, cols=1, lanes=lanes, fabric=fabric)
        super().__init__(sums=self.sums, edges={name: data.StructLayout({
            "codes": data.ArrayLayout(shape_of(part.format), lanes),
            # Modulo the width of the sum, which is all that counts.
            "sum": self.sums if other[name].offset else 0}) for name, part in self.parts.items()})

    @property
    def latency(self) -> int:
        """Cycles from the vectors to their sum."""
        return self.summed + 1

    @property
    def summed(self) -> int:
        """Cycles from the vectors to the sums of each."""
        return max(self.inner.latency, tree_latency(self.lanes))

    def body(self, platform):
        m = Module()
        m.submodules.product = dot = self.inner.cell
        m.d.comb += [dot.i[name].eq(self.i[name].codes) for name in OPERANDS]
        product = delay(m, dot.o, self.summed - dot.latency, "product")
        scale = self.parts["activations"].scale * self.parts["weights"].scale
        total = Signal(self.sums, name="total", reset_less=True)
        sums = [self.i[name]["sum"] for name in OPERANDS if len(self.i[name]["sum"])]
        m.d.sync += total.eq(adder_tree([_times(product, scale), *sums]))
        m.d.comb += self.o.eq(total)
        return m


class SplitGrid(Block):
    """Inner products of narrow integers, and what is to be added to them once per vector.

    With ``w = j s + p`` and ``x = k t + q``, where ``j`` and ``k`` are 1 or 2::

        sum(w x) = j k sum(s t) + j q sum(s) + k p sum(t) + lanes p q

    so that the products, the only part that every pair of vectors has of its own, are narrower:
    ``4 sum(s t) + 2 sum(s) + 2 sum(t) + lanes`` for two odd formats, ``2 sum(s x) + sum(x)`` for
    one, ``2 popcount(c & x) - popcount(x)`` for binary times bit. See :class:`Block`.

    Latency is 1 cycle more than that of the inner products or of the sums of vectors, whichever
    is longer.
    """

    @property
    def cell(self) -> SplitCell:
        """An inner product, with what is added to it."""
        return SplitCell(weights=self.weights, activations=self.activations, lanes=self.lanes,
                         fabric=self.fabric)

    @property
    def title(self) -> str:
        """What the block is made of."""
        return f"affine split, {self.cell.inner.title} inside"

    def edge(self, m: Module, operand: Operand, beat: data.View) -> list[Any]:
        """Codes of the inner products, and where the other factor has an offset their sums."""
        cell, fmt = self.cell, getattr(self, operand)
        own, other = (cell.parts[name] for name in (
            OPERANDS if operand == "activations" else OPERANDS[::-1]))
        layout = cell.i.shape().members[operand]
        found: list[Any] = [Signal(layout, name=f"{operand}_{vector}")
                            for vector in range(beat[operand].shape().length)]
        for vector, edge in enumerate(found):
            m.d.comb += [edge.codes[k].eq(_inner(fmt, beat[operand][vector][k]))
                         for k in range(self.lanes)]
        if other.offset:
            # What neither factor decides is added once.
            constant = self.lanes * own.offset * other.offset if operand == "activations" else 0
            for vector, edge in enumerate(found):
                one = m.submodules[f"sum_of_{operand}_{vector}"] = VectorSum(
                    fmt=own.format, lanes=self.lanes, latency=cell.summed)
                m.d.comb += [
                    one.i.activations.eq(edge.codes),
                    edge["sum"].eq(_times(one.o, own.scale * other.offset) + constant),
                ]
        return found


def _inner(fmt: Format, code: Value) -> Value:
    # Code of the part's format: in two's complement the highest bit counts the other way round.
    return Cat(code[:-1], ~code[-1]) if isinstance(fmt, OddFormat) and fmt.width > 1 else code


def _times(value: Value, factor: int) -> Value:
    # By plus or minus a power of two, and not by a multiplier of the target's.
    scaled = value << abs(factor).bit_length() - 1
    return -scaled if factor < 0 else scaled
