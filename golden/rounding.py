"""Exact division with a named rounding, to an integer or to the levels of a format.

The functions work on ``int64`` arrays, or on Python integers of any size.
"""

import numpy as np

from golden.contracts import Rounding
from golden.formats import Format, floats, integers
from golden.ranges import INT64, Range, values_range

__all__ = ["divide", "shift_right", "nearest_level", "fraction"]

FURTHEST = 40
"""Binary logarithm of a number above all levels of operands and outputs."""


def divide(numerator, denominator, rounding: Rounding) -> np.ndarray:
    """Round ``numerator / denominator`` to an integer.

    The quotient is floored and the remainder kept, so nothing is lost before the one rounding. If
    a step wraps in ``int64``, the next step wraps it back.

    Parameters
    ----------
    numerator, denominator : array_like of integers
        Operands, broadcast together; denominators are positive.
    rounding : Rounding

    Returns
    -------
    array of ``int64``, or of Python integers if either operand is.

    Raises
    ------
    ValueError
        If a denominator is not positive.
    """
    numerator, denominator = _same_kind(integers(numerator, "Numerator"),
                                        integers(denominator, "Denominator"))
    if denominator.size and denominator.min() <= 0:
        raise ValueError(f"Denominator must be positive, not {denominator.min()}")
    shape = np.broadcast_shapes(numerator.shape, denominator.shape)
    # numpy turns results without dimensions into scalars, and a scalar bool does not add as 0 or 1.
    numerator, denominator = np.atleast_1d(numerator, denominator)
    floor = numerator // denominator
    below = numerator - floor * denominator
    above = denominator - below
    match rounding:
        case Rounding.FLOOR:
            up = np.zeros_like(below, dtype=bool)
        case Rounding.ZERO:
            up = (numerator < 0) & (below != 0)
        case Rounding.HALF_UP:
            up = below >= above
        case Rounding.HALF_EVEN:
            up = (below > above) | ((below == above) & (floor % 2 != 0))
        case Rounding.HALF_AWAY:
            up = (below > above) | ((below == above) & (numerator >= 0))
    return (floor + up).reshape(shape)


def shift_right(x, shift, rounding: Rounding) -> np.ndarray:
    """Round ``x / 2**shift`` to an integer.

    Parameters
    ----------
    x, shift : array_like of integers
        Operands, broadcast together; shifts are not negative.
    rounding : Rounding

    Returns
    -------
    array of ``int64``, or of Python integers if ``x`` is, or if a shift exceeds 62.

    Raises
    ------
    ValueError
        If a shift is negative.
    """
    x, shift = integers(x, "Value"), integers(shift, "Shift")
    if shift.size and shift.min() < 0:
        raise ValueError(f"Shift must not be negative, not {shift.min()}")
    if object in (x.dtype, shift.dtype) or (shift.size and shift.max() > 62):
        return divide(x.astype(object), np.left_shift(1, shift.astype(object)), rounding)
    if rounding is Rounding.FLOOR:
        return np.asarray(x >> shift)
    one = np.int64(1)
    if rounding is Rounding.ZERO:
        # Only negative numbers are added to, so that the sum cannot overflow.
        return np.asarray((x + (x < 0) * ((one << shift) - 1)) >> shift)
    # The lowest bit of twice the quotient, floored, is worth one half. A shift by 0 has no half.
    before = np.maximum(shift - 1, 0)
    twice = x >> before
    floor, half = x >> shift, twice & (shift > 0)
    if rounding is Rounding.HALF_UP:
        return np.asarray(floor + half)
    more = (x & ((one << before) - 1)) != 0
    if rounding is Rounding.HALF_EVEN:
        return np.asarray(floor + (half & (more | (floor & 1))))
    return np.asarray(floor + (half & (more | (x >= 0))))


