"""Scaling of a total by each contract: the stages of a requantizer that differ.

A function takes the requantizer's pipeline, the contract, the total and the width that the output
needs. It returns a number, saturated to that width, and a bit; the sum of both is the scaled total,
rounded. They are separate so that one adder serves the rounding and the zero point.
"""

from collections.abc import Callable

from amaranth.hdl import Cat, Const, Value, signed

from golden.contracts import (
    LFSR_BITS,
    DoubleRounding,
    MultiplyShift,
    Onnx,
    Rounding,
    Stochastic,
)
from hw.pipeline import Pipeline
from hw.requantize.float32 import float_scaled
from hw.targets.fabric import Extra, Narrowed

__all__ = ["SCALERS", "product"]


def multiply_shift(pipe: Pipeline, contract: MultiplyShift, total: Value, width: int
                   ) -> tuple[Narrowed, Value]:
    """``(total * multiplier + addend) >> right``: the registers of each of the three."""
    value, right = product(pipe, contract, total)
    number = pipe.narrow(Cat(Const(0, 1), value).as_signed(), right, width)
    return number, number.up(contract.rounding)


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
               ) -> tuple[Narrowed, Value]:
    """``(total * multiplier >> shift) + state / 2**32``: the registers of each of the three.

    Below the point are as many bits as a state has; the carry of their sum with the state rounds.
    """
    product = pipe.multiply(total, pipe.take("multiplier"), "product")
    number = pipe.narrow(Cat(Const(0, LFSR_BITS), product).as_signed(), pipe.take("shift"), width,
                         below=LFSR_BITS)
    return number.beside(pipe, (number.below + pipe.take("state"))[LFSR_BITS], "carry")


def double_rounding(pipe: Pipeline, contract: DoubleRounding, total: Value, width: int
                    ) -> tuple[Narrowed, Value]:
    """``total * multiplier``, a constant, and one shift to the right that rounds half up.

    Where there is a shift to the right after the first rounding, ``high = floor((total *
    multiplier + 2**30) / 2**31)``, and the second one, which takes ties away from zero, is
    ``floor((high - (high < 0) + 2**(right - 1)) / 2**right)``. As no multiplier is negative, the
    sign of the total serves for that of ``high``: where that is 0, either gives 0. So it is
    ``half_up((total * multiplier + 2**30 - 2**31 * (total < 0)) / 2**(31 + right))``. Without a
    shift, or with one to the left, there is a single rounding: ``half_up(total * multiplier /
    2**(31 - left))``.
    """
    shift = pipe["shift"]
    twice = shift < 0 if contract.left else shift != 0
    multiplier = pipe.take("multiplier")
    # The lowest product of a narrow total has no room for 2**31 less.
    shape = signed(len(total) + len(multiplier) + (len(total) <= FIRST))
    value = pipe.multiply_add(total, multiplier, [
        Extra(FIRST - 1, twice), Extra(FIRST, twice & (total < 0), negative=True)],
        "product", shape)
    shift = pipe.take("shift")
    if contract.left:
        value, right = Cat(Const(0, 1), value), (FIRST - shift)[:FIRST.bit_length() + 1]
    else:
        value, right = value[FIRST - 1:], shift
    number = pipe.narrow(value.as_signed(), right, width)
    return number, number.up(Rounding.HALF_UP)


FIRST = 31
"""Places of the first shift of a double rounding."""


SCALERS: dict[type, Callable] = {
    MultiplyShift: multiply_shift,
    Stochastic: stochastic,
    DoubleRounding: double_rounding,
    Onnx: float_scaled,
}
"""Function that scales, by class of contract."""
