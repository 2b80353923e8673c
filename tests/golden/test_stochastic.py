"""Contract ``stochastic``: against its definition, and how often it rounds up."""

import re
from dataclasses import replace
from fractions import Fraction
from math import floor

import numpy as np
import pytest

from golden import digits
from golden.contracts import MultiplyShift, Rounding, Stochastic
from golden.contracts import parse as contract
from golden.formats import IntFormat, parse
from golden.layers.linear import linear_sums
from golden.lfsr import draws
from golden.networks import Conv2d, Dense, Network, Quantization, Tensor
from golden.quantize import quantize
from golden.ranges import levels_range
from golden.requantize import requantize
from golden.run import run

S8, S16 = parse("s8"), parse("s16")
WAY = contract("stochastic")
STATES = 2**32 - 1


def parameters(shift, multiplier=1, output=S16, **changed):
    return {"bias": 0, "multiplier": multiplier, "shift": shift, "zero_point": 0,
            "clamp_min": output.min, "clamp_max": output.max} | changed


def added(product, shift, state):
    """``(product + r) >> shift``, r a state's highest bits, or beyond 32 with zeros."""
    r = state >> (32 - shift) if shift <= 32 else state << (shift - 32)
    return (product + r) >> shift


def test_description():
    assert isinstance(WAY, Stochastic) and WAY.rounding is Rounding.FLOOR
    assert WAY.formula() == "clamp(floor(x * multiplier / 2^shift + state / 2^32) + zero_point)"
    assert contract("stochastic", multiplier_bits=8).multiplier == IntFormat(8, signed=False)
    assert replace(WAY, name="floor") != contract("floor") == MultiplyShift(
        "floor", rounding=Rounding.FLOOR)


@pytest.mark.parametrize("bits", [8, 32, 63])
@pytest.mark.parametrize("multiplier_bits", [1, 31, 32])
def test_every_shift(rng, bits, multiplier_bits):
    """Both forms of the definition, in integers and in rational numbers, at ends and around."""
    way = contract("stochastic", multiplier_bits=multiplier_bits)
    unbiased = levels_range(IntFormat(bits))
    for shift in range(way.shift_range(way.sum_format(unbiased)).hi + 1):
        x = np.array([unbiased.lo, unbiased.hi, -1, 0, 1, *(
            int(v) >> int(rng.integers(bits)) for v in rng.integers(unbiased.lo, unbiased.hi, 15))],
            dtype=object)
        states = rng.permutation([1, STATES, 2**31, 2**31 - 1, *rng.integers(1, 2**32, 16)])
        multiplier = 2**multiplier_bits - 1
        p = parameters(shift, multiplier, bias=5, zero_point=-3)
        result = requantize(x, way, S16, p, unbiased=unbiased, draws=states)
        assert result.dtype == np.int64
        products = [(v + 5) * multiplier for v in x]
        wanted = [floor(Fraction(product, 2**shift) + Fraction(state, 2**32))
                  for product, state in zip(products, states.tolist(), strict=True)]
        assert wanted == [added(product, shift, state) for product, state
                          in zip(products, states.tolist(), strict=True)]
        assert result.tolist() == [min(max(w - 3, S16.min), S16.max) for w in wanted]


@pytest.mark.parametrize("x, shift, r, wanted", [
    (3, 2, 0, 0), (3, 2, 1, 1), (-3, 2, 0, -1), (-3, 2, 3, 0), (4, 2, 0, 1), (4, 2, 3, 1),
    (-4, 2, 0, -1), (-4, 2, 3, -1), (-1, 8, 254, 0), (-1, 8, 255, 0), (-1, 8, 0, -1),
    (1, 8, 254, 0), (1, 8, 255, 1),
])
def test_table(x, shift, r, wanted):
    """Every state whose highest bits are r gives the same: the lowest and the highest of them."""
    for state in (max(1, r << (32 - shift)), ((r + 1) << (32 - shift)) - 1):
        assert requantize([x], WAY, S16, parameters(shift), draws=[state]).tolist() == [wanted]


def test_the_ends_of_int32():
    for x, shift, state, wanted in (
            (2**31 - 1, 16, 2**16 - 1, 2**15 - 1), (-2**31, 16, STATES, -2**15),
            (2**31 - 1, 17, STATES, 2**14), (-2**31, 31, 1, -1), (-2**31, 31, STATES, -1)):
        assert requantize([x], WAY, S16, parameters(shift), draws=[state]).tolist() == [wanted]


