"""The tables of NUMERICS 1.1 and 1.2, row by row, and the primitives against their definitions."""

from fractions import Fraction
from math import ceil, floor

import numpy as np
import pytest

from golden.runtimes.gemmlowp import (
    multiply_by_quantized_multiplier,
    multiply_by_quantized_multiplier_single,
    rounding_divide_by_pot,
    srdhm,
)

MIN, MAX = -2**31, 2**31 - 1
HALF = Fraction(1, 2)
CORNERS = [MIN, MIN + 1, -2**30 - 1, -2**30, -3, -2, -1, 0, 1, 2, 3, 2**30 - 1, 2**30,
           2**30 + 1, MAX - 1, MAX]


@pytest.mark.parametrize("a, b, expected", [
    (MIN, MIN, MAX),
    (MIN, MAX, -2147483647),
    (MAX, MAX, 2147483646),
    (1, 2**30, 1),
    (-1, 2**30, 0),
    (3, 2**30, 2),
    (-3, 2**30, -1),
    (-1, 2**30 + 1, -1),
    (1, 2**30 - 1, 0),
])
def test_srdhm_table(a, b, expected):
    assert int(srdhm(a, b)) == expected
    assert int(srdhm(b, a)) == expected


def test_srdhm_is_its_definition(rng):
    values = CORNERS + rng.integers(MIN, MAX, 60, endpoint=True).tolist()
    result = srdhm(np.array(values)[:, None], values)
    assert result.tolist() == [[min(floor(Fraction(a * b, 2**31) + HALF), MAX) for b in values]
                               for a in values]


@pytest.mark.parametrize("x, exponent, expected", [
    (1, 1, 1),
    (-1, 1, -1),
    (-3, 1, -2),
    (-2, 2, -1),
    (-6, 2, -2),
    (MIN, 31, -1),
    (MAX, 31, 1),
    (-1, 31, 0),
    (-1073741824, 31, -1),
    (5, 0, 5),
])
def test_rdbpot_table(x, exponent, expected):
    assert int(rounding_divide_by_pot(x, exponent)) == expected


def test_rdbpot_is_its_definition(rng):
    values = CORNERS + rng.integers(MIN, MAX, 60, endpoint=True).tolist()
    result = rounding_divide_by_pot(np.array(values)[:, None], np.arange(32))
    for x, row in zip(values, result.tolist(), strict=True):
        for exponent, y in enumerate(row):
            v = Fraction(x, 2**exponent)
            assert y == (floor(v + HALF) if v > 0 else ceil(v - HALF))


@pytest.mark.parametrize("x, multiplier, shift, double, single", [
    (1, 2**30, 0, 1, 1),
    (-1, 2**30, 0, 0, 0),
    (1, 2**30, -1, 1, 0),
    (5, 2**30, -1, 2, 1),
    (11, 2**30, -2, 2, 1),
    (-2, 2**30, -1, -1, 0),
    (-6, 2**30, -1, -2, -1),
    (-5, 2**30, -1, -1, -1),
    (1000, 1518500250, -5, 22, 22),
    (2147483647, 2147483647, -31, 1, 1),
    (1073741824, 2**30, 1, None, 1073741824),
    (100, 2**30, 8, 12800, 12800),
])
def test_multiplication_table(x, multiplier, shift, double, single):
    assert int(multiply_by_quantized_multiplier_single(x, multiplier, shift)) == single
    if double is None:
        message = (r"^Sum plus bias, shifted left, must be in range \[-2147483648, 2147483647\] "
                   r"of s32, not 2147483648$")
        with pytest.raises(ValueError, match=message):
            multiply_by_quantized_multiplier(x, multiplier, shift)
    else:
        assert int(multiply_by_quantized_multiplier(x, multiplier, shift)) == double


@pytest.mark.parametrize("function, largest", [
    (multiply_by_quantized_multiplier, 31), (multiply_by_quantized_multiplier_single, 30)])
def test_bad_operands(function, largest):
    for shift in (-32, largest + 1):
        with pytest.raises(ValueError,
                           match=rf"^Shift must be in range \[-31, {largest}\], not {shift}$"):
            function(1, 1, shift)
    for multiplier in (-1, 2**31):
        with pytest.raises(ValueError, match=rf"^Multiplier must be in range \[0, {MAX}\] of u31, "
                                             rf"not {multiplier}$"):
            function(1, multiplier, 0)
    for x in (MIN - 1, MAX + 1):
        with pytest.raises(ValueError,
                           match=rf"^Value must be in range \[{MIN}, {MAX}\] of s32, not {x}$"):
            function(x, 1, 0)


def test_bad_operands_of_the_primitives():
    for exponent in (-1, 32):
        with pytest.raises(ValueError,
                           match=rf"^Exponent must be in range \[0, 31\], not {exponent}$"):
            rounding_divide_by_pot(1, exponent)
    with pytest.raises(ValueError, match=r"^Value must be in range .* of s32, not 2147483648$"):
        rounding_divide_by_pot(MAX + 1, 1)
    for a, b in ((MAX + 1, 0), (0, MIN - 1)):
        with pytest.raises(ValueError, match=r"^Operand must be in range .* of s32, not "):
            srdhm(a, b)
