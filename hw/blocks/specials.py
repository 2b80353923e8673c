"""Infinities and NaN among the products of a beat, beside a block that knows only numbers."""

from amaranth.hdl import Cat, Const, Module, Signal, Value
from amaranth.lib import data

from golden.formats import FloatFormat, Format
from hw.blocks.interface import Cell, Operand
from hw.delay import delay
from hw.formats import level

__all__ = ["Specials", "FLAGS"]

FLAGS = data.StructLayout({"nan": 1, "up": 1, "down": 1})
"""Whether any product is NaN, infinity, minus infinity."""


KINDS = data.StructLayout({"nan": 1, "infinite": 1, "negative": 1, "zero": 1})


class Specials(Cell):
    """Flags of the products of a beat, kept in step with a block of the same latency.

    They say of the products ``activations[k] * weights[k]`` whether any is NaN, infinity or minus
    infinity. A product is NaN where a factor is, or where infinity meets 0. What a block makes of
    such codes has no meaning, and the flags say that it is not to be used.

    Parameters
    ----------
    weights, activations : Format
        Of the elements.
    lanes : int
        Elements of each vector.
    latency : int
        Cycles from codes to flags, at least 1. Flags of a beat per cycle.

    Members
    -------
    i : In(StructLayout)
        Of ``activations`` and ``weights`` each what :meth:`edge` makes of their codes.
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
        super().__init__(sums=FLAGS.size, edges={"activations": kinds, "weights": kinds})

    @property
    def latency(self) -> int:
        """Cycles from codes to flags."""
        return self._latency

    def edge(self, m: Module, operand: Operand, beat: data.View) -> list[Signal]:
        """Return what each vector of an operand is, but for its magnitude."""
        fmt, codes, found = getattr(self, operand), beat[operand], []
        for index in range(codes.shape().length):
            kinds = Signal(data.ArrayLayout(KINDS, self.lanes), name=f"{operand}_{index}_kinds")
            m.d.comb += [kinds[k].eq(_kinds(m, fmt, codes[index][k], f"{operand}_{index}_{k}"))
                         for k in range(self.lanes)]
            found.append(kinds)
        return found

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
    """What an element is, but for its magnitude."""
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
