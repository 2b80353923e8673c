import math
import re
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golden.contracts import CONTRACTS, S32
from golden.contracts import parse as contract
from golden.formats import IntFormat, parse
from golden.multipliers import (
    quantize_multiplier,
    real_scale,
    reduce_multiplier,
    scale_parameters,
)
from golden.requantize import requantize
from tests.golden.definitions import scale_value, to_float32

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
    found = scale_parameters(way, reals, IntFormat(sums))
    assert list(found) == ["multiplier", "shift"]
    for real, multiplier, shift in zip(reals.tolist(), found["multiplier"].tolist(),
                                       found["shift"].tolist(), strict=True):
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
    found = scale_parameters(HALF_UP, real, S33)
    assert found == {"multiplier": multiplier, "shift": shift}
    for value in found.values():
        assert value.shape == () and value.dtype == np.int64


def test_tflite_contracts_have_tflites_own(rng):
    reals = 2.0 ** rng.uniform(-31.5, 29.9, (4, 50))
    for name in ("tflite", "tflite_single"):
        found = scale_parameters(contract(name), reals, IntFormat(32))
        assert list(found) == ["multiplier", "shift"]
        multiplier, shift = found.values()
        assert multiplier.shape == shift.shape == reals.shape
        expected = [quantize_multiplier(real, single_rounding=name == "tflite_single")
                    for real in reals.ravel()]
        assert list(zip(multiplier.flat, shift.flat, strict=True)) == expected
    assert scale_parameters(contract("tflite"), 2.0**-40, IntFormat(32)) == {
        "multiplier": 0, "shift": 0}


@pytest.mark.parametrize("name", [
    name for name in CONTRACTS if name not in ("thresholds", "none", "nvdla")])
def test_scale_must_not_be_negative(name):
    for real in (-0.5, math.nan, math.inf):
        message = rf"^Scale must be finite and not negative, not {real}$"
        with pytest.raises(ValueError, match=message):
            scale_parameters(contract(name), [1.0, real], IntFormat(32))


@pytest.mark.parametrize("name, bits, limit", [
    ("half_up", 31, 2.0**31 - 0.5), ("floor", 8, 255.5), ("zero", 1, 1.5),
    ("tflite", 31, 2.0**31 - 0.5), ("tflite_single", 31, 2.0**30 - 0.25),
    ("tflite_int16x8", 15, 2.0**7 - 2.0**-25), ("q31", 31, 1 - 2.0**-32),
    ("precise", 24, 1 - 2.0**-25), ("rndnu", 24, 2.0**8 - 2.0**-17), ("pulp", 31, 2.0**31 - 0.5),
    ("pulp_round", 16, 65535.5), ("nvdla", 16, 32767.5),
])
def test_too_large(name, bits, limit):
    way = contract(name, multiplier_bits=bits)
    found = scale_parameters(way, math.nextafter(limit, 0), IntFormat(32))
    assert found["multiplier"] == way.multiplier.max
    for real in (limit, 2 * limit, 1e300):
        message = (rf"^Scale must be less than {re.escape(repr(limit))} for contract {name} with "
                   rf"{bits}-bit multipliers, not {re.escape(repr(real))}$")
        with pytest.raises(ValueError, match=message):
            scale_parameters(way, real, IntFormat(32))


@pytest.mark.parametrize("name, sums, power", [
    ("half_up", 33, 64), ("q31", 32, 63), ("precise", 32, 56), ("rndnu", 32, 56),
    ("pulp", 33, 64), ("nvdla", 33, 64),
])
def test_too_small(name, sums, power):
    least = 2.0**-power
    found = scale_parameters(contract(name), least, IntFormat(sums))
    assert found["multiplier"] == 1
    below = math.nextafter(least, 0)
    message = (rf"^Scale must be at least 2\*\*-{power} for contract {name}, "
               rf"not {re.escape(repr(below))}$")
    with pytest.raises(ValueError, match=message):
        scale_parameters(contract(name), below, IntFormat(sums))


@pytest.mark.parametrize("name", ["thresholds", "none"])
def test_contract_that_does_not_scale(name):
    with pytest.raises(ValueError, match=rf"^Contract must be one that scales, not {name}$"):
        scale_parameters(contract(name), 1.0, S33)


