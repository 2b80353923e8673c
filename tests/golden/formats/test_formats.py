import re

import numpy as np
import pytest

from golden.formats import (
    ELSEWHERE,
    FLOATS,
    MAX_BITS,
    Format,
    IntFormat,
    OddFormat,
    integers,
    parse,
)

NAMES = [f"{sign}{width}{narrow}" for sign in "su" for width in range(1, MAX_BITS + 1)
         for narrow in ("", "n") if (width, narrow) != (1, "n")]
EVERY = [parse(name) for name in NAMES]


class TestEveryFormat:
    def test_name_round_trips(self):
        for name, fmt in zip(NAMES, EVERY, strict=True):
            assert isinstance(fmt, Format)
            assert str(fmt) == name
            assert fmt.bits == int(re.sub(r"\D", "", name)), name

    def test_levels_are_the_definition(self):
        for name, fmt in zip(NAMES, EVERY, strict=True):
            bits, narrow = fmt.bits, name.endswith("n")
            if name[0] == "s":
                expected = range(-2**(bits - 1) + narrow, 2**(bits - 1))
            else:
                expected = range(2**bits - narrow)
            levels = fmt.levels()
            assert levels.dtype == np.int64, name
            np.testing.assert_array_equal(levels, np.array(expected), name)
            assert (fmt.min, fmt.max) == (expected[0], expected[-1]), name

    def test_every_code(self):
        """Codes are two's complement, level by level, and all round trip."""
        for fmt in EVERY:
            levels = fmt.levels()
            codes = fmt.encode(levels)
            expected = [level % 2**fmt.bits for level in levels.tolist()]
            np.testing.assert_array_equal(codes, expected, str(fmt))
            np.testing.assert_array_equal(fmt.decode(codes), levels, str(fmt))
            assert len(np.unique(codes)) == len(levels), fmt

    def test_contains_just_its_levels(self):
        for fmt in EVERY:
            around = np.arange(fmt.min - 3, fmt.max + 4)
            np.testing.assert_array_equal(fmt.contains(around), np.isin(around, fmt.levels()),
                                          str(fmt))

    def test_outside_is_refused(self):
        for fmt in EVERY:
            for bad in (fmt.min - 1, fmt.max + 1):
                message = rf"^Level must be in range \[{fmt.min}, {fmt.max}\] of {fmt}, not {bad}$"
                with pytest.raises(ValueError, match=message):
                    fmt.encode(bad)

    def test_a_code_without_level_is_refused(self):
        for name, fmt in zip(NAMES, EVERY, strict=True):
            unused = set(range(2**fmt.bits)) - set(fmt.encode(fmt.levels()).tolist())
            assert len(unused) == name.endswith("n"), name
            for code in unused:
                but = f" and other than {code}" * fmt.signed
                most = 2**fmt.bits - (1 if fmt.signed else 2)
                message = (rf"^Code must be in range \[0, {most}\] of {fmt}{but}, not {code} "
                           rf"at index 1$")
                with pytest.raises(ValueError, match=message):
                    fmt.decode([0, code])
            for code in (-1, 2**fmt.bits):
                with pytest.raises(ValueError, match=rf"^Code must be in range .* of {fmt}.*, not "
                                                     rf"{code}$"):
                    fmt.decode(code)


@pytest.mark.parametrize("name, message", [
    ("s0", r"^Format width must be in range \[1, 16\], not 0 \('s0'\)$"),
    ("u17", r"^Format width must be in range \[1, 16\], not 17 \('u17'\)$"),
    ("s1n", r"^Format must have at least 2 levels, not the 1 of s1n$"),
    ("u1n", r"^Format must have at least 2 levels, not the 1 of u1n$"),
    ("odd0", r"^Format width must be in range \[1, 8\] for odd levels, not 0 \(odd0\)$"),
    ("odd9", r"^Format width must be in range \[1, 8\] for odd levels, not 9 \(odd9\)$"),
    *[(name, rf"^Format must be one of s1\.\.s16, u1\.\.u16, either with n for the narrow range, "
             rf"odd1\.\.odd8, .*, not {re.escape(repr(name))}( \(did you mean \w+\?\))?$")
      for name in ("", "s", "8", "i8", "S8", "s8N", "s-1", "s8 ", "s1.5", "s8\n", "odd", "odd4n",
                   "odd4 ", "Ternary", "binary1")],
])
def test_bad_names(name, message):
    with pytest.raises(ValueError, match=message):
        parse(name)


@pytest.mark.parametrize("width", range(1, 9))
def test_odd_levels_are_the_definition(width):
    fmt = parse(f"odd{width}")
    assert fmt == OddFormat(width) and fmt.bits == width and parse(str(fmt)) == fmt
    levels = [2 * code - (2**width - 1) for code in range(2**width)]
    assert fmt.levels().tolist() == levels and (fmt.min, fmt.max) == (levels[0], levels[-1])
    assert fmt.decode(np.arange(2**width)).tolist() == levels
    assert fmt.encode(levels).tolist() == list(range(2**width))
    around = np.arange(fmt.min - 3, fmt.max + 4)
    np.testing.assert_array_equal(fmt.contains(around), np.isin(around, levels))
    assert fmt.idle == 1
    for bad in (0, fmt.max + 1, fmt.max + 2, fmt.min - 2):
        with pytest.raises(ValueError, match=rf"^Weight must be odd and in range \[{fmt.min}, "
                                             rf"{fmt.max}\] of {fmt}, not {bad}$"):
            fmt.check(bad, "Weight")
    for code in (-1, 2**width):
        with pytest.raises(ValueError, match=rf"^Code must be in range \[0, {fmt.max}\] of "
                                             rf"{fmt}, not {code}$"):
            fmt.decode(code)


