from itertools import product
from math import ceil, log2

import numpy as np
import pytest

from golden.formats import IntFormat, parse
from golden.ranges import INT64, Range, dot_range, levels_range, values_range, weights_ends

S8, S8N, U4, S2, U2 = (parse(name) for name in ("s8", "s8n", "u4", "s2", "u2"))


def signed_bits(r: Range) -> int:
    """Bits of a signed accumulator, by the definition of NUMERICS 3.8."""
    return next(n for n in range(1, 200) if -2**(n - 1) <= r.lo and r.hi <= 2**(n - 1) - 1)


@pytest.mark.parametrize("weights, activations, depth, bits", [
    (S8, S8, 1, 16),
    (S8N, S8, 4608, 28),
    (parse("s4"), U4, 4608, 21),
])
def test_table_of_widths(weights, activations, depth, bits):
    assert signed_bits(dot_range(weights, activations, depth)) == bits


@pytest.mark.parametrize("weight, activations, depth, bits", [
    (15, levels_range(U4), 4608, 21),
    (3, levels_range(U2), 4608, 17),
    (1, Range(0, 1), 4608, 14),
    (127, Range(-255, 255), 65536, 32),
])
def test_table_of_widths_of_other_levels(weight, activations, depth, bits):
    assert signed_bits((Range(-weight, weight) * activations).times(depth)) == bits


def test_int8_product():
    assert dot_range(S8, S8, 1) == Range(-16256, 16384)


@pytest.mark.parametrize("bits, unsigned_l1, signed_l1", [(16, 127.996, 255.99)])
def test_a2q_bounds_hold(bits, unsigned_l1, signed_l1, rng):
    """Weights whose absolute sum obeys A2Q's bound fit the accumulator it is for."""
    for l1, activations in ((unsigned_l1, parse("u8")), (signed_l1, S8)):
        weights = np.zeros(400, dtype=np.int64)
        np.add.at(weights, rng.integers(0, 400, int(l1)), 1)
        weights *= rng.choice([-1, 1], size=400)
        bound = values_range(weights_ends(weights[None], levels_range(activations)))
        assert signed_bits(bound) <= bits


def test_exact_width_is_at_most_that_of_the_absolute_sum(rng):
    for _ in range(200):
        weights = rng.integers(-128, 128, size=(1, rng.integers(1, 60)))
        l1 = int(np.abs(weights).sum())
        for fmt in (S8, parse("u8")):
            bound = values_range(weights_ends(weights, levels_range(fmt)))
            bits = ceil(log2(l1 * 2**(8 - fmt.signed) + 1) + 1)
            assert signed_bits(bound) <= bits


@pytest.mark.parametrize("weights, activations", [(S2, U2), (S2, S2), (parse("s2n"), S2)])
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_format_bound_is_reached(weights, activations, depth):
    pairs = [w * a for w in weights.levels().tolist() for a in activations.levels().tolist()]
    sums = [sum(choice) for choice in product(pairs, repeat=depth)]
    assert dot_range(weights, activations, depth) == Range(min(sums), max(sums))


@pytest.mark.parametrize("activations", [Range(-2, 1), Range(0, 3), Range(1, 2), Range(-3, -1)])
def test_weight_bound_is_reached(activations, rng):
    weights = rng.integers(-4, 5, size=(6, 4))
    inputs = list(product(range(activations.lo, activations.hi + 1), repeat=4))
    sums = np.array(inputs) @ weights.T
    np.testing.assert_array_equal(weights_ends(weights, activations), [sums.min(0), sums.max(0)])


def test_weights_of_any_size_and_shape():
    weights = np.array([[[2**80], [-1]]], dtype=object)
    assert weights_ends(weights, Range(-1, 2)).tolist() == [[-2**80 - 2], [2**81 + 1]]
    assert weights_ends(np.uint8([[255, 255]]), Range(-1, 1)).tolist() == [[-510], [510]]
    for activations in (Range(-2**70, 1), Range(0, 2**62)):  # of weights 0 as of any
        assert weights_ends(np.array([[0, 0], [1, 1]]), activations).tolist() == [
            [0, 2 * activations.lo], [0, 2 * activations.hi]]
        assert weights_ends(np.zeros((1, 2), int), activations).tolist() == [[0], [0]]


@pytest.mark.parametrize("lo, hi, name", [
    (0, 0, "u1"), (0, 1, "u1"), (0, 2, "u2"), (3, 255, "u8"), (0, 256, "u9"),
    (-1, 0, "s1"), (-1, 1, "s2"), (-2, 1, "s2"), (-3, 0, "s3"), (-128, 127, "s8"),
    (-129, 0, "s9"), (-1, 128, "s9"), (-4, -2, "s3"), (-2**70, 2**70 - 1, "s71"),
])
def test_narrowest_format(lo, hi, name):
    r = Range(lo, hi)
    assert str(r.format) == name
    assert r in levels_range(r.format)
    if r.format.bits > 1:
        assert r not in levels_range(IntFormat(r.format.bits - 1, signed=r.format.signed))


def test_arithmetic_is_that_of_members():
    ranges = [Range(lo, hi) for lo in range(-2, 3) for hi in range(lo, 3)]
    for a, b in product(ranges, repeat=2):
        pairs = list(product(range(a.lo, a.hi + 1), range(b.lo, b.hi + 1)))
        for result, values in ((a + b, [x + y for x, y in pairs]),
                               (a - b, [x - y for x, y in pairs]),
                               (a * b, [x * y for x, y in pairs])):
            assert result == Range(min(values), max(values))
        assert (a in b) == all(b.lo <= x <= b.hi for x in range(a.lo, a.hi + 1))
    for a in ranges:
        assert a.magnitude == max(abs(x) for x in range(a.lo, a.hi + 1))
        assert a.times(3) == a + a + a


def test_values_range():
    assert values_range(np.array([[3, -7]], dtype=np.int8)) == Range(-7, 3)
    assert values_range(np.array([2**90], dtype=object)) == Range(2**90, 2**90)
    assert values_range(np.array([], dtype=np.int64)) == Range(0, 0)
    assert Range(np.iinfo(np.int64).min, np.iinfo(np.int64).max) == INT64


def test_an_empty_range_is_refused():
    with pytest.raises(ValueError, match=r"^Range must not be empty, not \[1, 0\]$"):
        Range(1, 0)
    assert str(Range(-1, 2)) == "[-1, 2]"
