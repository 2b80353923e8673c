"""Claims on requantizers to block-scaled outputs: preferred exponents, and levels."""

from amaranth.hdl import Const, Module, Mux, Signal, signed

from golden import contracts
from golden.contracts import MultiplyShift
from golden.formats import EXPONENT, EXPONENT_BIAS, BlockScaled
from golden.ranges import levels_range
from hw.formats import shape_of
from hw.requantize.shared_exponent import ask, code_in_units
from sim.claims.base import Transparent, circuit, claim
from sim.claims.levels import right_level

__all__ = ["level_of_exponent", "preferred_exponent"]

VALUE = signed(51)
"""Shape of a product of a total of 20 bits, as in the other claims, and a multiplier of 31."""

RIGHT = 6
"""Bits of the product's shift."""


def _held(output: BlockScaled) -> dict[str, Signal]:
    chosen = contracts.parse("half_up")
    assert isinstance(chosen, MultiplyShift)
    fields = chosen.fields(levels_range(EXPONENT), output)
    return {"value": Signal(VALUE, name="value"), "right": Signal(RIGHT, name="right"),
            **{field: Signal(shape_of(fields[field]), name=field)
               for field in ("clamp_min", "clamp_max", "exponent_min", "exponent_max")}}


@claim("preferred exponent, product free", "{}")
def preferred_exponent(output: BlockScaled) -> str:
    """Exponent that a product prefers, against the number of powers of two it has reached."""
    m, held = Module(), _held(output)
    got = ask(Transparent(m, held), output, propagates=False)
    value, lo, hi = held["value"], held["exponent_min"], held["exponent_max"]
    size = Mux(value < 0, -value, value)
    digits = sum(size >= 1 << place for place in range(VALUE.width))
    code = digits - output.max.bit_length() - held["right"] + EXPONENT_BIAS
    # The clamp allows a negative level, or a positive one; its ends are codes of levels.
    levels = output.levels()
    codes = output.encode(levels)
    below = held["clamp_min"].as_unsigned().matches(*codes[levels < 0].tolist())
    above = held["clamp_max"].as_unsigned().matches(*codes[levels > 0].tolist())
    expected = Mux(((value < 0) & below) | ((value > 0) & above),
               Mux(code < lo, lo, Mux(code > hi, hi, code)), lo)
    sound = (lo <= hi)
    for end in ("clamp_min", "clamp_max"):
        sound = sound & held[end].as_unsigned().matches(*codes.tolist())
    return circuit(m, tuple(held.values()), Mux(sound, got, 0), Mux(sound, expected, 0))


@claim("levels of an exponent, product free", "{} to {}")
def level_of_exponent(name: str, output: BlockScaled) -> str:
    """Level of a product for any exponent, against the neighbouring levels."""
    chosen, m, held = contracts.parse(name), Module(), _held(output)
    assert isinstance(chosen, MultiplyShift)
    exponent = Signal(shape_of(EXPONENT), name="exponent")
    code = code_in_units(Transparent(m, held), exponent, chosen.rounding, output.element)
    right = held["right"] + exponent - EXPONENT_BIAS
    exact = held["value"] << Mux(right < 0, -right, 0)[:EXPONENT.bits - 1]
    shift = Mux(right < 0, 0, right)[:EXPONENT.bits]
    inputs = (exponent, *held.values())
    return right_level(m, inputs, held, code, exact, shift, Const(1), chosen.rounding,
                       output.element)
