"""Options of contracts: widths of the multiplier and the addend, signs."""

from dataclasses import replace

import pytest

from golden.contracts import (
    ADDING,
    CONTRACTS,
    S32,
    options_of,
)
from golden.contracts import (
    parse as contract,
)
from golden.formats import IntFormat, parse
from golden.ranges import levels_range

S8 = parse("s8")
U31, U24, U15 = (IntFormat(width, signed=False) for width in (31, 24, 15))
NARROW = levels_range(IntFormat(20))

OWN_BITS = [name for name in CONTRACTS if name.startswith(("half", "pulp"))] + [
    "floor", "zero", "stochastic"]
FIXED_BITS = {"tflite": 31, "tflite_single": 31, "tflite_int16x8": 15, "q31": 31, "precise": 24,
              "rndnu": 24, "nvdla": 16}


@pytest.mark.parametrize("name", OWN_BITS)
def test_multiplier_bits(name):
    assert contract(name).multiplier == U31
    for bits in (1, 24, 32):
        way = contract(name, multiplier_bits=bits)
        assert way.multiplier == IntFormat(bits, signed=False)
        assert way.fields(NARROW, S8)["multiplier"] == way.multiplier
        assert (way.name, way.rounding, way.addend) == (
            name, contract(name).rounding, S32 if name.startswith("pulp") else None)
        with_sign = contract(name, multiplier_bits=bits, signed_multiplier=True)
        assert with_sign == replace(way, multiplier=IntFormat(bits))
        assert with_sign.fields(NARROW, S8)["multiplier"] == IntFormat(bits)
    assert contract(name, signed_multiplier=True).multiplier == S32
    for bits in (0, 33):
        with pytest.raises(ValueError,
                           match=rf"^Multiplier bits must be in range \[1, 32\], not {bits}$"):
            contract(name, multiplier_bits=bits)


@pytest.mark.parametrize("name", FIXED_BITS)
def test_multiplier_bits_that_are_fixed(name):
    assert contract(name, multiplier_bits=FIXED_BITS[name]) is contract(name)
    assert contract(name).multiplier_bits == FIXED_BITS[name]
    for bits in (FIXED_BITS[name] - 1, FIXED_BITS[name] + 1, 0):
        with pytest.raises(ValueError, match=rf"^Multiplier bits must be {FIXED_BITS[name]} for "
                                             rf"contract {name}, not {bits}$"):
            contract(name, multiplier_bits=bits)


@pytest.mark.parametrize("name", ["onnx", "onnx_zp_inside", "thresholds", "none"])
def test_multiplier_bits_where_there_is_no_multiplier(name):
    for bits in (31, 0):
        with pytest.raises(ValueError, match=rf"^Multiplier bits must be left out for contract "
                                             rf"{name}, not {bits}$"):
            contract(name, multiplier_bits=bits)


@pytest.mark.parametrize("name", ["half_up", "tflite", "none"])
@pytest.mark.parametrize("bits", ["9", 9.0, True])
def test_multiplier_bits_are_an_integer(name, bits):
    with pytest.raises(TypeError, match=f"^Multiplier bits must be an integer, not {bits!r}$"):
        contract(name, multiplier_bits=bits)


@pytest.mark.parametrize("name", ADDING)
def test_addend_bits(name):
    assert contract(name).addend is None
    for bits in (1, 32, 48):
        way = contract(name, addend_bits=bits)
        assert way == replace(contract(name), addend=IntFormat(bits))
        assert list(way.fields(NARROW, S8).items())[1:4] == [
            ("multiplier", U31), ("shift", IntFormat(6, signed=False)), ("addend", IntFormat(bits))]
        assert "(x * multiplier + addend) / 2^shift" in way.formula()
    for bits in (0, 49):
        with pytest.raises(ValueError,
                           match=rf"^Addend bits must be in range \[1, 48\], not {bits}$"):
            contract(name, addend_bits=bits)


@pytest.mark.parametrize("name", [name for name in CONTRACTS if name not in ADDING])
def test_addend_bits_that_are_fixed(name):
    fixed = {"pulp": 32, "pulp_round": 32}.get(name)
    if fixed:
        assert contract(name, addend_bits=fixed) == contract(name)
    for bits in (0, 31, 48):
        with pytest.raises(ValueError, match=rf"^Addend bits must be {fixed or 'left out'} for "
                                             rf"contract {name}, not {bits}$"):
            contract(name, addend_bits=bits)


@pytest.mark.parametrize("name", [name for name in CONTRACTS if name not in OWN_BITS])
def test_a_multiplier_that_cannot_be_signed(name):
    with pytest.raises(ValueError, match=rf"^Signed multiplier must be left out for contract "
                                         rf"{name}, not True$"):
        contract(name, signed_multiplier=True)


@pytest.mark.parametrize("options, title, must", [
    ({"addend_bits": True}, "Addend bits", "an integer"),
    ({"addend_bits": 9.0}, "Addend bits", "an integer"),
    ({"signed_multiplier": 1}, "Signed multiplier", "True or False"),
    ({"signed_multiplier": None}, "Signed multiplier", "True or False")])
def test_options_of_a_wrong_type(options, title, must):
    [value] = options.values()
    with pytest.raises(TypeError, match=f"^{title} must be {must}, not {value!r}$"):
        contract("half_up", **options)


@pytest.mark.parametrize("options", [
    {}, {"multiplier_bits": 9}, {"addend_bits": 48}, {"signed_multiplier": True},
    {"addend_bits": 7, "signed_multiplier": True, "multiplier_bits": 32}])
def test_options_come_back(options):
    for name in CONTRACTS:
        own = options if name in ADDING else {}
        way = contract(name, **own)
        assert options_of(way) == {"multiplier_bits": way.multiplier_bits} | own
        assert contract(name, **options_of(way)) == way


def test_multiplier_bits_of_every_contract_are_tested():
    assert {*OWN_BITS, *FIXED_BITS, "onnx", "onnx_zp_inside", "thresholds", "none"} == set(
        CONTRACTS)


def test_multiplier_formats():
    assert contract("precise").multiplier == contract("rndnu").multiplier == U24
    assert contract("tflite_int16x8").multiplier == U15
    assert contract("nvdla").multiplier == IntFormat(16)
