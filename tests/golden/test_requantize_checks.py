"""What :func:`golden.requantize.requantize` refuses, and what is just inside."""

import re

import pytest

from golden.contracts import S32
from golden.contracts import parse as contract
from golden.formats import IntFormat, parse
from golden.ranges import Range, levels_range
from golden.requantize import requantize
from tests.golden.definitions import parameters

S4, S8, S16 = (parse(name) for name in ("s4", "s8", "s16"))


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
            requantize([1, 2], contract("half_up"), S8,
                       parameters("half_up", S8, **{"shift": 0} | changed))

    @pytest.mark.parametrize("name, shift, message", [
        ("tflite", -32, r"^Shift must be in range \[-31, 31\] of contract tflite, not -32$"),
        ("tflite", 32, r"^Shift must be in range \[-32, 31\] of s6, not 32$"),
        ("tflite_single", 31,
         r"^Shift must be in range \[-31, 30\] of contract tflite_single, not 31$"),
        ("tflite_int16x8", -32,
         r"^Shift must be in range \[-31, 7\] of contract tflite_int16x8, not -32$"),
        ("tflite_int16x8", 8,
         r"^Shift must be in range \[-31, 7\] of contract tflite_int16x8, not 8$"),
        ("q31", -1, r"^Shift must be in range \[0, 31\] of u5, not -1$"),
        ("q31", 32, r"^Shift must be in range \[0, 31\] of u5, not 32$"),
        ("precise", 23, r"^Shift must be in range \[24, 55\] of contract precise, not 23$"),
        ("precise", 56, r"^Shift must be in range \[24, 55\] of contract precise, not 56$"),
        ("rndnu", 15, r"^Shift must be in range \[16, 55\] of contract rndnu, not 15$"),
        ("rndnu", 56, r"^Shift must be in range \[16, 55\] of contract rndnu, not 56$"),
        ("nvdla", 64, r"^Shift must be in range \[0, 63\] of u6, not 64$"),
        ("pulp", 64, r"^Shift must be in range \[0, 63\] of u6, not 64$"),
    ])
    def test_outside_the_contracts_shifts(self, name, shift, message):
        with pytest.raises(ValueError, match=message):
            requantize([0], contract(name), S8, parameters(name, S8, shift=shift))

    @pytest.mark.parametrize("name, field, value, message", [
        ("tflite_int16x8", "multiplier", 2**15, r"\[0, 32767\] of u15"),
        ("precise", "multiplier", 2**24, r"\[0, 16777215\] of u24"),
        ("rndnu", "multiplier", 2**24, r"\[0, 16777215\] of u24"),
        ("q31", "multiplier", 2**31, r"\[0, 2147483647\] of u31"),
        ("nvdla", "multiplier", 2**15, r"\[-32768, 32767\] of s16"),
        ("nvdla", "multiplier", -2**15 - 1, r"\[-32768, 32767\] of s16"),
        ("nvdla", "bias", 2**32, r"\[-4294967296, 4294967295\] of s33"),
        ("tflite_int16x8", "bias", -2**47 - 1, r"\[-140737488355328, 140737488355327\] of s48"),
        ("pulp", "addend", 2**31, r"\[-2147483648, 2147483647\] of s32"),
        ("pulp_round", "addend", -2**31 - 1, r"\[-2147483648, 2147483647\] of s32"),
        ("thresholds", "threshold_3", 2**32, r"\[-4294967296, 4294967295\] of s33"),
        ("onnx", "scale", -1, r"\[0, 2147483647\] of u31"),
    ])
    def test_outside_the_fields_of_a_contract(self, name, field, value, message):
        title = field.replace("_", " ").capitalize()
        with pytest.raises(ValueError, match=rf"^{title} must be in range {message}, not {value}$"):
            requantize([0], contract(name), S4, parameters(name, S4, **{field: value}))

    @pytest.mark.parametrize("name", ["onnx", "onnx_zp_inside"])
    @pytest.mark.parametrize("bits, shown", [
        (0, "0x00000000"), (1, "0x00000001"), (0x007FFFFF, "0x007fffff"),
        (0x7F800000, "0x7f800000"), (0x7FC00000, "0x7fc00000"), (0x7FFFFFFF, "0x7fffffff"),
    ])
    def test_scale_that_is_no_normal_float32(self, name, bits, shown):
        message = rf"^Scale must be the bits of a positive normal float32, not {shown}$"
        for scale in (bits, [0x3F800000, bits]):
            with pytest.raises(ValueError, match=message):
                requantize([0, 0], contract(name), S8, parameters(name, S8, scale=scale))
        for scale in (0x00800000, 0x7F7FFFFF):
            assert requantize([0], contract(name), S8,
                              parameters(name, S8, scale=scale)).tolist() == [0]

    @pytest.mark.parametrize("changed, message", [
        ({"threshold_2": -16}, r"^Threshold 2 must be at least the one before, -15, not -16$"),
        ({"threshold_15": [13, 10]}, r"^Threshold 15 must be at least the one before, 11, not 10$"),
        ({"threshold_1": [-15, 99]}, r"^Threshold 2 must be at least the one before, 99, not -13$"),
        ({"threshold_7": [99, -3], "threshold_4": [-9, 3]},
         r"^Threshold 5 must be at least the one before, 3, not -7$"),
    ])
    def test_thresholds_must_ascend(self, changed, message):
        with pytest.raises(ValueError, match=message):
            requantize([0, 0], contract("thresholds"), S4, parameters("thresholds", S4, **changed))

    def test_equal_thresholds_are_taken(self):
        p = parameters("thresholds", S4, threshold_2=-15)
        assert requantize([-16, -15], contract("thresholds"), S4, p).tolist() == [-8, -6]

    def test_thresholds_of_too_wide_an_output(self):
        with pytest.raises(ValueError, match=r"^Output must be a format of at most 8 bits "
                                             r"for contract thresholds, not s16$"):
            requantize([0], contract("thresholds"), S16, {"bias": 0})

    @pytest.mark.parametrize("options, changed, message", [
        ({"addend_bits": 48}, {"addend": 2**47}, rf"Addend .*\[{-2**47}, {2**47 - 1}\] of s48"),
        ({"signed_multiplier": True}, {"multiplier": -2**31 - 1}, r"Multiplier .* of s32"),
        ({"signed_multiplier": True}, {"multiplier": 2**31}, r"Multiplier .* of s32"),
    ])
    def test_outside_the_fields_of_options(self, options, changed, message):
        way = contract("half_up", **options)
        p = parameters("half_up", S8, **{"addend": 0} if "addend_bits" in options else {})
        with pytest.raises(ValueError, match=rf"^{message}, not {next(iter(changed.values()))}$"):
            requantize([0], way, S8, p | changed)

    @pytest.mark.parametrize("name, names", [
        ("onnx", "bias, scale, zero_point, clamp_min, clamp_max"),
        ("pulp", "bias, multiplier, shift, addend, zero_point, clamp_min, clamp_max"),
        ("thresholds", "bias, threshold_1, threshold_2, threshold_3"),
    ])
    def test_names_of_a_contract(self, name, names):
        with pytest.raises(ValueError, match=rf"^Parameters must be {names} for contract {name}, "
                                             r"not bias$"):
            requantize([0], contract(name), parse("u2"), {"bias": 0})

    def test_shift_field_may_hold_more_than_the_range(self):
        way = contract("half_up", multiplier_bits=32)
        message = r"^Shift must be in range \[0, 64\] of contract half_up, not 65$"
        with pytest.raises(ValueError, match=message):
            requantize([0], way, S8, parameters("half_up", S8, shift=65))

    def test_clamp_must_have_levels_of_a_narrow_output(self):
        narrow = parse("s8n")
        message = r"^Clamp minimum must be in range \[-127, 127\] of s8n, not -128$"
        with pytest.raises(ValueError, match=message):
            requantize([0], contract("half_up"), narrow,
                       parameters("half_up", narrow, clamp_min=-128))

    def test_names(self):
        p = parameters("half_up", S8)
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
            requantize([0], contract("tflite"), None, parameters("tflite", S8))


