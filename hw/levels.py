"""From an exact scaled sum to the nearest level of a format that is not an integer one.

The number arrives as a product and the places by which it is to be shifted right. It is shifted to
units of a level, keeping one bit below them (the *guard*) and whether anything is left below that
(the *sticky* bit), and saturated to what the format needs; then each kind of format has its own
way to the code. Beyond its ends a format saturates.
"""

from collections.abc import Callable

from amaranth.hdl import Cat, Value

from golden.contracts import Rounding
from golden.formats import Format, OddFormat
from golden.ranges import Range
from hw.arith import clamp, round_up, saturate, shift_right
from hw.pipeline import Pipeline

__all__ = ["nearest_code", "code_latency"]


def nearest_code(pipe: Pipeline, value: Value, right: Value, rounding: Rounding, fmt: Format
                 ) -> Value:
    """Code of the level of ``fmt`` nearest to ``value / 2**right``, clamped.

    As :func:`golden.rounding.nearest_level`, then between the two codes that the pipeline holds as
    ``clamp_min`` and ``clamp_max``. Takes :func:`code_latency` registers.
    """
    shifted, sticky = shift_right(value, right)
    pipe.hold("sticky", sticky)
    shifted = pipe.register(shifted, "shifted")
    # One bit more than the levels have: what is cut off there is nearest to an end.
    width = Range(fmt.min - 1, fmt.max + 1).format.width
    near = Cat(shifted[0], saturate(shifted[1:].as_signed(), width)).as_signed()
    coder, _ = _CODERS[type(fmt)]
    code = coder(pipe, near, pipe.take("sticky"), rounding, fmt)
    clamped = clamp(code, pipe.take("clamp_min"), pipe.take("clamp_max"))
    return pipe.register(clamped[:fmt.bits], "clamped")


def code_latency(fmt: Format) -> int:
    """Cycles from a product to the code: shift, those of the kind of format, clamp."""
    _, latency = _CODERS[type(fmt)]
    return 2 + latency


def _odd(pipe: Pipeline, near: Value, sticky: Value, rounding: Rounding, fmt: OddFormat) -> Value:
    """Half of what is above the lowest level: the bit that goes is the guard. One register."""
    above = (near[1:].as_signed() + fmt.max).as_signed()
    up = round_up(above, near[0] | sticky, rounding, negative=near[-1])
    return pipe.register((above >> 1) + up, "code")


_CODERS: dict[type, tuple[Callable, int]] = {
    OddFormat: (_odd, 1),
}
"""By kind of format: the function from guarded number to code, and its registers."""