def nearest_level(x, shift, fmt: Format, rounding: Rounding) -> np.ndarray:
    """Round ``x / 2**shift`` to a level of a format; a number beyond an end becomes the end.

    Between two levels, ``lo <= x / 2**shift <= hi``:

    =========  =====================================================================
    floor      ``lo``
    zero       ``lo`` if ``x >= 0``, else ``hi``
    half_up    the nearer; a tie becomes ``hi``
    half_even  the nearer; a tie becomes the level whose code is even
    half_away  the nearer; a tie becomes ``hi`` if ``x >= 0``, else ``lo``
    =========  =====================================================================

    For an integer format this is :func:`shift_right`, saturated.

    Parameters
    ----------
    x, shift : array_like of integers
        Operands, broadcast together; shifts are not negative.
    fmt : Format
    rounding : Rounding

    Returns
    -------
    array of ``int64``

    Raises
    ------
    ValueError
        If a shift is negative.
    """
    x, shift = np.broadcast_arrays(integers(x, "Value"), integers(shift, "Shift"))
    # numpy turns results without dimensions into scalars.
    shape, x, shift = x.shape, np.atleast_1d(x), np.atleast_1d(shift)
    if values_range(x) * Range(2, 2) not in INT64 or values_range(shift).hi > 62:
        x = x.astype(object)
    # Twice the number, floored, and whether the floor dropped nothing: these compare the number
    # with a level, and with the middle of two.
    twice = shift_right(x * 2, shift, Rounding.FLOOR)
    exact = (np.left_shift(twice, shift) if twice.dtype == np.int64
             else twice * np.left_shift(1, shift.astype(object))) == x * 2
    levels = fmt.levels()
    # A number beyond an end rounds as one just beyond it.
    twice = np.clip(twice, 2 * fmt.min - 1, 2 * fmt.max + 1).astype(np.int64)
    place = np.clip(np.searchsorted(2 * levels, twice, side="right") - 1, 0, len(levels) - 1)
    above = np.minimum(place + 1, len(levels) - 1)
    lo, hi = levels[place], levels[above]
    tie = (twice == lo + hi) & exact
    match rounding:
        case Rounding.FLOOR:
            up = np.zeros_like(tie)
        case Rounding.ZERO:
            up = (x < 0) & ~((twice == 2 * lo) & exact)
        case Rounding.HALF_UP:
            up = twice >= lo + hi
        case Rounding.HALF_EVEN:
            up = (twice >= lo + hi) & ~(tie & (fmt.encode(levels) % 2 == 0)[place])
        case Rounding.HALF_AWAY:
            up = (twice >= lo + hi) & ~(tie & (x < 0))
    below = twice < 2 * fmt.min  # nearer to the lowest level than to the next one
    return np.where(up & ~below, hi, lo).reshape(shape)


def fraction(x, unit: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Convert floats to fractions ``n / 2**shift`` that round to any level as ``x / 2**unit`` does.

    The fraction equals ``x / 2**unit``, with two exceptions: a magnitude above ``2**40`` becomes
    ``2**40``, and a magnitude below ``2**-10``, but not 0, becomes ``2**-62``.

    Parameters
    ----------
    x : array_like of float
        Numbers, not NaN; infinities saturate.
    unit : int
        Exponent ``u``: one level counts ``2**u``.

    Returns
    -------
    n, shift : array of ``int64``
        Operands of :func:`shift_right` and :func:`nearest_level`; shifts are 0 to 62.

    Raises
    ------
    ValueError
        If a number is NaN.
    """
    x = floats(x, "Numbers to round").astype(np.float64)
    if np.isnan(x).any():
        raise ValueError("Numbers to round must not be NaN")
    # float64 has 53 digits, so n is exact.
    mantissa, exponent = np.frexp(np.clip(x, -(2.0 ** (FURTHEST + unit)), 2.0 ** (FURTHEST + unit)))
    n, shift = (mantissa * 2.0**53).astype(np.int64), 53 + unit - exponent.astype(np.int64)
    # Only the shift of 0, which has no exponent, can be negative.
    return np.where(shift > 62, np.sign(n), n), np.clip(shift, 0, 62)


def _same_kind(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if object in (a.dtype, b.dtype):
        return a.astype(object), b.astype(object)
    return a, b
