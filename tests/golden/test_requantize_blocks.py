"""Results with exponents of their own, against their definition in fractions."""

from fractions import Fraction

import numpy as np
import pytest

from golden.block_scaled import dequantize_blocks, quantize_blocks, requantize_blocks
from golden.contracts import parse as contract
from golden.formats import BLOCK, INFINITY, NAN, BlockScaled, parse
from golden.ranges import Range
from golden.requantize import requantize
from golden.rounding import nearest_level

FORMATS = ["mx_e2m1", "mx_e4m3fn", "mx_e3m2", "mx_cfloat8_1_5_2", "mx_s8", "mx_s4n", "mx_u4",
           "mx_odd4", "mx_ternary", "mx_binary", "mx_bit", "mx_codebook:-9/-2/0/3/5",
           "mx_codebook:-100/-7/0/3", "mx_codebook:1/24/44/71"]
CONTRACTS = ["half_up", "half_even", "half_away", "floor", "pulp"]


def mx(name: str) -> BlockScaled:
    fmt = parse(name)
    assert isinstance(fmt, BlockScaled)
    return fmt


def usual(fmt: BlockScaled, **more):
    return {"bias": 0, "multiplier": 1, "shift": 0, "clamp_min": fmt.min, "clamp_max": fmt.max,
            "exponent_min": 0, "exponent_max": 254} | more


def log2(value: Fraction) -> int:
    """Floor of the binary logarithm, by trial."""
    found = 0
    while value >= 2:
        value, found = value / 2, found + 1
    while value < 1:
        value, found = value * 2, found - 1
    return found


def defined(total: int, c, channel: dict, fmt: BlockScaled) -> tuple[Fraction, int]:
    """One result before it is rounded, and the code it asks for."""
    v = Fraction(total * channel["multiplier"] + channel.get("addend", 0), 2**channel["shift"])
    lo, hi = channel["exponent_min"], channel["exponent_max"]
    if v == 0 or (v > 0 and channel["clamp_max"] <= 0) or (v < 0 and channel["clamp_min"] >= 0):
        return v, lo
    return v, min(max(log2(abs(v)) - log2(Fraction(fmt.max)) + 127, lo), hi)


