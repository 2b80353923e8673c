"""Exact functions of an integer: what stands between two quantizers, for one channel."""

from bisect import bisect_left
from collections.abc import Sequence
from fractions import Fraction
from math import isqrt
from typing import NamedTuple

from golden.readers.model import Unsupported

__all__ = ["ROOT_BITS", "Border", "Piece", "root"]

ROOT_BITS = 512
"""Binary digits of a square root that is irrational."""

_NEAR = 384
"""Digits that two numbers made of roots may have in common, unless they are equal.

The others are so few that a number made of some roots is right to many more digits: nearer ones
could be in the other order.
"""


class Border(NamedTuple):
    """Real number from which on a function has the next level.

    Parameters
    ----------
    at : Fraction
    inclusive : bool
        Whether the number itself has the next level.
    """

    at: Fraction
    inclusive: bool

    def reached(self, value: Fraction) -> bool:
        """Whether a real number has the next level."""
        return value > self.at or (self.inclusive and value == self.at)


class Piece(NamedTuple):
    """Function ``min(max(slope * n + offset, lo), hi)`` of an integer ``n``.

    It is closed under scaling, addition of constants and clipping.

    Parameters
    ----------
    slope, offset : Fraction
    lo, hi : Fraction or None
        Ends of the values; None if there is none.
    rough : bool
        Whether a number is made of an irrational root, to `ROOT_BITS` digits.
    """

    slope: Fraction = Fraction(1)
    offset: Fraction = Fraction(0)
    lo: Fraction | None = None
    hi: Fraction | None = None
    rough: bool = False

    @property
    def digits(self) -> int:
        """Most binary digits of slope and offset."""
        return max(each.bit_length() for number in (self.slope, self.offset) for each in (
            number.numerator, number.denominator))

    def __call__(self, n: int) -> Fraction:
        """Value at ``n``."""
        return self._clip(self.slope * n + self.offset)

    def _clip(self, value: Fraction) -> Fraction:
        if self.lo is not None and value < self.lo:
            value = self.lo
        if self.hi is not None and value > self.hi:
            value = self.hi
        return value

    def scaled(self, by: Fraction, rough: bool = False) -> "Piece":
        """Return the function times a constant, which may be made of an irrational root."""
        lo, hi = (None if end is None else end * by for end in (self.lo, self.hi))
        if by == 0:
            lo = hi = None
        elif by < 0:
            lo, hi = hi, lo
        return Piece(self.slope * by, self.offset * by, lo, hi, self.rough or rough)

    def shifted(self, by: Fraction) -> "Piece":
        """Return the function plus a constant."""
        lo, hi = (None if end is None else end + by for end in (self.lo, self.hi))
        return Piece(self.slope, self.offset + by, lo, hi, self.rough)

    def clipped(self, lo: Fraction | None, hi: Fraction | None) -> "Piece":
        """Return the function between two ends; of crossed ends, the upper one wins."""
        ends = Piece(Fraction(0), Fraction(0), lo, hi)
        own = (lo if self.lo is None else ends._clip(self.lo),
               hi if self.hi is None else ends._clip(self.hi))
        if lo is not None and hi is not None and lo > hi:
            own = hi, hi
        return Piece(self.slope, self.offset, *own, self.rough)

    def flipped(self) -> "Piece":
        """Return the function of ``-n``."""
        return self._replace(slope=-self.slope)

    def ladder(self, borders: Sequence[Border], least: int, most: int) -> list[int]:
        """Return the least ``n`` of ``least`` to ``most`` that reaches each of ascending borders.

        The slope must not be negative. A border that none reaches has ``most + 1``.
        """
        slope, offset = self.slope, self.offset
        lo, hi = (self.lo, self.hi) if slope else (self(0), self(0))
        # Borders that every number reaches, and those that any may reach.
        always = 0 if lo is None else self._reached(borders, lo)
        ever = len(borders) if hi is None else self._reached(borders, hi)
        # (at - offset) / slope as two integers: a Fraction would be reduced each time.
        factor, divisor = (offset.denominator * each for each in (
            slope.denominator, slope.numerator))
        less = offset.numerator * slope.denominator
        places = [least] * always
        for at, inclusive in borders[always:ever]:
            first, second = at.numerator * factor, less * at.denominator
            place, rest = divmod(first - second, at.denominator * divisor)
            if self.rough:
                _apart(min(rest, at.denominator * divisor - rest), abs(first) + abs(second))
            place += rest > 0 or not inclusive
            places.append(min(max(place, least), most + 1))
        return places + [most + 1] * (len(borders) - max(always, ever))

    def _reached(self, borders: Sequence[Border], end: Fraction) -> int:
        # Number of borders that an end reaches.
        count = bisect_left(borders, True, key=lambda border: not border.reached(end))
        if self.rough and end:  # an end of 0 has no root in it
            for border in borders[max(count - 1, 0):count + 1]:
                _apart(abs(border.at - end), abs(border.at) + abs(end))
        return count


def _apart(distance: Fraction | int, size: Fraction | int):
    if 0 < distance * (1 << _NEAR) < size:
        raise Unsupported(f"Borders must differ from sums within {_NEAR} digits to be decided")


def root(value: Fraction) -> tuple[Fraction, bool]:
    """Square root of a positive number, to `ROOT_BITS`, and whether it is irrational."""
    exact = Fraction(isqrt(value.numerator), isqrt(value.denominator))
    if exact * exact == value:
        return exact, False
    # At least so many digits behind the first, however small the value is.
    places = ROOT_BITS + max(0, value.denominator.bit_length() - value.numerator.bit_length())
    return Fraction(isqrt((value.numerator << 2 * places) // value.denominator), 1 << places), True
