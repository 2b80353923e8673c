"""Exact results as fractions: golden's level is the exact one, rounded once.

``test_rounding_onnx`` has the layers that ONNX Runtime computes in float32.
"""

from fractions import Fraction
from itertools import product
from math import floor

import numpy as np
import pytest

from exactmac.rounding.exact import exact
from golden.block_scaled import Blocks
from golden.contracts import parse as contract
from golden.floats import FloatDense
from golden.formats import IntFormat, parse
from golden.multipliers import linear_parameters
from golden.networks import (
    Concat,
    Dense,
    FloatReduce,
    Lookup,
    Network,
    Pool,
    Quantization,
    Rescale,
    Tensor,
    TransposeConv2d,
)
from golden.quantize import quantize_network
from golden.run import run
from golden.unit_scales import parameters_of
from golden.units import Rescaling

S8, UP = parse("s8"), contract("half_up")
# Powers of two, whose factors every contract has exactly.
X, Z, Y = Quantization(S8, 0.25, 3), Quantization(S8, 0.5, -7), Quantization(S8, 2.0, 5)


def up(value):
    return floor(value + Fraction(1, 2))


def away(value):
    whole = floor(abs(value) + Fraction(1, 2))
    return whole if value >= 0 else -whole


def transposed(rng):
    return TransposeConv2d(
        name="y", inputs=("x",), output=Y, weights=rng.integers(-9, 10, (3, 3, 2, 2)),
        weight=Quantization(S8, np.array([0.5, 0.25, 1.0]), np.array([0, 2, -1])), contract=UP,
        parameters={"bias": rng.integers(-99, 99, 3), "zero_point": 5, "clamp_min": -128,
                    "clamp_max": 127, **linear_parameters(
                        UP, 0.25, np.array([0.5, 0.25, 1.0]), 2.0, IntFormat(32))},
        stride=(2, 1), offset=(1, 0), size=(7, 4))


def rescaling(own):
    return parameters_of(Rescaling(UP, S8, S8), own, Y)


LAYERS = {
    "TransposeConv2d": (transposed, [X], [(4, 3, 2)], up),
    "Rescale": (lambda rng: Rescale(name="y", inputs=("x",), output=Y, contract=UP,
                                    parameters=rescaling(X)), [X], [(9,)], up),
    "Concat": (lambda rng: Concat(name="y", inputs=("x", "z"), output=Y, contract=UP, axis=2,
                                  parameters=(rescaling(X), rescaling(Z))),
               [X, Z], [(2, 3, 2), (2, 4, 2)], up),
    "Pool": (lambda rng: Pool(name="y", inputs=("x",), output=X, kind="average", size=(3, 2),
                              stride=(2, 1), padding=((1, 1), (0, 1))), [X], [(6, 5, 2)], away),
    "FloatReduce": (lambda rng: FloatReduce(name="y", inputs=("x",), output=Y, axes=(1, 3),
                                            keep=False, kind="mean"), [X], [(4, 3, 2)], round),
}


@pytest.mark.parametrize("name", LAYERS)
def test_every_element(name, rng):
    make, quantizations, shapes, rounded = LAYERS[name]
    layer = make(rng)
    network = Network(name="n", layers=(layer,), inputs=tuple(
        map(Tensor, layer.inputs, quantizations, shapes)))
    x = {each.name: rng.integers(-128, 128, (3, *each.shape)) for each in network.inputs}
    y, zero = run(network, x)["y"], layer.output.zero_point
    for place in product(*map(range, y.shape)):
        found = exact(layer, network, list(x.values()), place)
        # An average of levels is rounded with the zero point, all others without.
        level = rounded(found.value + zero) if name == "Pool" else rounded(found.value) + zero
        assert y[place] == min(max(level, -128), 127)


@pytest.mark.parametrize("activations, output", [("s8", "s8"), ("mx_s8", "s8"), ("mx_e2m1", "s8")])
def test_block_scaled_factors(activations, output, rng):
    network = quantize_network(
        [FloatDense(rng.normal(size=(5, 40)), rng.normal(size=5))], rng.normal(size=(20, 40)),
        weights="mx_e2m1", activations=activations, output=output, contract="half_up")
    [layer], own = network.layers, network.input
    levels = rng.choice(own.format.levels(), (4, 40))
    codes = rng.integers(own.exponents.lo, own.exponents.hi + 1, (4, 2))
    x = Blocks(levels, codes) if activations != "s8" else levels
    y = run(network, x)["dense0"]
    steps = [Fraction(float(each)) for each in (own.step, layer.weight.step, layer.output.step)]
    for sample, channel in product(range(4), range(5)):
        # Of real numbers, one by one.
        total = Fraction(0)
        for k in range(40):
            a = (int(levels[sample, k]) - int(own.zero_point)) * steps[0]
            if activations != "s8":
                a *= Fraction(2) ** (int(codes[sample, k // 32]) - 127)
            w = int(layer.weights[channel, k]) * steps[1]
            total += a * w * Fraction(2) ** (int(layer.exponents[channel, k // 32]) - 127)
        unit = steps[0] * steps[1] * Fraction(2) ** (int(layer.exponents.min()) - 127)
        if activations != "s8":
            unit *= Fraction(2) ** (own.exponents.lo - 127)
        total += int(layer.parameters["bias"][channel]) * unit
        found = exact(layer, network, [x], (sample, channel))
        assert found.value == total / steps[2]
        level = up(found.value) + layer.output.zero_point
        assert abs(min(max(level, -128), 127) - y[sample, channel]) <= 1


def test_exact_sums_are_levels(rng):
    network = quantize_network([FloatDense(rng.normal(size=(5, 9)))], rng.normal(size=(20, 9)),
                               weights="s4n", activations="s4", contract="none")
    x = rng.integers(-8, 8, (2, 9))
    y = run(network, x)["dense0"]
    assert all(exact(network.layers[0], network, [x], place).value == y[place]
               for place in product(range(2), range(5)))


def test_layers_without_an_exact_number(rng):
    def has(layer, input=X, shape=(4, 4, 2)):
        network = Network(name="n", inputs=(Tensor("x", input, shape),), layers=(layer,))
        return exact(layer, network, [np.zeros((1, *shape), int)], (0,) * (len(shape) + 1))

    assert has(Pool(name="y", inputs=("x",), output=X, kind="max", size=(2, 2),
                    stride=(1, 1))) is None
    assert has(Lookup(name="y", inputs=("x",), output=X, table=np.arange(256) - 128)) is None
    network = quantize_network([FloatDense(rng.normal(size=(5, 9)))], rng.normal(size=(20, 9)),
                               weights="s4n", activations="s8", output="s8", contract="half_up")
    [layer] = network.layers
    assert exact(layer, network, [np.zeros((1, 9), int)], (0, 0)) is not None
    assert has(Dense(**{name: getattr(layer, name) for name in (
        "name", "inputs", "output", "weights", "weight", "contract", "parameters")} | {
        "table": np.arange(256) - 128, "inputs": ("x",)}), network.input, (9,)) is None
