"""Gradients of few bits: DoReFa's formula, all draws of one value, and training by them."""

import re
from fractions import Fraction
from math import floor

import numpy as np
import pytest

from golden.contracts import parse as contract_of
from golden.lfsr import draws
from golden.quantize.gradients import GRADIENT_BITS, WeightGradient, train_layer
from golden.requantize import requantize
from golden.run import run

STATES = 2**32 - 1


def gradient(rng, bits, *, batch=32, outputs=6, inputs=9, seed=77):
    return WeightGradient(rng.integers(-127, 128, (batch, outputs)),
                          rng.integers(-127, 128, (batch, inputs)), 2.0**-11, bits, seed)


def quantize_k(x, bits):
    """Round ``x`` of 0 to 1 to a multiple of ``1 / (2**bits - 1)``: the paper's equation 5."""
    top = 2**bits - 1
    return Fraction(min(max(floor(x * top + Fraction(1, 2)), 0), top), top)


def dorefa(n, largest, bits, noise):
    """Equation 12, of exact numbers: ``noise`` is N(k), within half a step."""
    return 2 * largest * (quantize_k(Fraction(n, 2 * largest) + Fraction(1, 2) + noise, bits)
                          - Fraction(1, 2))


@pytest.mark.parametrize("bits", GRADIENT_BITS)
def test_codes_are_dorefas(rng, bits):
    """With the draw as the noise; no draw here is so near a border that 31 bits of scale matter."""
    made = gradient(rng, bits)
    codes, largest = made.codes()
    sums = made.delta.T @ made.x
    assert largest == np.abs(sums).max()
    top = 2**bits - 1
    for n, code, state in zip(sums.ravel().tolist(), codes.ravel().tolist(),
                              draws(made.seed, sums.shape).ravel().tolist(), strict=True):
        noise = (Fraction(state, 2**32) - Fraction(1, 2)) / top
        want = dorefa(n, largest, bits, noise)
        found = largest * Fraction(2 * code - top, top)
        assert found == want
    assert {0, top} & set(codes.ravel().tolist())
    np.testing.assert_array_equal(made.real(codes, largest), [
        [2.0**-11 * largest * ((2 * code - top) / top) for code in row] for row in codes.tolist()])


@pytest.mark.parametrize("bits", GRADIENT_BITS)
@pytest.mark.parametrize("n", [-1000, -999, -333, 0, 1, 500, 997, 1000])
def test_the_mean_over_all_draws(rng, bits, n):
    """Each state but 0 is drawn once in a period. As many of them round up as the fraction says.

    A draw rounds up from some state on, which is looked for and then tried at both sides.
    """
    [layer] = gradient(rng, bits).codes_network(1000).layers
    own = {name: int(value[0]) for name, value in layer.parameters.items()}
    scaled = Fraction((n + 1000) * own["multiplier"], 2**own["shift"])
    below, ups = floor(scaled), floor((scaled - floor(scaled)) * 2**32)
    if below == 2**bits - 1:
        scaled, ups = Fraction(below), 0  # clamped

    def code(state):
        return int(requantize([n], contract_of("stochastic"), layer.output.format, own,
                              draws=[state])[0])

    lo, hi = 0, STATES + 1
    while hi - lo > 1:
        middle = (lo + hi) // 2
        lo, hi = (lo, middle) if code(middle) > below else (middle, hi)
    assert STATES + 1 - hi == ups
    assert {code(state) for state in (1, max(hi - 1, 1))} <= {below}
    assert {code(state) for state in (min(hi, STATES), STATES)} <= {below, below + (ups > 0)}
    mean = below + Fraction(ups, STATES)
    assert abs(mean - scaled) < Fraction(1, 2**32)
    # What the codes stand for: n itself, but for the 31 bits of the scale and of the draw.
    top = 2**bits - 1
    assert abs(1000 * (2 * mean / top - 1) - n) < Fraction(2000, 2**30)


def test_each_step_draws_what_follows(rng):
    x, labels = rng.normal(size=(50, 7)), rng.integers(0, 3, 50)
    seeds = [step.gradient.seed for step in train_layer(
        x, labels, bits=4, steps=3, seed=9, rng=np.random.default_rng(1))]
    assert seeds == draws(9, (2 * 21 + 1,))[::21].tolist()


def separable(rng, count=300):
    x = rng.normal(size=(count, 9))
    return x, (x @ rng.normal(size=(9, 5))).argmax(axis=1)


@pytest.mark.parametrize("bits", [pytest.param(bits, marks=[] if bits in (2, 4, 8) else
                                               pytest.mark.slow) for bits in GRADIENT_BITS])
def test_training_learns(rng, bits):
    """100 steps of batches of 32: the loss falls below half of that without weights."""
    x, labels = separable(rng)
    steps = list(train_layer(x, labels, bits=bits, rng=np.random.default_rng(1)))
    assert len(steps) == 100 and steps[0].loss == pytest.approx(np.log(5))
    assert all(len(step.gradient.x) == 32 and step.codes.max() < 2**bits for step in steps)
    assert np.mean([step.loss for step in steps[-20:]]) < np.log(5) / 2
    moved = sum(step.gradient.real(step.codes, step.largest) for step in steps)
    np.testing.assert_allclose(steps[-1].weights, -moved, atol=1e-12)


def test_training_repeats(rng):
    x, labels = separable(rng)
    one, two = (list(train_layer(x, labels, bits=2, steps=5, rng=np.random.default_rng(1)))
                for _ in range(2))
    np.testing.assert_array_equal(one[-1].weights, two[-1].weights)


def test_a_gradient_of_zeros(rng):
    made = WeightGradient(np.zeros((4, 2), int), rng.integers(-9, 9, (4, 3)), 0.5, 3, 1)
    codes, largest = made.codes()
    assert largest == 0 and not made.real(codes, largest).any()
    assert set(codes.ravel().tolist()) <= {3, 4}


def test_the_sums_are_exact(rng):
    """Of the largest products, too."""
    made = WeightGradient(np.full((32, 2), -128), np.full((32, 2), -128), 1.0, 8, 1)
    assert run(made.sums_network, made.delta.T)["sums"].tolist() == [[2**19] * 2] * 2


ONES = np.ones((2, 3), int)


@pytest.mark.parametrize("changed, message", [
    (dict(bits=9), "Bits must be in range [2, 8], not 9"),
    (dict(bits=1), "Bits must be in range [2, 8], not 1"),
    (dict(delta=ONES[:1]), "Delta must have the 2 rows of x, not 1"),
    (dict(x=ONES[0]), "X must have 2 axes, of one level at least, not shape (3,)"),
    (dict(x=ONES * 128), "X must be in range [-128, 127] of s8, not 128 at index (0, 0)"),
])
def test_what_is_refused(changed, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        WeightGradient(**{"delta": ONES, "x": ONES, "scale": 1.0, "bits": 4, "seed": 1} | changed)


@pytest.mark.parametrize("x, labels", [(np.ones((3, 2)), [0, 1]), (np.ones((0, 2)), []),
                                       (np.ones((2, 2)), [0, -1])])
def test_examples_that_are_refused(x, labels):
    with pytest.raises(ValueError, match="^Labels must be "):
        next(train_layer(x, labels, bits=4, rng=np.random.default_rng(1)))


@pytest.mark.parametrize("name", ["steps", "batch"])
def test_counts_that_are_refused(name):
    with pytest.raises(ValueError, match=f"^{name.capitalize()} must be at least 1, not 0$"):
        next(train_layer(ONES, [0, 1], bits=4, rng=np.random.default_rng(1), **{name: 0}))
