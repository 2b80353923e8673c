from fractions import Fraction
from math import ceil, floor, trunc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golden.contracts import CONTRACTS, S32, Rounding, contract
from golden.formats import IntFormat, parse
from golden.ranges import levels_range
from golden.requantize import requantize

S4, S8, U8, S16 = (parse(name) for name in ("s4", "s8", "u8", "s16"))
SCALING = [name for name in CONTRACTS if name != "none"]
SHIFTING = [rounding.value for rounding in Rounding]


def half_up(value):
    return floor(value + Fraction(1, 2))


def half_away(value):
    return half_up(value) if value > 0 else ceil(value - Fraction(1, 2))


ROUND = {"floor": floor, "zero": trunc, "half_up": half_up, "half_even": round,
         "half_away": half_away}


def expected(x: int, name: str, output, p) -> int:
    """The contracts by their definitions, in rational arithmetic."""
    total = x + p["bias"]
    if name == "tflite":
        high = half_up(Fraction(total * 2**max(p["shift"], 0) * p["multiplier"], 2**31))
        scaled = half_away(Fraction(high, 2**max(-p["shift"], 0)))
    elif name == "tflite_single":
        scaled = half_up(Fraction(total * p["multiplier"], 2**(31 - p["shift"])))
    else:
        scaled = ROUND[name](Fraction(total * p["multiplier"], 2**p["shift"]))
    return min(max(scaled + p["zero_point"], p["clamp_min"]), p["clamp_max"])


def parameters(output=S8, **changed):
    return dict(bias=0, multiplier=2**30, shift=0, zero_point=0, clamp_min=output.min,
                clamp_max=output.max) | changed


@settings(derandomize=True, deadline=None, max_examples=150)
@given(st.data(), st.sampled_from(SCALING), st.sampled_from([S4, S8, U8, S16, parse("s5n")]))
def test_equals_rational_arithmetic(data, name, output):
    """Any sum, bias, multiplier and shift that the contract takes."""
    fmt = S32 if name.startswith("tflite") else IntFormat(data.draw(st.integers(2, 66)))
    unbiased, way = levels_range(fmt), contract(name)
    shifts = way.shift_range(way.sum_format(unbiased))
    fields = way.fields(unbiased, output)

    def any_of(field):
        return data.draw(st.integers(fields[field].min, fields[field].max) | st.sampled_from(
            [fields[field].min, fields[field].max, max(0, fields[field].min)]))

    ends = sorted(data.draw(st.lists(st.integers(output.min, output.max), min_size=2,
                                     max_size=2)))
    p = dict(bias=any_of("bias"), multiplier=any_of("multiplier"),
             shift=data.draw(st.integers(shifts.lo, shifts.hi)), zero_point=any_of("zero_point"),
             clamp_min=ends[0], clamp_max=ends[1])
    sums = [data.draw(st.integers(unbiased.lo, unbiased.hi)) for _ in range(3)]
    if name.startswith("tflite"):
        # Only those that no step takes out of int32.
        p["bias"] = min(max(p["bias"], -2**31 - min(sums)), 2**31 - 1 - max(sums))
        if min(sums) + p["bias"] < -2**31:
            p["bias"], sums = 0, sums[:1]
        left = max(abs(x + p["bias"]) for x in sums)
        while p["shift"] > 0 and left << p["shift"] >= 2**31:
            p["shift"] -= 1
    result = requantize(sums, way, output, p, unbiased=unbiased)
    assert result.dtype == np.int64
    assert result.tolist() == [expected(x, name, output, p) for x in sums]