@pytest.mark.parametrize("name, lowest, highest", [
    ("q31", -31, 0), ("precise", -32, 0), ("rndnu", -32, 8), ("nvdla", -49, 15),
])
def test_fixed_multipliers(name, lowest, highest, rng):
    """Nearest to the scale, and normalized unless the shift is the largest."""
    way = contract(name)
    fixed, bits = (31 if name == "q31" else 0), way.multiplier.max.bit_length()
    shifts = way.shift_range(IntFormat(32))
    reals = 2.0 ** rng.uniform(lowest - 6, highest, 500) * (1 - 2.0**-12)
    found = scale_parameters(way, reals, IntFormat(32))
    for real, multiplier, shift in zip(reals.tolist(), found["multiplier"].tolist(),
                                       found["shift"].tolist(), strict=True):
        assert shifts.lo <= shift <= shifts.hi
        assert 2**(bits - 1) <= multiplier < 2**bits or (
            shift == shifts.hi and 1 <= multiplier < 2**(bits - 1))
        error = abs(Fraction(real) - Fraction(multiplier, 2**(shift + fixed)))
        assert error <= Fraction(1, 2**(shift + fixed + 1))


@pytest.mark.parametrize("name, shift", [
    ("precise", lambda field: 150 - field), ("rndnu", lambda field: 150 - field),
    ("q31", lambda field: 126 - field),
])
def test_qnnpacks_multipliers_of_float32(name, shift, rng):
    """NUMERICS 1.6: from the bits of the scale."""
    field = rng.integers(95, 127, 400)
    mantissa = rng.integers(0, 2**23, 400)
    reals = ((field << 23) | mantissa).astype(np.uint32).view(np.float32)
    found = scale_parameters(contract(name), reals, IntFormat(32))
    whole = mantissa | 1 << 23
    np.testing.assert_array_equal(found["multiplier"], whole << 7 if name == "q31" else whole)
    np.testing.assert_array_equal(found["shift"], shift(field))


@pytest.mark.parametrize("multiplier, reduced", [
    (0, 0), (2**15 - 1, 0), (2**15, 1), (2**30, 2**14), (2**30 + 2**15 - 1, 2**14),
    (2**30 + 2**15, 2**14 + 1), (0x7FFEFFFF, 0x7FFF), (0x7FFE7FFF, 0x7FFE), (0x7FFE8000, 0x7FFF),
    (0x7FFF0000, 0x7FFF), (2**31 - 1, 0x7FFF),
])
def test_reduce_multiplier(multiplier, reduced):
    """NUMERICS 1.2: half up to 15 bits, saturating."""
    assert reduce_multiplier(multiplier) == reduced


def test_int16x8_reduces_tflites_own(rng):
    reals = 2.0 ** rng.uniform(-34, 6.9, 300)
    found = scale_parameters(contract("tflite_int16x8"), reals, IntFormat(48))
    pairs = [quantize_multiplier(real) for real in reals]
    assert found["multiplier"].tolist() == [reduce_multiplier(m) for m, _ in pairs]
    assert found["shift"].tolist() == [shift for _, shift in pairs]
    assert (0, 0) in pairs


@pytest.mark.parametrize("name", ["pulp", "pulp_round"])
def test_addend_is_zero(name):
    reals = [[0.25, 3.0], [1e-3, 1.0]]
    found = scale_parameters(contract(name), reals, S33)
    assert list(found) == ["multiplier", "shift", "addend"]
    assert found.pop("addend").tolist() == [[0, 0], [0, 0]]
    same = scale_parameters(HALF_UP, reals, S33)
    for key, value in found.items():
        np.testing.assert_array_equal(value, same[key])


@pytest.mark.parametrize("name, options", [
    ("half_up", {"signed_multiplier": True}),
    ("half_even", {"signed_multiplier": True, "multiplier_bits": 9}), ("nvdla", {})])
def test_negative_factors(name, options, rng):
    """The multiplier of the magnitude, with the sign."""
    way, total = contract(name, **options), IntFormat(33)
    reals = 2.0 ** rng.uniform(-30, 5, 60) * rng.choice([-1, 1], 60)
    found, same = (scale_parameters(way, each, total) for each in (reals, np.abs(reals)))
    assert (found["multiplier"] == np.sign(reals) * same["multiplier"]).all()
    np.testing.assert_array_equal(found["shift"], same["shift"])
    assert (np.sign(real_scale(way, found)) == np.sign(reals)).all()
    for bad in (math.nan, -math.inf):
        with pytest.raises(ValueError, match="^Scale must be finite"):
            scale_parameters(way, [bad], total)


