"""The tables of NUMERICS 1.5 to 1.9, row by row, and float32 arithmetic without any float.

Outputs of 32 bits, which no user can ask for, show values that narrower ones clamp.
"""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golden.contracts import S32
from golden.contracts import parse as contract
from golden.formats import IntFormat, parse
from golden.ranges import levels_range
from golden.requantize import requantize
from tests.golden.definitions import (
    INFINITY,
    Refused,
    expected,
    parameters,
    scale_bits,
    scale_value,
    to_float32,
)

S8, U8, S16 = (parse(name) for name in ("s8", "u8", "s16"))
MIN, MAX = -2**31, 2**31 - 1
ONNX = ["onnx", "onnx_zp_inside"]


def outputs(name, sums, output=S8, **changed):
    return requantize(sums, contract(name), output, parameters(name, output, **changed)).tolist()


class TestZeroPoints:
    """NUMERICS 1.5 and 1.6: half of each sum, and a zero point after or before the rounding."""

    SUMS = list(range(-5, 6))

    @pytest.mark.parametrize("name, zero_point, results", [
        ("onnx", 0, [-2, -2, -2, -1, 0, 0, 0, 1, 2, 2, 2]),
        ("onnx", 1, [-1, -1, -1, 0, 1, 1, 1, 2, 3, 3, 3]),
        ("onnx_zp_inside", 0, [-2, -2, -2, -1, 0, 0, 0, 1, 2, 2, 2]),
        ("onnx_zp_inside", 1, [-2, -1, 0, 0, 0, 1, 2, 2, 2, 3, 4]),
    ])
    def test_half(self, name, zero_point, results):
        assert outputs(name, self.SUMS, zero_point=zero_point) == results
        assert outputs(name, self.SUMS, S16, zero_point=zero_point) == results

    @pytest.mark.parametrize("name, zero_point, output, results", [
        ("onnx", 0, S8, [0, 2, 2, 0, -2, -2]),             # QuantizeLinear
        ("onnx", 3, S8, [3, 5, 5, 3, 1, 1]),
        ("onnx_zp_inside", 3, U8, [4, 4, 6, 2, 2, 0]),     # torch.quantize_per_tensor
        ("onnx_zp_inside", 0, S8, [0, 2, 2, 0, -2, -2]),
    ])
    def test_odd_halves(self, name, zero_point, output, results):
        assert outputs(name, [1, 3, 5, -1, -3, -5], output, zero_point=zero_point) == results

    @pytest.mark.parametrize("zero_point, result", [(0, -20), (1, -19)])
    def test_mean_of_two(self, zero_point, result):
        """QLinearGlobalAveragePool of [-20, -19]."""
        assert outputs("onnx", [-39], zero_point=zero_point) == [result]

    @pytest.mark.parametrize("name", ONNX)
    @pytest.mark.parametrize("output, zero_point, sums, results", [
        (S8, 0, [254, 255, 256, -257, -258], [127, 127, 127, -128, -128]),
        (S8, 3, [-257, -258, MAX, MIN], [-125, -126, 127, -128]),
        (U8, 128, [-257, 0, 254, MAX, MIN], [0, 128, 255, 255, 0]),
    ])
    def test_saturation(self, name, output, zero_point, sums, results):
        result = outputs(name, sums, output, zero_point=zero_point)
        if name == "onnx_zp_inside" and zero_point == 3:
            results = [-126, -126, *results[2:]]  # -125.5 goes to even
        assert result == results


class TestQnnpack:
    """NUMERICS 1.6, the last table; float32 of its column ``fp32`` is contract ``onnx``."""

    ROWS = [
        (1, -1, 0, 1, 1, 1),
        (3, -1, 2, 2, 2, 2),
        (-1, -1, 0, -1, 0, 0),
        (-3, -1, -2, -2, -1, -1),
        (5, -1, 2, 3, 3, 3),
        (2**31 - 1, -25, 64, 64, 64, 64),
        (-2**31, -25, -64, -64, -64, -64),
        (16777217, -1, 127, 127, 127, 127),
    ]

    @pytest.mark.parametrize("x, exponent, onnx, precise, rndnu, q31", ROWS)
    def test_row(self, x, exponent, onnx, precise, rndnu, q31):
        assert outputs("onnx", [x], scale=scale_bits(exponent)) == [onnx]
        exact = dict(multiplier=2**23, shift=23 - exponent)
        assert outputs("precise", [x], **exact) == [precise]
        assert outputs("rndnu", [x], **exact) == [rndnu]
        assert outputs("q31", [x], multiplier=2**30, shift=-1 - exponent) == [q31]

    @pytest.mark.parametrize("name, result", [
        ("precise", 8388609), ("rndnu", 8388609), ("q31", 8388609), ("onnx", 8388608)])
    def test_the_last_row_unclamped(self, name, result):
        assert outputs(name, [16777217], S32) == [result]
        assert outputs(name, [-16777217], S32) == [
            -8388609 if name == "precise" else -8388608]

    @pytest.mark.parametrize("x, multiplier, shift, result", [
        (1, 1, 1, 1), (-1, 1, 1, 0), (3, 1, 1, 2), (-3, 1, 1, -1), (MIN, MAX, 31, -2147483647)])
    def test_fbgemm_is_half_up(self, x, multiplier, shift, result):
        assert outputs("half_up", [x], S32, multiplier=multiplier, shift=shift) == [result]


