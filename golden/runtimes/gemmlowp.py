"""Fixed-point functions of TFLite's kernels, by TFLite's names."""

import numpy as np

from golden import contracts
from golden.contracts import S32, MultiplyShift
from golden.formats import IntFormat, integers
from golden.scaling import double_rounding, multiply_shift

__all__ = ["exp_on_negative_values", "multiply_by_quantized_multiplier",
           "multiply_by_quantized_multiplier_single", "one_over_one_plus_x", "reciprocal",
           "rounding_divide_by_pot", "shift_left", "srdhm"]


def srdhm(a, b) -> np.ndarray:
    """Compute gemmlowp's ``SaturatingRoundingDoublingHighMul`` of int32 operands.

    ``(a * b + 2**30) >> 31``: ties towards positive infinity. The one result beyond int32, of
    ``-2**31 * -2**31``, becomes ``2**31 - 1``.
    """
    a, b = S32.check(a, "Operand"), S32.check(b, "Operand")
    # At most 2**62 + 2**30: no overflow.
    return np.minimum((a * b + (1 << 30)) >> 31, S32.max)


def rounding_divide_by_pot(x, exponent) -> np.ndarray:
    """Compute gemmlowp's ``RoundingDivideByPOT`` of an int32: ties away from zero.

    ``(x + 2**(exponent - 1) - (x < 0)) >> exponent``; the exponent is in range [0, 31].
    """
    x, exponent = S32.check(x, "Value"), integers(exponent, "Exponent")
    bad = exponent[(exponent < 0) | (exponent > 31)]
    if bad.size:
        raise ValueError(f"Exponent must be in range [0, 31], not {bad.flat[0]}")
    half = (np.int64(1) << exponent) >> 1
    return np.asarray((x + half - ((x < 0) & (exponent > 0))) >> exponent)


def multiply_by_quantized_multiplier(x, multiplier, shift) -> np.ndarray:
    """Compute TFLite's ``MultiplyByQuantizedMultiplier`` of an int32, with double rounding.

    ``RoundingDivideByPOT(SRDHM(x << max(shift, 0), multiplier), max(-shift, 0))``.

    Raises
    ------
    ValueError
        If an operand is out of range, or the left shift overflows int32.
    """
    return double_rounding(*_quantized(x, multiplier, shift, 31))


def multiply_by_quantized_multiplier_single(x, multiplier, shift) -> np.ndarray:
    """Compute TFLite's ``MultiplyByQuantizedMultiplier`` of an int32, with single rounding.

    ``(x * multiplier + 2**(30 - shift)) >> (31 - shift)``: ties towards positive infinity.

    Raises
    ------
    ValueError
        If an operand is out of range, or the result is beyond int32.
    """
    x, multiplier, shift = _quantized(x, multiplier, shift, 30)
    single = contracts.parse("tflite_single")
    assert isinstance(single, MultiplyShift)
    return multiply_shift(x, single, {"multiplier": multiplier, "shift": shift})


def _quantized(x, multiplier, shift, largest: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    shift = integers(shift, "Shift")
    bad = shift[(shift < -31) | (shift > largest)]
    if bad.size:
        raise ValueError(f"Shift must be in range [-31, {largest}], not {bad.flat[0]}")
    return (S32.check(x, "Value"), IntFormat(31, signed=False).check(multiplier, "Multiplier"),
            shift)


# Functions of fixedpoint.h, of raw int32 values: q29 has 29 bits below the point.

def one_over_one_plus_x(x: np.ndarray) -> np.ndarray:
    """Return ``1 / (1 + x)`` in q31 of q31 numbers in [0, 1]."""
    return shift_left(reciprocal(x), 1)


def reciprocal(x: np.ndarray) -> np.ndarray:
    """Return ``2 / (1 + x)`` in q29 of q31 numbers in [0, 1], by three of Newton's steps."""
    half = (x + S32.max + 1) >> 1
    y = 1515870810 + srdhm(half, -1010580540)
    for _ in range(3):
        rest = (1 << 29) - srdhm(half, y)
        y = y + shift_left(srdhm(y, rest), 2)
    return y


# exp(-2**k) in q31, k from -2 on.
_BARREL = (1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242)


def exp_on_negative_values(x: np.ndarray, q: int) -> np.ndarray:
    """Return ``exp(x)`` in q31 of numbers not above 0 that have ``q`` bits below the point."""
    quarter = 1 << (q - 2)
    near = (x & (quarter - 1)) - quarter
    result = _exp_near_zero(near << (31 - q))
    remainder = near - x
    for k, factor in zip(range(-2, 31 - q), _BARREL, strict=False):
        result = np.where(remainder >> (q + k) & 1, srdhm(result, factor), result)
    return np.where(x == 0, S32.max, result)


def _exp_near_zero(x: np.ndarray) -> np.ndarray:
    # Numbers in [-1/4, 0), q31, by the series around -1/8.
    at, third = 1895147668, 715827883
    x = x + (1 << 28)
    x2 = srdhm(x, x)
    x3, x4 = srdhm(x2, x), srdhm(x2, x2)
    series = srdhm(rounding_divide_by_pot(x4, 2) + x3, third) + x2
    return at + srdhm(at, x + rounding_divide_by_pot(series, 1))


def shift_left(x: np.ndarray, places: int) -> np.ndarray:
    """Compute gemmlowp's ``SaturatingRoundingMultiplyByPOT`` by a positive exponent."""
    return np.clip(x << places, S32.min, S32.max)
