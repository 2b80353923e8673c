# amaranth: UnusedElaboratable=no
"""Sums of products' rows on the ECP5's carry chains, and bits that they take for nothing."""

from collections.abc import Sequence

from amaranth.hdl import Cat, Mux, Value

from hw.targets.base import Extra, Stages
from hw.targets.chain import ONE, Segments
from hw.targets.ecp5 import table
from hw.targets.products import MOST, Part, Row, row_sum, rows_of

__all__ = ["ends_below", "extended", "sum_with"]

ADD = table(lambda a, b, c, d: a != (c and d))
BOTH = table(lambda a, b, c, d: (a != b) != (c and d))
"""Bit of ``a + b``, and the carry of the column below, ``c`` and ``d``."""
NEITHER = table(lambda a, b, c, d: (a == b) != (c or d))
NOT = table(lambda a, b, c, d: (a == b) != (d and not c))


def sum_with(stages: Stages, name: str, one: Row, other: Row, extra: Extra) -> Row:
    """Return the sum of two rows and a bit.

    From the bit's column on, ``x + y`` is ``(x ^ y) + 2 * (x & y)``: its lowest column has room
    for a bit. Likewise ``x + y - 2**column``, modulo a power of two, is ``(x ~^ y) + 2 * (x | y)``,
    to which the complement of a bit is added that is subtracted.
    """
    low, high = sorted((one, other), key=lambda row: row.place)
    column = extra.place - high.place
    plain = row_sum(low, high)
    width = len(plain.value) - (high.place - low.place)
    x, y = (_bits(value, width) for value in (low.value >> (high.place - low.place), high.value))
    first, rest = (NOT, NEITHER) if extra.negative else (BOTH, BOTH)
    segments = Segments()
    total = segments.add([
        *((ADD, (x[k], ONE, y[k])) for k in range(column)),
        (first, (x[column], y[column], extra.bit)),
        *((rest, (x[k], y[k], x[k - 1], y[k - 1])) for k in range(column + 1, width))])
    segments.place(stages.m, name)
    value = Cat(plain.value[:high.place - low.place], total)
    return Row(low.place, value.as_signed() if plain.value.shape().signed else value)


def ends_below(a: Value, b: Value, extras: Sequence[Extra]) -> list[list[Part]] | None:
    """Return rows of ``a * b`` of which the lower one ends where the bits begin; None if none do.

    The lower row's sign has the place of the first bit, and the second is subtracted above it.
    """
    first, second = extras
    cut = first.place + 1 - len(a)
    if (first.negative or not second.negative or second.place != first.place + 1
            or not a.shape().signed or b.shape().signed or len(a) > MOST
            or not 0 < cut <= MOST or not 0 < len(b) - cut <= MOST):
        return None
    return rows_of([(0, a)], [(0, b[:cut]), (cut, b[cut:])])


def extended(low: Row, first: Value, second: Value) -> Row:
    """Return a row with a bit added in its sign's place, and another subtracted above it.

    The second bit is set only with the first.
    """
    *bits, sign = low.value
    return Row(low.place, Cat(bits, sign ^ first, Mux(first, second, sign)).as_signed())


def _bits(value: Value, width: int) -> list[Value]:
    top = [value[-1]] * (width - len(value)) if value.shape().signed else []
    bits = [*value, *top][:width]
    return bits + [~ONE] * (width - len(bits))
