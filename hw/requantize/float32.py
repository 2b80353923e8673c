"""Stages in float32, for the contracts whose source computes in float32."""

from collections.abc import Sequence

from amaranth.hdl import Cat, Const, Mux, Signal, Value, signed

from golden.contracts import Onnx, Rounding
from hw.pipeline import Pipeline
from hw.targets.fabric import Narrowed

__all__ = ["BIAS", "FRACTION", "SIGNIFICAND", "WHOLE", "float_scaled", "leading_zeros",
           "nearest_even", "nearest_even_at"]

SIGNIFICAND = 24
"""Bits of a float32's significand, the leading one included."""

BIAS = 127
"""Bias of a float32's exponent."""


def float_scaled(pipe: Pipeline, contract: Onnx, total: Value, width: int
                 ) -> tuple[Narrowed, Value]:
    """``rne(float32(total) * scale)``, each step rounded to nearest even.

    ==========  ================================================================
    cycle       registers
    ==========  ================================================================
    1           magnitude; the sign is held
    2, 3, 4     magnitude with its leading one at the top; its shift is held
    5           rounded to 24 bits: float32(total)
    5 + p       times the scale's significand, in the p cycles of a product
    6 + p       its 24 highest bits, and what rounds them; its exponent is held
    7 + p       rounded to 24 bits, with the sign: the float32 product
    8 + p ...   shifted right to an integer
    ==========  ================================================================

    With the zero point inside, :func:`_add_inside` takes the place of the last cycles.
    """
    pipe.hold("negative", total < 0)
    magnitude = pipe.register(Mux(total < 0, -total, total)[:32], "magnitude")
    normal, moved = normalized(pipe, magnitude)
    pipe.hold("moved", moved)
    # At most 2**24, with the carry of the rounding: not normalized again, the product takes it.
    significand = pipe.register(nearest_even(normal, 32 - SIGNIFICAND), "significand")
    factor = Cat(pipe["scale"][:SIGNIFICAND - 1], Const(1, 1))
    product = pipe.multiply(significand, factor, "product")

    # 2**46 to 2**48: one place more or less to round at.
    low = SIGNIFICAND - 1
    high = product[low + SIGNIFICAND:].any()
    # total * scale = rounded * 2**(low + high) * 2**(32 - 24 - moved) * 2**(exponent - BIAS - low)
    exponent = pipe.take("scale")[low:]
    pipe.hold("right", BIAS - (32 - SIGNIFICAND) + pipe.take("moved") - exponent - high)
    kept = Mux(high, product[low:], product[low - 1:])[:SIGNIFICAND + 2]
    pipe.hold("lost", product[:low - 1].any() | (high & product[low - 1]))
    kept = pipe.register(kept, "kept")
    # The complement and the complement of the bit that rounds: the number is negated.
    up, negative = kept[0] & (pipe.take("lost") | kept[1]), pipe["negative"]
    turned = Cat(kept[1:] ^ negative.replicate(SIGNIFICAND + 1), negative).as_signed()
    value = pipe.register(turned + (up ^ negative), "float", signed(SIGNIFICAND + 2))
    if contract.inside:
        return _add_inside(pipe, value, width)

    # A shift to the left leaves at least 2**23, beyond any output, unless the value is zero: as
    # much as no shift does. A shift by 31 to the right leaves nothing.
    right = pipe.take("right")
    pipe.take("negative")
    number = pipe.narrow(Cat(Const(0, 1), value).as_signed(),
                         Mux(right < 0, 0, Mux(right > 31, 31, right))[:5], width)
    return number, number.up(Rounding.HALF_EVEN)


def normalized(pipe: Pipeline, value: Value) -> tuple[Value, Value]:
    """``value`` of 32 bits with its leading one at the top, and its shift: three registers.

    A value of 0 is shifted by 31.
    """
    moved = []
    for places in ((16,), (8, 4), (2, 1)):
        steps = []
        for place in places:
            clear = ~value[32 - place:].any()
            value = Mux(clear, Cat(Const(0, place), value[:32 - place]), value)
            steps.insert(0, clear)
        pipe.hold("steps", Cat(steps, *moved))
        value = pipe.register(value, f"normal_{places[-1]}")
        moved = [pipe.take("steps")]
    return value, moved[0]


FRACTION = 26
"""Bits below the point of a sum with the zero point: two more than a float32 of 0.5 has."""

WHOLE = 19
"""Bits above the point that matter: beyond them every output of 16 bits saturates."""


