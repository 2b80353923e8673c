import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golden.affine import asymmetric, dequantize, limits, quantize, round_to_step, symmetric
from golden.formats import INFINITY, NAN, parse
from golden.networks import Quantization

S4, S8, U8, S16 = (parse(name) for name in ("s4", "s8", "u8", "s16"))
FORMATS = [parse(name) for name in ("s2", "s2n", "s4", "s4n", "u1", "u2", "u4", "s8", "s8n", "u8",
                                    "u8n", "s16", "u16")]
REALS = st.floats(-1e6, 1e6)
# float64's relative error of one division, taken from exact results.
ULP = Fraction(1, 2**50)


@pytest.mark.parametrize("x, step, result", [
    (0.5, 1, 1), (-0.5, 1, 0), (1.5, 1, 2), (-1.5, 1, -1), (2.5, 1, 3), (0.49999999999999994, 1, 0),
    (-0.49999999999999994, 1, 0), (3, 2, 4), (-3, 2, -2), (0.3, 0.25, 0.25), (0.375, 0.25, 0.5),
    (-0.375, 0.25, -0.25), (4503599627370497.0, 1, 4503599627370497.0), (1e300, 1, 1e300),
])
def test_ties_go_up(x, step, result):
    assert round_to_step(x, step) == result


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.floats(-1e15, 1e15))
def test_round_to_step_one_is_exact(x):
    assert round_to_step(x, 1) == math.floor(Fraction(x) + Fraction(1, 2))


@pytest.mark.parametrize("x, expected", [
    (0.5, 4), (-0.5, 3), (1.49, 4), (1.5, 5), (-11, -8), (4, 7), (4.5, 7), (1e300, 7),
    (-1e300, -8), (-11.5, -8), (3.4999, 6),
])
def test_levels_saturate_after_the_zero_point(x, expected):
    q = Quantization(S4, 1.0, 3)
    assert quantize(x, q) == expected
    assert quantize(x, q).dtype == np.int64


def test_channels_are_the_first_axis():
    q = Quantization(S8, np.array([1.0, 0.5]), np.array([0, 1]))
    levels = quantize([[1, 2], [1, 2]], q)
    assert levels.tolist() == [[1, 2], [3, 5]]
    assert dequantize(levels, q).tolist() == [[1, 2], [1, 2]]
    assert quantize(np.ones((2, 1, 3)), q).tolist() == [[[1, 1, 1]], [[3, 3, 3]]]


