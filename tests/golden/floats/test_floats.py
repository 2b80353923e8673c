"""Float networks compute what their layers say, and are refused where layers do not fit."""

from math import inf

import numpy as np
import pytest

from golden.floats import (
    FloatAdd,
    FloatConcat,
    FloatConv2d,
    FloatDense,
    FloatNetwork,
    FloatPool,
    FloatReshape,
    FloatTranspose,
    float_tensors,
    run_float,
)


def graph(rng, *, groups=1):
    """A network in which each kind of layer has small integers, so that floats are exact."""
    def integers(*shape):
        return rng.integers(-2, 3, shape).astype(float)
    return FloatNetwork(input_shape=(2, 6, 5), layers=(
        FloatTranspose(name="hwc", inputs=("input",), axes=(0, 2, 3, 1)),
        FloatConv2d(integers(4, 3, 3, 2 // groups), integers(4), relu=True, name="conv",
                    inputs=("hwc",), padding=((1, 1), (0, 2)), stride=(1, 2), groups=groups),
        FloatConv2d(integers(4, 1, 1, 4), name="other", inputs=("conv",), least=-6, most=6),
        FloatAdd(name="sum", inputs=("conv", "other"), least=0, most=20),
        FloatConcat(name="both", inputs=("sum", "conv")),
        FloatPool(name="max", inputs=("both",), kind="max", size=(2, 2), stride=(2, 1),
                  padding=((0, 0), (1, 0))),
        FloatReshape(name="flat", inputs=("max",), target=(3 * 3 * 8,)),
        FloatDense(integers(3, 72), integers(3), name="dense", inputs=("flat",))))


def convolved(x, layer):
    """A convolution as its definition has it, tap by tap."""
    outputs, rows, columns, depth = layer.weights.shape
    (top, bottom), (left, right) = layer.padding
    x = np.pad(x, ((top, bottom), (left, right), (0, 0)))
    per = outputs // layer.groups
    height = (x.shape[0] - (rows - 1) * layer.dilation[0] - 1) // layer.stride[0] + 1
    width = (x.shape[1] - (columns - 1) * layer.dilation[1] - 1) // layer.stride[1] + 1
    y = np.zeros((height, width, outputs))
    for i, j, output, r, c, k in np.ndindex(*y.shape, rows, columns, depth):
        y[i, j, output] += layer.weights[output, r, c, k] * x[
            i * layer.stride[0] + r * layer.dilation[0],
            j * layer.stride[1] + c * layer.dilation[1], output // per * depth + k]
    return y + layer.biases()


@pytest.mark.parametrize("more", [
    {}, {"padding": ((1, 2), (0, 1)), "stride": (2, 1)}, {"dilation": (2, 1)}, {"groups": 2}])
def test_a_convolution_is_its_definition(rng, more):
    layer = FloatConv2d(rng.integers(-3, 4, (4, 3, 2, 4 // more.get("groups", 1))),
                        rng.integers(-3, 4, 4), **more)
    x = rng.integers(-3, 4, (2, 7, 6, 4)).astype(float)
    np.testing.assert_array_equal(layer.run(x), [convolved(each, layer) for each in x])


def test_tensors_of_a_graph(rng):
    network = graph(rng)
    x = rng.integers(-3, 4, (3, 2, 6, 5)).astype(float)
    found = float_tensors(network, x)
    assert {name: each.shape[1:] for name, each in found.items()} == network.shapes
    np.testing.assert_array_equal(found["hwc"][1, 4, 3], x[1, :, 4, 3])
    np.testing.assert_array_equal(
        found["sum"], np.clip(found["conv"] + found["other"], 0, 20))
    assert found["other"].min() >= -6 and found["conv"].min() == 0
    np.testing.assert_array_equal(found["both"][..., 4:], found["conv"])
    # The first column of windows has one column of padding, which does not take part.
    np.testing.assert_array_equal(
        found["max"][0, 0, 0], found["both"][0, :2, 0].max(axis=0))
    np.testing.assert_array_equal(run_float(network, x), found["dense"])


def test_an_average_leaves_padding_out():
    pool = FloatPool(kind="average", size=(2, 2), stride=(2, 2), padding=((1, 0), (0, 0)))
    x = np.arange(6.0).reshape(1, 3, 2, 1)
    np.testing.assert_array_equal(pool.run(x)[0, :, 0, 0], [0.5, 3.5])


def test_a_chain_names_its_layers():
    network = FloatNetwork.chain([FloatDense(np.ones((2, 3))), FloatDense(np.ones((2, 2)))], (3,))
    assert [layer.name for layer in network.layers] == ["dense0", "dense1"]
    assert network.readers("dense0") == [network.layers[1]]


DENSE = FloatDense(np.ones((2, 3)), name="dense", inputs=("input",))


@pytest.mark.parametrize("make, message", [
    (lambda: FloatNetwork(input_shape=(3,), layers=()), "Layers must be one or more, not none"),
    (lambda: FloatNetwork(input_shape=(3,), layers=(DENSE, DENSE)),
     "Layer name must be new, not 'dense'"),
    (lambda: FloatNetwork(input_shape=(4,), layers=(DENSE,)),
     r"Layer 'dense': Input 0 must have shape \(3,\), not \(4,\)"),
    (lambda: FloatNetwork(input_shape=(3,), input="x", layers=(DENSE,)),
     r"Inputs of layer 'dense' must be among \['x'\], not 'input'"),
    (lambda: FloatNetwork(input_shape=(3,), layers=(FloatAdd(name="sum", inputs=("input",)),)),
     "Layer 'sum' must have 2 inputs, not 1"),
    (lambda: FloatAdd(name="sum", least=1, most=inf),
     "Ends of layer 'sum' must be at most 0 and at least 0, and differ, not 1 and inf"),
    (lambda: FloatConv2d(np.ones((2, 3))), r"Weights must have 4 axes, of one element at least, "
     r"not shape \(2, 3\)"),
    (lambda: run_float([FloatReshape(target=(7,))], np.ones((2, 6))),
     "Layer 'reshape0': Target shape must have the 6 elements of the input, "
     r"not be \(7,\)"),
])
def test_what_does_not_fit(make, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        make()
