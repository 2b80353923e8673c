"""Layers with another contract: their parameters are a runtime's own, or keep the real numbers."""

import os
import re
import zlib
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from golden.contracts import CONTRACTS, Onnx
from golden.contracts import parse as contract
from golden.floats import FloatDense
from golden.formats import IntFormat, parse
from golden.layer_scales import reduce_parameters
from golden.networks import (
    Add,
    Concat,
    FloatReduce,
    Lookup,
    Mul,
    Network,
    Pool,
    Quantization,
    Reduce,
    Rescale,
    Sub,
    Tensor,
    Transpose,
)
from golden.quantize import quantize_network
from golden.readers import UnsupportedModel, read
from golden.recontract import network_with, with_contract, with_scheme
from golden.run import check_scales, prove, run
from golden.unit_scales import parameters_of
from golden.units import Addition, Multiplication, Rescaling
from golden.units import parse as scheme
from tests.golden.readers.tflite_files import case
from tests.known_networks import resnet

HELLO = Path(__file__).parents[1] / "data" / "hello_world_int8.tflite"
FOLDER = os.environ.get("EXACTMAC_MODELS")
# Linear layers and sums of each model.
MODELS = {"ad01_int8": 10, "kws_ref_model": 10, "pretrainedResnet_quant": 13}
TFLITE, ONNX, HALF_UP = map(contract, ("tflite", "onnx", "half_up"))
S8 = parse("s8")


def equal(layer, other) -> bool:
    """Whether two layers scale by the same integers, shared by all channels or not."""
    sets = [each.parameters if isinstance(each.parameters, tuple) else (each.parameters,)
            for each in (layer, other)]
    # An activation's end may be another level in another runtime.
    return all(np.all(np.asarray(own[name]) == np.asarray(theirs[name]))
               for own, theirs in zip(*sets, strict=True) for name in {*own, *theirs}
               if not name.startswith("clamp"))


def exchanged(path) -> int:
    """Number of layers that two readings of a file exchange by their contracts, both ways."""
    try:
        micro, litert = (read(path, runtime) for runtime in ("tflite-micro", "litert"))
    except UnsupportedModel:
        return 0  # one of int16 that depends on the processor
    count = 0
    for own, theirs in zip(micro.layers, litert.layers, strict=True):
        if getattr(own, "contract", None) == TFLITE:
            if isinstance(getattr(theirs, "contract", None), Onnx):
                assert equal(with_contract(own, micro, theirs.contract), theirs)
                count += 1
            if not isinstance(theirs, Lookup):
                back = with_contract(theirs, litert, TFLITE)
                assert type(back) is type(own) and back.contract == TFLITE and equal(back, own)
        if isinstance(own, Add):
            assert equal(with_scheme(own, micro, theirs.scheme), theirs)
            assert equal(with_scheme(theirs, litert, own.scheme), own)
            count += 1
    return count


def test_a_committed_model():
    assert exchanged(HELLO) == 3


@pytest.mark.skipif(not FOLDER, reason="EXACTMAC_MODELS names no folder of models")
@pytest.mark.parametrize("name, count", MODELS.items())
def test_a_model(name, count):
    path = Path(str(FOLDER)) / f"{name}.tflite"
    if not path.exists():
        pytest.skip(f"{path} is not there")
    assert exchanged(path) == count


@pytest.mark.parametrize("name", [
    "CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV", "ADD", "SUB", "MUL",
    "CONCATENATION", "QUANTIZE", "MEAN"])
def test_random_files(name, tmp_path):
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    count = 0
    for k in range(6):
        data, _ = case(name, "int8", rng)
        (tmp_path / f"{k}.tflite").write_bytes(data)
        count += exchanged(tmp_path / f"{k}.tflite")
    assert count > 1 or name in ("CONCATENATION", "QUANTIZE", "MEAN")


def quantized(rng, own="half_up", **more):
    return quantize_network(
        [FloatDense(rng.normal(size=(12, 20)), rng.normal(size=12), relu=True),
         FloatDense(rng.normal(size=(5, 12)))], rng.normal(size=(40, 20)), contract=own,
        **{"weights": "s8n", "activations": "s8", **more})


@pytest.mark.parametrize("name", CONTRACTS)
def test_every_contract_keeps_the_real_numbers(name, rng):
    """The level of a sum is one of the two next to its exact real number."""
    network = quantized(rng)
    made, kept = network_with(network, contract(name))
    if name == "none":
        assert list(kept) == ["dense0", "dense1"] and made.layers == network.layers
        return
    assert not kept and {layer.contract.name for layer in made.layers} == {name}
    prove(made)
    check_scales(made)
    layer, output = made.layers[0], made.layers[0].output
    x = rng.integers(-128, 128, (16, 20))
    sums = (x - made.input.zero_point) @ layer.weights.T + layer.parameters["bias"]
    levels = run(made, x)["dense0"]
    for place in np.ndindex(levels.shape):
        factor = Fraction(made.input.scale) * Fraction(float(layer.weight.scale[place[1]]))
        real = int(sums[place]) * factor / Fraction(output.scale) + output.zero_point
        real = min(max(real, output.zero_point), 127)
        assert abs(int(levels[place]) - real) < 1


