from fractions import Fraction
from itertools import cycle, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golden.contracts import CONTRACTS, Rounding
from golden.contracts import parse as contract
from golden.formats import IntFormat, parse
from golden.ranges import levels_range
from golden.requantize import requantize
from tests.golden.definitions import ROUND, Refused, expected, parameters, scale_bits

S4, S8, U8, S16 = (parse(name) for name in ("s4", "s8", "u8", "s16"))
# Draws have tests of their own.
SCALING = [name for name in CONTRACTS if name not in ("none", "stochastic")]
SHIFTING = [rounding.value for rounding in Rounding]


BOTH = {"addend_bits": 48, "signed_multiplier": True}
OTHERS = [("half_even", BOTH | {"multiplier_bits": 9}), *(
    pytest.param(name, options, marks=pytest.mark.slow) for name, options in (
        ("half_up", BOTH), ("half_up", {"addend_bits": 48}),
        ("half_up", {"signed_multiplier": True}), ("floor", {"addend_bits": 5}),
        ("pulp", {"signed_multiplier": True})))]


def unbiased_of(way, data):
    taken = way.takes or IntFormat(data.draw(st.integers(2, 66)))
    return levels_range(taken)


def any_level(data, fmt):
    return data.draw(st.integers(fmt.min, fmt.max) | st.sampled_from(
        [fmt.min, fmt.max, max(0, fmt.min)]))


def draw_parameters(data, way, unbiased, output):
    fields = way.fields(unbiased, output)
    p = {name: any_level(data, fmt) for name, fmt in fields.items()}
    if way.name == "thresholds":
        ladder = [name for name in p if name != "bias"]
        return p | dict(zip(ladder, sorted(p[name] for name in ladder), strict=True))
    if "shift" in p:
        shifts = way.shift_range(way.sum_format(unbiased))
        p["shift"] = data.draw(st.integers(shifts.lo, shifts.hi))
    if "scale" in p:
        p["scale"] = scale_bits(data.draw(st.integers(-32, -16) | st.integers(-126, 127)),
                                data.draw(st.integers(0, 2**23 - 1)))
    p["clamp_min"], p["clamp_max"] = sorted((p["clamp_min"], p["clamp_max"]))
    return p


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.data(), st.sampled_from([S4, S8, U8, S16, parse("s5n"), parse("u1")]))
@pytest.mark.parametrize("name, options", [*((name, {}) for name in SCALING), *OTHERS])
def test_equals_rational_arithmetic(name, options, data, output):
    """Any sum and parameters that the contract takes; what the source leaves open is refused."""
    if name == "thresholds" and output.bits > 5:
        output = S4
    way = contract(name, **options)
    unbiased = unbiased_of(way, data)
    p = draw_parameters(data, way, unbiased, output)
    sums = [any_level(data, unbiased.format) for _ in range(3)]
    if way.takes is not None:
        # Only those that the bias does not take out of what the contract takes.
        p["bias"] = min(max(p["bias"], way.takes.min - min(sums)), way.takes.max - max(sums))
        if min(sums) + p["bias"] < way.takes.min:
            p["bias"], sums = 0, sums[:1]
    while True:
        try:
            wanted = [expected(x, name, output, p) for x in sums]
            break
        except Refused:
            with pytest.raises(ValueError, match=r"^(Sum plus bias, shifted left,|Scaled sum) "
                                                 r"must be in range .* of s32, not -?\d"):
                requantize(sums, way, output, p, unbiased=unbiased)
            p["shift"] -= 1
    result = requantize(sums, way, output, p, unbiased=unbiased)
    assert result.dtype == np.int64
    assert result.tolist() == wanted


@pytest.mark.parametrize("name, options", [
    *((name, {}) for name in (*SHIFTING, "pulp", "pulp_round")),
    ("half_up", BOTH), pytest.param("half_even", BOTH, marks=pytest.mark.slow)])