@pytest.mark.parametrize("fmt", [mx(name) for name in FORMATS], ids=str)
@pytest.mark.parametrize("name", CONTRACTS)
def test_results_are_what_fractions_say(fmt, name, rng):
    c, channels = contract(name), 40
    sums = rng.integers(-2000, 2000, (6, channels)) * rng.integers(0, 2, (6, channels))
    levels = fmt.levels()
    ends = np.sort(rng.choice(levels, (2, channels)), axis=0)
    whole = rng.integers(2, size=channels) == 0
    exponents = np.sort(rng.integers(100, 150, (2, channels)), axis=0)
    parameters = {
        "bias": rng.integers(-50, 50, channels), "multiplier": rng.integers(0, 2**20, channels),
        "shift": rng.integers(0, 40, channels),
        "clamp_min": np.where(whole, fmt.min, ends[0]),
        "clamp_max": np.where(whole, fmt.max, ends[1]),
        "exponent_min": exponents[0], "exponent_max": exponents[1]}
    if "addend" in c.fields(Range(-1, 1), fmt):
        parameters["addend"] = rng.integers(-2**31, 2**31, channels)
    found = requantize_blocks(sums, c, fmt, parameters)
    for row in range(len(sums)):
        for start in range(0, channels, BLOCK):
            block = range(start, min(start + BLOCK, channels))
            each = [{field: int(value[k]) for field, value in parameters.items()} for k in block]
            made = [defined(int(sums[row, k]) + own["bias"], c, own, fmt)
                    for k, own in zip(block, each, strict=True)]
            code = max(asked for _, asked in made)
            assert found.exponents[row, start // BLOCK] == code
            for k, own, (v, _) in zip(block, each, made, strict=True):
                scaled = v / Fraction(2)**(code - 127)
                level = int(nearest_level(scaled.numerator, scaled.denominator.bit_length() - 1,
                                          fmt, c.rounding))
                assert found.levels[row, k] == min(max(level, own["clamp_min"]), own["clamp_max"])



@pytest.mark.parametrize("fmt", [mx(name) for name in FORMATS], ids=str)
def test_numbers_are_converted_as_quantize_blocks_converts_them(fmt, rng):
    sums = rng.integers(-10**6, 10**6, (20, 70)) >> rng.integers(0, 20, (20, 70))
    found = requantize_blocks(sums, contract("half_even"), fmt,
                              usual(fmt, multiplier=3, shift=5))
    want = quantize_blocks(sums * 3 / 32 * 2.0**fmt.unit, fmt)
    np.testing.assert_array_equal(found.levels, want.levels)
    used = np.pad(sums > 0 if fmt.min >= 0 else sums != 0, ((0, 0), (0, 26))).reshape(20, 3, 32)
    np.testing.assert_array_equal(found.exponents[used.any(axis=2)],
                                  want.exponents[used.any(axis=2)])


def test_a_shared_exponent_of_127_gives_the_levels_of_the_element(rng):
    fmt, sums = mx("mx_e4m3fn"), rng.integers(-2**30, 2**30, (9, 33))
    parameters = usual(fmt, multiplier=5, shift=9, exponent_min=127, exponent_max=127)
    found = requantize_blocks(sums, contract("half_up"), fmt, parameters)
    assert (found.exponents == 127).all()
    del parameters["exponent_min"], parameters["exponent_max"]
    np.testing.assert_array_equal(
        found.levels, requantize(sums, contract("half_up"), parse("e4m3fn"), parameters))


def test_blocks_of_few_channels_of_zeros_and_of_numbers_of_any_size():
    fmt = mx("mx_e2m1")
    found = requantize_blocks(np.zeros((3, 2), dtype=int), contract("half_up"), fmt,
                              usual(fmt, exponent_min=[7, 9]))
    assert found.exponents.tolist() == [[9]] * 3
    found = requantize_blocks(7, contract("half_up"), fmt, usual(fmt))
    assert (found.levels.tolist(), found.exponents.tolist()) == ([12], [126])
    huge = requantize_blocks([1 << 100, -1 << 99, 1 << 97], contract("half_up"), fmt, usual(fmt))
    assert (huge.levels.tolist(), huge.exponents.tolist()) == ([8, -4, 1], [224])
    # Beyond the largest exponent levels saturate, below the least one they are lost.
    ends = requantize_blocks([[1 << 20], [3]], contract("half_up"), fmt,
                             usual(fmt, exponent_min=130, exponent_max=131))
    assert (ends.levels.tolist(), ends.exponents.tolist()) == ([[12], [0]], [[131], [130]])
    assert dequantize_blocks(*huge, fmt)[0] == 2.0**99


def test_a_fused_relu_leaves_the_block_to_what_is_positive():
    fmt = mx("mx_e2m1")
    found = requantize_blocks([-(1 << 20), 5, 0], contract("half_up"), fmt,
                              usual(fmt, clamp_min=0))
    assert (found.levels.tolist(), found.exponents.tolist()) == ([0, 12, 0], [126])


def test_infinities_and_nan_leave_the_block_to_the_numbers():
    fmt = mx("mx_e5m2:specials=propagate")
    counts = np.zeros((3, 4), dtype=int)
    counts[0, 0] = counts[1, 1] = counts[2, 2] = 1
    sums = np.array([1 << 20, -(1 << 20), 1 << 20, 5 << 16])
    found = requantize_blocks(sums, contract("half_up"), fmt, usual(fmt), counts=counts)
    alone = requantize_blocks(sums[3:], contract("half_up"), fmt, usual(fmt))
    assert found.levels.tolist() == [NAN, INFINITY, -INFINITY, *alone.levels]
    assert found.exponents.tolist() == alone.exponents.tolist()
    none = requantize_blocks(sums, contract("half_up"), fmt, usual(fmt, exponent_min=7),
                             counts=np.ones((3, 4), dtype=int))
    assert (none.levels.tolist(), none.exponents.tolist()) == ([NAN] * 4, [7])


@pytest.mark.parametrize(("name", "fmt", "more", "message"), [
    ("half_up", "mx_e2m1", {"exponent_min": 9, "exponent_max": 8},
     r"Exponent minimum must be at most the maximum 8, not 9"),
    ("half_up", "mx_e2m1", {"exponent_max": 255}, r"Exponent maximum .* not 255.*"),
    ("half_up", "mx_s1", {}, r"Output must have a positive level where it is block-scaled, "
                             r"not mx_s1"),
    ("onnx", "mx_s8", {}, r"Output must be an integer format for contract onnx, not mx_s8"),
    ("tflite", "mx_s8", {}, r"Output must be an integer format for contract tflite, not mx_s8"),
    ("stochastic", "mx_s8", {}, r"Output must be an integer format for contract stochastic, "
                                r"not mx_s8"),
    ("thresholds", "mx_s4", {}, r"Output must be a format without exponents for contract "
                                r"thresholds, not mx_s4"),
])
def test_what_has_no_exponents_is_refused(name, fmt, more, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        requantize_blocks([1], contract(name), mx(fmt), usual(mx(fmt), **more))


def test_requantize_refuses_a_block_scaled_output():
    with pytest.raises(TypeError, match="^Output must be a format without exponents, not mx_e2m1: "
                                        "call requantize_blocks$"):
        requantize([1], contract("half_up"), mx("mx_e2m1"), usual(mx("mx_e2m1")))


def test_an_empty_batch_has_no_blocks():
    fmt = mx("mx_e2m1")
    found = requantize_blocks(np.zeros((0, 70), dtype=int), contract("half_up"), fmt, usual(fmt))
    assert (found.levels.shape, found.exponents.shape) == ((0, 70), (0, 3))
    found = requantize_blocks(np.zeros((2, 0), dtype=int), contract("half_up"), fmt, usual(fmt))
    assert (found.levels.shape, found.exponents.shape) == ((2, 0), (2, 0))


def test_a_sum_that_the_contract_does_not_take_is_refused():
    fmt = mx("mx_e2m1")
    with pytest.raises(ValueError, match=r"^Sum plus bias must be .*, not 2147483648 at index 0$"):
        requantize_blocks([1], contract("rndnu"), fmt, usual(fmt, bias=(1 << 31) - 1, shift=20))


def test_sizes_that_float64_does_not_hold():
    fmt = mx("mx_e2m1")
    sums = [(1 << 53) - 1, (1 << 54) - 1, -(1 << 60), (1 << 62) - 1]
    for value in sums:
        found = requantize_blocks([value], contract("floor"), fmt, usual(fmt))
        assert found.exponents.tolist() == [abs(value).bit_length() - 4 + 127]
