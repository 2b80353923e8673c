"""Floats and codebooks: their definitions in rational arithmetic, and ml_dtypes code by code."""

import re
from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest

from golden.formats import (
    FLOATS,
    INFINITY,
    NAN,
    Codebook,
    FloatFormat,
    LoadedCodebook,
    parse,
)
from golden.ranges import dot_range

CFLOATS = [f"{family}:bias={bias},denormals={rule}" for family in ("cfloat8_1_4_3", "cfloat8_1_5_2")
           for bias in (0, 7, 12, 15, 63) for rule in ("ieee", "paper")]
NAMES = [*FLOATS, *CFLOATS]


def number(fmt: FloatFormat, code: int) -> Fraction:
    """What a code stands for: NUMERICS 3.2 and 3.3, as they are written."""
    sign, rest = divmod(code, 1 << fmt.bits - 1)
    exponent, mantissa = divmod(rest, 1 << fmt.mantissa_bits)
    fraction = Fraction(mantissa, 1 << fmt.mantissa_bits)
    if exponent:
        value = (1 + fraction) * Fraction(2) ** (exponent - fmt.bias)
    elif fmt.denormals == "ieee":
        value = fraction * Fraction(2) ** (1 - fmt.bias)
    else:
        value = fraction * Fraction(2) ** -fmt.bias
    return -value if sign else value


@pytest.mark.parametrize("name", NAMES)
def test_every_code_is_its_number(name):
    fmt = parse(name)
    assert parse(str(fmt)) == fmt
    numbers = {code: number(fmt, code) for code in range(1 << fmt.bits) if not fmt.special(code)}
    levels = {code: int(fmt.decode(code)) for code in numbers}
    assert all(levels[code] * Fraction(2) ** fmt.unit == each for code, each in numbers.items())
    assert fmt.levels().tolist() == sorted(set(levels.values()))
    assert (fmt.min, fmt.max) == (min(levels.values()), max(levels.values()))
    for code, level in levels.items():
        assert fmt.encode(level) == (0 if level == 0 else code)
    around = np.unique([level + step for level in levels.values() for step in (-1, 0, 1)])
    np.testing.assert_array_equal(fmt.contains(around), np.isin(around, fmt.levels()))


@pytest.mark.parametrize("name, other", [
    ("e4m3fn", "float8_e4m3fn"), ("e5m2", "float8_e5m2"), ("e2m1", "float4_e2m1fn"),
    ("e3m2", "float6_e3m2fn"), ("e2m3", "float6_e2m3fn"), ("cfloat8_1_4_3", "float8_e4m3fn"),
    ("cfloat8_1_5_2", "float8_e5m2"), ("cfloat8_1_4_3:bias=11", "float8_e4m3b11fnuz"),
])
def test_every_code_is_that_of_ml_dtypes(name, other):
    """Tesla's floats have numbers where the others have infinities and NaN, and no other code."""
    fmt, codes = parse(name), np.arange(1 << parse(name).bits, dtype=np.uint8)
    values = codes.view(getattr(ml_dtypes, other)).astype(np.float64)
    finite = np.isfinite(values)
    np.testing.assert_array_equal(fmt.decode(codes[finite]) * 2.0**fmt.unit, values[finite])
    special = [fmt.special(code) for code in codes.tolist()]
    if not name.startswith("cfloat"):
        assert special == ["" if np.isfinite(value) else str(value) for value in values]
    else:
        assert not any(special) and (~finite).sum() == {"e4m3fn": 2, "e5m2": 8, "e4m3b11fnuz": 1}[
            other.removeprefix("float8_")]


@pytest.mark.parametrize("name, largest, normal, denormals", [
    ("cfloat8_1_4_3:bias=0,denormals=paper", 61440, 2, (.125, .875)),
    ("cfloat8_1_4_3:bias=0", 61440, 2, (.25, 1.75)),
    ("cfloat8_1_4_3:denormals=paper", 480, 2**-6, (2**-10, .0068359375)),
    ("cfloat8_1_4_3:bias=63", 15 * 2.0**-51, 2**-62, (2.0**-65, 7 * 2.0**-65)),
    ("cfloat8_1_5_2:bias=0,denormals=paper", 3758096384, 2, (.25, .75)),
    ("cfloat8_1_5_2:bias=0", 3758096384, 2, (.5, 1.5)),
    ("cfloat8_1_5_2", 114688, 2**-14, (2**-16, 3 * 2**-16)),
])
def test_the_table_of_tesla(name, largest, normal, denormals):
    """NUMERICS 3.2: the largest number, the smallest normal one, the ends of the denormal ones."""
    fmt = parse(name)
    numbers = fmt.magnitudes * 2.0**fmt.unit
    first = 1 << fmt.mantissa_bits
    assert (numbers[-1], numbers[first], (numbers[1], numbers[first - 1])) == (
        largest, normal, denormals)


