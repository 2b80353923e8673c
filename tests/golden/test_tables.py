"""Tables against their definitions, one code at a time."""

import math
import re
from fractions import Fraction

import numpy as np
import pytest

from golden.contracts import Rounding
from golden.formats import parse
from golden.networks import Quantization
from golden.tables import FUNCTIONS, check_table, code_levels, identity, lookup, tabulate
from tests.golden.definitions import ROUND

S8, U8 = parse("s8"), parse("u8")
HALF = Fraction(1, 2)
FLOATS = {
    "hard_swish": lambda x: x * min(max(x + 3, 0), 6) / 6,
    "sigmoid": lambda x: 1 / (1 + math.exp(-x)) if x > -700 else 0.0,
    "tanh": math.tanh,
}


def pairs(rng, count):
    """Quantizations of input and output."""
    for _ in range(count):
        input, output = (parse(name) for name in rng.choice(["s8", "u8", "s8n", "u8n"], 2))
        yield tuple(Quantization(fmt, 2.0**rng.uniform(-9, 0),
                                 int(rng.integers(fmt.min, fmt.max))) for fmt in (input, output))


def test_the_order_of_the_codes():
    assert code_levels(U8).tolist() == list(range(256))
    assert code_levels(S8).tolist() == [*range(128), *range(-128, 0)]
    assert code_levels(parse("s8n")).tolist() == code_levels(S8).tolist()


@pytest.mark.parametrize("rounding", Rounding)
def test_hard_swish_is_rounded_exactly(rng, rounding):
    for input, output in pairs(rng, 20):
        table = tabulate(FUNCTIONS["hard_swish"], input, output, rounding)
        for level, entry in zip(code_levels(input.format).tolist(), table.tolist(), strict=True):
            x = Fraction(input.scale) * (level - input.zero_point)
            gate = 0 if x < -3 else 1 if x > 3 else (x + 3) / 6
            y = ROUND[rounding.value](x * gate / Fraction(output.scale)) + output.zero_point
            assert entry == min(max(y, output.format.min), output.format.max)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_tables_are_nearest(rng, name):
    """By float64, whose errors are far smaller than the least distance to a tie here."""
    for input, output in pairs(rng, 40):
        table = tabulate(FUNCTIONS[name], input, output)
        for level, entry in zip(code_levels(input.format).tolist(), table.tolist(), strict=True):
            real = FLOATS[name](input.scale * (level - input.zero_point)) / output.scale
            if level != input.zero_point:
                assert abs(real % 1 - 0.5) > 1e-9
            assert entry == min(max(math.floor(real + 0.5) + output.zero_point, output.format.min),
                                output.format.max)


def test_a_sigmoid_never_reaches_one():
    """Where one itself is a tie, what is all but one is below it, and rounds down."""
    input, output = Quantization(S8, 8.0), Quantization(S8, 2.0)
    assert tabulate(lambda x: Fraction(1), input, output).tolist() == [1] * 256
    for name in ("sigmoid", "tanh"):
        assert tabulate(FUNCTIONS[name], input, output).tolist() == [0] * 256


def test_ties_of_zero():
    """tanh(0) is 0 and sigmoid(0) a half: all the ties that the two have."""
    input, output = Quantization(S8, 0.1, 7), Quantization(S8, 1.0, 0)
    for rounding in Rounding:
        entry = tabulate(FUNCTIONS["sigmoid"], input, output, rounding)[7]
        assert entry == ROUND[rounding.value](HALF)
        assert tabulate(FUNCTIONS["tanh"], input, output, rounding)[7] == 0


def test_lookup(rng):
    for fmt in (S8, U8):
        table = rng.integers(fmt.min, fmt.max + 1, 256)
        levels = rng.integers(fmt.min, fmt.max + 1, (40, 30))
        result = lookup(table, levels, fmt)
        assert result.tolist() == [[table[level % 256] for level in row] for row in levels.tolist()]
        np.testing.assert_array_equal(lookup(code_levels(fmt), levels, fmt), levels)


@pytest.mark.parametrize("table, fmt, message", [
    (range(256), "u4", "Table must be of a format of 8 bits, not u4"),
    (range(255), "u8", "Table must have 256 levels, not shape (255,)"),
    ([[0] * 256], "u8", "Table must have 256 levels, not shape (1, 256)"),
    ([0] * 255 + [128], "s8",
     "Table entry must be in range [-128, 127] of s8, not 128 at index 255"),
])
def test_bad_tables(table, fmt, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check_table(list(table), parse(fmt))


@pytest.mark.parametrize("input, output, message", [
    (("s4", 1.0, 0), ("s8", 1.0, 0), "Table must be of an integer format of 8 bits, not s4"),
    (("s8", 1.0, 0), ("u16", 1.0, 0), "Table must be of an integer format of 8 bits, not u16"),
    (("s8", 0.0, 0), ("s8", 1.0, 0), "Scale must be positive and finite, not 0.0"),
    (("s8", 1.0, 0), ("s8", float("nan"), 0), "Scale must be positive and finite, not nan"),
    (("s8", 1.0, 0), ("u8", 1.0, -1), "Zero point must be in range [0, 255] of u8, not -1"),
])
def test_bad_quantizations(input, output, message):
    def tensor(name, scale, zero_point):
        return Quantization(parse(name), scale, zero_point)

    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        tabulate(FUNCTIONS["tanh"], tensor(*input), tensor(*output))


@pytest.mark.parametrize("name", ["e4m3fn", "e5m2"])
def test_the_identity_keeps_infinities_and_nan(name):
    fmt = parse(f"{name}:specials=propagate")
    levels = fmt.decode(np.arange(256))
    np.testing.assert_array_equal(lookup(identity(fmt), levels, fmt), levels)