@pytest.mark.parametrize("x, multiplier, addend, shift, floor, rounded", [
    (1, 1, 0, 1, 0, 1), (-1, 1, 0, 1, -1, 0), (3, 1, 0, 1, 1, 2), (-3, 1, 0, 1, -2, -1),
    (-1, 1, 0, 8, -1, 0), (100, 77, -50, 6, 119, 120), (255, 255, 0, 8, 127, 127),
    (-7, 3, 1, 2, -5, -5),
])
def test_pulp(x, multiplier, addend, shift, floor, rounded):
    """NUMERICS 1.7."""
    p = dict(multiplier=multiplier, addend=addend, shift=shift)
    assert outputs("pulp", [x], **p) == [floor]
    assert outputs("pulp_round", [x], **p) == [rounded]


@pytest.mark.parametrize("addend", [MIN, MAX])
def test_pulp_does_not_wrap(addend):
    """Where its int32 would: the product, the sum with the addend, and what shifts to nothing."""
    fmt = IntFormat(70)
    p = dict(multiplier=MAX, addend=addend)
    for x in (MIN, MAX):
        for name, half in (("pulp", 0), ("pulp_round", 1)):
            assert outputs(name, [x], fmt, **p, shift=0) == [x * MAX + addend]
            assert outputs(name, [x], fmt, **p, shift=63) == [
                (x * MAX + addend + (half << 62)) >> 63]


@pytest.mark.parametrize("x, offset, scale, shift, result", [
    (1, 0, 1, 1, 1), (-1, 0, 1, 1, -1), (3, 0, 1, 1, 2), (-3, 0, 1, 1, -2), (5, 1, 7, 3, 4),
    (100, -28, 32767, 15, 127), (MIN, 0, -32768, 31, 127), (-128, 0, 1, 0, -128),
    (1264500000, 0, 27488, 38, 126), (MIN, 0, 32767, 39, -128), (MAX, 0, 32767, 47, 0),
    (MIN, MAX, -32768, 47, 1), (MAX, MIN, -32768, 46, -2), (MAX, MIN, -32768, 63, 0),
])
def test_nvdla(x, offset, scale, shift, result):
    """NUMERICS 1.9; the offset is a bias, negated."""
    assert outputs("nvdla", [x], bias=-offset, multiplier=scale, shift=shift) == [result]


def test_nvdla_offsets_of_int32():
    p = dict(multiplier=-2**15, shift=31)
    assert outputs("nvdla", [MIN, 0], S32, bias=-MAX, **p) == [65536, 32768]
    assert outputs("nvdla", [MAX, MIN], S32, bias=-MIN, **p) == [-65536, 0]
    # 127.996 rounds before it saturates.
    assert outputs("nvdla", [100], S16, bias=28, multiplier=32767, shift=15) == [128]


class TestInt16x8:
    """NUMERICS 1.2: ``(x * multiplier + 2**(14 - shift)) >> (15 - shift)``, in int64 there."""

    ENDS = [-2**47, -2**47 + 1, -2**46, MIN - 1, MIN, -3, -2, -1, 0, 1, 2, 3, MAX, MAX + 1, 2**46,
            2**47 - 2, 2**47 - 1]

    @pytest.mark.parametrize("shift", [-31, -30, -15, -1, 0, 1, 6, 7])
    @pytest.mark.parametrize("multiplier", [0, 1, 2**14, 2**14 + 1, 2**15 - 1])
    def test_ends(self, shift, multiplier, rng):
        near = [MIN << -shift, MAX << -shift] if shift < 0 else [MIN >> shift, MAX >> shift]
        bits = rng.integers(2, 47, 200)
        sums = [x for x in self.ENDS + near + (rng.integers(-2**47, 2**47, 200) >> bits).tolist()
                if -2**47 <= x < 2**47]
        p = parameters("tflite_int16x8", S32, multiplier=multiplier, shift=shift)
        held = refused = 0
        for x in sums:
            formula = (x * multiplier + (1 << (14 - shift))) >> (15 - shift)
            try:
                assert expected(x, "tflite_int16x8", S32, p) == formula
            except Refused:
                with pytest.raises(ValueError, match=rf"^Scaled sum must be in range \[{MIN}, "
                                                     rf"{MAX}\] of s32, not {formula}$"):
                    requantize(x, contract("tflite_int16x8"), S32, p)
                refused += 1
            else:
                assert int(requantize(x, contract("tflite_int16x8"), S32, p)) == formula
                held += 1
        assert held >= 40
        assert (refused > 0) == (2**47 * multiplier >> (15 - shift) > MAX)

    def test_where_cmsis_wraps(self):
        assert outputs("tflite_int16x8", [2**31], S32, multiplier=2**14, shift=0) == [2**30]