def test_thresholds_become_scales_again(rng):
    own = quantized(rng, weights="s4n", activations="s4")
    ladders, kept = network_with(own, contract("thresholds"))
    again, lost = network_with(ladders, HALF_UP)
    assert not kept and not lost
    for layer, before in zip(again.layers, own.layers, strict=True):
        for name, value in before.parameters.items():
            assert np.all(value == layer.parameters[name])
    [first, _] = ladders.layers
    parameters = dict(first.parameters)
    parameters["threshold_15"] = parameters["threshold_15"] + np.eye(12, dtype=int)[3]
    with pytest.raises(ValueError, match=re.escape(
            "Thresholds of layer 'dense0' must be those of its tensors' scales, for another "
            "contract to have the same")):
        with_contract(replace(first, parameters=parameters), ladders, HALF_UP)


def test_a_layer_that_has_the_contract_stays(rng):
    network = quantized(rng)
    assert network_with(network, HALF_UP)[0].layers == network.layers
    sums = resnet()
    assert network_with(sums, TFLITE)[0].layers == sums.layers


def test_a_whole_network():
    made, kept = network_with(resnet(), ONNX)
    assert list(kept) == ["pool"]
    assert kept["pool"] == "Layer 'pool' must be one that a contract scales, not a Pool"
    assert {each.scheme.name for each in made.layers if isinstance(each, Add)} == {"onnx"}
    assert made.outputs == resnet().outputs
    prove(made)
    back, _ = network_with(made, TFLITE)
    assert all(equal(*pair) for pair in zip(back.layers, resnet().layers, strict=True)
               if not isinstance(pair[0], Pool))


A, B = Quantization(S8, 0.1, 3), Quantization(S8, 0.07, -5)
Y, FAR = Quantization(S8, 0.2, 1), Quantization(S8, 1e9)


def elementwise(kind, own=TFLITE, inputs=("a", "b"), output=Y, **fields):
    quantizations = {"a": A, "b": B, "far": FAR}
    tensors = [quantizations[name] for name in inputs]
    operation = {Rescale: Rescaling, Mul: Multiplication}.get(kind)
    if kind is Concat:
        fields |= dict(contract=own, parameters=tuple(
            parameters_of(Rescaling(own, S8, S8), each, output, clamp=(-100, 90))
            for each in tensors))
    elif operation is None:
        fields |= dict(scheme=scheme(own), parameters=parameters_of(
            Addition(scheme(own), S8, S8, S8, kind is Sub), *tensors, output, clamp=(-100, 90)))
    else:
        fields |= dict(contract=own, parameters=parameters_of(
            operation(own, *[S8] * (len(tensors) + 1)), *tensors, output, clamp=(-100, 90)))
    layer = kind(name="y", inputs=inputs, output=output, **fields)
    return layer, Network(name="n", layers=(layer,), inputs=tuple(
        Tensor(name, quantizations[name], (6,)) for name in dict.fromkeys(inputs)))


@pytest.mark.parametrize("kind, inputs", [(Rescale, ("a",)), (Mul, ("a", "b")),
                                          (Concat, ("a", "b"))])
@pytest.mark.parametrize("name", ["onnx", "half_away", "tflite_single", "onnx_zp_inside"])
def test_elementwise_layers(kind, inputs, name):
    layer, network = elementwise(kind, inputs=inputs)
    expected, _ = elementwise(kind, contract(name), inputs)
    own = with_contract(layer, network, contract(name))
    assert own.contract == expected.contract and own.parameters == expected.parameters
    assert with_contract(own, network, TFLITE).parameters == layer.parameters


@pytest.mark.parametrize("name, expected", [
    ("onnx", "onnx"), ("onnx_zp_inside", "onnx"), ("half_up", "xnnpack"), ("half_even", "exact"),
    ("tflite", "tflite")])
def test_sums_have_the_scheme_of_the_contract(name, expected):
    layer, network = elementwise(Add, "exact" if name == "tflite" else "tflite")
    own = with_contract(layer, network, contract(name))
    assert own.scheme == scheme(expected)
    assert own.parameters == elementwise(Add, expected)[0].parameters
    assert own is with_scheme(own, network, scheme(expected))
    assert own is with_contract(own, network, contract(name))


def test_a_sum_of_scales_that_the_first_scheme_does_not_take():
    layer, network = elementwise(Add, "exact", ("a", "b"), output=Quantization(S8, 1e-4))
    assert with_contract(layer, network, HALF_UP).scheme.name == "int16"


