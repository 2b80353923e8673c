import re

import pytest

from golden.contracts import (
    CONTRACTS,
    S32,
    THRESHOLD_BITS,
    DoubleRounding,
    ExactSum,
    MultiplyShift,
    Onnx,
    Rounding,
    Stochastic,
    Thresholds,
)
from golden.contracts import (
    parse as contract,
)
from golden.formats import IntFormat, parse
from golden.ranges import Range, levels_range

S8 = parse("s8")
U31, U24, U15 = (IntFormat(width, signed=False) for width in (31, 24, 15))
NARROW, WIDE = levels_range(IntFormat(20)), levels_range(IntFormat(52))
# What a sum plus bias must lie in; the rest take any.
TAKES = {name: S32 for name in ("tflite", "tflite_single", "onnx", "onnx_zp_inside", "q31",
                                "precise", "rndnu")}
TAKES |= {"tflite_int16x8": IntFormat(48), "nvdla": IntFormat(33)}
ANY = [name for name in CONTRACTS if name not in TAKES]


def test_every_name():
    assert CONTRACTS == (
        "half_up", "half_even", "half_away", "floor", "zero", "tflite", "tflite_single",
        "tflite_int16x8", "onnx", "onnx_zp_inside", "q31", "precise", "rndnu", "pulp",
        "pulp_round", "nvdla", "thresholds", "stochastic", "none")
    for name in CONTRACTS:
        assert contract(name).name == name
        assert contract(name).takes == TAKES.get(name)
    for rounding in Rounding:
        assert contract(rounding.value) == MultiplyShift(rounding.value, rounding=rounding)
    for name, kind in (("none", ExactSum), ("tflite", DoubleRounding), ("q31", DoubleRounding),
                       ("tflite_single", MultiplyShift), ("onnx", Onnx), ("onnx_zp_inside", Onnx),
                       ("thresholds", Thresholds), ("stochastic", Stochastic)):
        assert type(contract(name)) is kind


@pytest.mark.parametrize("width, signed, bits", [
    (1, True, 32), (31, False, 32), (32, True, 32), (32, False, 33), (33, True, 33),
    (40, False, 41),
])
def test_bias_format(width, signed, bits):
    unbiased = levels_range(IntFormat(width, signed=signed))
    for name in ANY:
        assert contract(name).bias_format(unbiased) == IntFormat(bits)


@pytest.mark.parametrize("name", TAKES)
def test_bias_is_as_wide_as_what_is_taken(name):
    for unbiased in (Range(0, 1), NARROW, levels_range(TAKES[name])):
        assert contract(name).bias_format(unbiased) == TAKES[name]


def test_sum_format():
    for name, unbiased, bits in [
            ("half_up", NARROW, 33), ("half_up", levels_range(S32), 33), ("none", NARROW, 33),
            ("floor", levels_range(IntFormat(42)), 43), ("pulp", NARROW, 33),
            ("thresholds", NARROW, 33),
            *[(name, unbiased, fmt.width) for name, fmt in TAKES.items()
              for unbiased in (NARROW, levels_range(fmt))]]:
        assert contract(name).sum_format(unbiased) == IntFormat(bits), name


@pytest.mark.parametrize("name", ANY)
def test_sum_format_is_exact(name):
    for unbiased in (Range(0, 1), NARROW, WIDE, Range(0, 2**40)):
        total = unbiased + levels_range(contract(name).bias_format(unbiased))
        fmt = contract(name).sum_format(unbiased)
        assert total in levels_range(fmt)
        assert total not in levels_range(IntFormat(fmt.bits - 1))


@pytest.mark.parametrize("name", TAKES)
def test_an_accumulator_beyond_what_is_taken_is_refused(name):
    taken = levels_range(TAKES[name])
    for unbiased in (WIDE, Range(taken.lo - 1, 0), Range(0, taken.hi + 1)):
        message = (rf"^Accumulator must be in range {re.escape(str(taken))} of {TAKES[name]} for "
                   rf"contract {name}, not {re.escape(str(unbiased))} \({unbiased.format}\): "
                   rf"fewer products \(a tile's depth, --depth\) or narrower formats are needed$")
        with pytest.raises(ValueError, match=message):
            contract(name).sum_format(unbiased)
    assert contract(name).sum_format(taken) == TAKES[name]


