"""Networks with block-scaled weights."""

from dataclasses import replace

import numpy as np
import pytest

from golden import digits
from golden.block_scaled import blocks_of, quantize_blocks
from golden.contracts import parse as contract
from golden.floats import FloatDense, run_float
from golden.formats import parse
from golden.layers.linear import linear_sums
from golden.networks import Conv2d, Dense, Network
from golden.quantize import dequantize, quantize, quantize_network
from golden.run import prove, run


def network_of(rng, weights="mx_e2m1", features=70, **more):
    layer = FloatDense(rng.normal(size=(5, features)) * 2.0**rng.integers(-9, 1, size=(5, 1)),
                       rng.normal(size=5))
    return quantize_network([layer], rng.normal(size=(20, features)), weights=parse(weights),
                            activations=parse("s8"), contract=contract("none"), **more)


def only_layer(network: Network) -> Dense:
    layer, = network.layers
    assert isinstance(layer, Dense)
    return layer


@pytest.mark.parametrize("weights", ["mx_e2m1", "mx_s4", "mx_e5m2"])
@pytest.mark.parametrize("window", [3, 16])
def test_sums_are_of_the_numbers_that_weights_stand_for(rng, weights, window):
    network = network_of(rng, weights, window=window)
    layer = only_layer(network)
    assert layer.exponents is not None and layer.exponents.shape == (5, 3)
    assert np.ptp(layer.exponents) < window and (window > 3 or np.ptp(layer.exponents) == 2)
    x = rng.integers(-128, 128, size=(4, 70))
    least = layer.exponents.min()
    each = blocks_of(layer.exponents, layer.weights.shape) - least
    exact = x.astype(object) @ (layer.weights.astype(object) << each.astype(object)).T
    exact -= int(network.input.zero_point) * (
        layer.weights.astype(object) << each.astype(object)).sum(axis=1)
    assert not layer.weight.zero_point and (linear_sums(layer, x, network) == exact).all()
    # What a unit of the output stands for: both units, the input's scale and the least exponent.
    step = network.input.step * 2.0**(layer.weight.format.unit + least - 127)
    np.testing.assert_array_equal(layer.output.step, np.full(5, step))
    assert (run(network, x)[layer.name] == exact + layer.parameters["bias"]).all()


@pytest.mark.parametrize("weights, activations, points", [
    ("mx_e2m1", "e4m3fn", 1), ("mx_s8", "s8", 0.3), ("mx_e4m3fn", "e4m3fn", 1)])
def test_accuracy_of_the_digits_network(weights, activations, points):
    data = digits.load()
    network = digits.quantized(data, weights=parse(weights), activations=parse(activations))
    outputs = run(network, quantize(data.images, network.input))[network.layers[-1].name]
    floats = digits.accuracy(run_float(data.layers, data.images), data.labels)
    assert 100 * (floats - digits.accuracy(outputs, data.labels)) <= points


def test_what_is_refused(rng):
    network = network_of(rng)
    layer = only_layer(network)
    assert layer.exponents is not None
    for wrong, message in [
            (replace(layer, exponents=None), r"Exponents of layer 'dense0' must be given for "
                                             r"weights of mx_e2m1, not None"),
            (replace(layer, exponents=layer.exponents[:, :2]),
             r"Exponents must have shape \(5, 3\), one for each 32 levels, not \(5, 2\)"),
            (replace(layer, weight=replace(layer.weight, format=parse("e2m1"))),
             r"Exponents of layer 'dense0' must be left out for weights of e2m1, not array.*"),
            (Conv2d(**(vars(layer) | {"weights": layer.weights.reshape(5, 1, 1, 70)})),
             "Layer 'dense0' must be a Dense one to have block-scaled weights, not a Conv2d")]:
        with pytest.raises(ValueError, match=f"(?s)^{message}$"):
            shape = (70,) if isinstance(wrong, Dense) else (1, 1, 70)
            prove(replace(network, layers=(wrong,), inputs=(
                replace(network.inputs[0], shape=shape),)))


@pytest.mark.parametrize("activations", ["s8", "e4m3fn", "mx_e4m3fn", "mx_s8"])
@pytest.mark.parametrize("size, bias, window", [
    (1e-3, 5.0, 16), (1e-3, -5.0, 4), (1e-6, 5.0, 16), (1e-12, -5.0, 4), (0.0, 5.0, 16),
    (1e-3, 0.0, 16)])
def test_weights_that_are_small_beside_a_bias(activations, size, bias, window, rng):
    """Their exponents are raised, and their steps coarser, until the bias fits."""
    layer = FloatDense(rng.normal(size=(6, 70)) * size, np.full(6, bias))
    examples, fmt = rng.normal(size=(20, 70)), parse("mx_e2m1")
    network = quantize_network([layer], examples, weights=fmt, activations=parse(activations),
                               output=parse("s8"), contract=contract("half_up"), window=window)
    made = network.layers[0]
    assert isinstance(made, Dense) and made.exponents is not None
    assert np.ptp(made.exponents) < window
    x = network.input
    step = x.least_step * 2.0**(fmt.unit + int(made.exponents.min()) - 127)
    # Nearest to the real bias, and no coarser than a bias of 32 bits asks for.
    assert np.abs(made.parameters["bias"] * step - bias).max() <= step / 2
    finest = quantize_blocks(layer.weights, fmt, window=window).exponents.min()
    assert made.exponents.min() == finest or np.abs(made.parameters["bias"]).max() >= 2**28
    got = dequantize(run(network, quantize(examples, x))["dense0"], made.output)
    # At worst as good as without weights.
    allowed = (np.abs(examples) @ np.abs(layer.weights).T).max()
    assert np.abs(got - run_float([layer], examples)).max() <= allowed + made.output.step