def test_accumulators():
    """47 bits for e4m3 at depth 1024, 77 for CFloat8_1_5_2."""
    widths = {name: dot_range(parse(name), parse(name), 1024).format.bits
              for name in ("e4m3fn", "cfloat8_1_5_2", "cfloat8_1_5_2:bias=0")}
    assert list(widths.values()) == [47, 77, 77]


@pytest.mark.parametrize("code, what", [(0x7f, "nan"), (0xff, "nan")])
def test_codes_without_a_level(code, what):
    with pytest.raises(ValueError, match=rf"^Code must be that of a number of e4m3fn, not "
                                         rf"{code:#04x}, which is {what}$"):
        parse("e4m3fn").decode([0, code])
    with pytest.raises(ValueError, match=r"^Code must be in range \[0, 255\] of e4m3fn, not 256$"):
        parse("e4m3fn").decode(256)
    with pytest.raises(ValueError, match=r"^Weight must be a level of e2m1, -12 to 12 in units of "
                                         r"2\*\*-1, not 5$"):
        parse("e2m1").check(5, "Weight")


@pytest.mark.parametrize("name, nan, infinity", [("e4m3fn", 0x7f, None), ("e5m2", 0x7e, 0x7c)])
def test_specials_that_propagate(name, nan, infinity):
    fmt = parse(f"{name}:specials=propagate")
    assert parse(str(fmt)) == fmt and fmt.propagates and not parse(name).propagates
    codes = np.arange(256, dtype=np.uint8)
    values = codes.view(getattr(ml_dtypes, f"float8_{name}")).astype(np.float64)
    levels = fmt.decode(codes)
    np.testing.assert_array_equal(levels == NAN, np.isnan(values))
    np.testing.assert_array_equal(levels == INFINITY, values == np.inf)
    np.testing.assert_array_equal(levels == -INFINITY, values == -np.inf)
    assert fmt.encode(NAN) == nan and fmt.contains(levels).all()
    if infinity is None:
        assert not fmt.contains([INFINITY, -INFINITY]).any()
    else:
        assert fmt.encode([INFINITY, -INFINITY]).tolist() == [infinity, infinity | 0x80]
    # Numbers are what they are without.
    np.testing.assert_array_equal(fmt.levels(), parse(name).levels())
    numbers = codes[np.isfinite(values)]
    np.testing.assert_array_equal(fmt.decode(numbers), parse(name).decode(numbers))
    assert not parse(name).contains([NAN, INFINITY, -INFINITY]).any()


def test_codebooks():
    book = parse("codebook:-7/-3/0/1/30")
    assert book == Codebook([-7, -3, 0, 1, 30]) and book.bits == 3
    assert (book.min, book.max) == (-7, 30)
    assert book.levels().tolist() == [-7, -3, 0, 1, 30] == book.decode([0, 1, 2, 3, 4]).tolist()
    assert book.encode([30, -7]).tolist() == [4, 0]
    assert parse(str(book)) == book and book.idle == 0 and parse("codebook:-5/4").idle == 4
    assert book.stem == "codebook3"
    assert parse("cfloat8_1_4_3:bias=12").stem == "cfloat8_1_4_3_bias_12"
    with pytest.raises(ValueError, match=r"^Level must be one of -7/-3/0/1/30 of a codebook, "
                                         r"not 2 at index 1$"):
        book.encode([0, 2])
    with pytest.raises(ValueError, match=r"^Code must be in range \[0, 4\] of codebook:.*, not 5$"):
        book.decode(5)


def test_kinds():
    assert Codebook(np.array([-5, 4])) == Codebook([-5, 4]) == parse("codebook:-5/4")
    for table, message in (([0, .5], r"0\.5 \(float\)"), ([0, None], r"None \(NoneType\)")):
        with pytest.raises(TypeError, match=f"^Codebook level must be an integer, not {message}$"):
            Codebook(table)
    for name in ("odd4", "e2m1"):
        with pytest.raises(TypeError, match=f"^Codebook range must be an integer format, "
                                            f"not {name}$"):
            LoadedCodebook(3, parse(name))


