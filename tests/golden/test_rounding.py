from fractions import Fraction
from math import ceil, floor, trunc

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from golden.contracts import Rounding
from golden.formats import IntFormat, parse
from golden.rounding import divide, fraction, nearest_level, shift_right


def exact(value: Fraction, rounding: Rounding) -> int:
    """The definition, in rational arithmetic."""
    match rounding:
        case Rounding.FLOOR:
            return floor(value)
        case Rounding.ZERO:
            return trunc(value)
        case Rounding.HALF_UP:
            return floor(value + Fraction(1, 2))
        case Rounding.HALF_EVEN:
            return round(value)
        case Rounding.HALF_AWAY:
            return floor(value + Fraction(1, 2)) if value > 0 else ceil(value - Fraction(1, 2))


# NUMERICS 1.0: x, k, then floor, zero, half_up, half_away, half_even of x / 2**k.
TABLE = [
    (1, 1, 0, 0, 1, 1, 0),
    (-1, 1, -1, 0, 0, -1, 0),
    (3, 1, 1, 1, 2, 2, 2),
    (-3, 1, -2, -1, -1, -2, -2),
    (5, 1, 2, 2, 3, 3, 2),
    (-5, 1, -3, -2, -2, -3, -2),
    (2, 2, 0, 0, 1, 1, 0),
    (-6, 2, -2, -1, -1, -2, -2),
    (-5, 2, -2, -1, -1, -1, -1),
    (-7, 2, -2, -1, -2, -2, -2),
]
COLUMNS = (Rounding.FLOOR, Rounding.ZERO, Rounding.HALF_UP, Rounding.HALF_AWAY,
           Rounding.HALF_EVEN)


@pytest.mark.parametrize("kind", [np.int64, object])
def test_table(kind):
    for x, k, *row in TABLE:
        value = np.array([x], dtype=kind)
        assert [exact(Fraction(x, 2**k), each) for each in COLUMNS] == row
        assert [shift_right(value, k, each).item() for each in COLUMNS] == row, (x, k)
        assert [divide(value, 2**k, each).item() for each in COLUMNS] == row, (x, k)


@pytest.mark.parametrize("rounding", Rounding)
class TestEveryRounding:
    def test_small_numbers_exhaustively(self, rounding):
        x, d = np.meshgrid(np.arange(-40, 41), np.arange(1, 18))
        expected = [exact(Fraction(a, b), rounding)
                    for a, b in zip(x.flat, d.flat, strict=True)]
        for kind in (np.int64, object):
            result = divide(x.astype(kind), d, rounding)
            assert result.dtype == kind
            assert result.ravel().tolist() == expected

    def test_every_shift_at_the_ends_of_int64(self, rounding):
        for shift in range(67):
            near = {0, 1, 2**62, 2**63 - 1, 2**63}
            near |= {k << shift >> 1 for k in (1, 2, 3, 4, 5)}
            x = sorted({sign * n + d for n in near for d in (-2, -1, 0, 1, 2) for sign in (-1, 1)
                        if -2**63 <= sign * n + d < 2**63})
            expected = [exact(Fraction(n, 2**shift), rounding) for n in x]
            assert shift_right(np.array(x), shift, rounding).tolist() == expected, shift
            assert shift_right(np.array(x, dtype=object), shift, rounding).tolist() == expected

    def test_extremes_of_int64_divide(self, rounding):
        n = [-2**63, -2**63 + 1, -1, 0, 1, 2**63 - 2, 2**63 - 1]
        d = [1, 2, 3, 2**62, 2**63 - 2, 2**63 - 1]
        result = divide(np.array(n)[:, None], np.array(d), rounding)
        assert result.dtype == np.int64
        assert result.tolist() == [[exact(Fraction(a, b), rounding) for b in d] for a in n]

    def test_shapes(self, rounding):
        for x, shape in ((7, ()), (2**70, ()), ([], (0,)), (np.ones((2, 1, 3), dtype=int),
                                                            (2, 4, 3))):
            other = np.full((4, 1) if shape == (2, 4, 3) else (), 2)
            assert divide(x, other, rounding).shape == shape
            assert shift_right(x, other, rounding).shape == shape
        assert int(shift_right(2**70, 1, rounding)) == 2**69
        assert int(divide(2**70 + 1, 2, rounding)) == exact(Fraction(2**70 + 1, 2), rounding)

    def test_shift_per_element(self, rounding):
        x, shift = np.arange(-9, 10), np.arange(19) % 5
        expected = [exact(Fraction(a, 2**s), rounding)
                    for a, s in zip(x.tolist(), shift.tolist(), strict=True)]
        assert shift_right(x, shift, rounding).tolist() == expected


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.integers(-2**130, 2**130), st.integers(1, 2**70), st.sampled_from(Rounding))
@example(2**63, 2, Rounding.HALF_UP)
def test_divide_is_exact(numerator, denominator, rounding):
    assert int(divide(numerator, denominator, rounding)) == exact(
        Fraction(numerator, denominator), rounding)


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.integers(-2**130, 2**130) | st.integers(-2**63, 2**63 - 1), st.integers(0, 140),
       st.sampled_from(Rounding))