@pytest.mark.parametrize("name, bits, sums, shifts", [
    ("half_up", 31, 33, Range(0, 63)), ("half_up", 8, 20, Range(0, 62)),
    ("floor", 31, 43, Range(0, 73)), ("zero", 32, 64, Range(0, 95)),
    ("tflite", 31, 32, Range(-31, 31)), ("tflite_single", 31, 32, Range(-31, 30)),
    ("tflite_int16x8", 15, 48, Range(-31, 7)), ("q31", 31, 32, Range(0, 31)),
    ("precise", 24, 32, Range(24, 55)), ("rndnu", 24, 32, Range(16, 55)),
    ("pulp", 31, 33, Range(0, 63)), ("pulp_round", 8, 20, Range(0, 62)),
    ("nvdla", 16, 33, Range(0, 63)), ("stochastic", 31, 43, Range(0, 73)),
])
def test_shift_range(name, bits, sums, shifts):
    way = contract(name, multiplier_bits=bits)
    assert way.shift_range(IntFormat(sums)) == shifts
    assert way.shifts_left == name.startswith("tflite")


LEVELS = ["zero_point", "clamp_min", "clamp_max"]
FIELDS = {name: ("s32", {"multiplier": "u31", "shift": "u6"}) for name in (
    "half_up", "half_even", "half_away", "floor", "zero", "stochastic")}
FIELDS |= {name: ("s32", {"scale": "u31"}) for name in ("onnx", "onnx_zp_inside")}
FIELDS |= {name: ("s32", {"multiplier": "u31", "shift": "u6", "addend": "s32"})
           for name in ("pulp", "pulp_round")}
FIELDS |= {name: ("s32", {"multiplier": "u31", "shift": "s6"})
           for name in ("tflite", "tflite_single")}
FIELDS |= {
    "tflite_int16x8": ("s48", {"multiplier": "u15", "shift": "s6"}),
    "q31": ("s32", {"multiplier": "u31", "shift": "u5"}),
    "precise": ("s32", {"multiplier": "u24", "shift": "u6"}),
    "rndnu": ("s32", {"multiplier": "u24", "shift": "u6"}),
    "nvdla": ("s33", {"multiplier": "s16", "shift": "u6"}),
}


@pytest.mark.parametrize("name", FIELDS)
def test_fields(name):
    bias, scaling = FIELDS[name]
    fields = contract(name).fields(NARROW, parse("u4n"))
    assert list(fields) == ["bias", *scaling, *LEVELS]
    assert {key: str(fmt) for key, fmt in fields.items()} == {
        "bias": bias, **scaling, **dict.fromkeys(LEVELS, "u4n")}
    with pytest.raises(ValueError,
                       match=rf"^Output must be a format for contract {name}, not None$"):
        contract(name).fields(NARROW, None)


@pytest.mark.parametrize("name", FIELDS)
def test_output_that_is_no_integer(name):
    """Those that round one exact product to a level have any; a source's own are integers."""
    own = name.startswith(("tflite", "onnx", "q31", "stochastic"))
    for output in ("odd4", "binary"):
        if own or name == "zero":
            what = "a format with a level 0" if name == "zero" else "an integer format"
            with pytest.raises(ValueError, match=rf"^Output must be {what} for contract {name}, "
                                                 rf"not {output}$"):
                contract(name).fields(NARROW, parse(output))
        else:
            bias, scaling = FIELDS[name]
            fields = contract(name).fields(NARROW, parse(output))
            assert list(fields) == ["bias", *scaling, "clamp_min", "clamp_max"]
            assert fields["clamp_min"] == fields["clamp_max"] == parse(output)


def test_output_format():
    for name in (*FIELDS, "thresholds"):
        assert contract(name).output_format(NARROW, S8) == S8
        with pytest.raises(ValueError,
                           match=rf"^Output must be a format for contract {name}, not None$"):
            contract(name).output_format(NARROW, None)


