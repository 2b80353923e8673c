import math
import re
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golden.contracts import CONTRACTS, contract
from golden.formats import IntFormat
from golden.multipliers import quantize_multiplier, scale_parameters

HALF_UP = contract("half_up")
S33 = IntFormat(33)

# NUMERICS 1.3.
TABLE = [
    (0.0, (0, 0)),
    (0.5, (1073741824, 0)),
    (1.0, (1073741824, 1)),
    (1 - 2.0**-53, (1073741824, 1)),
    (1 - 2.0**-33, (1073741824, 1)),
    (1 - 2.0**-32, (1073741824, 1)),
    (2.0**-31, (1073741824, -30)),
    (2.0**-32, (1073741824, -31)),
    (2.0**-33, (0, 0)),
    (2.0**30, (1073741824, 31)),
    (float(np.float32(0.1)), (1717986944, -3)),
]


@pytest.mark.parametrize("real, expected", TABLE)
def test_table(real, expected):
    assert quantize_multiplier(real) == expected


@pytest.mark.parametrize("real, double, single", [
    (2.0**30, (1073741824, 31), (2**31 - 1, 30)),
    (2.0**30 - 0.25, (1073741824, 31), (2**31 - 1, 30)),
    (2.0**30 - 0.5, (2**31 - 1, 30), (2**31 - 1, 30)),
    (2.0**29, (1073741824, 30), (1073741824, 30)),
    (0.5, (1073741824, 0), (1073741824, 0)),
    (2.0**31 - 1, (2**31 - 1, 31), (2**31 - 1, 30)),
    # The carry lifts a scale over the edge of the flush.
    (2.0**-32 * (1 - 2.0**-40), (1073741824, -31), (1073741824, -31)),
    (2.0**-32 * (1 - 2.0**-31), (0, 0), (0, 0)),
])
def test_single_rounding_build(real, double, single):
    assert quantize_multiplier(real) == double
    assert quantize_multiplier(real, single_rounding=True) == single


def test_half_goes_away_from_zero():
    # One bit more than the multiplier has: a tie.
    assert quantize_multiplier((2.0**30 + 0.5) / 2.0**31) == (2**30 + 1, 0)
    assert quantize_multiplier((2.0**30 + 1.5) / 2.0**31) == (2**30 + 2, 0)
    assert quantize_multiplier(math.nextafter((2.0**30 + 0.5) / 2.0**31, 0)) == (2**30, 0)


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.floats(2.0**-32, 2.0**30, exclude_max=True))
def test_multiplier_is_the_nearest(real):
    multiplier, shift = quantize_multiplier(real)
    assert 2**30 <= multiplier < 2**31
    unit = Fraction(2)**(shift - 31)
    assert abs(Fraction(real) - multiplier * unit) <= unit / 2


@pytest.mark.parametrize("real", [-1.0, -5e-324, math.inf, -math.inf, math.nan])
def test_not_a_scale(real):
    with pytest.raises(ValueError, match=rf"^Scale must be finite and not negative, not {real}$"):
        quantize_multiplier(real)


@pytest.mark.parametrize("real", [2.0**31 - 0.5, 2.0**31, 1e300])
def test_too_large_for_tflite(real):
    message = rf"^Scale must be less than 2147483647\.5, not {re.escape(repr(real))}$"
    with pytest.raises(ValueError, match=message):
        quantize_multiplier(real)


@pytest.mark.parametrize("bits", [1, 2, 8, 16, 31, 32])
@pytest.mark.parametrize("sums", [8, 33, 64])
def test_multiply_shift(bits, sums, rng):
    """Normalized, or at the largest shift; nearest to the scale."""
    way = contract("half_even", multiplier_bits=bits)
    largest = way.shift_range(IntFormat(sums)).hi
    reals = 2.0 ** rng.uniform(-largest - 0.9, bits - 0.9, 300)
    multipliers, shifts = scale_parameters(way, reals, IntFormat(sums))
    for real, multiplier, shift in zip(reals.tolist(), multipliers.tolist(), shifts.tolist(),
                                       strict=True):
        assert 0 <= shift <= largest
        assert 1 <= multiplier < 2**bits
        assert multiplier >= 2**(bits - 1) or shift == largest
        error = abs(Fraction(real) - Fraction(multiplier, 2**shift))
        assert error <= Fraction(1, 2**(shift + 1))


@pytest.mark.parametrize("real, multiplier, shift", [
    (1.0, 2**30, 30), (0.5, 2**30, 31), (2.0**31 - 1, 2**31 - 1, 0),
    (1 - 2.0**-53, 2**30, 30), (2.0**-33, 2**30, 63), (2.0**-34, 2**29, 63), (2.0**-63, 1, 63),
    (2.0**-64, 1, 63), (1.5 * 2.0**-63, 2, 63),
])
def test_multiply_shift_table(real, multiplier, shift):
    pair = scale_parameters(HALF_UP, real, S33)
    assert tuple(map(int, pair)) == (multiplier, shift)
    assert pair[0].shape == pair[1].shape == ()


def test_tflite_contracts_have_tflites_own(rng):
    reals = 2.0 ** rng.uniform(-31.5, 29.9, (4, 50))
    for name in ("tflite", "tflite_single"):
        multiplier, shift = scale_parameters(contract(name), reals, IntFormat(32))
        assert multiplier.shape == reals.shape
        expected = [quantize_multiplier(real, single_rounding=name == "tflite_single")
                    for real in reals.ravel()]
        assert list(zip(multiplier.flat, shift.flat, strict=True)) == expected
    assert tuple(map(int, scale_parameters(contract("tflite"), 2.0**-40, IntFormat(32)))) == (0, 0)


@pytest.mark.parametrize("name", [name for name in CONTRACTS if name != "none"])
@pytest.mark.parametrize("real", [0.0, -0.5, math.nan, math.inf])
def test_scale_must_be_positive_and_finite(name, real):
    with pytest.raises(ValueError, match=rf"^Scale must be positive and finite, not {real}$"):
        scale_parameters(contract(name), [1.0, real], IntFormat(32))


@pytest.mark.parametrize("name, bits, limit", [
    ("half_up", 31, 2.0**31 - 0.5), ("floor", 8, 255.5), ("zero", 1, 1.5),
    ("tflite", 31, 2.0**31 - 0.5), ("tflite_single", 31, 2.0**30 - 0.25),
])
def test_too_large(name, bits, limit):
    way = contract(name, multiplier_bits=bits)
    multiplier, shift = scale_parameters(way, math.nextafter(limit, 0), IntFormat(32))
    assert multiplier == 2**bits - 1
    for real in (limit, 2 * limit, 1e300):
        message = (rf"^Scale must be less than {re.escape(repr(limit))} for contract {name} with "
                   rf"{bits}-bit multipliers, not {re.escape(repr(real))}$")
        with pytest.raises(ValueError, match=message):
            scale_parameters(way, real, IntFormat(32))


def test_too_small():
    message = r"^Scale must be at least 2\*\*-64 for contract half_up, not 5\.4\d*e-20$"
    with pytest.raises(ValueError, match=message):
        scale_parameters(HALF_UP, math.nextafter(2.0**-64, 0), S33)


def test_contract_without_a_multiplier():
    with pytest.raises(ValueError, match=r"^Contract must have a multiplier, not none$"):
        scale_parameters(contract("none"), 1.0, S33)
