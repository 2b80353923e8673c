"""Tables of TFLite's int8 kernels of one operand, computed as its reference kernels do.

The tables equal tflite-micro's HARD_SWISH, LOGISTIC and TANH for every code. The kernels work in
fixed point, so a result is not always the nearest level, as in :func:`golden.tables.tabulate`.
"""

import math

import numpy as np

from golden.contracts import S32
from golden.formats import IntFormat
from golden.multipliers import quantize_multiplier, reduce_multiplier
from golden.networks import Quantization
from golden.runtimes.gemmlowp import (
    exp_on_negative_values,
    multiply_by_quantized_multiplier,
    one_over_one_plus_x,
    reciprocal,
    rounding_divide_by_pot,
    shift_left,
)
from golden.tables import code_levels

__all__ = ["hard_swish", "logistic", "tanh", "KERNELS"]

S8, S16 = IntFormat(8), IntFormat(16)


def hard_swish(input: Quantization, output: Quantization) -> np.ndarray:
    """Return the table of HARD_SWISH (``hard_swish.h``): 16-bit fixed point.

    Parameters
    ----------
    input, output : Quantization
        Quantization of input and output: s8; scales are rounded to float32.

    Raises
    ------
    ValueError
        If a format is not s8, or the kernel refuses the quotient of the scales.
    """
    (s_x, z_x), (s_y, z_y) = _int8(input), _int8(output)
    fine = np.float32(1 / 128) * s_x
    # A quotient of doubles: as a float32 it may become a tie of the 16 bits that are left.
    multiplier, exponent = quantize_multiplier(float(fine) / float(s_y))
    if exponent > 0:
        raise ValueError(f"Scale of the input must be less than 128 times that of the output, "
                         f"not {float(s_x)!r} with {float(s_y)!r}")
    fraction, places = quantize_multiplier(float(fine / (np.float32(3) / np.float32(32768))))
    if exponent < -15:
        raise ValueError(f"Scale of the output must be at most 512 times that of the input, "
                         f"not {float(s_y)!r} with {float(s_x)!r}")
    if places < -15:
        # The kernel shifts its int16 by more than 15 places, which is undefined.
        raise ValueError(f"Scale of the input must be at least {3 / 2**24!r}, "
                         f"not {float(s_x)!r}")

    x = (code_levels(S8) - z_x) << 7
    scaled = _high16(x, reduce_multiplier(multiplier))
    gate = np.clip(x << max(places - 1, 0), S16.min, S16.max)
    gate = _high16(gate, reduce_multiplier(fraction))
    if places > 0:
        gate = np.clip(gate << 1, S16.min, S16.max)
    elif places < 0:
        gate = rounding_divide_by_pot(gate, -places)
    gate = (gate + (1 << 15)) >> 1
    # Towards zero, unlike the other multiplications.
    product = gate * scaled
    product = np.sign(product) * (np.abs(product) >> 15)
    return np.clip(rounding_divide_by_pot(product, -exponent) + z_y, S8.min, S8.max)


def logistic(input: Quantization, output: Quantization) -> np.ndarray:
    """Return the table of LOGISTIC (``logistic.h``), whose output has scale 1/256, zero point -128.

    Parameters and errors are those of :func:`hard_swish`; any other output is a ``ValueError``.
    """
    _fixed(output, 256, S8.min, "LOGISTIC")
    return _saturating(input, lambda x: rounding_divide_by_pot(_logistic(x), 23) + S8.min)


def tanh(input: Quantization, output: Quantization) -> np.ndarray:
    """Return the table of TANH (``tanh.h``), whose output has scale 1/128 and zero point 0.

    Parameters and errors are those of :func:`hard_swish`; any other output is a ``ValueError``.
    """
    _fixed(output, 128, 0, "TANH")
    return _saturating(input, lambda x: rounding_divide_by_pot(_tanh(x), 24))


KERNELS = {"hard_swish": hard_swish, "logistic": logistic, "tanh": tanh}
"""Functions that make the tables, by the kernel's name in lower case."""


def _int8(tensor: Quantization) -> tuple[np.float32, int]:
    if tensor.format != S8:
        raise ValueError(f"TFLite's table must be of format s8, not {tensor.format}")
    with np.errstate(over="ignore", under="ignore"):
        scale, zero_point = np.float32(tensor.scale), int(tensor.zero_point)
    if not (np.isfinite(scale) and scale > 0):
        raise ValueError("Scale must be a positive and finite float32, "
                         f"not {float(tensor.scale)!r}")
    S8.check(zero_point, "Zero point")
    return scale, zero_point


def _fixed(output: Quantization, steps: int, zero_point: int, kernel: str):
    if _int8(output) != (1 / steps, zero_point):
        raise ValueError(f"Output of {kernel} must have scale 1/{steps} and zero point "
                         f"{zero_point}, not {float(output.scale)!r} and {int(output.zero_point)}")


def _saturating(input: Quantization, function) -> np.ndarray:
    """``function`` of the codes' real numbers as fixed point of 27 bits below the point, 4 above.

    A number that does not fit becomes the nearest end of s8.
    """
    scale, zero_point = _int8(input)
    if not 2.0**-27 <= scale < 16:
        raise ValueError(f"Scale of the input must be in range [2**-27, 16), "
                         f"not {float(scale)!r}")
    multiplier, shift = quantize_multiplier(float(scale) * 2.0**27)
    # CalculateInputRadius.
    radius = math.floor(15 * 2**27 / 2**shift)
    x = code_levels(S8) - zero_point
    within = (x > -radius) & (x < radius)
    inside = multiply_by_quantized_multiplier(np.where(within, x, 0), multiplier, shift)
    ends = np.where(x <= -radius, S8.min, S8.max)
    return np.where(within, np.clip(function(inside), S8.min, S8.max), ends)


def _high16(a, b) -> np.ndarray:
    """Compute gemmlowp's ``SaturatingRoundingDoublingHighMul`` of int16 operands."""
    return np.minimum((a * b + (1 << 14)) >> 15, S16.max)


def _logistic(x: np.ndarray) -> np.ndarray:
    """Logistic function of a q27 number, in q31."""
    positive = one_over_one_plus_x(exp_on_negative_values(-np.abs(x), 27))
    return np.where(x == 0, 1 << 30, np.where(x > 0, positive, S32.max - positive))


def _tanh(x: np.ndarray) -> np.ndarray:
    """Hyperbolic tangent of a q27 number, in q31."""
    # Twice the number is the same raw value in q26.
    size = shift_left(reciprocal(exp_on_negative_values(-np.abs(x), 26)) - (1 << 29), 2)
    return np.where(x == 0, 0, np.where(x > 0, size, -size))