@pytest.mark.parametrize("fmt", FORMATS, ids=str)
class TestEveryFormat:
    def test_levels_round_trip(self, fmt):
        for zero_point in (fmt.min, fmt.max, (fmt.min + fmt.max) // 2):
            q = Quantization(fmt, 0.1, zero_point)
            np.testing.assert_array_equal(quantize(dequantize(fmt.levels(), q), q), fmt.levels())

    def test_asymmetric(self, fmt):
        for lo, hi in [(-1, 1), (0, 3), (-2, 0), (0.5, 2), (-7, -6), (-1, 100), (-1e-30, 1e30)]:
            q = asymmetric(lo, hi, fmt)
            assert isinstance(q.scale, float) and isinstance(q.zero_point, int)
            assert quantize(0, q) == q.zero_point and dequantize(q.zero_point, q) == 0, (lo, hi)
            low, high = limits(q)
            lo, hi = min(lo, 0), max(hi, 0)
            # Either end moves by at most half a step, and the span is kept.
            half = Fraction(q.scale) / 2 * (1 + ULP) + Fraction(hi - lo) * ULP
            assert abs(Fraction(float(low)) - Fraction(lo)) <= half, (lo, hi)
            assert abs(Fraction(float(high)) - Fraction(hi)) <= half, (lo, hi)
            assert high - low == pytest.approx(hi - lo, rel=1e-12)

    def test_asymmetric_of_0_alone(self, fmt):
        q = asymmetric(0, 0, fmt)
        assert isinstance(q.scale, float) and isinstance(q.zero_point, int)
        assert quantize(0, q) == q.zero_point and dequantize(q.zero_point, q) == 0
        assert q.scale == 1

    def test_symmetric(self, fmt):
        if fmt.max < 1:
            return
        q = symmetric(3.0, fmt)
        assert (q.zero_point, q.scale) == (0, 3.0 / fmt.max)
        assert quantize(3.0, q) == fmt.max
        assert quantize(0.0, q) == 0
        assert quantize(-3.0, q) == max(fmt.min, -fmt.max)
        assert symmetric(0, fmt).scale == 1


@settings(derandomize=True, deadline=None, max_examples=200)
@given(st.floats(-1e3, 0), st.floats(0, 1e3), st.sampled_from([S4, U8, S8, S16]))
def test_limits_give_the_same_back(lo, hi, fmt):
    if hi - lo < 1e-300:
        return
    q = asymmetric(lo, hi, fmt)
    again = asymmetric(*limits(q), fmt)
    assert again.zero_point == q.zero_point
    assert again.scale == pytest.approx(q.scale, rel=1e-12)


def test_rows_have_their_own():
    q = asymmetric([-1, 0, 0], [1, 2, 0], S8)
    for row, (lo, hi) in enumerate([(-1, 1), (0, 2), (0, 0)]):
        one = asymmetric(lo, hi, S8)
        assert (np.asarray(q.scale)[row], np.asarray(q.zero_point)[row]) == (
            one.scale, one.zero_point)
    assert np.asarray(symmetric([7.0, 0.0], S4).scale).tolist() == [1.0, 1.0]


@pytest.mark.parametrize("call, message", [
    (lambda: quantize([1, math.nan], Quantization(S8)),
     r"^Numbers to quantize must be finite, not nan$"),
    (lambda: quantize(-math.inf, Quantization(S8)),
     r"^Numbers to quantize must be finite, not -inf$"),
    (lambda: quantize(1, Quantization(S8, 0.0)),
     r"^Scale must be positive and finite, not 0\.0$"),
    (lambda: quantize([1, 1], Quantization(S8, np.array([1.0, -2.0]))),
     r"^Scale must be finite and not negative, not -2\.0$"),
    (lambda: quantize([1, 1], Quantization(S8, np.array([1.0, math.inf]))),
     r"^Scale must be finite and not negative, not inf$"),
    (lambda: quantize(1, Quantization(parse("cfloat8_1_4_3:bias=63"), 1e-310)),
     r"^Scale must give a step above 0 with unit 2\*\*-65, not 1e-310$"),
    (lambda: quantize(1, Quantization(S8, 1.0, 128)),
     r"^Zero point must be in range \[-128, 127\] of s8, not 128$"),
    (lambda: dequantize(128, Quantization(S8)),
     r"^Level must be in range \[-128, 127\] of s8, not 128$"),
    (lambda: symmetric(1.0, parse("s1")),
     r"^Format must have a positive level to be symmetric, not s1$"),
    (lambda: symmetric(-1.0, S8), r"^Magnitude must not be negative, not -1\.0$"),
    (lambda: symmetric(math.inf, S8), r"^Magnitude must be finite, not inf$"),
    (lambda: asymmetric(math.nan, 1, S8), r"^Minimum must be finite, not nan$"),
    (lambda: asymmetric(0, math.inf, S8), r"^Maximum must be finite, not inf$"),
])
def test_bad_arguments(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("name", ["binary", "odd2", "odd4", "odd8", "e2m1", "e3m2", "e4m3fn",
                                  "codebook:-7/-3/0/1/30", "codebook:2/3/5"])
def test_the_nearest_level_of_other_formats(name, rng):
    """Where the step is a power of two the quotient is exact; of two as near, the upper one."""
    fmt = parse(name)
    levels = fmt.levels()
    halves = np.unique(np.append(levels * 2, levels[1:] + levels[:-1]))
    near = np.unique(halves[:, None] + np.arange(-2, 3)) if len(halves) < 50 else halves
    x = np.append(near / 2, rng.uniform(2.0 * fmt.min - 1, 2.0 * fmt.max + 1, 100))
    quantization = Quantization(fmt, 2.0**-5, 0)
    wanted = [max(levels.tolist(), key=lambda level: (-abs(Fraction(value) - level), level))
              for value in x.tolist()]
    np.testing.assert_array_equal(quantize(x * quantization.step, quantization), wanted)


@pytest.mark.parametrize("name", ["e4m3fn", "e5m2"])
def test_infinities_and_nan_come_back(name):
    fmt = parse(f"{name}:specials=propagate")
    levels = np.append(fmt.levels(), [NAN, *([INFINITY, -INFINITY] if name == "e5m2" else [])])
    real = dequantize(levels, Quantization(fmt, 0.25))
    numbers = dequantize(fmt.levels(), Quantization(parse(name), 0.25))
    np.testing.assert_array_equal(real[:len(numbers)], numbers)
    np.testing.assert_array_equal(
        real[len(numbers):], [np.nan, np.inf, -np.inf][:len(real) - len(numbers)])
    assert np.isnan(dequantize(NAN, Quantization(fmt)))
