# amaranth: UnusedElaboratable=no
"""A block of block-scaled operands: sums of levels, brought to one scale."""

from amaranth.hdl import Cat, Const, Module, Signal
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from golden.formats import EXPONENT, EXPONENT_BIAS, BlockScaled, Format, IntFormat
from golden.ranges import levels_range
from hw.blocks.interface import Block
from hw.delay import delay
from hw.formats import shape_of
from hw.shared import Shared

__all__ = ["ScaledBlock", "BASE_BITS"]

BASE_BITS = (2 * EXPONENT.max).bit_length()
"""Width of a combined exponent's code."""


class ScaledBlock(Shared):
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

    i: stream.Interface
    o: stream.Interface
    outside: Signal

    def __init__(self, *, block: Block, weights: Format, activations: Format, window: int):
        if window < 1:
            raise ValueError(f"Window must be a positive integer, not {window!r}")
        if block.latency < 1:
            raise ValueError(f"Latency of the block must be at least 1, not {block.latency}")
        self.block = block
        self.weights = weights
        self.activations = activations
        self.window = window
        self._exponents = data.StructLayout({"base": BASE_BITS} | {
            f"{name}_exponents": data.ArrayLayout(shape_of(EXPONENT), count)
            for name, fmt, count in (("activations", activations, block.rows),
                                     ("weights", weights, block.cols))
            if isinstance(fmt, BlockScaled)})
        sums = data.ArrayLayout(data.ArrayLayout(shape_of(self.sums), block.cols), block.rows)
        super().__init__({
            "i": In(stream.Signature(data.StructLayout(
                block.i.payload.shape().members | self._exponents.members), always_ready=True)),
            "o": Out(stream.Signature(sums, always_ready=True)),
            "outside": Out(1),
        })

    @property
    def sums(self) -> IntFormat:
        """Format of each shifted sum."""
        return levels_range(self.block.sums).times(1 << self.window - 1).format

    @property
    def latency(self) -> int:
        """Cycles from a beat to its sums."""
        return self.block.latency + 1

    def body(self, platform):
        m = Module()
        m.submodules.block = block = self.block
        exponents = Signal(self._exponents)
        m.d.comb += [
            block.i.valid.eq(self.i.valid),
            block.i.p.activations.eq(self.i.p.activations),
            block.i.p.weights.eq(self.i.p.weights),
            *(exponents[name].eq(self.i.p[name]) for name in self._exponents.members),
        ]
        exponents = delay(m, exponents, block.latency - 1, "exponents")

        def exponent(operand, vector):
            name = f"{operand}_exponents"
            if name not in self._exponents.members:
                return Const(EXPONENT_BIAS, shape_of(EXPONENT))
            return exponents[name][vector]

        # Cycle block.latency: an exponent whose code is all ones is not a number.
        not_a_number = Signal(reset_less=True)
        m.d.sync += not_a_number.eq(Cat(
            code.all() for name in self._exponents.members if name != "base"
            for code in exponents[name]).any())
        outside = [not_a_number]
        for row in range(block.rows):
            for col in range(block.cols):
                shift = Signal(range(self.window), name=f"shift_{row}_{col}", reset_less=True)
                out = Signal(name=f"outside_{row}_{col}", reset_less=True)
                shifted = Signal(shape_of(self.sums), name=f"shifted_{row}_{col}", reset_less=True)
                # Cycle block.latency.
                found = exponent("activations", row) + exponent("weights", col) - exponents.base
                m.d.sync += [
                    shift.eq(found[:ceil_log2(self.window)]),
                    out.eq((found < 0) | (found >= self.window)),
                ]
                outside.append(out)
                # One more.
                m.d.sync += shifted.eq(block.o.p[row][col] << shift)
                m.d.comb += self.o.p[row][col].eq(shifted)
        m.d.sync += self.outside.eq(Cat(outside).any() & block.o.valid)
        m.d.comb += self.o.valid.eq(delay(m, block.o.valid, 1, "valid", reset_less=False))
        return m