def test_shift_is_exact(x, shift, rounding):
    assert int(shift_right(x, shift, rounding)) == exact(Fraction(x, 2**shift), rounding)


def test_bad_arguments():
    for bad in (0, -3):
        with pytest.raises(ValueError, match=rf"^Denominator must be positive, not {bad}$"):
            divide([1, 2], [1, bad], Rounding.FLOOR)
    with pytest.raises(ValueError, match=r"^Shift must not be negative, not -1$"):
        shift_right(1, -1, Rounding.FLOOR)
    with pytest.raises(TypeError, match=r"^Numerator must be an integer, not 0\.5 \(float\)$"):
        divide([0.5], 1, Rounding.FLOOR)


def between(x, shift, fmt, rounding):
    """``nearest_level``, as its table is written."""
    value, levels = Fraction(x, 2**shift), fmt.levels().tolist()
    if value <= levels[0] or value >= levels[-1]:
        return levels[0] if value <= levels[0] else levels[-1]
    lo = max(level for level in levels if level <= value)
    hi = min(level for level in levels if level >= value)
    nearer = {Rounding.FLOOR: lo, Rounding.ZERO: lo if value >= 0 else hi}.get(rounding)
    if nearer is not None:
        return nearer
    if value - lo != hi - value:
        return lo if value - lo < hi - value else hi
    return {Rounding.HALF_UP: hi, Rounding.HALF_AWAY: hi if value >= 0 else lo,
            Rounding.HALF_EVEN: lo if fmt.encode(lo) % 2 == 0 else hi}[rounding]


@pytest.mark.parametrize("rounding", Rounding)
@pytest.mark.parametrize("name", ["binary", "odd2", "odd4", "s4", "u3n", "ternary", "e2m1",
                                  "codebook:-7/-3/0/1/30", "codebook:2/3/5"])
def test_nearest_level(name, rounding):
    fmt, x = parse(name), np.arange(-300, 301)
    for shift in (0, 1, 2, 4):
        want = [between(value, shift, fmt, rounding) for value in x.tolist()]
        np.testing.assert_array_equal(nearest_level(x, shift, fmt, rounding), want)
        # The same numbers, of a size that int64 does not hold.
        np.testing.assert_array_equal(
            nearest_level(x.astype(object) << 70, shift + 70, fmt, rounding), want)
        if isinstance(fmt, IntFormat):
            np.testing.assert_array_equal(
                np.clip(shift_right(x, shift, rounding), fmt.min, fmt.max), want)


@settings(derandomize=True, deadline=None)
@given(st.floats(allow_nan=False), st.integers(-68, 3))
@example(float("inf"), 0)
@example(0.0, -68)
@example(2.0**-28, -68)
@example(-5e-324, -20)
@example(2.0**-10 * (1 - 2.0**-53), 0)
def test_fraction(x, unit):
    n, shift = map(int, fraction(x, unit))
    assert 0 <= shift <= 62
    value = Fraction(n, 1 << shift)
    wanted = Fraction(min(max(x, -2.0**60), 2.0**60)) / Fraction(2)**unit
    if abs(wanted) > 2**40:
        assert value == (2**40 if x > 0 else -2**40)
    elif wanted and abs(wanted) < Fraction(1, 2**10):
        assert value == Fraction(1 if x > 0 else -1, 1 << 62)
    else:
        assert value == wanted


def test_fraction_of_nan():
    with pytest.raises(ValueError, match="^Numbers to round must not be NaN$"):
        fraction([1, np.nan])
