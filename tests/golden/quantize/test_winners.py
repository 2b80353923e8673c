"""A classifier's winners: also behind moves and pools, and weights that are all 0."""

import re

import numpy as np
import pytest

from golden.affine import quantize
from golden.floats import (
    FloatAdd,
    FloatConv2d,
    FloatDense,
    FloatNetwork,
    FloatPool,
    FloatReshape,
    FloatTranspose,
    run_float,
)
from golden.quantize import quantize_network
from golden.quantize.calibration import apart
from golden.run import run

FORMATS = {"weights": "s8n", "activations": "s4", "contract": "half_up"}


def made(layers, x, classifier=True, **more):
    return quantize_network(layers, x, classifier=classifier, **FORMATS | more)


def dense(rng):
    return FloatDense(rng.normal(size=(10, 16)), rng.normal(size=10))


@pytest.mark.parametrize("shape", [(10,), (10, 1, 1), (1, 10)])
def test_moves_behind_the_last_sums(shape, rng):
    last, x = dense(rng), rng.normal(size=(200, 16))
    behind = [FloatReshape(target=shape)]
    if len(shape) == 3:
        behind.append(FloatTranspose(axes=(0, 2, 3, 1)))
    plain, moved = made([last], x), made([last, *behind], x)
    assert moved.layers[0].output.scale == plain.layers[0].output.scale
    assert plain.layers[0].output.scale != made([last], x, False).layers[0].output.scale


def test_maxima_behind_the_last_sums(rng):
    """More winners stay apart, and by the definition of the range's choice."""
    layers = [FloatConv2d(rng.normal(size=(10, 1, 1, 3)), rng.normal(size=10)),
              FloatPool(kind="max", size=(4, 4), stride=(4, 4)), FloatReshape(target=(10,))]
    x = rng.normal(size=(200, 4, 4, 3))
    won, winners = [], run_float(layers, x).argmax(axis=1)
    for classifier in (False, True):
        network = made(layers, x, classifier)
        levels = run(network, quantize(x, network.input))[network.outputs[0]]
        highest = levels == levels.max(axis=1, keepdims=True)
        won.append((highest[np.arange(200), winners] / highest.sum(axis=1)).sum())
    assert won[1] > won[0]


def test_a_sum_of_tensors_last(rng):
    network = FloatNetwork(input_shape=(16,), layers=(
        FloatDense(rng.normal(size=(10, 16)), name="a", inputs=("input",)),
        FloatDense(rng.normal(size=(10, 16)), name="b", inputs=("input",)),
        FloatAdd(name="sum", inputs=("a", "b"))))
    x = rng.normal(size=(200, 16))
    own = made(network, x)
    levels = run(own, quantize(x, own.input))
    values = sum(own.quantization(each).scale * (levels[each] - own.quantization(each).zero_point)
                 for each in "ab")
    chosen = apart(values, run_float(network, x).argmax(axis=1), own.quantization("sum").format,
                   zero_point=True)
    assert (own.quantization("sum").scale, own.quantization("sum").zero_point) == (
        chosen.scale, chosen.zero_point)
    for unify in ("more_bits", "forced_range"):
        with pytest.raises(ValueError, match=f"^Unify must be requantize for a classifier whose "
                                             f"last sums 'sum' meet others, not {unify}$"):
            made(network, x, unify=unify)


@pytest.mark.parametrize("layers, shape, message", [
    ([FloatReshape(target=(5, 8)), FloatReshape(target=(5, 8))], (5, 8),
     "Classifier must have an output of one axis, that of the classes, not of shape (5, 8)"),
    ([FloatPool(kind="average", size=(2, 2), stride=(2, 2))], (2, 2, 3),
     "Classifier must have no average behind its last sums, as layer 'pool0' is: it rounds means "
     "of levels, which no range of the sums keeps apart"),
    ([FloatReshape(target=(8,))], (8,),
     "Classifier must have a layer whose range is chosen, not only pools and moves")])
def test_refused(layers, shape, message, rng):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        made(layers, rng.normal(size=(4, *shape)))


@pytest.mark.parametrize("weights", ["binary", "odd4", "codebook:-3/-1/1/3", "s4", "e4m3fn"])
@pytest.mark.parametrize("bias", [0.0, 3.0])
def test_weights_that_are_all_0(weights, bias, rng):
    """Per tensor as per channel: they stay small, and the output is the bias."""
    layers, x = [FloatDense(np.zeros((3, 6)), np.full(3, bias))], rng.normal(size=(20, 6))
    one, other = (quantize_network(layers, x, weights=weights, activations="s8", per=per,
                                   contract="half_up") for per in ("tensor", "channel"))
    assert one.layers[0].weight.scale == max(other.layers[0].weight.scale) < 1e-3
    np.testing.assert_array_equal(one.layers[0].weights, other.layers[0].weights)
    levels = quantize(x, one.input)
    np.testing.assert_array_equal(run(one, levels)["dense0"], run(other, levels)["dense0"])
