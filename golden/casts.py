"""Casts between floats and levels, as ONNX's Cast defines them."""

from dataclasses import replace

import numpy as np
from numpy.typing import DTypeLike

from golden.contracts import Rounding
from golden.formats import INFINITY, NAN, FloatFormat, Format, IntFormat, floats
from golden.rounding import fraction, nearest_level
from golden.specials import as_floats

__all__ = ["cast", "to_float"]


def cast(x, output: Format, *, saturate: bool = True) -> np.ndarray:
    """Cast floats to levels.

    A cast to an integer format drops the fraction and the bits beyond the width, as ONNX's own
    tests expect; the standard leaves numbers that do not fit undefined. A cast to any other format
    gives the nearest level, ties to the even code, saturated.

    NaN stays NaN in a format that propagates it. It becomes 0 in a float format without a code for
    it, as in ml_dtypes. Other formats refuse it.

    Parameters
    ----------
    x : array_like of float
    output : Format
    saturate : bool
        Whether numbers above the largest saturate. If not, and the format propagates infinities and
        NaN, they become infinity, or NaN in a format without: as in ml_dtypes and ONNX's tests.
        ONNX Runtime differs between the largest number and the one that would be next.

    Returns
    -------
    array of ``int64``

    Raises
    ------
    ValueError
        If a number is NaN and the format refuses it, or not finite and the format is an integer
        format.
    """
    with np.errstate(invalid="ignore"):  # a signalling NaN
        x = floats(x, "Numbers to cast").astype(np.float64)
    if isinstance(output, IntFormat):
        if not np.isfinite(x).all():
            raise ValueError("Numbers to cast to integers must be finite, not "
                             f"{x[~np.isfinite(x)].flat[0]}")
        # The remainder is exact, and has the sign of x.
        return output.decode(np.fmod(x, 1 << output.bits).astype(np.int64)
                             & (1 << output.bits) - 1)
    nan = np.zeros_like(x, dtype=bool)
    if output.propagates or (isinstance(output, FloatFormat) and not output.reserved):
        nan = np.isnan(x)
    n, shift = fraction(np.where(nan, 0, x), output.unit)
    if saturate or not (isinstance(output, FloatFormat) and output.propagates):
        levels = nearest_level(n, shift, output, Rounding.HALF_EVEN)
    else:
        # Rounded as if the reserved codes were numbers: a number that rounds to one is too large.
        numbers = replace(output, reserved=0, infinity=False, specials="refuse")
        levels = nearest_level(n, shift, numbers, Rounding.HALF_EVEN)
        beyond = np.sign(levels) * INFINITY if output.infinity else NAN
        levels = np.where(np.abs(levels) > output.max, beyond, levels)
    return np.where(nan, NAN if output.propagates else 0, levels)


def to_float(levels, source: Format, dtype: DTypeLike = np.float32) -> np.ndarray:
    """Numbers of levels as floats, including infinities and NaN if the format propagates them.

    Parameters
    ----------
    levels : array_like of integers
        Levels of ``source``, or differences of two.
    source : Format
        Format of the levels.
    dtype : float16, float32 or float64
        Type of the result, which is rounded to it.
    """
    levels = np.asarray(levels)
    floats = as_floats(levels) if source.propagates else levels.astype(np.float64)
    with np.errstate(over="ignore", under="ignore"):
        return np.ldexp(floats, source.unit).astype(dtype)
