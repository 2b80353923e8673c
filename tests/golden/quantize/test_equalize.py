"""Equalized networks compute the same, with weights of equal ranges."""

import numpy as np
import pytest

from golden.affine import dequantize, quantize
from golden.floats import (
    FloatAdd,
    FloatConv2d,
    FloatDense,
    FloatNetwork,
    FloatPool,
    FloatReshape,
    FloatTranspose,
    float_tensors,
    run_float,
)
from golden.quantize import equalize, quantize_network
from golden.run import run


def powers(rng, *shape, axis):
    """Weights of powers of 4, of any sign; along the axis at least one is the largest."""
    weights = 4.0 ** rng.integers(-2, 1, shape) * rng.choice([-1, 1], shape)
    at = np.zeros(len(shape), int).tolist()
    at[axis] = slice(None)
    sizes = np.abs(weights).max(axis=tuple(k for k in range(len(shape)) if k != axis))
    weights[tuple(at)] = np.sign(weights[tuple(at)]) * sizes * 4.0 ** rng.integers(
        0, 4, shape[axis])
    return weights


def dense_pair(rng, **more):
    return FloatNetwork.chain([
        FloatDense(powers(rng, 6, 5, axis=0), rng.integers(-3, 4, 6), **more),
        FloatDense(powers(rng, 3, 6, axis=1))], (5,))


@pytest.mark.parametrize("more", [{"relu": True}, {}])
def test_the_function_is_the_same_and_the_ranges_are_equal(rng, more):
    """Square roots of powers of 4 are exact, so that every number is."""
    network = dense_pair(rng, **more)
    made = equalize(network)
    x = rng.integers(-3, 4, (20, 5)).astype(float)
    np.testing.assert_array_equal(run_float(made, x), run_float(network, x))
    before, after = ((np.abs(each.layers[0].weights).max(axis=1),
                      np.abs(each.layers[1].weights).max(axis=0)) for each in (network, made))
    assert (before[0] != before[1]).any()
    np.testing.assert_array_equal(*after)
    np.testing.assert_array_equal(after[0], np.sqrt(before[0] * before[1]))


def image_network(rng):
    """Convolutions, one of them depthwise, a pool and a flattening between layers of sums."""
    def weights(*shape):
        return rng.normal(size=shape) * np.exp(rng.normal(0, 2, (shape[0], *[1] * 3)))
    return FloatNetwork.chain([
        FloatConv2d(weights(4, 3, 3, 2), rng.normal(size=4), relu=True),
        FloatConv2d(weights(8, 2, 2, 1), groups=4, padding=((1, 0), (0, 1)), least=0),
        FloatConv2d(weights(6, 1, 1, 4), rng.normal(size=6), groups=2),
        FloatPool(kind="max", size=(2, 2), stride=(2, 2)),
        FloatPool(kind="average", size=(2, 1), stride=(1, 1), padding=((1, 0), (0, 0)), least=0),
        FloatTranspose(axes=(0, 3, 1, 2)), FloatReshape(target=(36,)),
        FloatDense(rng.normal(size=(5, 36)), rng.normal(size=5))], (6, 8, 2))


def test_images(rng):
    network = image_network(rng)
    made = equalize(network)
    x = rng.normal(size=(10, 6, 8, 2))
    expected = run_float(network, x)
    # Each of some hundred roundings of a number is less than 2**-52 of the largest.
    largest = max(np.abs(each).max() for each in float_tensors(network, x).values())
    assert np.abs(run_float(made, x) - expected).max() < 2.0**-52 * 1000 * largest
    first, second, third, dense = (each for each in made.layers if hasattr(each, "weights"))
    own = np.abs(first.weights).max(axis=(1, 2, 3))
    into = np.abs(second.weights).max(axis=(1, 2, 3)).reshape(4, 2).max(axis=1)
    np.testing.assert_allclose(own, into, rtol=1e-4)
    own, into = np.abs(second.weights).max(axis=(1, 2, 3)), np.abs(third.weights)
    np.testing.assert_allclose(own, into.reshape(2, 3, 4).max(axis=1).ravel(), rtol=1e-4)
    own = np.abs(third.weights).max(axis=(1, 2, 3))
    into = np.abs(dense.weights).reshape(5, 6, 6).max(axis=(0, 2))
    np.testing.assert_allclose(own, into, rtol=1e-4)


@pytest.mark.parametrize("make", [
    lambda rng: dense_pair(rng, most=6), lambda rng: dense_pair(rng, least=-1, most=8),
    lambda rng: FloatNetwork(input_shape=(4,), layers=(
        FloatDense(rng.normal(size=(4, 4)), name="a", inputs=("input",)),
        FloatDense(rng.normal(size=(4, 4)), name="b", inputs=("a",)),
        FloatAdd(name="c", inputs=("a", "b")))),
    lambda rng: FloatNetwork.chain([
        FloatConv2d(rng.normal(size=(4, 1, 1, 2))), FloatReshape(target=(2, 2, 4)),
        FloatTranspose(axes=(0, 1, 3, 2)), FloatConv2d(rng.normal(size=(3, 1, 1, 2)))], (4, 1, 2))])
def test_what_stays(rng, make):
    """An upper clip, a second reader, inputs that are of another channel at each place."""
    network = make(rng)
    made = equalize(network)
    for before, after in zip(network.layers, made.layers, strict=True):
        if hasattr(before, "weights"):
            np.testing.assert_array_equal(after.weights, before.weights)


def test_channels_of_zeros_stay(rng):
    first, second = rng.normal(size=(4, 3)), rng.normal(size=(2, 4))
    first[1], second[:, 2] = 0, 0
    made = equalize(FloatNetwork.chain([FloatDense(first, np.ones(4)), FloatDense(second)], (3,)))
    np.testing.assert_array_equal(made.layers[0].weights[1:3], first[1:3])
    np.testing.assert_array_equal(made.layers[1].weights[:, 1:3], second[:, 1:3])
    assert made.layers[0].biases()[1:3].tolist() == [1, 1]


def test_one_scale_a_layer_loses_less(rng):
    """A layer whose channels have scales from 1/32 to 32 becomes as good as with one for each."""
    spread = 2.0 ** np.arange(-5, 6)
    network = FloatNetwork.chain([
        FloatDense(rng.normal(size=(11, 30)) * spread[:, None], relu=True),
        FloatDense(rng.normal(size=(4, 11)) / spread)], (30,))
    x = rng.normal(size=(200, 30))
    real, errors = run_float(network, x), []
    for each, per in ((network, "tensor"), (equalize(network), "tensor"), (network, "channel")):
        made = quantize_network(each, x, weights="s6n", activations="s8", contract="half_up",
                                per=per)
        levels = run(made, quantize(x, made.input))["dense1"]
        errors.append(np.square(dequantize(levels, made.quantization("dense1")) - real).mean())
    assert errors[1] < errors[0] / 10 and errors[1] < errors[2]