@pytest.mark.parametrize("shift", [1, 2, 5, 8])
def test_how_many_of_a_whole_period_round_up(shift):
    """Of all 2**32 - 1 states, fraction * 2**32: those that share their high bits, at a time."""
    count = 1 << shift
    size = 2**32 // count
    lowest = np.arange(count) * size
    lowest[0] = 1  # no state is 0
    highest = np.arange(1, count + 1) * size - 1
    weights = highest - lowest + 1
    assert weights.sum() == STATES
    for x in (*range(-2 * count, 2 * count + 1), 1000 * count + 1, -1000 * count - 1):
        levels = requantize(np.full(count, x), WAY, S16, parameters(shift), draws=lowest)
        np.testing.assert_array_equal(levels, requantize(
            np.full(count, x), WAY, S16, parameters(shift), draws=highest))
        up = int(((levels - (x >> shift)) * weights).sum())
        assert set(np.unique(levels)) <= {x >> shift, (x >> shift) + 1}
        assert up == x % count * size
        mean = (x >> shift) + Fraction(up, STATES)
        assert 0 <= mean - Fraction(x, count) < Fraction(1, 2**32)


def test_a_million_draws_are_as_often_up_as_expected():
    """Eight fractions, in the order in which a tensor draws: within five standard deviations."""
    states = draws(1, (1 << 20,))
    for x in range(8):
        ups = requantize(np.full(len(states), x), WAY, S8, parameters(3, output=S8), draws=states)
        p = x / 8
        assert abs(ups.sum() - p * len(states)) <= 5 * np.sqrt(len(states) * p * (1 - p))
        if x:
            # Neighbours round independently.
            both = (ups[1:] & ups[:-1]).sum()
            assert abs(both - p * p * len(states)) <= 5 * np.sqrt(len(states)) * p


def network(seed):
    rng = np.random.default_rng(5)
    fmt = Quantization(S8)
    return Network(name="n", inputs=(Tensor("input", fmt, (6,)),), layers=(Dense(
        name="a", inputs=("input",), output=fmt, weights=rng.integers(-8, 8, (5, 6)),
        weight=Quantization(parse("s4")), contract=WAY, parameters=parameters(6, 3, S8),
        seed=seed),))


def test_a_layer_draws_from_its_seed_in_row_major_order(rng):
    x = rng.integers(-128, 128, (9, 6))
    for seed in (1, 99):
        one = network(seed)
        sums = x @ one.layers[0].weights.T
        np.testing.assert_array_equal(run(one, x)["a"], requantize(
            sums, WAY, S8, parameters(6, 3, S8), draws=draws(seed, (9, 5))))
    assert (run(network(1), x)["a"] != run(network(99), x)["a"]).any()


def test_a_convolution_draws_in_the_order_of_its_tensor(rng):
    fmt = Quantization(S8)
    conv = Conv2d(name="a", inputs=("input",), output=fmt,
                  weights=rng.integers(-8, 8, (3, 2, 2, 2)), weight=Quantization(parse("s4")),
                  contract=WAY, parameters=parameters(6, 3, S8), seed=77)
    one = Network(name="n", inputs=(Tensor("input", fmt, (4, 5, 2)),), layers=(conv,))
    x = rng.integers(-128, 128, (2, 4, 5, 2))
    sums = linear_sums(conv, x, one)
    assert sums.shape == (2, 3, 4, 3)
    np.testing.assert_array_equal(run(one, x)["a"].reshape(-1), requantize(
        sums.reshape(-1), WAY, S8, parameters(6, 3, S8), draws=draws(77, (72,))))


@pytest.mark.parametrize("seed, allowed", [(0, "[1, 4294967295]"),
                                           (2**32, "[0, 4294967295] of u32")])
def test_bad_seed(seed, allowed):
    message = f"Layer 'a', channel 0: Seed must be in range {allowed}, not {seed}"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        run(network(seed), np.zeros((1, 6), int))


def test_the_digits_network():
    data = digits.load()
    fmt = parse("s8")
    made = digits.quantized(data, weights=parse("s8n"), activations=fmt, requantization=WAY)
    assert len({layer.seed for layer in made.layers}) == len(made.layers)
    levels = run(made, quantize(data.images, made.input))[made.layers[-1].name]
    assert digits.accuracy(levels, data.labels) > 0.95


@pytest.mark.parametrize("given, message", [
    (dict(), "Draws must be given for contract stochastic"),
    (dict(draws=[1, 2, 3]), "Draws must have the shape of the sums, (2,), not (3,)"),
    (dict(draws=np.ones((2, 1, 2), int)), "Draws must have the shape of the sums, (2,), "
                                          "not (2, 1, 2)"),
    (dict(draws=[1, 0]), "Draw must be in range [1, 4294967295], not 0"),
    (dict(draws=[1, 2**32]), "Draw must be in range [0, 4294967295] of u32, not 4294967296 "
                             "at index 1"),
])
def test_bad_draws(given, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        requantize([0, 0], WAY, S8, parameters(8, output=S8), **given)


def test_draws_of_another_contract():
    with pytest.raises(ValueError, match=r"^Draws must be left out for contract floor$"):
        requantize([0], contract("floor"), S8, parameters(8, output=S8), draws=[1])
