"""Flags of infinities and NaN among the products of a beat, beside a block of numbers."""

from amaranth.hdl import Cat, Const, Module, Signal, Value
from amaranth.lib import data

from golden.formats import FloatFormat, Format
from hw.blocks.interface import Cell, Operand
from hw.delay import delay
from hw.formats import level

__all__ = ["Specials", "FLAGS"]

FLAGS = data.StructLayout({"nan": 1, "up": 1, "down": 1})
"""Flags: a product is NaN, infinity, minus infinity."""


KINDS = data.StructLayout({"nan": 1, "infinite": 1, "negative": 1, "zero": 1})


class Specials(Cell):
    """Flags of the products of a beat, kept in step with a block of the same latency.

    A flag is set if any product ``activations[k] * weights[k]`` is NaN, infinity or minus
    infinity. A product is NaN if a factor is NaN, or if infinity meets 0. A block's sum with such
    codes has no meaning; the flags mark it as not to be used.

    Parameters
    ----------
    weights, activations : Format
        Formats of the elements.
    lanes : int
        Elements of each vector.
    latency : int
        Cycles from codes to flags, at least 1. Flags of a beat per cycle.

    Members
    -------
    i : In(StructLayout)
        Kinds of the ``activations`` and ``weights``, see :meth:`edge`.
    o : Out(FLAGS.size)
        Flags.
    """

    def __init__(self, *, weights: Format, activations: Format, lanes: int, latency: int):
        if latency < 1:
            raise ValueError(f"Latency must be at least 1, not {latency!r}")
        self.weights = weights
        self.activations = activations
        self.lanes = lanes
        self._latency = latency
        kinds = data.ArrayLayout(KINDS, lanes)
        super().__init__(sum_shape=FLAGS.size, edges={"activations": kinds, "weights": kinds})

    @property
    def latency(self) -> int:
        """Cycles from codes to flags."""
        return self._latency

    def add_to(self, m: Module, accumulator: Value, keep: Value | None = None) -> Value:
        """Return the accumulator's flags and these."""
        assert keep is None
        return accumulator | self.o

    def edge(self, m: Module, operand: Operand, beat: data.View) -> list[Signal]:
        """Return the kinds of each vector of an operand: NaN, infinite, negative, zero."""
        fmt, codes, vectors = getattr(self, operand), beat[operand], []
        for index in range(codes.shape().length):
            kinds = Signal(data.ArrayLayout(KINDS, self.lanes), name=f"{operand}_{index}_kinds")
            m.d.comb += [kinds[k].eq(_kinds(m, fmt, codes[index][k], f"{operand}_{index}_{k}"))
                         for k in range(self.lanes)]
            vectors.append(kinds)
        return vectors

    def body(self, platform):
        m = Module()
        nan, up, down = [], [], []
        for k in range(self.lanes):
            a, w = self.i.activations[k], self.i.weights[k]
            infinite = a.infinite | w.infinite
            nan.append(a.nan | w.nan | (infinite & (a.zero | w.zero)))
            up.append(infinite & ~(a.negative ^ w.negative))
            down.append(infinite & (a.negative ^ w.negative))
        flags = Signal(FLAGS, reset_less=True)
        m.d.sync += [
            flags.nan.eq(Cat(nan).any()),
            flags.up.eq(Cat(up).any()),
            flags.down.eq(Cat(down).any()),
        ]
        m.d.comb += self.o.eq(delay(m, Value.cast(flags), self.latency - 1, "flags"))
        return m


def _kinds(m: Module, fmt: Format, code: Value, name: str) -> data.View:
    """Kinds of an element: NaN, infinite, negative, zero."""
    kinds = Signal(KINDS, name=name)
    value = level(fmt, code)
    m.d.comb += kinds.zero.eq(value == 0)
    if fmt.min < 0:
        m.d.comb += kinds.negative.eq(value < 0)
    if isinstance(fmt, FloatFormat):
        magnitude, first = code[:-1], len(fmt.magnitudes)
        reserved = magnitude >= first if fmt.reserved else Const(0, 1)
        infinite = magnitude == first if fmt.infinity else Const(0, 1)
        m.d.comb += [
            kinds.negative.eq(code[-1]),
            kinds.zero.eq(magnitude == 0),
            kinds.infinite.eq(infinite),
            kinds.nan.eq(reserved & ~infinite),
        ]
    return kinds
