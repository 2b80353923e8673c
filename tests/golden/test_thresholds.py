import math
from fractions import Fraction
from math import floor

import numpy as np
import pytest

from golden.contracts import parse as contract
from golden.formats import IntFormat, parse
from golden.ranges import Range
from golden.requantize import requantize
from golden.thresholds import threshold_parameters

S33 = IntFormat(33)


def test_table():
    """NUMERICS 1.8."""
    found = threshold_parameters([0.037], parse("u3"), S33)
    assert [value.tolist() for value in found.values()] == [
        [14], [41], [68], [95], [122], [149], [176]]
    assert list(found) == [f"threshold_{k}" for k in range(1, 8)]


@pytest.mark.parametrize("output, width", [
    ("u1", 20), ("s1", 20), ("s2n", 20), ("u3", 20), ("s4", 20), ("u4n", 20), ("s3", 63),
    ("s3n", 64), ("u2", 65), ("s3n", 87)])
def test_smallest_sum_that_reaches_a_level(output, width, rng):
    fmt, sums = parse(output), IntFormat(width)
    zero_point = int(rng.integers(fmt.min, fmt.max + 1))
    reals = [0.5, 0.25, 1.0, 3.0, *(2.0 ** rng.uniform(-16, 3, 20)).tolist()]
    reals[4::2] = [real * 2.0 ** (20 - width) for real in reals[4::2]]
    found = threshold_parameters(reals, fmt, sums, zero_point=zero_point)
    kind = np.int64 if width <= 64 else object
    assert all(value.shape == (24,) and value.dtype == kind for value in found.values())
    assert all(type(each) is int for value in found.values() for each in value.tolist())

    def level(x, real):
        return floor(x * Fraction(real) + Fraction(1, 2)) + zero_point

    for k, value in enumerate(found.values(), fmt.min + 1):
        for real, threshold in zip(reals, value.tolist(), strict=True):
            assert level(threshold, real) >= k or threshold == sums.max
            assert level(threshold - 1, real) < k or threshold == sums.min
    # And golden counts them so.
    whole = Range(sums.min // 2, sums.max // 2)
    borders = [border - below for value in found.values() for border in value.tolist()[4:6]
               for below in (0, 1)]
    for end in (whole.lo, whole.hi, *borders):
        x = [min(max(end, whole.lo), whole.hi)] * len(reals)
        got = requantize(x, contract("thresholds"), fmt, found | {"bias": 0}, unbiased=whole)
        want = [level(each, real) for each, real in zip(x, reals, strict=True)]
        np.testing.assert_array_equal(got, np.clip(np.array(want, object), fmt.min, fmt.max))


def test_clamp():
    found = threshold_parameters([1.0], parse("s3"), S33, zero_point=-1, clamp_min=-1)
    assert [value.item() for value in found.values()] == [S33.min] * 3 + [1, 2, 3, 4]


def test_out_of_reach():
    sums = IntFormat(8)
    found = threshold_parameters([2.0**-10, 5e-324], parse("u2"), sums)
    assert [value.tolist() for value in found.values()] == [[127, 127]] * 3
    found = threshold_parameters([2.0**-10], parse("s2"), sums)
    assert [value.item() for value in found.values()] == [-128, -128, 127]


@pytest.mark.parametrize("output, zero_point, clamp_min", [
    ("s3", -1, None), ("s3", 2, None), ("s3", 3, None), ("s3", -4, None), ("u2", 1, 2),
    ("odd2", 0, None)])
def test_scale_of_0(output, zero_point, clamp_min):
    """Every sum but the largest reaches what stands for 0, and no more."""
    fmt, sums = parse(output), IntFormat(8)
    found = threshold_parameters([0.0], fmt, sums, zero_point=zero_point, clamp_min=clamp_min)
    p = {name: int(value[0]) for name, value in found.items()} | {"bias": 0}
    level = max(zero_point, fmt.min if clamp_min is None else clamp_min)
    level = min(fmt.levels()[fmt.levels() >= level])  # half up
    for x in (-128, -1, 0, 126):
        assert requantize(x, contract("thresholds"), fmt, p, unbiased=Range(-128, 126)) == level


@pytest.mark.parametrize("real", [-0.5, math.nan, math.inf])
def test_scale_must_not_be_negative(real):
    with pytest.raises(ValueError,
                       match=rf"^Scale must be finite and not negative, not {real}$"):
        threshold_parameters([1.0, real], parse("u2"), S33)