@pytest.mark.parametrize("name", ["codebook1:loaded=s16", "codebook4:loaded=u15",
                                  "codebook2:loaded=s8n", "codebook2:loaded=u8n"])
def test_names_of_loaded_codebooks(name):
    assert str(parse(name)) == name


def test_loaded_codebooks():
    fmt = parse("codebook3:loaded=s6")
    assert fmt == LoadedCodebook(3, parse("s6")) and str(fmt) == "codebook3:loaded=s6"
    assert (fmt.bits, fmt.min, fmt.max) == (3, -32, 31) and fmt.stem == "codebook3_loaded_s6"
    assert fmt.levels().tolist() == list(range(-32, 32))
    book = parse("codebook:-32/-1/0/3/31")
    assert fmt.check_table(book) is book
    for name, message in (
            ("s3", "Table of codebook3:loaded=s6 must be a codebook, not s3"),
            ("codebook:0/1/2/3/4/5/6/7/8",
             "Table of codebook3:loaded=s6 must have at most 8 levels, not 9"),
            ("codebook:0/32", "Table of codebook3:loaded=s6 must be in range [-32, 31] of s6, "
                              "not 32 at index 1")):
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            fmt.check_table(parse(name))
    with pytest.raises(TypeError, match="^Codes must be those of a loaded codebook, not of "
                                        "codebook3:loaded=s6$"):
        fmt.encode(0)
    with pytest.raises(TypeError, match="^Levels must be those of a loaded codebook, not of "
                                        "codebook3:loaded=s6$"):
        fmt.decode(0)


FLOAT_PARAMETERS = (r"Parameters of cfloat8_1_4_3 must be bias=N or denormals=ieee or paper, each "
                    r"once and separated by commas, not ")


@pytest.mark.parametrize("name, message", [
    ("codebook", "Codebook must have 2 to 16 levels, not 0"),
    ("codebook:", "Codebook must have 2 to 16 levels, not 0"),
    ("codebook:5", "Codebook must have 2 to 16 levels, not 1"),
    ("codebook:" + "/".join(map(str, range(17))), "Codebook must have 2 to 16 levels, not 17"),
    ("codebook:1/3/2", "Codebook must have ascending levels, not 2 after 3"),
    ("codebook:1/1", "Codebook must have ascending levels, not 1 after 1"),
    ("codebook:0/32768", "Codebook level must be in range [-32768, 32767] of s16, not 32768"),
    ("codebook:1/x", "Codebook must be integers separated by slashes, not 'codebook:1/x'"),
    ("codebook:1//2", "Codebook must be integers separated by slashes, not 'codebook:1//2'"),
    ("codebook0:loaded=s8", "Codebook bits must be in range [1, 4], not 0"),
    ("codebook5:loaded=s8", "Codebook bits must be in range [1, 4], not 5"),
    *[(f"codebook4:loaded={text}", "Codebook range must be an integer format within s16 "
       f"(s1..s16, u1..u15), not {text!r}") for text in ("e2m1", "odd4", "", "s08")],
    ("codebook4:loaded=s17", "Codebook range must be within s16, not s17"),
    ("codebook4:loaded=u16", "Codebook range must be within s16, not u16"),
    ("cfloat8_1_4_3:bias=64", "Bias of cfloat8_1_4_3 must be in range [0, 63], not 64"),
    ("cfloat8_1_5_2:bias=-1", "Bias of cfloat8_1_5_2 must be in range [0, 63], not -1"),
    ("cfloat8_1_4_3:denormals=none",
     "Denormals of cfloat8_1_4_3 must be ieee or paper, not 'none'"),
    ("cfloat8_1_4_3:", FLOAT_PARAMETERS + "''"),
    ("cfloat8_1_4_3:bias=1,bias=2", FLOAT_PARAMETERS + "'bias=1,bias=2'"),
    ("cfloat8_1_4_3:scale=1", FLOAT_PARAMETERS + "'scale=1'"),
    ("e4m3fn:bias=8", "Parameters of e4m3fn must be specials=refuse or propagate, each once and "
                      "separated by commas, not 'bias=8'"),
    ("e5m2:specials=ignore", "Specials of e5m2 must be refuse or propagate, not 'ignore'"),
    ("e2m1:specials=propagate", "Specials of e2m1 must be refuse, not 'propagate'"),
])
def test_bad_names(name, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        parse(name)


def test_zero_points_are_refused():
    with pytest.raises(ValueError, match="^Zero point must be 0 for e5m2, which is no integer "
                                         "format, not 3$"):
        parse("e5m2").check_zero_point(3)
