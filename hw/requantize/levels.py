"""Nearest level of a format to an exact scaled sum.

The input is a product and its shift to the right. The product is shifted to units of a level. One
bit below these is kept, the *guard*; the *sticky* bit says if any lower bit was set. The result is
saturated to the width that the format needs; then each kind of format has its own function to the
code. Beyond its ends a format saturates.

Integer outputs without an exponent use
:meth:`hw.targets.fabric.Fabric.offset_and_clamp`, which adds their zero point in the rounding.
"""

from collections.abc import Callable
from itertools import pairwise

from amaranth.hdl import Cat, Const, Mux, Value
from amaranth.lib import data

from golden.contracts import Rounding
from golden.formats import (
    INFINITY,
    NAN,
    Codebook,
    FloatFormat,
    Format,
    IntFormat,
    LoadedCodebook,
    OddFormat,
)
from golden.ranges import Range
from hw.arith import clamp, round_up
from hw.formats import table_layout
from hw.pipeline import Pipeline

__all__ = ["nearest_code", "sign_of", "special_code"]


def nearest_code(pipe: Pipeline, value: Value, right: Value, rounding: Rounding, fmt: Format
                 ) -> Value:
    """Code of the level of ``fmt`` nearest to ``value / 2**right``, clamped.

    As :func:`golden.rounding.nearest_level`, then clamped to the codes that the pipeline holds as
    ``clamp_min`` and ``clamp_max``. Registers: the shifted number, then those of the kind of
    format, then the code. For a loaded codebook the pipeline also has the ``table``, which is read
    after the first register.
    """
    # One bit more than the levels need: a number that saturates there is nearest to an end.
    width = Range(min(fmt.min - 1, -1), fmt.max + 1).format.width
    number = pipe.narrow(Cat(Const(0, 1), value).as_signed(), right, width)
    near = Cat(number.below, number.near).as_signed()
    place = _CODERS[type(fmt)](pipe, near, number.sticky, rounding, fmt)
    lo, hi = (_place(fmt, pipe.take(end)) for end in ("clamp_min", "clamp_max"))
    return pipe.register(_code(fmt, clamp(place, lo, hi)), "clamped")


def special_code(flags: data.View, code: Value, fmt: FloatFormat) -> Value:
    """Code of a result whose products have these flags; ``code`` if none is set.

    The result is NaN if a product is NaN, or if infinities of both signs meet. A format without
    infinities has NaN in their place.
    """
    codes = fmt.special_codes
    nan = codes[NAN]
    infinite = Mux(flags.up, codes.get(INFINITY, nan), codes.get(-INFINITY, nan))
    special = Mux(flags.nan | (flags.up & flags.down), nan, infinite)
    return Mux(flags.nan | flags.up | flags.down, special, code)


def sign_of(fmt: Format, code: Value) -> tuple[Value, Value]:
    """Two flags: the level of a code is negative; it is positive."""
    place = _place(fmt, code)
    if isinstance(fmt, FloatFormat | IntFormat):
        # An unsigned code is never below 0; Yosys would warn of a constant comparison.
        return place < 0 if fmt.min < 0 else Const(0, 1), place > 0
    levels = fmt.levels()
    negative, positive = int((levels < 0).sum()), int((levels > 0).sum())
    return (place < negative if negative else Const(0, 1),
            place >= len(levels) - positive if positive < len(levels) else Const(1, 1))


def _place(fmt: Format, code: Value) -> Value:
    """Place of a code: an integer in the order of the levels."""
    if isinstance(fmt, FloatFormat):
        return Mux(code[-1], -code[:-1], code[:-1])
    return code


def _code(fmt: Format, place: Value) -> Value:
    """Code at a place; zero is the float without a sign."""
    if isinstance(fmt, FloatFormat):
        magnitude = Mux(place < 0, -place, place)
        return Cat(magnitude[:fmt.bits - 1], place < 0)
    return place[:fmt.bits]


def _integer(pipe: Pipeline, near: Value, sticky: Value, rounding: Rounding, fmt: IntFormat
             ) -> Value:
    """Integer above the guard, rounded. One register."""
    return pipe.add(near[1:].as_signed(), round_up(near, sticky, rounding), "place")


def _odd(pipe: Pipeline, near: Value, sticky: Value, rounding: Rounding, fmt: OddFormat) -> Value:
    """Half of the distance from the lowest level; its low bit is the guard. One register."""
    above = (near[1:].as_signed() + fmt.max).as_signed()
    up = round_up(above, near[0] | sticky, rounding, negative=near[-1])
    return pipe.add(above >> 1, up, "place")


