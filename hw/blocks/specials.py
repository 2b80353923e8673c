"""Infinities and NaN among the products of a beat, beside a block that knows only numbers."""

from amaranth.hdl import Cat, Const, Module, Signal, Value
from amaranth.lib import data
from amaranth.lib.wiring import In, Out

from golden.formats import FloatFormat, Format
from hw.delay import delay
from hw.formats import beat_layout, level
from hw.shared import Shared

__all__ = ["Specials", "FLAGS"]

FLAGS = data.StructLayout({"nan": 1, "up": 1, "down": 1})
"""Whether any product is NaN, infinity, minus infinity."""


class Specials(Shared):
    """Flags of the sums of a beat, kept in step with a block of the same shape and latency.

    ``o[r][c]`` says of the products ``activations[r][k] * weights[c][k]`` whether any is NaN,
    infinity or minus infinity. A product is NaN where a factor is, or where infinity meets 0. What
    a block makes of such codes has no meaning, and the flags say that it is not to be used.

    Parameters
    ----------
    weights, activations : Format
        Of the elements.
    rows, cols, lanes : int
        Activation vectors, weight vectors, and elements of each.
    latency : int
        Cycles from codes to flags, at least 1. Flags of a beat per cycle.

    Members
    -------
    i : In(StructLayout)
        Codes: ``activations`` is ``[rows][lanes]``, ``weights`` is ``[cols][lanes]``.
    o : Out(ArrayLayout(ArrayLayout(FLAGS, cols), rows))
        Flags.
    """

    i: data.View
    o: data.View

    def __init__(self, *, weights: Format, activations: Format, rows: int, cols: int, lanes: int,
                 latency: int):
        if latency < 1:
            raise ValueError(f"Latency must be at least 1, not {latency!r}")
        self.weights = weights
        self.activations = activations
        self.rows = rows
        self.cols = cols
        self.lanes = lanes
        self.latency = latency
        super().__init__({
            "i": In(data.StructLayout({
                "activations": beat_layout(activations, rows, lanes),
                "weights": beat_layout(weights, cols, lanes),
            })),
            "o": Out(data.ArrayLayout(data.ArrayLayout(FLAGS, cols), rows)),
        })

    def body(self, platform):
        m = Module()
        rows = [[_kinds(m, self.activations, self.i.activations[row][k], f"row_{row}_{k}")
                 for k in range(self.lanes)] for row in range(self.rows)]
        cols = [[_kinds(m, self.weights, self.i.weights[col][k], f"col_{col}_{k}")
                 for k in range(self.lanes)] for col in range(self.cols)]
        for row, activations in enumerate(rows):
            for col, weights in enumerate(cols):
                nan, up, down = [], [], []
                for a, w in zip(activations, weights, strict=True):
                    infinite = a.infinite | w.infinite
                    nan.append(a.nan | w.nan | (infinite & (a.zero | w.zero)))
                    up.append(infinite & ~(a.negative ^ w.negative))
                    down.append(infinite & (a.negative ^ w.negative))
                flags = Signal(FLAGS, name=f"flags_{row}_{col}", reset_less=True)
                m.d.sync += [
                    flags.nan.eq(Cat(nan).any()),
                    flags.up.eq(Cat(up).any()),
                    flags.down.eq(Cat(down).any()),
                ]
                m.d.comb += self.o[row][col].eq(
                    delay(m, Value.cast(flags), self.latency - 1, f"flags_{row}_{col}"))
        return m


KINDS = data.StructLayout({"nan": 1, "infinite": 1, "negative": 1, "zero": 1})


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