def test_names_of_the_talk():
    """NUMERICS 3.1: int4 and int2 symmetric, ternary as (mask, sign), binary weights, features."""
    assert parse("odd4").levels().tolist() == [*range(-15, 16, 2)]
    assert parse("odd2").levels().tolist() == [-3, -1, 1, 3]
    assert parse("ternary").encode([-1, 0, 1]).tolist() == [0b11, 0b00, 0b01]
    assert parse("ternary") == parse("s2n")
    assert parse("binary") == parse("odd1") and parse("binary").decode([0, 1]).tolist() == [-1, 1]
    assert parse("bit") == parse("u1") and parse("bit").decode([0, 1]).tolist() == [0, 1]


def test_zero_points_are_of_integers_only():
    assert parse("u4").check_zero_point([0, 15]).tolist() == [0, 15]
    with pytest.raises(ValueError, match=r"^Zero point must be in range \[0, 15\] of u4, not 16$"):
        parse("u4").check_zero_point(16)
    assert parse("odd4").check_zero_point(0) == 0
    with pytest.raises(ValueError, match=r"^Zero point must be 0 for odd4, which is no integer "
                                         r"format, not 1$"):
        parse("odd4").check_zero_point([0, 1])


@pytest.mark.parametrize("width", [0, -1])
def test_bad_width(width):
    with pytest.raises(ValueError,
                       match=rf"^Format width must be a positive integer, not {width}$"):
        IntFormat(width)


def test_the_first_bad_value_is_named_with_its_place():
    with pytest.raises(ValueError, match=r"^Weight must be in range \[-8, 7\] of s4, not 8 "
                                         r"at index \(1, 0\)$"):
        parse("s4").check([[1, 2], [8, 9]], "Weight")
    with pytest.raises(ValueError, match=r"^Level must be in range \[-8, 7\] of s4, not -9 "
                                         r"at index 2$"):
        parse("s4").check([1, 2, -9])


def test_wide_formats_hold_python_integers():
    fmt = IntFormat(80)
    assert fmt.check([2**79 - 1, -2**79]).tolist() == [2**79 - 1, -2**79]
    with pytest.raises(ValueError, match=rf" of s80, not {2**79} at index 1$"):
        fmt.check([0, 2**79])


@pytest.mark.parametrize("values, kind", [
    ([], np.int64), ([1, 2], np.int64), (np.uint8([255]), np.int64), (5, np.int64),
    (np.uint64([2**63 - 1]), np.int64), (np.uint64([2**63]), object), ([2**63, -1], object),
    ([2**100], object), (np.array([1, 2], dtype=object), object), (2**63, object),
])
def test_integers_keep_their_values(values, kind):
    array = integers(values, "Value")
    assert array.dtype == kind
    expected = np.asarray(values, dtype=object)
    assert array.shape == expected.shape
    assert [int(v) for v in array.flat] == [int(v) for v in expected.flat]


@pytest.mark.parametrize("values, message", [
    ([1.0], r"^Value must be an integer, not 1\.0 \(float\)$"),
    (1.5, r"^Value must be an integer, not .*1\.5.* \(float64\)$"),
    (np.array([2.0]), r"^Value must be an integer, not .*2\.0.* \(float64\)$"),
    ([True], r"^Value must be an integer, not .*True.* \(bool\)$"),
    ([1, None], r"^Value must be an integer, not None \(NoneType\)$"),
    ("7", r"^Value must be an integer, not .*'7'.* \(<U1\)$"),
])
def test_what_is_no_integer_is_refused(values, message):
    with pytest.raises(TypeError, match=message):
        integers(values, "Value")


@pytest.mark.parametrize("name", ["s1", "s16", "u16", "s2n", "odd8", "codebook:1/2/5", "mx_s8",
                                  "codebook4:loaded=s8", *FLOATS])
def test_parts_of_a_code_are_its_bits(name):
    assert sum(parse(name).parts.values()) == parse(name).bits


def test_the_highest_bits_are_the_sign():
    for name in ("s4", "e2m1", "e5m2", "mx_s8"):
        fmt = parse(name)
        assert list(fmt.parts)[0] == "sign"
        negative = fmt.encode(fmt.min)
        assert negative >> fmt.bits - 1 == 1 and fmt.encode(fmt.max) >> fmt.bits - 1 == 0
    assert FLOATS["e5m2"].encode(2**16) == 0b0_01111_00  # the number 1


@pytest.mark.parametrize("family", sorted({*FLOATS} - {"cfloat8_1_4_3", "cfloat8_1_5_2"}))
def test_what_a_format_is_called_elsewhere_is_understood(family):
    for name in re.findall(r"`(\w+)`", ELSEWHERE[family]):
        with pytest.raises(ValueError, match=rf"\(did you mean {family}\?\)$"):
            parse(name)
