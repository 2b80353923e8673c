"""What :func:`golden.requantize.requantize` refuses, and what is just inside."""

import re

import pytest

from golden.contracts import S32, contract
from golden.formats import IntFormat, parse
from golden.ranges import Range, levels_range
from golden.requantize import requantize

S8, S16 = parse("s8"), parse("s16")


def parameters(output=S8, **changed):
    return dict(bias=0, multiplier=2**30, shift=0, zero_point=0, clamp_min=output.min,
                clamp_max=output.max) | changed


class TestParameters:
    @pytest.mark.parametrize("changed, message", [
        ({"bias": 2**31},
         rf"^Bias must be in range \[{-2**31}, {2**31 - 1}\] of s32, not {2**31}$"),
        ({"multiplier": -1},
         rf"^Multiplier must be in range \[0, {2**31 - 1}\] of u31, not -1$"),
        ({"multiplier": [1, 2**31]},
         rf"^Multiplier must be in range \[0, {2**31 - 1}\] of u31, not {2**31} at index 1$"),
        ({"zero_point": 128}, r"^Zero point must be in range \[-128, 127\] of s8, not 128$"),
        ({"clamp_min": -129}, r"^Clamp minimum must be in range \[-128, 127\] of s8, not -129$"),
        ({"clamp_max": 128}, r"^Clamp maximum must be in range \[-128, 127\] of s8, not 128$"),
        ({"clamp_min": [0, 5], "clamp_max": 4},
         r"^Clamp minimum must be at most the maximum 4, not 5$"),
        ({"shift": 64}, r"^Shift must be in range \[0, 63\] of u6, not 64$"),
        ({"shift": -1}, r"^Shift must be in range \[0, 63\] of u6, not -1$"),
    ])
    def test_outside_its_field(self, changed, message):
        with pytest.raises(ValueError, match=message):
            requantize([1, 2], contract("half_up"), S8, parameters(**changed))

    @pytest.mark.parametrize("name, shift, message", [
        ("tflite", -32, r"^Shift must be in range \[-31, 31\] of contract tflite, not -32$"),
        ("tflite", 32, r"^Shift must be in range \[-32, 31\] of s6, not 32$"),
        ("tflite_single", 31,
         r"^Shift must be in range \[-31, 30\] of contract tflite_single, not 31$"),
    ])
    def test_outside_the_contracts_shifts(self, name, shift, message):
        with pytest.raises(ValueError, match=message):
            requantize([0], contract(name), S8, parameters(shift=shift))

    def test_shift_field_may_hold_more_than_the_range(self):
        way = contract("half_up", multiplier_bits=32)
        message = r"^Shift must be in range \[0, 64\] of contract half_up, not 65$"
        with pytest.raises(ValueError, match=message):
            requantize([0], way, S8, parameters(shift=65))

    def test_clamp_must_have_levels_of_a_narrow_output(self):
        narrow = parse("s8n")
        message = r"^Clamp minimum must be in range \[-127, 127\] of s8n, not -128$"
        with pytest.raises(ValueError, match=message):
            requantize([0], contract("half_up"), narrow, parameters(narrow, clamp_min=-128))

    def test_names(self):
        p = parameters()
        del p["bias"]
        message = (r"^Parameters must be bias, multiplier, shift, zero_point, clamp_min, "
                   r"clamp_max for contract half_up, not multiplier, shift, zero_point, "
                   r"clamp_min, clamp_max$")
        with pytest.raises(ValueError, match=message):
            requantize([0], contract("half_up"), S8, p)
        with pytest.raises(ValueError,
                           match=r"^Parameters must be bias for contract none, not none$"):
            requantize([0], contract("none"), None, {})
        with pytest.raises(ValueError, match=r"^Parameters must be bias for contract none, "
                                             r"not bias, shift$"):
            requantize([0], contract("none"), None, {"bias": 0, "shift": 0})

    def test_output_is_needed(self):
        with pytest.raises(ValueError,
                           match=r"^Output must be a format for contract tflite, not None$"):
            requantize([0], contract("tflite"), None, parameters())


class TestRangeOfSums:
    S32_RANGE = re.escape(str(levels_range(S32)))

    @pytest.mark.parametrize("name", ["tflite", "tflite_single"])
    @pytest.mark.parametrize("sums, bias, bad", [
        ([0, 2**31 - 1], 1, 2**31), ([0, -2**31], -1, -2**31 - 1), ([0, 2**40], 0, 2**40),
    ])
    def test_sum_plus_bias_beyond_int32(self, name, sums, bias, bad):
        message = rf"^Sum plus bias must be in range {self.S32_RANGE} of s32, not {bad} at index 1$"
        with pytest.raises(ValueError, match=message):
            requantize(sums, contract(name), S8, parameters(bias=bias, shift=-3))

    @pytest.mark.parametrize("name", ["tflite", "tflite_single"])
    def test_ends_of_int32_are_taken(self, name):
        p = parameters(S16, shift=-16)
        assert requantize([-2**31, 2**31 - 1], contract(name), S16, p).tolist() == [
            -2**14, 2**14]

    @pytest.mark.parametrize("x, shift, bad", [
        (2**30, 1, 2**31), (-2**30 - 1, 1, -2**31 - 2), (1, 31, 2**31), (-2, 31, -2**32),
    ])
    def test_left_shift_beyond_int32(self, x, shift, bad):
        message = (rf"^Sum plus bias, shifted left, must be in range {self.S32_RANGE} of s32, "
                   rf"not {bad} at index 1$")
        with pytest.raises(ValueError, match=message):
            requantize([0, x], contract("tflite"), S8, parameters(shift=shift))

    def test_single_rounding_beyond_int32(self):
        message = rf"^Scaled sum must be in range {self.S32_RANGE} of s32, not {2**31} at index 1$"
        with pytest.raises(ValueError, match=message):
            requantize([0, 2**30], contract("tflite_single"), S8, parameters(shift=2))
        assert requantize([-2**30], contract("tflite_single"), S8,
                          parameters(shift=2)).tolist() == [-128]

    def test_sums_outside_the_range_given(self):
        for x in (-9, 8):
            with pytest.raises(ValueError, match=rf"^Sum must be in range \[-8, 7\], not {x}$"):
                requantize([0, x], contract("half_up"), S8, parameters(shift=30),
                           unbiased=Range(-8, 7))

    def test_wide_range_refused_by_tflite(self):
        with pytest.raises(ValueError, match=r"^Accumulator must be in range .* of s32 for "
                                             r"contract tflite, not "):
            requantize([0], contract("tflite"), S8, parameters(), unbiased=Range(0, 2**31))

    def test_range_sets_width_of_bias_and_shift(self):
        wide, p = levels_range(IntFormat(48)), parameters(bias=2**40, shift=79)
        assert requantize([0], contract("half_up"), S8, p, unbiased=wide).tolist() == [0]
        with pytest.raises(ValueError, match=r"^Bias must be in range "):
            requantize([0], contract("half_up"), S8, p)
