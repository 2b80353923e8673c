"""Fixed-point functions of TFLite's kernels, by TFLite's names."""

import numpy as np

from golden import contracts
from golden.contracts import S32, MultiplyShift
from golden.formats import IntFormat, integers
from golden.scaling import double_rounding, multiply_shift

__all__ = ["srdhm", "rounding_divide_by_pot", "multiply_by_quantized_multiplier",
           "multiply_by_quantized_multiplier_single"]


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
