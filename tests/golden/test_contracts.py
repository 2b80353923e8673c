import re

import pytest

from golden.contracts import (
    CONTRACTS,
    S32,
    ExactSum,
    MultiplyShift,
    Rounding,
    Tflite,
    TfliteSingle,
    bias_format,
    contract,
)
from golden.formats import IntFormat, parse
from golden.ranges import Range, levels_range

S8 = parse("s8")
NARROW, WIDE = levels_range(IntFormat(20)), levels_range(IntFormat(42))
SCALING = [name for name in CONTRACTS if name != "none"]


def test_every_name():
    assert CONTRACTS[0] == "half_up"
    for name in CONTRACTS:
        assert contract(name).name == name
    for rounding in Rounding:
        assert contract(rounding.value) == MultiplyShift(rounding.value, rounding=rounding)
    assert isinstance(contract("none"), ExactSum)
    assert isinstance(contract("tflite"), Tflite)
    assert isinstance(contract("tflite_single"), TfliteSingle)


@pytest.mark.parametrize("width, signed, bits", [
    (1, True, 32), (31, False, 32), (32, True, 32), (32, False, 33), (33, True, 33),
    (40, False, 41),
])
def test_bias_format(width, signed, bits):
    assert bias_format(IntFormat(width, signed=signed)) == IntFormat(bits)


@pytest.mark.parametrize("name, unbiased, bits", [
    ("half_up", NARROW, 33), ("half_up", levels_range(S32), 33), ("none", NARROW, 33),
    ("floor", WIDE, 43), ("tflite", NARROW, 32), ("tflite_single", levels_range(S32), 32),
])
def test_sum_format(name, unbiased, bits):
    assert contract(name).sum_format(unbiased) == IntFormat(bits)


def test_sum_format_is_exact():
    for unbiased in (Range(0, 1), NARROW, WIDE, Range(0, 2**40)):
        total = unbiased + levels_range(bias_format(unbiased.format))
        fmt = contract("half_up").sum_format(unbiased)
        assert total in levels_range(fmt)
        assert total not in levels_range(IntFormat(fmt.bits - 1))


@pytest.mark.parametrize("name", ["tflite", "tflite_single"])
def test_an_accumulator_beyond_int32_is_refused(name):
    message = (rf"^Accumulator must be in range {re.escape(str(levels_range(S32)))} of s32 for "
               rf"contract {name}, not {re.escape(str(WIDE))} \(s42\): fewer products or narrower "
               rf"formats are needed$")
    with pytest.raises(ValueError, match=message):
        contract(name).sum_format(WIDE)


@pytest.mark.parametrize("name, bits, sums, shifts", [
    ("half_up", 31, 33, Range(0, 63)), ("half_up", 8, 20, Range(0, 62)),
    ("floor", 31, 43, Range(0, 73)), ("zero", 32, 64, Range(0, 95)),
    ("tflite", 31, 32, Range(-31, 31)), ("tflite_single", 31, 32, Range(-31, 30)),
])
def test_shift_range(name, bits, sums, shifts):
    assert contract(name, multiplier_bits=bits).shift_range(IntFormat(sums)) == shifts


@pytest.mark.parametrize("name", SCALING)
def test_fields(name):
    fields = contract(name).fields(NARROW, parse("u4n"))
    assert list(fields) == ["bias", "multiplier", "shift", "zero_point", "clamp_min", "clamp_max"]
    assert fields["bias"] == S32
    assert fields["multiplier"] == IntFormat(31, signed=False)
    assert str(fields["shift"]) == ("s6" if name.startswith("tflite") else "u6")
    for level in ("zero_point", "clamp_min", "clamp_max"):
        assert fields[level] == parse("u4n")
    with pytest.raises(ValueError, match=rf"^Output must be an integer format for contract {name}, "
                                         r"not None$"):
        contract(name).fields(NARROW, None)
    assert contract(name).output_format(NARROW, S8) == S8
    with pytest.raises(ValueError,
                       match=rf"^Output must be a format for contract {name}, not None$"):
        contract(name).output_format(NARROW, None)


def test_the_exact_sum():
    assert contract("none").fields(NARROW, None) == {"bias": S32}
    assert contract("none").output_format(NARROW, None) == IntFormat(33)
    with pytest.raises(ValueError, match=r"^Output must not be given for contract none, whose "
                                         r"output is the exact sum, not s8$"):
        contract("none").output_format(NARROW, S8)


def test_bad_arguments():
    names = re.escape(", ".join(CONTRACTS))
    with pytest.raises(ValueError, match=rf"^Contract must be one of {names}, not 'ceil'$"):
        contract("ceil")
    for bits in (0, 33):
        with pytest.raises(ValueError,
                           match=rf"^Multiplier bits must be in range \[1, 32\], not {bits}$"):
            contract("half_up", multiplier_bits=bits)
    for name in ("tflite", "tflite_single"):
        with pytest.raises(ValueError,
                           match=rf"^Multiplier bits must be 31 for contract {name}, not 16$"):
            contract(name, multiplier_bits=16)
