"""Balanced quantization is its definition, and balances."""

from dataclasses import replace
from fractions import Fraction
from math import log2

import numpy as np
import pytest

from golden.affine import dequantize, quantize
from golden.floats import FloatConv2d, FloatDense, run_float
from golden.formats import parse
from golden.quantize import quantize_network, quantize_weights
from golden.quantize.balanced import balanced_bins, balanced_weights, effective_bits
from golden.run import run


def partition(numbers, bins, by):
    """Bins of numbers, by the definition, in fractions: a dict from each number to its bin."""
    if bins == 1 or not numbers:
        return dict.fromkeys(numbers, 0)
    lower = bins // 2
    threshold = (sum(numbers) / len(numbers) if by == "mean"
                 else sorted(numbers)[len(numbers) * lower // bins])
    below = partition([x for x in numbers if x < threshold], lower, by)
    above = partition([x for x in numbers if x >= threshold], bins - lower, by)
    return below | {x: lower + each for x, each in above.items()}


def samples(rng):
    yield from (rng.normal(size=200), rng.normal(size=101) ** 3, rng.uniform(-1, 3, 64),
                rng.integers(-3, 4, 90).astype(float), np.zeros(5), np.array([2.5]),
                np.full(7, -1.0), np.array([1.0, -1.0]), np.array([0.0, 0.0, 0.0, 0.0, 9.0]))


@pytest.mark.parametrize("by, bins", [("mean", 1), ("mean", 2), ("mean", 8), ("mean", 16)] + [
    ("median", bins) for bins in (1, 2, 3, 4, 5, 7, 8, 15, 16)])
def test_the_partition_is_its_definition(by, bins, rng):
    for values in samples(rng):
        # Multiples of 2**-20: a mean of floats is then as far below or above as that of fractions.
        values = np.rint(values * 2**20) / 2**20
        expected = partition([Fraction(each) for each in values], bins, by)
        found = balanced_bins(values, bins, by=by)
        assert found.tolist() == [expected[Fraction(each)] for each in values]
        assert found.min() >= 0 and found.max() < bins
        # Higher numbers have no lower bins.
        assert (np.diff(found[np.argsort(values)]) >= 0).all()


@pytest.mark.parametrize("bins", [2, 3, 4, 7, 8, 15, 16, 255])
@pytest.mark.parametrize("count", [1, 16, 100, 1000, 1023])
def test_medians_have_equal_counts(bins, count, rng):
    values = rng.permutation(count) ** 3.0
    counts = np.bincount(balanced_bins(values, bins, by="median"), minlength=bins)
    assert counts.max() - counts.min() <= 1


def test_the_paper_s_formula(rng):
    """2 * max|W| * (j / (2**k - 1) - 1/2) for bin j."""
    weights = rng.normal(size=(4, 3, 3, 2))
    for k in (1, 2, 4):
        for by in ("mean", "median"):
            own = balanced_weights(weights, parse(f"odd{k}"), by=by)
            bins = balanced_bins(weights, 2**k, by=by)
            expected = 2 * np.abs(weights).max() * (bins / (2**k - 1) - 0.5)
            np.testing.assert_allclose(dequantize(own.levels, own.quantization), expected,
                                       rtol=1e-15)
            np.testing.assert_array_equal(own.levels, 2 * bins - (2**k - 1))


def test_narrow_levels(rng):
    weights = rng.normal(size=1000)
    own = balanced_weights(weights, parse("ternary"), by="median")
    assert np.bincount(own.levels + 1).tolist() == [333, 333, 334]
    own = balanced_weights(weights, parse("s3n"), by="mean")
    bins = balanced_bins(weights, 8, by="mean")
    np.testing.assert_array_equal(own.levels, np.array([-3, -2, -1, 0, 0, 1, 2, 3])[bins])


@pytest.mark.parametrize("by, name", [("median", "odd1")] + [
    (by, name) for by in ("mean", "median") for name in ("odd2", "odd4", "ternary", "s4n", "s8n")])
def test_bits_are_used(name, by, rng):
    """Entropy is not below that of uniform quantization, on numbers with a long tail."""
    fmt = parse(name)
    for weights in (rng.normal(size=(40, 50)) ** 3, rng.laplace(size=(40, 50)),
                    rng.standard_t(3, (40, 50))):
        uniform, _ = quantize_weights(weights, fmt, per="tensor")
        balanced = effective_bits(balanced_weights(weights, fmt, by=by).levels)
        assert effective_bits(uniform) <= balanced <= log2(len(fmt.levels())) + 1e-12
        if by == "median":
            assert balanced > log2(len(fmt.levels())) - 0.01


def test_effective_bits():
    assert effective_bits([3, 3, 3]) == 0
    assert effective_bits([0, 1, 2, 3]) == 2
    assert effective_bits([0, 0, 1, 2]) == 1.5
    with pytest.raises(ValueError, match="^Levels must be one or more, not none$"):
        effective_bits([])


@pytest.mark.parametrize("per", ["tensor", "channel"])
@pytest.mark.parametrize("name", ["odd2", "s3n"])
def test_no_scale_has_less_error(name, per, rng):
    weights = rng.normal(size=(5, 60)) * [[1], [2], [3], [4], [5]]
    own = balanced_weights(weights, parse(name), ranges="least_error", per=per)
    assert np.ndim(own.quantization.scale) == (per == "channel")
    scale = np.reshape(own.quantization.scale, (-1, 1))

    def error(scale):
        return np.square(scale * own.levels - weights).sum()

    assert error(scale) < min(error(scale * 1.001), error(scale * 0.999))
    for row, levels in zip(weights, own.levels, strict=True):
        if per == "channel":
            alone = balanced_weights(row[None], parse(name), ranges="least_error").levels
            np.testing.assert_array_equal(levels, alone[0])


@pytest.mark.parametrize("per", ["tensor", "channel"])
@pytest.mark.parametrize("name", ["odd4", "s4n", "ternary"])
def test_networks_have_balanced_weights(name, per, rng):
    layers = [FloatConv2d(rng.normal(size=(4, 3, 3, 2)), rng.normal(size=4), relu=True),
              FloatConv2d(rng.normal(size=(2, 1, 1, 4)))]
    x = rng.normal(size=(30, 6, 6, 2))
    given = {f"conv{k}.weights": balanced_weights(layer, parse(name), per=per,
                                                  ranges="least_error")
             for k, layer in enumerate(layers)}
    made = quantize_network(layers, x, weights=name, activations="s8", contract="half_up",
                            given=given)
    for layer, own in zip(made.layers, given.values(), strict=True):
        np.testing.assert_array_equal(layer.weights, own.levels)
    real = run_float([replace(layer, weights=dequantize(own.levels, own.quantization))
                      for layer, own in zip(layers, given.values(), strict=True)], x)
    found = dequantize(run(made, quantize(x, made.input))["conv1"], made.quantization("conv1"))
    assert np.square(found - real).mean() < np.square(real).mean() / 1000


def test_a_silent_channel(rng):
    weights = rng.normal(size=(3, 20))
    weights[1] = 0
    own = balanced_weights(weights, parse("s4n"), per="channel")
    assert not own.levels[1].any()
    made = quantize_network([FloatDense(weights, [0.5, 3.0, -0.5])], rng.normal(size=(20, 20)),
                            weights="s4n", activations="s8", contract="half_up",
                            given={"dense0.weights": own})
    y = dequantize(run(made, np.zeros((1, 20), int) + made.input.zero_point)["dense0"],
                   made.quantization("dense0"))
    assert abs(y[0, 1] - 3) <= made.quantization("dense0").step


@pytest.mark.parametrize("call, message", [
    (lambda: balanced_weights([1.0, -1.0], parse("s4")),
     "Format must be oddN, sNn or ternary to be balanced, not s4"),
    (lambda: balanced_weights([1.0, -1.0], parse("e4m3fn")),
     "Format must be oddN, sNn or ternary to be balanced, not e4m3fn"),
    (lambda: balanced_weights([1.0, -1.0], parse("odd2"), by="mode"),
     "By must be mean or median, not 'mode'"),
    (lambda: balanced_weights([1.0, -1.0], parse("odd2"), ranges="min"),
     "Weight ranges must be max or least_error, not 'min'"),
    (lambda: balanced_weights([1.0, -1.0], parse("odd2"), per="row"),
     "Per must be channel or tensor, not 'row'"),
    (lambda: balanced_weights([[0.0, 0.0], [1.0, -1.0]], parse("odd2"), per="channel"),
     "Weights must not all be 0 in a channel to be balanced in odd2"),
    (lambda: balanced_weights([0.0, 0.0], parse("s4n")),
     "Weights must not all be 0 in a tensor to be balanced in s4n"),
    (lambda: balanced_weights([-1.0, -1.0], parse("odd2")),
     r"Weights must lie on both sides of 0 to be balanced, not in range \[-1.0, -1.0\]"),
    (lambda: balanced_weights([1.0, np.inf], parse("odd2")), "Weights must be finite, not inf"),
    (lambda: balanced_bins([1.0], 3), "Bins must be a power of two for means, not 3"),
    (lambda: balanced_bins([1.0], 0, by="median"), "Bins must be positive, not 0")])
def test_what_is_refused(call, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        call()
