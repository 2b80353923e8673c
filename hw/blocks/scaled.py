# amaranth: UnusedElaboratable=no
"""Block for block-scaled operands: sums of levels, shifted to one scale."""

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
    """Cell that shifts the sum of an inner cell.

    Parameters
    ----------
    cell : Cell
        Inner cell; its latency is at least 1.
    window : int
        Number of exponents, from the base on, that sums are shifted by.
    sum_format : IntFormat
        Format of the shifted sum.

    Members
    -------
    i : In(StructLayout)
        ``activations`` and ``weights``, each with the inner cell's ``vector`` and an ``exponent``,
        the latter in the cycle before the inner sum; the activations' exponent is less the base.
    o : Out(shape_of(sum_format))
        Shifted sum.
    outside : Out(1)
        The combined exponent is outside of the window; a cycle before the sum.
    """

    outside: Signal

    def __init__(self, *, cell: Cell, window: int, sum_format: IntFormat):
        self.cell = cell
        self.window = window
        self.sum_format = sum_format
        exponents = {"activations": signed(BASE_BITS + 1), "weights": shape_of(EXPONENT)}
        inner = cell.i.shape().members
        super().__init__(sum_shape=shape_of(sum_format), outside=Out(1), edges={
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
        exponent = self.i.activations.exponent + self.i.weights.exponent
        shift = Signal(range(self.window), reset_less=True)
        shifted = Signal.like(self.o, reset_less=True)
        out = Signal(reset_less=True)
        m.d.sync += [
            shift.eq(exponent[:ceil_log2(self.window)]),
            out.eq((exponent < 0) | (exponent >= self.window)),
            shifted.eq(cell.o << shift),
        ]
        m.d.comb += [self.o.eq(shifted), self.outside.eq(out)]
        return m


class ScaledBlock(Block):
    """Block that shifts each sum by the combined exponent of its vectors.

    ``o[r][c] = sum[r][c] << (activations.exponents[r] + weights.exponents[c] - base)``, exact for
    shifts from 0 to ``window - 1``. For another shift, or for an exponent that is not a number
    (code 255), ``o[r][c]`` has no meaning, and ``outside`` is set together with ``o.valid``. An
    operand that is not block-scaled has the exponent 0, whose code is 127. Like any block, it has
    no state from beat to beat and never stalls.

    =============  ======================================
    cycle          registers
    =============  ======================================
    block.latency  sums, and combined exponents
    + 1            shifted sums; the flag ``outside``
    =============  ======================================

    Latency is :attr:`latency`, one cycle more than the block's; a beat per cycle.

    Parameters
    ----------
    block : Block
        Block for the elements.
    weights, activations : Format
        Formats of the operands, at least one of them block-scaled.
    window : int
        Number of exponents, from the base on, that sums are shifted by, at least 1.

    Members
    -------
    i : In(stream.Signature(StructLayout, always_ready=True))
        Fields of the inner block, and ``base``; for block-scaled operands also
        ``activations_exponents``, ``[rows]``, and ``weights_exponents``, ``[cols]``.
    o : Out(stream.Signature(ArrayLayout(ArrayLayout(shape_of(sum_format), cols), rows), ...))
        Shifted sums, always ready.
    outside : Out(1)
        A combined exponent of the beat on ``o`` is outside of the window, or not a number.
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
        """Layout of an input beat."""
        scaled = {f"{name}_exponents": data.ArrayLayout(shape_of(EXPONENT), count)
                  for name, count in (("activations", self.block.rows),
                                      ("weights", self.block.cols))
                  if isinstance(getattr(self, name), BlockScaled)}
        return data.StructLayout({**self.block.beat.members, "base": BASE_BITS, **scaled})

    @property
    def sum_format(self) -> IntFormat:
        """Format of each shifted sum."""
        return levels_range(self.block.sum_format).times(1 << self.window - 1).format

    @property
    def cell(self) -> ScaledCell:
        """Cell of the inner block, with a shift after it."""
        return ScaledCell(cell=self.block.cell, window=self.window, sum_format=self.sum_format)

    def edge(self, m: Module, operand: Operand, beat: data.View) -> list[Any]:
        """Vectors of the inner block, each with its exponent."""
        edges, layout = [], self.cell.i.shape().members[operand]
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
            edges.append(edge)
        return edges

    def is_outside(self, m: Module, beat: data.View, valid: Value, outside: Value) -> Value:
        """Return a flag in step with a beat's sums: an exponent was outside, or not a number.

        Parameters
        ----------
        m : Module
        beat : View
            Input beat.
        valid : Value
            Valid bit of the input beat.
        outside : Value
            Flag ``outside`` of any cell.
        """
        names = [name for name in self.beat.members if name.endswith("exponents")]
        # An exponent whose code is all ones is not a number.
        none = Cat(code.all() for name in names for code in beat[name]).any()
        none = delay(m, none, self.block.latency, "not_a_number")
        flag = Signal(name="is_outside")
        m.d.sync += flag.eq((outside | none) & delay(
            m, valid, self.block.latency, "valid_inside", reset_less=False))
        return flag

    def body(self, platform):
        m = Module()
        cells = self.cells(m)
        outside = Cat(cell.outside for cell in cells if isinstance(cell, ScaledCell)).any()
        m.d.comb += self.outside.eq(self.is_outside(m, self.i.p, self.i.valid, outside))
        return m
