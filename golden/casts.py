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
    """Levels of floats.

    To an integer format the fraction is dropped, and so are the digits beyond its width, as ONNX's
    own tests have it: the standard leaves undefined what does not fit. To any other it is the
    nearest level, of two as near the one with the even code, or the end that is beyond.

    NaN stays NaN in a format that propagates it, and becomes 0 in a float that has no code for it,
    as in ml_dtypes; others refuse it.

    Parameters
    ----------
    x : array_like of float
    output : Format
    saturate : bool
        Where not, and the format propagates infinities and NaN, what rounds to more than its
        largest number becomes infinity, or NaN in a format without: as in ml_dtypes and ONNX's
        tests. ONNX Runtime differs there, up to the number that would be the next.

    Returns
    -------
    array of ``int64``

    Raises
    ------
    ValueError
        Where a number is NaN, or to become an integer and not finite.
    """
    with np.errstate(invalid="ignore"):  # of a NaN that signals
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
        # As if the largest codes were numbers too: what rounds to one of them is too large.
        numbers = replace(output, reserved=0, infinity=False, specials="refuse")
        levels = nearest_level(n, shift, numbers, Rounding.HALF_EVEN)
        beyond = np.sign(levels) * INFINITY if output.infinity else NAN
        levels = np.where(np.abs(levels) > output.max, beyond, levels)
    return np.where(nan, NAN if output.propagates else 0, levels)


def to_float(levels, source: Format, dtype: DTypeLike = np.float32) -> np.ndarray:
    """Floats that levels stand for, and infinities and NaN where the format propagates them.

    Parameters
    ----------
    levels : array_like of integers
        Levels of ``source``, or differences of some.
    source : Format
    dtype : float16, float32 or float64
        Of the result, which is rounded where that does not hold it.
    """
    levels = np.asarray(levels)
    floats = as_floats(levels) if source.propagates else levels.astype(np.float64)
    with np.errstate(over="ignore", under="ignore"):
        return np.ldexp(floats, source.unit).astype(dtype)
