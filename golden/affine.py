"""Conversion of real numbers to levels and back: ``real = step * (level - zero_point)``.

One of the two places where floats are rounded (:mod:`golden.multipliers` is the other). Ties go
up; in block-scaled tensors they go to the even code.
"""

import numpy as np

from golden.block_scaled import Levels, check_kind, dequantize_blocks, quantize_blocks
from golden.formats import EXPONENT_BIAS, BlockScaled, Format, IntFormat, finite, floats
from golden.networks import Quantization, check_scale
from golden.specials import as_floats

__all__ = [
    "round_to_step", "quantize", "dequantize", "symmetric", "asymmetric", "limits",
]


def round_to_step(x, step) -> np.ndarray:
    """Compute ``Q(x) = step * floor(x / step + 1/2)``."""
    return step * _half_up(floats(x, "Numbers to round").astype(np.float64) / step)


def quantize(x, quantization: Quantization) -> Levels:
    """Nearest levels of real numbers, ties to the upper level, saturated to the format.

    The level of an integer format is ``floor(x / step + 1/2) + zero_point``. To a block-scaled
    format :func:`golden.block_scaled.quantize_blocks` converts, with the quantization's exponents.

    Parameters
    ----------
    x : array_like of float
        Finite numbers. If the scale or the zero point is an array, channels are the first axis, as
        in weights.
    quantization : Quantization

    Returns
    -------
    array of ``int64``, or Blocks if the format is block-scaled

    Raises
    ------
    ValueError
        If a number is not finite, or a channel has scale 0, to which nothing can be quantized.
    """
    x = finite(x, "Numbers to quantize")
    check_scale(quantization.scale)
    step, zero_point = _per_channel(quantization, x.ndim)
    fmt = quantization.format
    if isinstance(fmt, BlockScaled):
        # Numbers beyond float64 saturate at its ends, and so in the format.
        with np.errstate(over="ignore"):
            scaled = np.nan_to_num(np.ldexp(x / step, fmt.unit))
        return quantize_blocks(scaled, fmt, exponents=quantization.exponents)
    if not isinstance(fmt, IntFormat):
        levels = fmt.levels()
        halfway = (levels[:-1] + levels[1:]) / 2
        return levels[np.searchsorted(halfway, x / step, side="right")]
    # Saturated before the conversion to an integer, which might overflow.
    level = np.clip(_half_up(x / step), fmt.min - zero_point, fmt.max - zero_point)
    return level.astype(np.int64) + zero_point


def dequantize(levels, quantization: Quantization) -> np.ndarray:
    """Real numbers of levels, including infinities and NaN if the format propagates them.

    Parameters
    ----------
    levels : array_like of integers, or Blocks if the format is block-scaled
    quantization : Quantization

    Raises
    ------
    TypeError
        If levels of a block-scaled format are no Blocks, or levels of another format are.
    """
    fmt = quantization.format
    check_kind(levels, fmt, "Levels")
    if isinstance(fmt, BlockScaled):
        numbers = dequantize_blocks(levels[0], levels[1], fmt)
        step, _ = _per_channel(quantization, numbers.ndim)
        return np.ldexp(step, -fmt.unit) * numbers
    levels = fmt.check(levels)
    step, zero_point = _per_channel(quantization, levels.ndim)
    return step * (as_floats(levels) if quantization.format.propagates else levels - zero_point)


def symmetric(magnitude, fmt: Format) -> Quantization:
    """Quantization with zero point 0, whose largest level is ``magnitude``.

    Parameters
    ----------
    magnitude : float or array of float
        Real number of the largest level, such as ``max|W|`` of weights; not negative. A magnitude
        of 0 gives scale 1.
    fmt : Format
        Format of the levels. A lowest level below the negative of the highest lies beyond
        ``-magnitude``.
    """
    if fmt.max < 1:
        raise ValueError(f"Format must have a positive level to be symmetric, not {fmt}")
    magnitude = finite(magnitude, "Magnitude")
    if (magnitude < 0).any():
        raise ValueError(f"Magnitude must not be negative, not {magnitude.min()}")
    scale = np.where(magnitude > 0, magnitude / fmt.max / 2.0**fmt.unit, 1.0)
    return Quantization(fmt, _plain(scale), 0)


def asymmetric(lo, hi, fmt: Format) -> Quantization:
    """Quantization with which the format spans ``lo .. hi`` and represents 0 exactly.

    The range is widened to contain 0. The zero point is rounded, half up, to a level, so that
    each end may move by half a step.

    Parameters
    ----------
    lo, hi : float or array of float
        Ends of the range. If both are 0, the scale is 1.
    fmt : Format
    """
    if not isinstance(fmt, IntFormat):
        raise ValueError(f"Format must be an integer one to have a zero point, not {fmt}")
    lo, hi = np.minimum(finite(lo, "Minimum"), 0.0), np.maximum(finite(hi, "Maximum"), 0.0)
    span = hi - lo
    scale = np.where(span > 0, span / (fmt.max - fmt.min), 1.0)
    zero_point = np.clip(_half_up(fmt.min - lo / scale), fmt.min, fmt.max).astype(np.int64)
    return Quantization(fmt, _plain(scale), zero_point if zero_point.ndim else int(zero_point))


def limits(quantization: Quantization) -> tuple[np.ndarray, np.ndarray]:
    """Real numbers of the lowest and the highest level, with the largest exponent."""
    fmt = quantization.format
    zero_point = np.asarray(quantization.zero_point)
    step = quantization.step * 2.0**(quantization.exponents.hi - EXPONENT_BIAS)
    return step * (fmt.min - zero_point), step * (fmt.max - zero_point)


def _half_up(x: np.ndarray) -> np.ndarray:
    # The fraction is exact, but x + 1/2 is not: it is 1 for the largest number below 1/2.
    floor = np.floor(x)
    return floor + (x - floor >= 0.5)


def _per_channel(quantization: Quantization, axes: int) -> tuple[np.ndarray, np.ndarray]:
    scale, zero_point = np.asarray(quantization.scale), np.asarray(quantization.zero_point)
    quantization.format.check_zero_point(zero_point)
    step = np.asarray(quantization.step)
    if (vanishes := (step == 0) & (scale != 0)).any():
        raise ValueError(f"Scale must give a step above 0 with unit 2**{quantization.format.unit}, "
                         f"not {scale[vanishes].flat[0]}")
    rest = [1] * (axes - 1)
    return (step.reshape(-1, *rest) if step.ndim else step,
            zero_point.reshape(-1, *rest) if zero_point.ndim else zero_point)


def _plain(scale: np.ndarray) -> float | np.ndarray:
    return scale if scale.ndim else float(scale)