def _add_inside(pipe: Pipeline, value: Value, width: int) -> tuple[Narrowed, Value]:
    """Add the zero point to a float32, round to 24 bits and to an integer, subtract it again.

    The sum is exact: a fixed-point number with FRACTION bits below the point, and one bit that says
    whether lower ones were lost. As a float32 it has 24 bits, fewer below the point the more are
    above it; with none above, all 24 are below (a sum below a half becomes 0 in any case).

    ==========  ================================================================
    cycle       registers
    ==========  ================================================================
    1           places to shift by
    1 + s       the float32 as a fixed-point number, rounded down, in the s cycles
                of a shift
    2 + s       the zero point added
    3 + s       magnitude of the sum
    4 + s       its highest bit above the point
    5 + s       places to shift by
    6 + s + t   shifted in t cycles, and rounded to 24 bits
    7 + s + 2t  shifted, and rounded to an integer
    8 + s + 2t  less the zero point
    9 + s + 2t  saturated
    ==========  ================================================================
    """
    right = pipe.take("right")
    room = FRACTION + WHOLE - (SIGNIFICAND + 1)
    least = SIGNIFICAND + 1 - WHOLE
    pipe.hold("float", value)
    pipe.hold("far", (right < least) & (value != 0))
    shift = pipe.register(
        Mux(right < least, 0, Mux(right > least + 63, 63, right - least))[:6], "places")
    wide = Cat(Const(0, room + 1), pipe.take("float")).as_signed()
    aligned = pipe.narrow(wide, shift, len(wide) - 1, prefix="aligned_")
    # Rounded to negative infinity, so that the bits that are lost add to the sum.
    pipe.hold("inexact", aligned.below | aligned.sticky)
    total = pipe.add(aligned.near, pipe["zero_point"] << FRACTION, "sum_inside")
    below_zero = total < 0
    pipe.hold("below_zero", below_zero)
    magnitude = Mux(below_zero, Mux(pipe["inexact"], ~total, -total), total)
    magnitude = pipe.register(magnitude[:FRACTION + WHOLE + 1], "sum_magnitude")
    pipe.hold("magnitude", magnitude)
    # A single bit is set: that of the number of bits above the point.
    top = Cat(Const(1, 1), magnitude[FRACTION:])
    above = pipe.register(Cat(bit & ~top[k + 1:].any() for k, bit in enumerate(top)), "above")
    pipe.hold("left_over", encoded(above, [SIGNIFICAND - k for k in range(WHOLE + 2)]))
    drop = pipe.register(
        encoded(above, [k + FRACTION - SIGNIFICAND + 1 for k in range(WHOLE + 2)]), "drop")
    rounded = nearest_even_at(pipe, Cat(pipe.take("inexact"), pipe.take("magnitude")), drop,
                              SIGNIFICAND, "sum_float")
    nearest = nearest_even_at(pipe, rounded, pipe.take("left_over"), WHOLE + 2, "nearest")
    below_zero = pipe.take("below_zero")
    integer = pipe.add(Cat(nearest ^ below_zero.replicate(len(nearest)), below_zero).as_signed(),
                       pipe["zero_point"], "whole", carry=below_zero, subtract=True)
    most = 1 << (width - 1)
    near = Mux(integer > most, most, Mux(integer < -most, -most, integer))
    far = Mux(pipe.take("negative"), -most, most)
    near = pipe.register(Mux(pipe.take("far"), far, near), "integer", signed(width + 1))
    return Narrowed(near), Const(0, 1)


def leading_zeros(pipe: Pipeline, value: Value) -> Signal:
    """Zeros above the highest one of ``value``; 0 for a value of 0."""
    m, zeros = pipe.m, Signal(range(len(value) + 1))
    for k in range(len(value)):
        with m.If(value[k]):
            m.d.comb += zeros.eq(len(value) - 1 - k)
    return zeros


def encoded(chosen: Value, numbers: Sequence[int]) -> Value:
    """The one of ``numbers`` whose bit of ``chosen`` is set."""
    return Cat(Cat(chosen[k] for k, number in enumerate(numbers) if number >> place & 1).any()
               for place in range(max(numbers).bit_length()))


def nearest_even(value: Value, drop: int) -> Value:
    """``value``, not negative, without its ``drop`` low bits, rounded to nearest even."""
    kept, guard = value[drop:], value[drop - 1]
    return kept + (guard & (value[:drop - 1].any() | kept[0]))


def nearest_even_at(pipe: Pipeline, value: Value, drop: Value, width: int, name: str) -> Signal:
    """``value`` without ``drop`` low bits, a number at run time, rounded to nearest even.

    ``width`` bits hold the number without these bits; the result has one more. Registers of a
    shift, and one more.
    """
    number = pipe.narrow(Cat(Const(0, 1), value, Const(0, 1)).as_signed(), drop, width + 1,
                         prefix=f"{name}_")
    return pipe.register((number.near + number.up(Rounding.HALF_EVEN))[:width + 1], name)