class TestRangeOfSums:
    S32_RANGE = re.escape(str(levels_range(S32)))

    @pytest.mark.parametrize("name", ["tflite", "tflite_single", "onnx", "onnx_zp_inside", "q31",
                                      "precise", "rndnu"])
    def test_sum_plus_bias_beyond_int32(self, name):
        for x, bias in ((2**31 - 1, 1), (-2**31, -1), (2**40, 0)):
            message = (rf"^Sum plus bias must be in range {self.S32_RANGE} of s32, not {x + bias} "
                       rf"at index 1$")
            with pytest.raises(ValueError, match=message):
                requantize([0, x], contract(name), S8, parameters(name, S8, bias=bias))

    @pytest.mark.parametrize("name, fmt", [("tflite_int16x8", "s48"), ("nvdla", "s33")])
    def test_sum_plus_bias_beyond_what_is_taken(self, name, fmt):
        taken = contract(name).takes
        span = re.escape(str(levels_range(taken)))
        p = parameters(name, S8)
        small = {"multiplier": 1, "shift": 0 if name == "nvdla" else -31}
        for x, step in ((taken.max, 1), (taken.min, -1)):
            assert requantize([0, x], contract(name), S8, p | small).tolist()[0] == 0
            message = (rf"^Sum plus bias must be in range {span} of {fmt}, not {x + step} "
                       rf"at index 1$")
            with pytest.raises(ValueError, match=message):
                requantize([0, x], contract(name), S8, p | {"bias": step})

    @pytest.mark.parametrize("name", ["tflite", "tflite_single"])
    def test_ends_of_int32_are_taken(self, name):
        p = parameters(name, S16, shift=-16)
        assert requantize([-2**31, 2**31 - 1], contract(name), S16, p).tolist() == [
            -2**14, 2**14]

    @pytest.mark.parametrize("x, shift, bad", [
        (2**30, 1, 2**31), (-2**30 - 1, 1, -2**31 - 2), (1, 31, 2**31), (-2, 31, -2**32),
    ])
    def test_left_shift_beyond_int32(self, x, shift, bad):
        message = (rf"^Sum plus bias, shifted left, must be in range {self.S32_RANGE} of s32, "
                   rf"not {bad} at index 1$")
        with pytest.raises(ValueError, match=message):
            requantize([0, x], contract("tflite"), S8, parameters("tflite", S8, shift=shift))

    def test_single_rounding_beyond_int32(self):
        message = rf"^Scaled sum must be in range {self.S32_RANGE} of s32, not {2**31} at index 1$"
        with pytest.raises(ValueError, match=message):
            requantize([0, 2**30], contract("tflite_single"), S8,
                       parameters("tflite_single", S8, shift=2))
        assert requantize([-2**30], contract("tflite_single"), S8,
                          parameters("tflite_single", S8, shift=2)).tolist() == [-128]

    @pytest.mark.parametrize("x, multiplier, shift, result", [
        (2**31, 2**15 - 1, 1, 4294836224), (2**31, 2**14, 1, 2**31), (2**24, 2**15 - 1, 7, None),
        (2**24 + 512, 2**15 - 1, 7, None), (2**24 + 768, 2**15 - 1, 7, 2147516413),
        (-2**31 - 1, 2**14, 1, -2**31 - 1),
        # To either side of the ties at the ends.
        (2**46 - 2**14, 2**14, -14, 2**31), (2**46 - 2**14 - 1, 2**14, -14, None),
        (-2**46 - 2**14, 2**14, -14, None), (-2**46 - 2**14 - 1, 2**14, -14, -2**31 - 1),
    ])
    def test_int16x8_beyond_int32(self, x, multiplier, shift, result):
        p = parameters("tflite_int16x8", S16, multiplier=multiplier, shift=shift)
        if result is None:
            end = requantize([0, x], contract("tflite_int16x8"), S16, p).tolist()[1]
            assert end == (32767 if x > 0 else -32768)
            return
        message = (rf"^Scaled sum must be in range {self.S32_RANGE} of s32, not {result} "
                   rf"at index 1$")
        with pytest.raises(ValueError, match=message):
            requantize([0, x], contract("tflite_int16x8"), S16, p)

    def test_sums_outside_the_range_given(self):
        for x in (-9, 8):
            with pytest.raises(ValueError, match=rf"^Sum must be in range \[-8, 7\], not {x}$"):
                requantize([0, x], contract("half_up"), S8, parameters("half_up", S8),
                           unbiased=Range(-8, 7))

    def test_wide_range_refused_by_tflite(self):
        with pytest.raises(ValueError, match=r"^Accumulator must be in range .* of s32 for "
                                             r"contract tflite, not "):
            requantize([0], contract("tflite"), S8, parameters("tflite", S8),
                       unbiased=Range(0, 2**31))

    def test_range_sets_width_of_bias_and_shift(self):
        wide = levels_range(IntFormat(48))
        p = parameters("half_up", S8, bias=2**40, shift=79)
        assert requantize([0], contract("half_up"), S8, p, unbiased=wide).tolist() == [0]
        with pytest.raises(ValueError, match=r"^Bias must be in range "):
            requantize([0], contract("half_up"), S8, p)
