"""Graphs are quantized: exactly where the formats hold every number."""

import numpy as np
import pytest

from golden.affine import dequantize, quantize
from golden.floats import (
    FloatConv2d,
    FloatDense,
    FloatReshape,
    FloatTranspose,
    float_tensors,
)
from golden.formats import parse
from golden.networks import Quantization
from golden.quantize import Weights, quantize_network
from golden.run import run
from tests.golden.floats.test_floats import graph


def exactly(network, fmt="s16"):
    """Quantizations and weights with which all numbers of a network of integers are levels."""
    chosen = Quantization(parse(fmt), 1.0, 0)
    given = {"input": chosen, **{layer.name: chosen for layer in network.layers}}
    for layer in network.layers:
        if isinstance(layer, FloatConv2d | FloatDense):
            given[f"{layer.name}.weights"] = Weights(
                layer.weights.astype(int), Quantization(parse("s4"), 1.0, 0))
    return given


@pytest.mark.parametrize("groups", [1, 2])
def test_a_graph_of_integers_is_exact(rng, groups):
    network = graph(rng, groups=groups)
    x = rng.integers(-3, 4, (5, 2, 6, 5)).astype(float)
    made = quantize_network(network, x, weights="s4", activations="s16", contract="half_up",
                            given=exactly(network))
    found = run(made, quantize(x, made.input))
    for name, expected in float_tensors(network, x).items():
        np.testing.assert_array_equal(dequantize(found[name], made.quantization(name)), expected)


def test_a_chosen_graph_is_proven_and_near(rng):
    network = graph(rng)
    x = rng.integers(-3, 4, (50, 2, 6, 5)).astype(float)
    made = quantize_network(network, x, weights="s8n", activations="s8", contract="half_up")
    found = run(made, quantize(x, made.input))
    real = float_tensors(network, x)["dense"]
    error = dequantize(found["dense"], made.quantization("dense")) - real
    assert np.square(error).mean() < np.square(real).mean() / 1000


def test_a_corrected_bias_has_the_mean_of_the_float_sums(rng):
    layers = [FloatDense(rng.normal(size=(8, 20)), rng.normal(size=8))]
    x = rng.normal(1, 1, (400, 20))
    real = x @ layers[0].weights.T + layers[0].biases()
    means = []
    for correct in (False, True):
        made = quantize_network(layers, x, weights="s2n", activations="s8", contract="none",
                                correct_bias=correct)
        sums = dequantize(run(made, quantize(x, made.input))["dense0"].T,
                          made.quantization("dense0")).T
        means.append(np.abs((sums - real).mean(axis=0)).max())
    # Rounded to a step of the sums.
    assert means[1] <= np.max(made.quantization("dense0").step) / 2 * 1.001 < means[0] / 100


def test_one_scale_for_a_tensor(rng):
    layers = [FloatDense(rng.normal(size=(8, 20)) * np.arange(1, 9)[:, None])]
    made = quantize_network(layers, rng.normal(size=(40, 20)), weights="s4n", activations="s4",
                            contract="half_up", per="tensor")
    assert np.ndim(made.layers[0].weight.scale) == 0
    assert made.layers[0].weights.max() == 7


@pytest.mark.parametrize("given, kind, message", [
    ({"dense0": 3}, TypeError, "Given 'dense0' must be Quantization, not 3"),
    ({"dense0.weights": 3}, TypeError, "Given 'dense0.weights' must be Weights, not 3")])
def test_what_is_given_is_checked(given, kind, message):
    with pytest.raises(kind, match=f"^{message}$"):
        quantize_network([FloatDense(np.ones((2, 3)))], np.ones((4, 3)), weights="s4n",
                         activations="s4", contract="half_up", given=given)


@pytest.mark.parametrize("layer, features", [
    (FloatTranspose(axes=(0, 2, 1)), 3), (FloatReshape(target=(12,)), 12)])
def test_blocks_are_not_moved(layer, features, rng):
    """A block is of neighbours along the last axis."""
    layers = [layer, FloatDense(rng.normal(size=(2, features)))]
    with pytest.raises(ValueError, match="^Tensors must have a format without exponents for "
                                         "layer '[a-z]+0', not mx_s8$"):
        quantize_network(layers, rng.normal(size=(5, 3, 4)), weights="s8n", activations="mx_s8",
                         contract="half_up", zero_points="none")
