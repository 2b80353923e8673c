# amaranth: UnusedElaboratable=no
"""A block of block-scaled operands: sums of levels, brought to one scale."""

from typing import Any

from amaranth.hdl import Cat, Const, Module, Signal, Value, signed
from amaranth.lib import data
from amaranth.lib.wiring import Out
from amaranth.utils import ceil_log2

from golden.formats import EXPONENT, EXPONENT_BIAS, BlockScaled, Format, IntFormat
from golden.ranges import levels_range
from hw.blocks.interface import OPERANDS, Block, Cell, Operand
from hw.delay import delay
from hw.formats import shape_of

__all__ = ["ScaledBlock", "ScaledCell", "BASE_BITS"]

BASE_BITS = (2 * EXPONENT.max).bit_length()
"""Width of a combined exponent's code."""


class ScaledCell(Cell):
    """A cell whose sum is shifted.

    Parameters
    ----------
    cell : Cell
        What makes the sum; its latency is at least 1.
    window : int
        Exponents that are shifted by.
    sums : IntFormat
        Of the shifted sum.

    Members
    -------
    i : In(StructLayout)
        Of ``activations`` and ``weights`` each the ``vector`` of the inner cell, and its
        ``exponent`` in the cycle before that one's sum; that of the activations is less the base.
    o : Out(shape_of(sums))
        Shifted sum.
    outside : Out(1)
        Whether the exponents are outside of the window, a cycle before the sum.
    """

    outside: Signal

    def __init__(self, *, cell: Cell, window: int, sums: IntFormat):
        self.cell = cell
        self.window = window
        self.sums = sums
        exponents = {"activations": signed(BASE_BITS + 1), "weights": shape_of(EXPONENT)}
        inner = cell.i.shape().members
        super().__init__(sums=shape_of(sums), outside=Out(1), edges={
            name: data.StructLayout({"vector": inner[name], "exponent": exponents[name]})
            for name in OPERANDS})

    @property
    def latency(self) -> int:
        """Cycles from the vectors to their sum."""
        return self.cell.latency + 1

    def body(self, platform):
        m = Module()
        m.submodules.cell = cell = self.cell.twin()
        m.d.comb += [cell.i[name].eq(self.i[name].vector) for name in OPERANDS]
        found = self.i.activations.exponent + self.i.weights.exponent
        shift = Signal(range(self.window), reset_less=True)
        shifted = Signal.like(self.o, reset_less=True)
        out = Signal(reset_less=True)
        m.d.sync += [
            shift.eq(found[:ceil_log2(self.window)]),
            out.eq((found < 0) | (found >= self.window)),
            shifted.eq(cell.o << shift),
        ]
        m.d.comb += [self.o.eq(shifted), self.outside.eq(out)]
        return m


class ScaledBlock(Block):
    """A block whose sums are shifted, each by the combined exponent of its vectors.

    ``o[r][c] = sum[r][c] << (activations.exponents[r] + weights.exponents[c] - base)``, exact,
    where the shift is from 0 to ``window - 1``. Where it is not, or an exponent is not a number
    (code 255), ``o[r][c]`` has no meaning, and ``outside`` is set together with ``o.valid``. An
    operand that is not block-scaled has the exponent 0, whose code is 127. As a block, it has no
    state from beat to beat and never stalls.

    =============  ======================================
    cycle          registers
    =============  ======================================
    block.latency  sums, and combined exponents
    + 1            shifted sums; whether any is outside
    =============  ======================================

    Latency is :attr:`latency`, one cycle more than the block's; a beat per cycle.

    Parameters
    ----------
    block : Block
        Of the elements.
    weights, activations : Format
        Of which at least one is block-scaled.
    window : int
        Exponents that are shifted by, at least 1.

    Members
    -------
    i : In(stream.Signature(StructLayout, always_ready=True))
        As of the block, and ``base``, and what the operands have of ``activations_exponents``,
        ``[rows]``, and ``weights_exponents``, ``[cols]``.
    o : Out(stream.Signature(ArrayLayout(ArrayLayout(shape_of(sums), cols), rows), ...))
        Shifted sums, always ready.
    outside : Out(1)
        Whether any combined exponent of the beat on ``o`` is outside of the window, or none.
    """

    outside: Signal

    def __init__(self, *, block: Block, weights: Format, activations: Format, window: int):
        if window < 1:
            raise ValueError(f"Window must be a positive integer, not {window!r}")
        if block.latency < 1:
            raise ValueError(f"Latency of the block must be at least 1, not {block.latency}")
        self.block = block
        self.window = window
        super().__init__(weights=weights, activations=activations, rows=block.rows,
                         cols=block.cols, lanes=block.lanes, fabric=block.fabric,
                         outside=Out(1))

    @property
    def beat(self) -> data.StructLayout:
        """Layout of what comes in."""
        scaled = {f"{name}_exponents": data.ArrayLayout(shape_of(EXPONENT), count)
                  for name, count in (("activations", self.block.rows),
                                      ("weights", self.block.cols))
                  if isinstance(getattr(self, name), BlockScaled)}
        return data.StructLayout({**self.block.beat.members, "base": BASE_BITS, **scaled})

    @property
    def sums(self) -> IntFormat:
        """Format of each shifted sum."""
        return levels_range(self.block.sums).times(1 << self.window - 1).format

    @property
    def cell(self) -> ScaledCell:
        """The block's, and a shift behind it."""
        return ScaledCell(cell=self.block.cell, window=self.window, sums=self.sums)

    def edge(self, m: Module, operand: Operand, beat: data.View) -> list[Any]:
        """The block's, each with the exponent of the vector."""
        found, layout = [], self.cell.i.shape().members[operand]
        for index, vector in enumerate(self.block.edge(m, operand, beat)):
            exponent = (beat[f"{operand}_exponents"][index]
                        if isinstance(getattr(self, operand), BlockScaled)
                        else Const(EXPONENT_BIAS, shape_of(EXPONENT)))
            if operand == "activations":
                exponent = exponent - beat["base"]
            edge: Any = Signal(layout, name=f"{operand}_{index}_scaled")
            m.d.comb += [
                edge.vector.eq(vector),
                edge.exponent.eq(delay(m, exponent, self.block.latency - 1,
                                       f"{operand}_exponent_{index}")),
            ]
            found.append(edge)
        return found

    def is_outside(self, m: Module, beat: data.View, valid: Value, outside: Value) -> Value:
        """Return whether any combined exponent of a beat was outside, or none, with its sums.

        Parameters
        ----------
        m : Module
        beat : View
            What came in.
        valid : Value
            Whether a beat did.
        outside : Value
            Whether any cell says so.
        """
        names = [name for name in self.beat.members if name.endswith("exponents")]
        # An exponent whose code is all ones is not a number.
        none = Cat(code.all() for name in names for code in beat[name]).any()
        none = delay(m, none, self.block.latency, "not_a_number")
        found = Signal(name="is_outside")
        m.d.sync += found.eq((outside | none) & delay(
            m, valid, self.block.latency, "valid_inside", reset_less=False))
        return found

    def body(self, platform):
        m = Module()
        cells = self.cells(m)
        outside = Cat(cell.outside for cell in cells if isinstance(cell, ScaledCell)).any()
        m.d.comb += self.outside.eq(self.is_outside(m, self.i.p, self.i.valid, outside))
        return m