def test_every_shift_at_the_ends(name, options):
    """Every allowed shift, at sums whose products straddle 2**53, 2**63 and 2**95."""
    for bits, sums in product((1, 8, 31, 32), (8, 32, 33, 48, 64)):
        way, fmt = contract(name, multiplier_bits=bits, **options), IntFormat(sums)
        unbiased = levels_range(fmt)
        shifts = way.shift_range(way.sum_format(unbiased))
        multiplier = way.multiplier.max or 1  # of one bit with a sign it is 0 or -1
        edges = {0, 1, 3, fmt.max, -fmt.min, 2**53 // multiplier, 2**63 // multiplier}
        x = sorted({s * e + d for e in edges for d in (-1, 0, 1) for s in (-1, 1)
                    if fmt.min <= s * e + d <= fmt.max})
        addends = cycle([{"addend": value} for value in (0, way.addend.min, 1, way.addend.max)]
                        if way.addend else [{}])
        # The largest multiplier and the highest bit alone, by turns, which begin otherwise.
        ends = way.multiplier.max, -1 << (bits - 1) if options else 1 << (bits - 1)
        turns = cycle(ends if sums % 16 else ends[::-1])
        for shift, m in zip(range(shifts.hi + 1), turns, strict=False):
            p = parameters(name, S16, multiplier=m, shift=shift, zero_point=-7, **next(addends))
            result = requantize(np.array(x, dtype=object), way, S16, p, unbiased=unbiased)
            assert result.tolist() == [expected(v, name, S16, p) for v in x], (fmt, p)


@pytest.mark.parametrize("name", ["tflite_int16x8", "q31", "precise", "rndnu", "nvdla"])
def test_every_shift_of_what_is_taken(name):
    """Ties and their neighbours at every allowed shift, and both ends of the sums."""
    way = contract(name)
    ends, wide = way.takes, IntFormat(32)
    shifts = way.shift_range(ends)
    top = way.multiplier.max.bit_length() - 1
    multipliers = {0, 1, 3, 1 << top, (1 << top) + 1, way.multiplier.max,
                   way.multiplier.min, -1 if way.multiplier.signed else 1}
    compared = refused = 0
    for shift in range(shifts.lo, shifts.hi + 1):
        right = 15 - shift if name == "tflite_int16x8" else shift + 31 * (name == "q31")
        for multiplier in sorted(multipliers):
            # Where the product is near an odd number of halves.
            near = {(k << right) // (2 * multiplier) + d
                    for k in range(-5, 6, 2) for d in (-1, 0, 1)} if multiplier else set()
            x = sorted(v for v in {*near, *range(-9, 10), ends.min, ends.min + 1, -2**31,
                                   2**31 - 1, ends.max - 1, ends.max}
                       if ends.min <= v <= ends.max)
            p = parameters(name, wide, multiplier=multiplier, shift=shift)
            taken, wanted = [], []
            for v in x:
                try:
                    wanted.append(expected(v, name, wide, p))
                    taken.append(v)
                except Refused as beyond:
                    with pytest.raises(ValueError, match=rf"^Scaled sum must be in range .* of "
                                                         rf"s32, not {beyond}$"):
                        requantize(v, way, wide, p)
                    refused += 1
            assert requantize(taken, way, wide, p).tolist() == wanted
            compared += len(taken)
    assert compared > 4000
    assert (refused > 0) == (name == "tflite_int16x8")


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("name", [*SHIFTING, "pulp", "pulp_round"])
def test_ties_of_both_signs_at_every_shift(name, sign):
    """Of negative factors too, which turn no rounding round."""
    way = contract(name, signed_multiplier=sign < 0)
    for shift in range(1, 64):
        odd = np.array([k << (shift - 1) for k in (-5, -3, -1, 1, 3, 5)], dtype=object)
        p = parameters(name, S8, multiplier=sign, shift=shift)
        rounding = {"pulp": "floor", "pulp_round": "half_up"}.get(name, name)
        assert requantize(odd, way, S8, p).tolist() == [
            ROUND[rounding](Fraction(sign * k, 2)) for k in (-5, -3, -1, 1, 3, 5)]


@pytest.mark.parametrize("name", SHIFTING)
def test_ties_that_an_addend_makes(name):
    """The addend counts before the rounding, and in full."""
    way = contract(name, addend_bits=48, signed_multiplier=True)
    for shift in range(1, 48):
        for k, sign in product((-5, -3, -1, 1, 3, 5), (1, -1)):
            whole = [(k << (shift - 1)) - sign * x for x in (-7, 0, 7)]
            p = parameters(name, S8, multiplier=sign, shift=shift, addend=[
                min(max(each, -2**47), 2**47 - 1) for each in whole])
            wanted = [ROUND[name](Fraction(sign * x + addend, 2**shift))
                      for x, addend in zip((-7, 0, 7), p["addend"], strict=True)]
            got = requantize([-7, 0, 7], way, S8, p)
            assert got.tolist() == [min(max(value, -128), 127) for value in wanted]


def s4_channels(name, rng, channels):
    """Parameters of channels that spread -128 to 127 over the levels of s4 and somewhat beyond."""
    way, common = contract(name), dict(
        bias=rng.integers(-200, 200, channels), zero_point=rng.integers(-8, 8, channels),
        clamp_min=rng.integers(-8, 0, channels), clamp_max=rng.integers(0, 8, channels))
    if name == "thresholds":
        ladder = np.sort(rng.integers(-330, 330, (15, channels)), axis=0)
        return {"bias": common["bias"]} | {
            f"threshold_{k}": row for k, row in enumerate(ladder, 1)}
    if name.startswith("onnx"):
        return common | dict(scale=rng.integers(scale_bits(-7), scale_bits(1), channels))
    fmt = way.multiplier
    low = {"tflite": -12, "tflite_single": -12, "tflite_int16x8": -12, "q31": 0, "precise": 24,
           "rndnu": 19, "nvdla": 10}.get(name, 26)
    more = dict(addend=rng.integers(-2**31, 2**31, channels)) if name.startswith("pulp") else {}
    return common | more | dict(
        multiplier=rng.integers(fmt.min, fmt.max + 1, channels),
        shift=rng.integers(low, low + 12, channels))


@pytest.mark.parametrize("name", SCALING)
def test_every_s8_accumulator(name, rng):
    """Exhaustive, with the parameters of each channel of their own."""
    sums = np.repeat(np.arange(-128, 128)[:, None], 40, axis=1)
    p = s4_channels(name, rng, 40)
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
        p = parameters(name, S16, multiplier=multiplier, shift=shift, zero_point=3)
        result = requantize(x, contract(name), S16, p)
        assert result.tolist() == [expected(v, name, S16, p) for v in x]


def test_half_up_is_tflites_single_rounding(rng):
    sums = np.concatenate([rng.integers(-2**31, 2**31, 4000), np.arange(-64, 64)])
    for shift in range(-31, 1):
        common = parameters("half_up", S8, multiplier=int(rng.integers(2**30, 2**31)))
        np.testing.assert_array_equal(
            requantize(sums, contract("tflite_single"), S8, common | {"shift": shift}),
            requantize(sums, contract("half_up"), S8, common | {"shift": 31 - shift}))


def test_half_up_is_tflites_16x8(rng):
    sums = np.concatenate([rng.integers(-2**47, 2**47, 4000), np.arange(-64, 64)])
    for shift in range(-31, 1):
        common = parameters("half_up", S16, multiplier=int(rng.integers(2**14, 2**15)))
        near = sums >> max(16 + shift, 0)  # such that int32 holds the results
        np.testing.assert_array_equal(
            requantize(near, contract("tflite_int16x8"), S16, common | {"shift": shift}),
            requantize(near, contract("half_up", multiplier_bits=15), S16,
                       common | {"shift": 15 - shift}))


def test_q31_is_tflite_with_its_shift_to_the_right(rng):
    sums = np.concatenate([rng.integers(-2**31, 2**31, 4000), np.arange(-64, 64),
                           [-2**31, 2**31 - 1]])
    for shift in range(32):
        common = parameters("q31", S16, multiplier=int(rng.integers(0, 2**31)))
        np.testing.assert_array_equal(
            requantize(sums, contract("q31"), S16, common | {"shift": shift}),
            requantize(sums, contract("tflite"), S16, common | {"shift": -shift}))


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
    @pytest.mark.parametrize("name", SCALING)
    def test_scalars_and_channels_broadcast_alike(self, name, rng):
        sums = rng.integers(-1000, 1000, (2, 3, 5))
        way, p = contract(name), parameters(name, S4)
        wide = {name: np.full(5, value) for name, value in p.items()}
        np.testing.assert_array_equal(requantize(sums, way, S4, p),
                                      requantize(sums, way, S4, wide))
        assert requantize(7, way, S4, p).shape == ()
        one = {name: [value] for name, value in p.items()}
        assert requantize(7, way, S4, one).tolist() == [requantize(7, way, S4, p)]
        for field in p:
            alone = requantize([7], way, S4, p | {field: one[field]})
            assert requantize(7, way, S4, p | {field: one[field]}).tolist() == alone.tolist()
        assert requantize(np.zeros((0, 5), dtype=int), way, S4, wide).shape == (0, 5)

    def test_small_dtypes_do_not_wrap(self):
        p = parameters("half_up", S16, multiplier=np.uint32(2**31 - 1), shift=np.int8(31),
                       bias=np.int32(2**31 - 1), zero_point=np.int8(-100))
        assert int(requantize(np.int8([127]), contract("half_up"), S16, p)[0]) == 32767

    @pytest.mark.parametrize("name", SCALING)
    def test_python_integers_and_int64_agree(self, name, rng):
        sums = rng.integers(-2**31, 2**31, 300)
        p = s4_channels(name, rng, 1)
        if name.startswith("tflite"):
            p["shift"] = np.minimum(p["shift"], -3)
        p["bias"] = np.where(sums.max() + p["bias"] > 2**31 - 1, -1000, p["bias"])
        p["bias"] = np.where(sums.min() + p["bias"] < -2**31, 0, p["bias"])
        result = requantize(sums, contract(name), S4, p)
        again = requantize(sums.astype(object), contract(name), S4, p)
        assert result.dtype == again.dtype == np.int64
        np.testing.assert_array_equal(again, result)
        own = {key: int(value[0]) for key, value in p.items()}
        assert result.tolist() == [expected(x, name, S4, own) for x in sums.tolist()]

    @pytest.mark.parametrize("value, message", [
        ([1, 2], r"^Bias must have 1 entry or 3, one per channel, not 2$"),
        ([[1]], r"^Bias must be a scalar or have one axis, not shape \(1, 1\)$"),
        ([], r"^Bias must have an entry, not none$"),
    ])
    def test_bad_shapes(self, value, message):
        with pytest.raises(ValueError, match=message):
            requantize([1, 2, 3], contract("half_up"), S8, parameters("half_up", S8, bias=value))