def test_every_contract_has_its_fields_tested():
    assert {*FIELDS, "thresholds", "none"} == set(CONTRACTS)


@pytest.mark.parametrize("output, steps", [
    ("s1", 1), ("u1", 1), ("s2n", 2), ("u3", 7), ("s4n", 14), ("s4", 15), ("u4", 15), ("s5", 31),
    ("u8n", 254), ("s8", 255), ("e4m3fn", 252),
])
def test_thresholds(output, steps):
    way = contract("thresholds")
    fields = way.fields(NARROW, parse(output))
    assert list(fields) == ["bias"] + [f"threshold_{k}" for k in range(1, steps + 1)]
    assert fields["bias"] == S32
    assert {fields[name] for name in fields if name != "bias"} == {IntFormat(33)}
    assert way.fields(WIDE, parse(output))["threshold_1"] == way.sum_format(WIDE) == IntFormat(53)


@pytest.mark.parametrize("output", [parse("s9"), parse("u9n"), parse("s16"), None], ids=str)
def test_thresholds_of_too_many_steps(output):
    assert THRESHOLD_BITS == 8
    with pytest.raises(ValueError, match=rf"^Output must be a format of at most 8 bits "
                                         rf"for contract thresholds, not {output}$"):
        contract("thresholds").fields(NARROW, output)


def test_the_exact_sum():
    assert contract("none").fields(NARROW, None) == {"bias": S32}
    assert contract("none").output_format(NARROW, None) == IntFormat(33)
    with pytest.raises(ValueError, match=r"^Output must not be given for contract none, whose "
                                         r"output is the exact sum, not s8$"):
        contract("none").output_format(NARROW, S8)


def test_bad_name():
    names = re.escape(", ".join(CONTRACTS))
    with pytest.raises(ValueError, match=rf"^Contract must be one of {names}, not 'ceil'$"):
        contract("ceil")


@pytest.mark.parametrize("output, formula", [
    (None, "clamp(half_even(x * multiplier / 2^shift) + zero_point)"),
    ("u8", "clamp(half_even(x * multiplier / 2^shift) + zero_point)"),
    ("e5m2", "clamp(half_even(x * multiplier / 2^shift))"),
    ("mx_s8", "clamp(half_even(x * multiplier / 2^(shift + exponent - 127)))"),
])
def test_formula_of_each_kind_of_output(output, formula):
    assert contract("half_even").formula(output and parse(output)) == formula


@pytest.mark.parametrize("name, meant", [
    ("TOSA", "half_up"), ("FBGEMM", "onnx"), ("ONNX Runtime", "onnx"), ("XNNPACK", "onnx"),
    ("LiteRT", "onnx"), ("PyTorch", "onnx"), ("gemmlowp", "tflite"), ("CMSIS-NN", "tflite"),
    ("tflite-micro", "tflite"), ("TVM", "tflite_single"), ("QNNPACK", "q31"),
    ("DORY", "pulp"), ("NEMO", "pulp"), ("Deeploy", "pulp_round"), ("FINN", "thresholds")])
def test_a_user_is_understood(name, meant):
    """A project's name is answered with one of the contracts that it uses."""
    assert name in {user.project for user in contract(meant).users}
    with pytest.raises(ValueError, match=rf"\(did you mean {meant}\?\)$"):
        contract(name)


@pytest.mark.parametrize("name, meant", [
    ("AP_RND", "half_up"), ("AP_RND_CONV", "half_even"), ("AP_RND_INF", "half_away"),
    ("AP_TRN", "floor"), ("AP_TRN_ZERO", "zero"), ("DOUBLE_ROUND", "tflite"),
    ("SINGLE_ROUND", "half_up"), ("fixed_point_multiply", "tflite_single")])
def test_a_part_of_a_user_is_understood(name, meant):
    parts = [word for user in contract(meant).users for word in re.findall(r"\w+", user.part)]
    assert name in parts
    with pytest.raises(ValueError, match=rf"\(did you mean {meant}\?\)$"):
        contract(name)
