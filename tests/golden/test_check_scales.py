"""Multipliers of networks against the scales of their tensors."""

import re
from dataclasses import replace

import numpy as np
import pytest

from golden.contracts import CONTRACTS, ScaleRule
from golden.contracts import parse as contract
from golden.floats import FloatDense
from golden.formats import parse
from golden.layers.elementwise import operations
from golden.multipliers import linear_parameters, real_scale, scale_parameters
from golden.networks import (
    INPUT,
    Add,
    Concat,
    Conv2d,
    Dense,
    Mul,
    Network,
    Pool,
    Quantization,
    Rescale,
    Sub,
    Tensor,
)
from golden.quantize import quantize_network
from golden.ranges import Range, levels_range
from golden.run import check_scales, prove
from golden.unit_scales import parameters_of
from golden.units import SCHEMES

S8 = parse("s8")
X, Y = Quantization(S8, 0.1, 3), Quantization(S8, 0.30000001, -4)
SCALING = [name for name in CONTRACTS if name not in ("thresholds", "none")]


def refused(network, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}") as error:
        check_scales(network)
    assert "\n" not in str(error.value)


def linear(name="tflite", kind=Conv2d, rule=None, weight=None, output=Y, **changed):
    """A layer of two channels on one image of one pixel, and how much it scales by."""
    way, weight = contract(name), weight or Quantization(S8, np.array([0.7, 0.01]))
    total = way.takes or way.sum_format(Range(-10**6, 10**6))
    parameters = {"bias": np.array([5, 6]), "zero_point": output.zero_point, "clamp_min": -128,
                  "clamp_max": 127} | linear_parameters(way, X.step, weight.step, output.step,
                                                        total, rule=rule)
    weights = np.ones((2, 1, 1, 3) if kind is Conv2d else (2, 3), int)
    layer = kind(name="a", inputs=(INPUT,), output=output, weights=weights, weight=weight,
                 contract=way, parameters=parameters | changed)
    return Network(name="n", inputs=(Tensor(INPUT, X, (1, 1, 3)),), layers=(layer,))


@pytest.mark.parametrize("name", SCALING)
def test_every_contract(name):
    """One unit in the last place of a multiplier is found, in the second channel."""
    network = linear(name)
    check_scales(network)
    layer, = network.layers
    field = "scale" if "scale" in layer.parameters else "multiplier"
    given = layer.parameters[field]
    wrong = replace(layer, parameters={**layer.parameters, field: given + [0, 1]})
    scales = [real_scale(layer.contract, each.parameters)[1] for each in (layer, wrong)]
    refused(replace(network, layers=(wrong,)), f"Layer 'a', channel 1: Parameters must scale by "
            f"{scales[0]}, by the tensors' scales, not by {scales[1]}")
    assert abs(scales[0] - 0.1 * 0.01 / 0.30000001) < 1e-4 * scales[0] or name == "nvdla"


def test_the_same_factor_by_another_multiplier():
    """What counts is what they scale by: a quarter is one of 2**-2 as of 2**29 in 2**31."""
    network = linear("half_up", weight=Quantization(S8, 0.25), output=Quantization(S8, 0.1, -4))
    layer, = network.layers
    assert layer.parameters["multiplier"] > 1
    check_scales(replace(network, layers=(replace(layer, parameters={
        **layer.parameters, "multiplier": 1, "shift": 2}),)))


@pytest.mark.parametrize("rule", ScaleRule)
@pytest.mark.parametrize("kind", [Conv2d, Dense])
def test_every_rule(rule, kind):
    """A kernel's floats may be others than its contract's."""
    network = linear(kind=kind, rule=rule)
    check_scales(network)
    factors = {each: real_scale(contract("tflite"), linear(rule=each).layers[0].parameters)[0]
               for each in ScaleRule}
    assert len(set(factors.values())) == 4


def test_channels_that_scale_nothing():
    """What they are scaled by is nobody's matter, though no parameters could say it."""
    weight = Quantization(S8, np.array([0.7, 1e-30]), np.array([0, 1]))
    network = linear("half_up", weight=replace(weight, scale=0.7), bias=np.array([5, 0]))
    layer, = network.layers
    network = replace(network, layers=(replace(layer, weight=weight),))
    check_scales(network)
    biased = replace(layer, weight=weight, parameters={**layer.parameters, "bias": 1})
    refused(replace(network, layers=(biased,)), "Layer 'a': Input scale times weight scale over "
                                                "output scale must be at least 2**-")


@pytest.mark.parametrize("weights, activations, output", [
    ("s4n", "s8", None), ("mx_s4", "s8", None), ("s4n", "mx_e2m1", None), ("e4m3fn", "e5m2", "u4"),
    ("mx_e2m1", "mx_e4m3fn", "mx_e4m3fn")])