@pytest.mark.parametrize("name", SHIFTING)
@pytest.mark.parametrize("bits", [1, 8, 31, 32])
@pytest.mark.parametrize("sums", [8, 32, 33, 48, 64])
def test_every_shift_at_the_ends(name, bits, sums):
    """Every allowed shift, at sums whose products straddle 2**53, 2**63 and 2**95."""
    way, fmt = contract(name, multiplier_bits=bits), IntFormat(sums)
    unbiased = levels_range(fmt)
    shifts = way.shift_range(way.sum_format(unbiased))
    multiplier = 2**bits - 1
    edges = {0, 1, 3, fmt.max, -fmt.min, 2**53 // multiplier, 2**63 // multiplier}
    x = sorted({s * e + d for e in edges for d in (-1, 0, 1) for s in (-1, 1)
                if fmt.min <= s * e + d <= fmt.max})
    for shift in range(shifts.hi + 1):
        for m in (multiplier, 1 << (bits - 1)):
            p = parameters(S16, multiplier=m, shift=shift, zero_point=-7)
            result = requantize(np.array(x, dtype=object), way, S16, p, unbiased=unbiased)
            assert result.tolist() == [expected(v, name, S16, p) for v in x]


@pytest.mark.parametrize("name", SHIFTING)
def test_ties_of_both_signs_at_every_shift(name):
    for shift in range(1, 64):
        odd = np.array([k << (shift - 1) for k in (-5, -3, -1, 1, 3, 5)], dtype=object)
        p = parameters(multiplier=1, shift=shift)
        assert requantize(odd, contract(name), S8, p).tolist() == [
            ROUND[name](Fraction(k, 2)) for k in (-5, -3, -1, 1, 3, 5)]


@pytest.mark.parametrize("name", SCALING)
def test_every_s8_accumulator(name, rng):
    """Exhaustive, with the parameters of each channel of their own."""
    sums = np.repeat(np.arange(-128, 128)[:, None], 40, axis=1)
    low = -12 if name.startswith("tflite") else 26
    p = dict(bias=rng.integers(-200, 200, 40), multiplier=rng.integers(0, 2**31, 40),
             shift=rng.integers(low, low + 12, 40), zero_point=rng.integers(-8, 8, 40),
             clamp_min=rng.integers(-8, 0, 40), clamp_max=rng.integers(0, 8, 40))
    result = requantize(sums, contract(name), S4, p)
    for c in range(40):
        own = {key: int(value[c]) for key, value in p.items()}
        assert result[:, c].tolist() == [expected(x, name, S4, own) for x in range(-128, 128)]


@pytest.mark.parametrize("name", ["tflite", "tflite_single"])
@pytest.mark.parametrize("multiplier", [0, 1, 2**15 + 1, 2**30, 2**30 + 1, 2**31 - 1])
def test_every_shift_of_tflite(name, multiplier):
    """As far as the left shift or the result leaves int32 alone; ties and the ends among them."""
    shifts = range(-31, 32 if name == "tflite" else 31)
    for shift in shifts:
        end = 2**31 >> max(shift, 0)
        small = {n >> max(shift, 0) for n in range(-70, 70)}
        near = {k * 2**max(-shift, 0) + d for k in range(-6, 7) for d in (-1, 0, 1)}
        x = sorted(v for v in {-end, -end + 1, end - 1, *small, *near, *range(-9, 10)}
                   if -end <= v < end)
        p = parameters(S16, multiplier=multiplier, shift=shift, zero_point=3)
        result = requantize(x, contract(name), S16, p)
        assert result.tolist() == [expected(v, name, S16, p) for v in x]


def test_half_up_is_tflites_single_rounding(rng):
    sums = np.concatenate([rng.integers(-2**31, 2**31, 4000), np.arange(-64, 64)])
    for shift in range(-31, 1):
        common = parameters(multiplier=int(rng.integers(2**30, 2**31)))
        np.testing.assert_array_equal(
            requantize(sums, contract("tflite_single"), S8, common | {"shift": shift}),
            requantize(sums, contract("half_up"), S8, common | {"shift": 31 - shift}))


class TestExactSum:
    @pytest.mark.parametrize("sums, bias, kind", [
        ([1, -2], 5, np.int64), ([2**31 - 1], 2**31 - 1, np.int64),
        ([2**63 - 1], 0, np.int64), ([2**63 - 1], 1, object), ([-2**63], -1, object),
        ([2**63], -1, object), ([2**90], 1, object),
    ])
    def test_sums(self, sums, bias, kind):
        result = requantize(np.array(sums, dtype=object), contract("none"), None, {"bias": bias})
        assert result.tolist() == [x + bias for x in sums]
        if kind is np.int64:
            assert requantize(np.array(sums), contract("none"), None,
                              {"bias": bias}).dtype == np.int64

    def test_wide_sums_from_int64(self):
        result = requantize(np.array([2**63 - 1]), contract("none"), None, {"bias": 1})
        assert result.tolist() == [2**63]

    @pytest.mark.parametrize("x", [2**63 - 1, 2**63, 2**64 - 1, 2**64, -2**63 - 1])
    def test_a_single_sum(self, x):
        result = requantize(x - 1, contract("none"), None, {"bias": 1})
        assert result.shape == () and result.dtype in (np.int64, object) and int(result) == x

    def test_output_is_refused(self):
        with pytest.raises(ValueError, match=r"^Output must not be given for contract none, "):
            requantize([1], contract("none"), S8, {"bias": 0})


class TestShapes:
    def test_scalars_and_channels_broadcast_alike(self, rng):
        sums = rng.integers(-1000, 1000, (2, 3, 5))
        way, p = contract("half_up"), parameters(shift=33)
        wide = {name: np.full(5, value) for name, value in p.items()}
        np.testing.assert_array_equal(requantize(sums, way, S8, p),
                                      requantize(sums, way, S8, wide))
        assert requantize(7, way, S8, p).shape == ()
        assert requantize(np.zeros((0, 5), dtype=int), way, S8, wide).shape == (0, 5)

    def test_small_dtypes_do_not_wrap(self):
        p = parameters(S16, multiplier=np.uint32(2**31 - 1), shift=np.int8(31),
                       bias=np.int32(2**31 - 1), zero_point=np.int8(-100))
        assert int(requantize(np.int8([127]), contract("half_up"), S16, p)[0]) == 32767

    def test_python_integers_and_int64_agree(self, rng):
        sums = rng.integers(-2**31, 2**31, 300)
        for name in SCALING:
            p = parameters(shift=-3 if name.startswith("tflite") else 40)
            np.testing.assert_array_equal(
                requantize(sums.astype(object), contract(name), S8, p),
                requantize(sums, contract(name), S8, p))

    @pytest.mark.parametrize("value, message", [
        ([1, 2], r"^Bias must have 1 entry or 3, one per channel, not 2$"),
        ([[1]], r"^Bias must be a scalar or have one axis, not shape \(1, 1\)$"),
        ([], r"^Bias must have an entry, not none$"),
    ])
    def test_bad_shapes(self, value, message):
        with pytest.raises(ValueError, match=message):
            requantize([1, 2, 3], contract("half_up"), S8, parameters(bias=value))