class TestThresholds:
    """NUMERICS 1.8: a sum that equals a threshold has reached it."""

    def test_table(self):
        p = dict(threshold_1=-1, threshold_2=0, threshold_3=2)
        assert outputs("thresholds", [-3, -1, 0, 1, 5], parse("u2"), **p) == [0, 1, 2, 2, 3]
        assert outputs("thresholds", [-3, -1, 0, 1, 5], parse("s2"), **p) == [-2, -1, 0, 0, 1]
        assert outputs("thresholds", [-3, -1, 0, 1, 5], parse("s2"), **p, bias=1) == [
            -2, 0, 0, 1, 1]

    def test_half_up_is_thresholds(self):
        sums = list(range(-400, 400))
        ladder = {f"threshold_{k}": t for k, t in enumerate([14, 41, 68, 95, 122, 149, 176], 1)}
        result = outputs("thresholds", sums, parse("u3"), **ladder)
        assert result == outputs("half_up", sums, parse("u3"), shift=35,
                                 multiplier=round(0.037 * 2**35))
        assert set(result) == set(range(8))

    @pytest.mark.parametrize("output", ["s1", "u1", "s2n", "u2n", "s3", "u4n", "s4"])
    def test_one_step_at_each(self, output):
        fmt = parse(output)
        steps = fmt.max - fmt.min
        p = {f"threshold_{k}": 10 * k for k in range(1, steps + 1)}
        for k in range(1, steps + 1):
            assert outputs("thresholds", [10 * k - 1, 10 * k], fmt, **p) == [
                fmt.min + k - 1, fmt.min + k]

    @pytest.mark.parametrize("output", ["s5n", "u6", "s7", "u8", "s8n", "e4m3fn",
                                        "codebook:-7/-3/0/1/2/3/5/8/9/11/12"])
    def test_every_place_of_wide_ladders(self, output, rng):
        """With equal thresholds; a sum is below, at and above each, in channels of their own."""
        fmt = parse(output)
        levels, steps = fmt.levels().tolist(), len(fmt.levels()) - 1
        ladder = np.sort(rng.integers(-400, 400, (steps, 3)), axis=0)
        ladder[:, 1] = ladder[steps // 3, 1]
        p = {f"threshold_{k}": row for k, row in enumerate(ladder, 1)}
        sums = np.repeat(np.arange(-402, 402)[:, None], 3, axis=1)
        got = requantize(sums, contract("thresholds"), fmt, p | {"bias": 1})
        assert got.tolist() == [[
            levels[sum(x + 1 >= each for each in column)] for column in ladder.T.tolist()]
            for x in range(-402, 402)]
        assert len(set(got[:, 0].tolist())) > steps // 2

    def test_ends(self):
        wide = levels_range(IntFormat(33))
        p = dict(threshold_1=wide.lo, threshold_2=0, threshold_3=wide.hi)
        assert outputs("thresholds", [MIN], parse("u2"), **p, bias=MIN) == [1]
        assert outputs("thresholds", [MAX, MAX - 1], parse("u2"), **p, bias=MAX) == [2, 2]
        assert outputs("thresholds", [MAX], parse("u2"), bias=MAX,
                       **p | {"threshold_3": 2 * MAX}) == [3]

    def test_a_ladder_for_each_channel(self):
        p = dict(threshold_1=[0, 5, -7], threshold_2=[0, 6, -7], threshold_3=9)
        assert outputs("thresholds", [[0, 0, 0], [9, 5, -8], [-1, 6, -7]], parse("u2"), **p) == [
            [2, 0, 2], [3, 1, 0], [0, 2, 2]]


class TestFloat32:
    """The rounding to binary32 that the rest of this module relies on."""

    @pytest.mark.parametrize("value, result", [
        (0, 0), (2**24, 2**24), (2**24 + 1, 2**24), (2**24 + 2, 2**24 + 2), (2**24 + 3, 2**24 + 4),
        (-2**24 - 1, -2**24), (-2**24 - 3, -2**24 - 4), (2**25 + 2, 2**25), (2**25 + 6, 2**25 + 8),
        (2**25 + 3, 2**25 + 4), (MAX, 2**31), (MIN, -2**31), (2**31 - 64, 2**31),
        (2**31 - 65, 2**31 - 128), (2**128 - 2**103 - 1, 2**128 - 2**104),
        (2**128 - 2**103, INFINITY), (-2**128, -INFINITY),
    ])
    def test_integers(self, value, result):
        assert to_float32(value) == result

    @pytest.mark.parametrize("units, result", [
        (1, 2), (2, 2), (3, 4), (5, 4), (6, 6), (7, 8)])
    def test_subnormals(self, units, result):
        half = scale_value(scale_bits(-126)) / 2**24
        assert to_float32(units * half) == (result if units > 1 else 0) * half

    def test_scales(self):
        assert scale_value(0x3F800000) == 1
        assert scale_value(0x00800000) * 2**126 == 1
        assert scale_value(0x7F7FFFFF) == 2**128 - 2**104
        assert scale_value(scale_bits(-1, 1)) * 2**24 == 2**23 + 1


def around(*centres):
    return [sign * centre + step for centre in centres for step in range(-5, 6)
            for sign in (-1, 1)]


EDGES = sorted({x for x in around(0, 2**23, 2**24, 2**25, 2**26, 3 * 2**24, 2**30, 2**31 - 64,
                                  2**31 - 192, 2**31) if MIN <= x <= MAX})


@pytest.mark.parametrize("name", ONNX)
class TestFloat32Arithmetic:
    """Against rationals rounded to binary32 by hand."""

    @pytest.mark.parametrize("exponent", [
        exponent if exponent % 3 == 0 else pytest.param(exponent, marks=pytest.mark.slow)
        for exponent in range(-33, 2)])
    def test_where_float32_has_no_bits_left(self, name, exponent, rng):
        """Sums around powers of two; scales that are powers of two, just beside, and any."""
        mantissas = (0, 1, 2**22, 2**23 - 1, int(rng.integers(2**23)))
        for output, mantissa in product((S32, (S8, U8, S16)[exponent // 3 % 3]), mantissas):
            zero_point = int(rng.choice([0, 1, 3, -1 if output.min else 1]))
            p = parameters(name, output, scale=scale_bits(exponent, mantissa),
                           zero_point=zero_point)
            assert requantize(EDGES, contract(name), output, p).tolist() == [
                expected(x, name, output, p) for x in EDGES]

    @pytest.mark.parametrize("bits", [
        0x00800000, 0x00800001, 0x00FFFFFF, 0x01000000, 0x20000000, 0x7F000000, 0x7F7FFFFF])
    def test_scales_at_the_ends(self, name, bits):
        """Products that are subnormal, or infinite."""
        for zero_point in (0, -128, 127, 1):
            p = parameters(name, S8, scale=bits, zero_point=zero_point)
            assert requantize(EDGES, contract(name), S8, p).tolist() == [
                expected(x, name, S8, p) for x in EDGES]

    def test_ties_at_every_scale(self, name, rng):
        """Odd multiples of the half, at each power of two and with each parity of zero point."""
        compared = 0
        for exponent in range(-31, 0):
            sums = sorted({k << (-1 - exponent) for k in range(-301, 302, 2)
                           if MIN <= k << (-1 - exponent) <= MAX})
            for zero_point in (-128, -1, 0, 1, 2, 127):
                p = parameters(name, S8, scale=scale_bits(exponent), zero_point=zero_point)
                assert requantize(sums, contract(name), S8, p).tolist() == [
                    expected(x, name, S8, p) for x in sums]
                compared += len(sums)
        assert compared > 40_000

    def test_any_sum_and_scale(self, name, rng):
        """The scale such that the output has levels for it, mostly."""
        sums = rng.integers(MIN, MAX + 1, 12_000) >> rng.integers(0, 31, 12_000)
        magnitude = [max(abs(x), 1).bit_length() for x in sums.tolist()]
        scales = [scale_bits(int(e) - m, int(f)) for e, m, f in zip(
            rng.integers(-2, 9, 12_000), magnitude, rng.integers(0, 2**23, 12_000), strict=True)]
        zero_points = rng.integers(-128, 128, 12_000)
        result = requantize(sums, contract(name), S8, parameters(
            name, S8, scale=scales, zero_point=zero_points))
        assert result.tolist() == [
            expected(x, name, S8, parameters(name, S8, scale=s, zero_point=z))
            for x, s, z in zip(sums.tolist(), scales, zero_points.tolist(), strict=True)]


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.integers(MIN, MAX), st.integers(0x00800000, 0x7F7FFFFF), st.integers(-32768, 32767),
       st.integers(MIN, MAX))
@pytest.mark.parametrize("name", ONNX)
def test_any_float32_scale(name, x, bits, zero_point, bias):
    bias = min(max(bias, MIN - x), MAX - x)
    p = parameters(name, S16, scale=bits, zero_point=zero_point, bias=bias)
    assert requantize([x], contract(name), S16, p).tolist() == [expected(x, name, S16, p)]