def _entry(pipe: Pipeline, near: Value, sticky: Value, rounding: Rounding, fmt: Codebook) -> Value:
    """Count the levels that are reached, by comparison with their lower borders. One register."""
    reached = []
    for place, (lo, hi) in enumerate(pairwise(fmt.table), 1):
        # Twice the number is compared, like ``near``, which has one bit below the point.
        border = {Rounding.FLOOR: 2 * hi, Rounding.ZERO: 2 * hi if hi > 0 else 2 * lo}.get(
            rounding, lo + hi)
        # True if a number at the border reaches the upper level.
        at = {Rounding.FLOOR: True, Rounding.ZERO: hi > 0, Rounding.HALF_UP: True,
              Rounding.HALF_EVEN: place % 2 == 0, Rounding.HALF_AWAY: border >= 0}[rounding]
        reached.append(near >= border if at else (near > border) | ((near == border) & sticky))
    return pipe.register(_highest(reached, fmt.bits), "place")


def _loaded(pipe: Pipeline, near: Value, sticky: Value, rounding: Rounding, fmt: LoadedCodebook
            ) -> Value:
    """Count as :func:`_entry` does, between the levels of the table. One register.

    Unused codes repeat the table's highest level; the clamp cuts off a count beyond it.
    """
    table, reached = data.View(table_layout(fmt), pipe["table"]), []
    for place, (lo, hi) in enumerate(pairwise(table[code] for code in range(1 << fmt.bits)), 1):
        border = {Rounding.FLOOR: hi << 1, Rounding.ZERO: Mux(hi > 0, hi, lo) << 1}.get(
            rounding, lo + hi)
        at = {Rounding.FLOOR: Const(1, 1), Rounding.ZERO: hi > 0, Rounding.HALF_UP: Const(1, 1),
              Rounding.HALF_EVEN: Const(place % 2 == 0, 1),
              Rounding.HALF_AWAY: border >= 0 if fmt.min < 0 else Const(1, 1)}[rounding]
        reached.append((near > border) | ((near == border) & (at | sticky)))
    return pipe.register(_highest(reached, fmt.bits), "place")


def _highest(reached: list[Value], bits: int) -> Value:
    """Place of the highest level that is reached; levels are in ascending order."""
    count = Const(0, bits)
    for place, each in enumerate(reached, 1):
        count = Mux(each, place, count)
    return count


def _float(pipe: Pipeline, near: Value, sticky: Value, rounding: Rounding, fmt: FloatFormat
           ) -> Value:
    """Count levels up from 0, on magnitudes.

    With M bits of mantissa, a magnitude of ``d`` binary places more than ``M + 1`` loses ``d``.
    The rest is rounded, and ``d * 2**M`` added to it is the code: if the rounding carries into the
    next binade, the code carries into the exponent.

    ==========  ================================================================
    cycle       registers
    ==========  ================================================================
    1           magnitude; the sign is held
    2           magnitude without ``d`` places; ``d`` is held
    3           rounded: the place
    ==========  ================================================================
    """
    mantissa = fmt.mantissa_bits
    negative = near < 0
    pipe.hold("negative", negative)
    pipe.hold("sticky", sticky)
    # Rounded to negative infinity so far: a negative number's sticky bit lowers its magnitude.
    magnitude = pipe.register(
        Mux(negative, Mux(sticky, ~near, -near), near)[:len(near)], "magnitude")

    whole = magnitude[1:]
    places = Const(0, range(len(whole) - mantissa))
    for place in range(mantissa + 1, len(whole)):
        places = Mux(whole[place], place - mantissa, places)
    kept = magnitude >> places
    lost = (magnitude & ((Const(1, 1) << places) - 1)).any() | pipe.take("sticky")
    base = places << mantissa
    if fmt.denormals == "paper":
        # Each exponent is one more, and there is no level between 2**M - 1 and 2**(M + 1). In
        # that gap the guard is set from the middle on, and `lost` is set except at the lower end
        # and at the middle.
        base = Mux(places == 0, 0, places - 1)[:len(places)] << mantissa
        low, high = (1 << mantissa) - 1, 2 << mantissa
        gap = (magnitude >= 2 * low) & (magnitude < 2 * high)
        kept = Mux(gap, Cat(magnitude >= low + high, Const(low, mantissa)), kept)
        lost = lost | (gap & (magnitude != 2 * low) & (magnitude != low + high))
    pipe.hold("lost", lost)
    pipe.hold("base", base)
    kept = pipe.register(kept[:mantissa + 2], "kept")
    negative, guard, lost = pipe.take("negative"), kept[0], pipe.take("lost")
    up = {
        Rounding.FLOOR: negative & (guard | lost),
        Rounding.ZERO: Const(0, 1),
        Rounding.HALF_UP: guard & (lost | ~negative),
        Rounding.HALF_EVEN: guard & (lost | kept[1]),
        Rounding.HALF_AWAY: guard,
    }[rounding]
    place = pipe.take("base") + kept[1:] + up
    return pipe.register(Mux(negative, -place, place), "place")


_CODERS: dict[type, Callable] = {
    IntFormat: _integer,
    OddFormat: _odd,
    Codebook: _entry,
    LoadedCodebook: _loaded,
    FloatFormat: _float,
}
"""Function from guarded number to place, by kind of format."""