def test_a_sum_of_16_bits_has_the_scheme_of_16_bits():
    s16 = Quantization(parse("s16"), 0.01)
    operation = Addition(scheme("exact"), s16.format, s16.format, s16.format)
    layer = Add(name="y", inputs=("a", "a"), output=s16, scheme=scheme("exact"),
                parameters=parameters_of(operation, s16, s16, s16))
    network = Network(name="n", inputs=(Tensor("a", s16, (6,)),), layers=(layer,))
    assert with_contract(layer, network, TFLITE).scheme.name == "tflite_int16"


@pytest.mark.parametrize("kind", ["mean", "sum"])
def test_means_in_float32_become_means_of_a_contract(kind, rng):
    fields = dict(name="y", inputs=("a",), output=Y, axes=(1, 2), keep=False, kind=kind)
    network = Network(name="n", inputs=(Tensor("a", A, (7, 5, 3)),),
                      layers=(FloatReduce(**fields),))
    own = with_contract(network.layers[0], network, ONNX)
    assert isinstance(own, Reduce) and (own.axes, own.keep, own.kind) == ((1, 2), False, kind)
    x = rng.integers(-128, 128, (50, 7, 5, 3))
    levels = run(replace(network, layers=(own,)), x)["y"]
    # The scales are 1 to 2.
    real = (x - 3).sum(axis=(1, 2)) / (70 if kind == "mean" else 2) + 1
    assert np.abs(levels - np.clip(real, -128, 127)).max() <= 0.5


def test_the_divisor_of_a_mean_is_one_of_float32(rng):
    """ONNX Runtime multiplies the output's scale by the count, and divides by the product."""
    others = 0
    for x, y in rng.uniform(0.01, 1, (50, 2)).astype(np.float32):
        own = reduce_parameters(ONNX, Quantization(S8, x), Quantization(S8, y), 35, IntFormat(32))
        assert own["scale"] == (x / (y * np.float32(35))).view(np.uint32)
        others += own["scale"] != np.float32(float(x) / (float(y) * 35)).view(np.uint32)
    assert others > 5


@pytest.mark.parametrize("make, name, message", [
    (lambda: elementwise(Add, "tflite"), "floor",
     "Contract of layer 'y' must be one of a scheme's, not floor"),
    (lambda: elementwise(Sub, "tflite"), "onnx",
     "Subtract must be False for scheme onnx, not True"),
    (lambda: elementwise(Mul), "none", "Contract must be one that scales, by its parameters "
     "alone, not none"),
    (lambda: elementwise(Rescale, inputs=("far",), output=FAR), "q31",
     "Scale must be less than 0.9999999997671694 for contract q31 with 31-bit multipliers, "
     "not 1.0"),
    (lambda: elementwise(Add, "int16", ("far", "b")), "half_even",
     "Scales of the operands, divided by the output's, must be in range [2**-30, 2**30) for scheme "
     "exact, not [5000000000.0, 0.35000000000000003]")])
def test_what_cannot_be_had(make, name, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        layer, network = make()
        with_contract(layer, network, contract(name))


def test_linear_layers_that_keep_their_contract(rng):
    network = quantized(rng, output="s8")
    layer = network.layers[0]
    for change, name, message in (
            ({"table": np.arange(256) - 128}, "tflite", "Table of layer 'dense0' must be left out, "
             "as the scale of what it takes is not known"),
            ({"parameters": layer.parameters | {"multiplier": -1}}, "tflite",
             "Parameters of layer 'dense0' must have no negative multiplier and no addend other "
             "than 0, as no scale says what these are"),
            ({"parameters": layer.parameters | {"clamp_max": 90}}, "thresholds",
             "Clamp of layer 'dense0' must be one for all channels that ends at 127 for contract "
             "thresholds"),
            ({"contract": contract("none")}, "tflite", "Contract of layer 'dense0' must be one "
             "that makes levels of sums, before and after, not none"),
            ({"parameters": layer.parameters | {"bias": np.full(12, 2**31 - 1)}}, "tflite",
             "Layer 'dense0', channel 0: Sum plus bias must be in range")):
        with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
            with_contract(replace(layer, **change), network, contract(name))


def test_moves_and_the_largest_of_a_window_keep_nothing():
    pool = Pool(name="m", inputs=("a",), output=A, kind="max", size=(2, 2), stride=(1, 1))
    network = Network(name="n", inputs=(Tensor("a", A, (4, 4, 1)),), layers=(
        pool, Transpose(name="t", inputs=("m",), output=A, axes=(0, 2, 1, 3))))
    assert network_with(network, ONNX)[1] == {}
    with pytest.raises(TypeError, match="Contract must be a contract"):
        with_contract(pool, network, "onnx")
