"""Scaling of a total by each contract: the stages of a requantizer that differ.

A function takes the requantizer's pipeline, the contract, the total and the width that the output
needs. It returns two values whose sum is the scaled total, rounded: a signed one, saturated to
that width, and one bit. They are separate so that one adder serves the rounding and the zero point.
"""

from collections.abc import Callable

from amaranth.hdl import Cat, Const, Mux, Value, signed

from golden.contracts import (
    LFSR_BITS,
    DoubleRounding,
    MultiplyShift,
    Onnx,
    Rounding,
    Stochastic,
)
from hw.arith import clamp, doubled_and_sticky, round_up, saturate
from hw.pipeline import Pipeline
from hw.requantize.float32 import float_scaled

__all__ = ["SCALERS", "clamped", "guarded", "offset_and_clamp", "product"]


def guarded(pipe: Pipeline, value: Value, right: Value) -> Value:
    """``value`` shifted right, down to its guard; the sticky bit is held. One register.

    As :func:`hw.arith.shift_right`.
    """
    doubled, sticky = doubled_and_sticky(value, right)
    pipe.hold("sticky", sticky)
    return pipe.shift_right(doubled, right, "shifted")


def _shift(pipe: Pipeline, value: Value, right: Value, rounding: Rounding, width: int
           ) -> tuple[Value, Value]:
    shifted = guarded(pipe, value, right)
    return (saturate(shifted[1:].as_signed(), width),
            round_up(shifted, pipe.take("sticky"), rounding))


def multiply_shift(pipe: Pipeline, contract: MultiplyShift, total: Value, width: int
                   ) -> tuple[Value, Value]:
    """``(total * multiplier + addend) >> right``: a register for each of the three."""
    return _shift(pipe, *product(pipe, contract, total), contract.rounding, width)


def product(pipe: Pipeline, contract: MultiplyShift, total: Value) -> tuple[Value, Value]:
    """``total * multiplier + addend``, a register for each, and its shift to the right.

    Both are of the same stage.
    """
    value = pipe.multiply(total, pipe.take("multiplier"), "product")
    if contract.addend:
        value = pipe.add(value, pipe.take("addend"), "added")
    shift = pipe.take("shift")
    if contract.origin is not None:
        # The difference is never negative for a shift that the contract allows.
        most = contract.origin - (contract.shifts.lo if contract.shifts else 0)
        shift = (contract.origin - shift)[:most.bit_length()]
    return value, shift


def stochastic(pipe: Pipeline, contract: Stochastic, total: Value, width: int
               ) -> tuple[Value, Value]:
    """``(total * multiplier >> shift) + state / 2**32``: a register for each of the first two.

    Below the point are as many bits as a state has; the carry of their sum with the state rounds.
    """
    product = pipe.multiply(total, pipe.take("multiplier"), "product")
    longer = Cat(Const(0, LFSR_BITS), product).as_signed()
    shifted = pipe.shift_right(longer, pipe.take("shift"), "shifted")
    carry = (shifted[:LFSR_BITS] + pipe.take("state"))[LFSR_BITS]
    return saturate(shifted[LFSR_BITS:].as_signed(), width), carry


def double_rounding(pipe: Pipeline, contract: DoubleRounding, total: Value, width: int
                    ) -> tuple[Value, Value]:
    """``total << left``, ``* multiplier``, ``>> 31`` rounded, ``>> right``: a register for each."""
    if contract.left:
        left = Mux(pipe["shift"] > 0, pipe["shift"], 0)[:5]
        total = pipe.shift_left(total, left, "scaled", signed(32))
    product = pipe.multiply(total, pipe.take("multiplier"), "product")
    # Ties towards positive infinity. No saturation, since no multiplier is negative.
    high = pipe.register((product + (1 << 30)) >> 31, "high", signed(32))
    shift = pipe.take("shift")
    right = Mux(shift < 0, -shift, 0)[:5] if contract.left else shift
    return _shift(pipe, high, right, Rounding.HALF_AWAY, width)


def offset_and_clamp(pipe: Pipeline, near: Value, up: Value) -> Value:
    """Add the zero point, and clamp: the last two registers of all these contracts."""
    return clamped(pipe, pipe.add(near, pipe.take("zero_point"), "offset", carry=up))


def clamped(pipe: Pipeline, value: Value) -> Value:
    """Clamp between the pipeline's two ends: a register."""
    return pipe.register(clamp(value, pipe.take("clamp_min"), pipe.take("clamp_max")), "clamped")


SCALERS: dict[type, Callable] = {
    MultiplyShift: multiply_shift,
    Stochastic: stochastic,
    DoubleRounding: double_rounding,
    Onnx: float_scaled,
}
"""Function that scales, by class of contract."""
