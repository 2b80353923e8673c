"""Rounding to the levels of each kind of format, by each rule, in rational arithmetic."""

from bisect import bisect_left, bisect_right
from fractions import Fraction

import numpy as np
import pytest

from golden.contracts import Rounding
from golden.formats import FLOATS, parse
from golden.rounding import nearest_level

NAMES = [*FLOATS, "cfloat8_1_4_3:denormals=paper", "cfloat8_1_5_2:bias=63,denormals=paper",
         "e4m3fn:specials=propagate", "binary", "bit", "ternary", "odd3", "odd8", "s8n", "u4n",
         "codebook:-7/-3/0/1/30", "codebook:5/6", "codebook:-9/-4", "codebook:-32768/32767"]


def nearest(value, levels, codes, rounding):
    """Its table, as it is written."""
    if value <= levels[0] or value >= levels[-1]:
        return levels[0] if value <= levels[0] else levels[-1]
    below, above = bisect_right(levels, value) - 1, bisect_left(levels, value)
    lo, hi = levels[below], levels[above]
    match rounding:
        case Rounding.FLOOR:
            return lo
        case Rounding.ZERO:
            return lo if value >= 0 else hi
    if value - lo != hi - value:
        return lo if value - lo < hi - value else hi
    match rounding:
        case Rounding.HALF_UP:
            return hi
        case Rounding.HALF_AWAY:
            return hi if value >= 0 else lo
    return lo if codes[below] % 2 == 0 else hi


@pytest.mark.parametrize("name", NAMES)
def test_ties_and_neighbours(name):
    """Each level, each place halfway, and what is next to them; numbers that int64 does not hold.

    Zero has no meaning without a level 0, but that it is the neighbour towards 0.
    """
    fmt = parse(name)
    levels = fmt.levels().tolist()
    codes = fmt.encode(fmt.levels()).tolist()
    assert all((one + other) % 2 for one, other in zip(codes, codes[1:], strict=False))
    twice = [2 * level for level in levels]
    twice += [one + other for one, other in zip(levels, levels[1:], strict=False)]
    for shift in (20, 90):
        x = {(each << shift - 1) + step for each in twice for step in (-1, 0, 1)}
        x = sorted(x | {levels[0] * 3 << shift, levels[-1] * 3 << shift, -10**40, 10**40})
        values = [Fraction(each, 1 << shift) for each in x]
        small = [each for each in x if abs(each) < 1 << 63]
        for rounding in Rounding:
            wanted = [nearest(value, levels, codes, rounding) for value in values]
            found = nearest_level(np.array(x, dtype=object), shift, fmt, rounding)
            assert found.tolist() == wanted and found.dtype == np.int64
            found = nearest_level(np.array(small, dtype=np.int64), shift, fmt, rounding)
            assert found.tolist() == [want for each, want in zip(x, wanted, strict=True)
                                      if abs(each) < 1 << 63]


def test_shifts_of_each(rng):
    fmt = parse("e4m3fn")
    levels = fmt.levels().tolist()
    codes = fmt.encode(fmt.levels()).tolist()
    x, shift = rng.integers(-1 << 40, 1 << 40, 2000), rng.integers(0, 45, 2000)
    for rounding in Rounding:
        wanted = [nearest(Fraction(each, 1 << by), levels, codes, rounding)
                  for each, by in zip(x.tolist(), shift.tolist(), strict=True)]
        assert nearest_level(x, shift, fmt, rounding).tolist() == wanted


@pytest.mark.parametrize("name, up, down", [
    ("binary", 1, -1), ("odd4", 1, -1), ("codebook:-7/-2/2/5", 2, -2)])
def test_exactly_0_between_two_levels(name, up, down):
    """No side of zero is its own: away from zero is up."""
    fmt = parse(name)
    found = {rounding: nearest_level([0, 0], [0, 5], fmt, rounding).tolist()
             for rounding in Rounding if rounding is not Rounding.ZERO}
    even = next(level for level in (down, up) if fmt.encode(level) % 2 == 0)
    assert found == {Rounding.HALF_UP: [up, up], Rounding.HALF_AWAY: [up, up],
                     Rounding.FLOOR: [down, down], Rounding.HALF_EVEN: [even, even]}
    assert nearest_level(-1, 5, fmt, Rounding.HALF_AWAY) == down
