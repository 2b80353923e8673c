"""Real numbers become levels and back: ``real = step * (level - zero_point)``.

One of the two places where floats are rounded (:mod:`golden.multipliers` is the other); ties go
up, but in block-scaled tensors to the even code.
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
    """Levels of real numbers, saturated to the format; of two as near, the upper one.

    For an integer format that is ``floor(x / step + 1/2) + zero_point``. To a block-scaled format
    :func:`golden.block_scaled.quantize_blocks` converts, with the exponents that there may be.

    Parameters
    ----------
    x : array_like of float
        Finite. Where the scale or the zero point is an array, channels are its first axis, as
        they are of weights.
    quantization : Quantization

    Returns
    -------
    array of ``int64``, or of a block-scaled format Blocks

    Raises
    ------
    ValueError
        Where a number is not finite, or a channel has scale 0, to which nothing can be quantized.
    """
    x = finite(x, "Numbers to quantize")
    check_scale(quantization.scale)
    step, zero_point = _per_channel(quantization, x.ndim)
    fmt = quantization.format
    if isinstance(fmt, BlockScaled):
        # What exceeds float64 saturates as well where it ends.
        with np.errstate(over="ignore"):
            scaled = np.nan_to_num(np.ldexp(x / step, fmt.unit))
        return quantize_blocks(scaled, fmt, exponents=quantization.exponents)
    if not isinstance(fmt, IntFormat):
        levels = fmt.levels()
        halfway = (levels[:-1] + levels[1:]) / 2
        return levels[np.searchsorted(halfway, x / step, side="right")]
    # Saturated before it becomes an integer, which could not hold it.
    level = np.clip(_half_up(x / step), fmt.min - zero_point, fmt.max - zero_point)
    return level.astype(np.int64) + zero_point


def dequantize(levels, quantization: Quantization) -> np.ndarray:
    """Real numbers that levels stand for; infinities and NaN where the format propagates them.

    Parameters
    ----------
    levels : array_like of integers, or of a block-scaled format Blocks
    quantization : Quantization

    Raises
    ------
    TypeError
        Where they are Blocks and the format is not block-scaled, or the other way round.
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
    """Zero point 0, and the largest level for ``magnitude``: of weights, ``max|W|``.

    Parameters
    ----------
    magnitude : float or array of float
        Not negative. Where it is 0 the scale is 1.
    fmt : Format
        Its lowest level may be below the negative of the highest; it then stands for a little
        more than ``-magnitude``.
    """
    if fmt.max < 1:
        raise ValueError(f"Format must have a positive level to be symmetric, not {fmt}")
    magnitude = finite(magnitude, "Magnitude")
    if (magnitude < 0).any():
        raise ValueError(f"Magnitude must not be negative, not {magnitude.min()}")
    scale = np.where(magnitude > 0, magnitude / fmt.max / 2.0**fmt.unit, 1.0)
    return Quantization(fmt, _plain(scale), 0)


def asymmetric(lo, hi, fmt: Format) -> Quantization:
    """Scale and zero point with which the format spans ``lo .. hi`` and represents 0 exactly.

    The range is widened to contain 0. The zero point is rounded, half up, to a level, so that
    each end may move by half a step.

    Parameters
    ----------
    lo, hi : float or array of float
        Where both are 0 the scale is 1.
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
    """Real numbers that the lowest and the highest level stand for, with the largest exponent."""
    fmt = quantization.format
    zero_point = np.asarray(quantization.zero_point)
    step = quantization.step * 2.0**(quantization.exponents.hi - EXPONENT_BIAS)
    return step * (fmt.min - zero_point), step * (fmt.max - zero_point)


def _half_up(x: np.ndarray) -> np.ndarray:
    # The fraction is exact, where x + 1/2 is not: of the largest number below 1/2 that gives 1.
    floor = np.floor(x)
    return floor + (x - floor >= 0.5)


def _per_channel(quantization: Quantization, axes: int) -> tuple[np.ndarray, np.ndarray]:
    scale, zero_point = np.asarray(quantization.scale), np.asarray(quantization.zero_point)
    quantization.format.check_zero_point(zero_point)
    step = np.asarray(quantization.step)
    if (vanishes := (step == 0) & (scale != 0)).any():
        raise ValueError(f"Scale must be large enough that 2**{quantization.format.unit} of it is "
                         f"not 0, not {scale[vanishes].flat[0]}")
    rest = [1] * (axes - 1)
    return (step.reshape(-1, *rest) if step.ndim else step,
            zero_point.reshape(-1, *rest) if zero_point.ndim else zero_point)


def _plain(scale: np.ndarray) -> float | np.ndarray:
    return scale if scale.ndim else float(scale)