def test_quantized_networks(rng, weights, activations, output):
    layers = [FloatDense(rng.normal(size=(40, 70)), rng.normal(size=40))]
    network = quantize_network(
        layers, rng.normal(size=(20, 70)), weights=parse(weights), activations=parse(activations),
        output=output and parse(output), contract=contract("half_up"), window=5)
    check_scales(network)
    layer, = network.layers
    made = replace(layer.output, scale=2 * layer.output.scale)
    refused(replace(network, layers=(replace(layer, output=made),)), "Layer 'dense0', channel 0: ")


def test_what_is_passed_over(rng):
    for name in ("thresholds", "none"):
        check_scales(quantize_network(
            [FloatDense(rng.normal(size=(4, 7)))], rng.normal(size=(20, 7)), weights=S8,
            activations=parse("s4"), contract=contract(name)))
    network = linear()
    layer = replace(network.layers[0], output=replace(Y, scale=99.0))
    refused(replace(network, layers=(layer,)), "Layer 'a', channel 0: ")
    check_scales(replace(network, layers=(replace(layer, table=np.arange(-128, 128)),)))


def test_sums_that_other_inputs_would_take_too_far():
    """The scales of a network that is proven for some inputs only."""
    network = linear()
    layer = replace(network.layers[0], weights=np.full((2, 1, 1, 3), 2**30),
                    weight=replace(network.layers[0].weight, format=parse("u16")))
    check_scales(replace(network, layers=(replace(layer, weights=layer.weights >> 15),)))
    fmt = replace(parse("u16"), width=40)
    network = replace(network, layers=(replace(layer, weight=replace(layer.weight, format=fmt)),))
    with pytest.raises(ValueError, match="^Layer 'a': Accumulator must be in range "):
        prove(network)
    check_scales(network)


def test_missing_parameters():
    network = linear()
    layer = replace(network.layers[0], parameters={"bias": 0})
    refused(replace(network, layers=(layer,)), "Layer 'a': Parameters must be bias, multiplier, ")


def units():
    """A network of every kind of layer that brings tensors together."""
    inputs = {"x": X, "y": Y}
    two = dict(inputs=("x", "y"), output=Quantization(S8, 0.7, 1))
    layers = [kind(name=f"{kind.__name__}_{way.name}", scheme=way, parameters={}, **two)
              for kind in (Add, Sub) for way in SCHEMES.values()
              if (kind, way.name) != (Sub, "onnx")]
    layers += [Mul(name="mul", contract=contract("onnx_zp_inside"), parameters={}, **two),
               Rescale(name="rescale", inputs=("y",), output=X, contract=contract("tflite"),
                       parameters={}),
               Concat(name="concat", contract=contract("half_up"), parameters=({}, {}), **two),
               Pool(name="pool", inputs=("x",), output=X, kind="max", size=(1, 1), stride=(1, 1))]
    network = Network(name="n", layers=tuple(layers), inputs=tuple(
        Tensor(name, each, (1, 1, 2)) for name, each in inputs.items()))
    made = []
    for layer in layers:
        if not isinstance(layer, Pool):
            found = operations(layer, network)
            taken = [inputs[name] for name in layer.inputs]
            sets = [parameters_of(each, *([taken[k]] if isinstance(layer, Concat) else taken),
                                  layer.output, clamp=(-100, 90)) for k, each in enumerate(found)]
            layer = replace(layer, parameters=tuple(sets) if isinstance(layer, Concat) else sets[0])
        made.append(layer)
    return replace(network, layers=tuple(made))


def test_units():
    network = units()
    prove(network)
    check_scales(network)
    for index, layer in enumerate(network.layers):
        others = list(network.layers)
        others[index] = replace(layer, output=replace(layer.output, scale=0.71))
        what = ("Output of pool 'pool' must have the input's scale 0.1, not 0.71"
                if isinstance(layer, Pool) else f"Layer {layer.name!r}: Parameter ")
        refused(replace(network, layers=tuple(others)), what)


def test_a_unit_of_other_parameters():
    network = units()
    layer = network.layers[0]
    wrong = {**layer.parameters, "b_multiplier": layer.parameters["b_multiplier"] + 1}
    refused(replace(network, layers=(replace(layer, parameters=wrong),), outputs=()),
            f"Layer 'Add_tflite': Parameter b_multiplier must be "
            f"{layer.parameters['b_multiplier']}, by the tensors' scales, not "
            f"{wrong['b_multiplier']}")
    refused(replace(network, layers=(replace(layer, parameters={}),), outputs=()),
            "Layer 'Add_tflite': Parameters must be a_zero_point, ")


@pytest.mark.parametrize("name", SCALING)
def test_real_scale_is_what_the_contract_scales_by(name, rng):
    """The scale that the parameters were made of, to the multiplier's last place."""
    way = contract(name)
    total = way.takes or way.sum_format(levels_range(parse("s16")))
    bits = {"onnx": 24, "onnx_zp_inside": 24}.get(name) or way.multiplier.width - 1
    real = 2.0 ** rng.uniform(-20, -1, 50)
    found = real_scale(way, scale_parameters(way, real, total))
    assert (np.abs(found - real) <= real * 2.0**-(bits - 1)).all()
