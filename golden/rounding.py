"""Exact division with a named rounding: on ``int64`` arrays, or on Python integers of any size."""

import numpy as np

from golden.contracts import Rounding
from golden.formats import integers

__all__ = ["divide", "shift_right"]


def divide(numerator, denominator, rounding: Rounding) -> np.ndarray:
    """Round ``numerator / denominator`` to an integer.

    The quotient is floored and the whole remainder kept, so nothing is lost before the one
    rounding. Where a step wraps in ``int64`` the next one wraps it back.

    Parameters
    ----------
    numerator, denominator : array_like of integers
        Broadcast together; denominators are positive.
    rounding : Rounding

    Returns
    -------
    array of ``int64``, or of Python integers where either operand was.

    Raises
    ------
    ValueError
        Where a denominator is not positive.
    """
    numerator, denominator = _same_kind(integers(numerator, "Numerator"),
                                        integers(denominator, "Denominator"))
    if denominator.size and denominator.min() <= 0:
        raise ValueError(f"Denominator must be positive, not {denominator.min()}")
    shape = np.broadcast_shapes(numerator.shape, denominator.shape)
    # numpy turns results without dimensions into scalars, where a bool would not add as 0 or 1.
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
        Broadcast together; shifts are not negative.
    rounding : Rounding

    Returns
    -------
    array of ``int64``, or of Python integers where ``x`` was, or where a shift exceeds 62.

    Raises
    ------
    ValueError
        Where a shift is negative.
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
    # Floor of twice the quotient: its lowest bit is worth one half. A shift by 0 has no half.
    before = np.maximum(shift - 1, 0)
    twice = x >> before
    floor, half = x >> shift, twice & (shift > 0)
    if rounding is Rounding.HALF_UP:
        return np.asarray(floor + half)
    more = (x & ((one << before) - 1)) != 0
    if rounding is Rounding.HALF_EVEN:
        return np.asarray(floor + (half & (more | (floor & 1))))
    return np.asarray(floor + (half & (more | (x >= 0))))


def _same_kind(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if object in (a.dtype, b.dtype):
        return a.astype(object), b.astype(object)
    return a, b