@pytest.mark.parametrize("bits", [12, 48])
def test_offsets(bits, rng):
    """The nearest addend at the largest shift with which it fits, and the nearest multiplier."""
    way = contract("half_even", addend_bits=bits, signed_multiplier=True)
    reals = 2.0 ** rng.uniform(-12, 5, 200) * rng.choice([-1, 0, 1], 200)
    offsets = 2.0 ** rng.uniform(-9, 10.9, 200) * rng.choice([-1, 0, 1], 200)
    plain = scale_parameters(contract("half_even", signed_multiplier=True), reals, S33)
    found = scale_parameters(way, reals, S33, offset=offsets)
    assert list(found) == ["multiplier", "shift", "addend"]
    smaller = 0
    for real, offset, usual, multiplier, shift, addend in zip(
            reals.tolist(), offsets.tolist(), plain["shift"].tolist(),
            *(value.tolist() for value in found.values()), strict=True):
        most = usual if real or not offset else 63
        exact = Fraction(offset) * 2**shift
        assert abs(addend - exact) <= Fraction(1, 2) and way.addend.contains(addend)
        assert abs(multiplier - Fraction(real) * 2**shift) <= Fraction(1, 2)
        assert shift <= most
        assert shift == most or abs(2 * exact) > way.addend.max - 1
        smaller += shift < most
    assert smaller > 50


def test_offsets_that_are_refused():
    with pytest.raises(ValueError, match=r"^Offset must be left out for contract half_up without "
                                         r"an addend$"):
        scale_parameters(HALF_UP, 1.0, S33, offset=1.0)
    way = contract("half_up", addend_bits=8)
    for bad in (math.nan, [1.0, 2.0]):
        with pytest.raises(ValueError, match=r"^Offset must be finite, and of the shape \(\) of "):
            scale_parameters(way, 1.0, S33, offset=bad)
    with pytest.raises(ValueError, match=r"^Offset must be in range \[-128, 127\] of the addend "
                                         r"for contract half_up, not 200.0$"):
        scale_parameters(way, 1.0, S33, offset=200.0)


@pytest.mark.parametrize("name", ["onnx", "onnx_zp_inside"])
class TestFloat32Scale:
    def test_nearest(self, name, rng):
        reals = 2.0 ** rng.uniform(-126, 127.9, 400)
        found = scale_parameters(contract(name), reals, S32)
        assert list(found) == ["scale"]
        assert found["scale"].dtype == np.int64
        for real, bits in zip(reals.tolist(), found["scale"].tolist(), strict=True):
            assert scale_value(bits) == to_float32(real)

    @pytest.mark.parametrize("real, bits", [
        (1.0, 0x3F800000), (0.1, 0x3DCCCCCD), (2.0**-126, 0x00800000),
        (2.0**-126 * (1 - 2.0**-25), 0x00800000), (2.0**128 - 2.0**104, 0x7F7FFFFF),
        (math.nextafter(2.0**128 - 2.0**103, 0), 0x7F7FFFFF),
        (1 + 2.0**-24, 0x3F800000), (1 + 3 * 2.0**-24, 0x3F800002),
    ])
    def test_table(self, name, real, bits):
        found = scale_parameters(contract(name), real, S32)
        assert found == {"scale": bits} and found["scale"].shape == ()

    @pytest.mark.parametrize("real", [2.0**128 - 2.0**103, 1e300])
    def test_infinite(self, name, real):
        with pytest.raises(ValueError, match=rf"^Scale must be finite as a float32, "
                                             rf"not {re.escape(repr(real))}$"):
            scale_parameters(contract(name), [1.0, real], S32)

    @pytest.mark.parametrize("real", [2.0**-126 * (1 - 2.0**-23), 1e-40, 5e-324, 0.0])
    def test_not_normal(self, name, real):
        """The least normal scale, with which int32 gives the zero point as with ``real``."""
        found = scale_parameters(contract(name), real, S32)
        assert found == {"scale": 0x00800000}
        sums = [-2**31, -1, 0, 1, 2**31 - 1]
        for zero_point in (-7, 0, 8):
            p = dict(bias=0, zero_point=zero_point, clamp_min=-128, clamp_max=127)
            result = requantize(sums, contract(name), parse("s8"), p | found)
            assert result.tolist() == [zero_point] * 5
            assert {round(to_float32(to_float32(to_float32(x) * to_float32(real)) + zero_point))
                    for x in sums} == {zero_point}
