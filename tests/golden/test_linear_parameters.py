"""From three scales to parameters, each contract as its source does it."""

import re
from fractions import Fraction

import numpy as np
import pytest

from golden.contracts import CONTRACTS, ScaleRule
from golden.contracts import parse as contract
from golden.floats import FloatDense
from golden.formats import IntFormat, parse
from golden.multipliers import (
    combined_scale,
    linear_parameters,
    quantize_multiplier,
    reduce_multiplier,
    scale_parameters,
)
from golden.networks import Dense, Network, Quantization, Tensor
from golden.quantize import dequantize, quantize, quantize_network
from golden.requantize import requantize
from golden.run import run
from tests.golden.definitions import scale_value, to_float32

S8, S32 = parse("s8"), IntFormat(32)
SCALING = [name for name in CONTRACTS if name not in ("thresholds", "none")]
SINGLE = ["onnx", "onnx_zp_inside", "q31", "precise", "rndnu"]
TFLITE = ["tflite", "tflite_single", "tflite_int16x8"]
# A layer that ONNX Runtime requantizes to -120.
SCALES = 0.05296124517917633, 0.024093778803944588, 0.11484327912330627


def triples(rng, count=2000, held="float32"):
    """Scales of input, weights and output whose factor is at least 2**-32 and less than 1."""
    x, w, y = 2.0 ** rng.uniform([[-12], [-16], [0]], [[0], [-1], [4]], (3, count))
    return [scale.astype(held).astype(np.float64) for scale in (x, w, y)]


def factors(scales):
    """As the sources in float32, rounded by definition: ``float32(float32(x * w) / y)``."""
    return [to_float32(to_float32(Fraction(x) * Fraction(w)) / Fraction(y))
            for x, w, y in zip(*(scale.tolist() for scale in scales), strict=True)]


def found(name, *scales):
    return linear_parameters(name, *scales, S32)


def test_the_rules():
    rules = {name: contract(name).scale_rule for name in CONTRACTS}
    assert {name for name, rule in rules.items() if rule is ScaleRule.FLOAT32} == set(SINGLE)
    assert {name for name, rule in rules.items()
            if rule is ScaleRule.FLOAT64_OF_FLOAT32} == set(TFLITE)


def test_a_layer_of_onnx_runtime():
    p = dict(bias=0, zero_point=-126, clamp_min=-128, clamp_max=127)
    assert requantize(585, contract("onnx"), S8, p | found("onnx", *SCALES)) == -120
    x, w, y = SCALES
    by_hand = scale_parameters(contract("onnx"), x * w / y, S32)
    assert requantize(585, contract("onnx"), S8, p | by_hand) == -119


@pytest.mark.parametrize("name", ["onnx", "onnx_zp_inside"])
def test_onnx_runtimes_scale(name, rng):
    scales = triples(rng)
    bits = found(name, *scales)["scale"]
    assert [scale_value(each) for each in bits.tolist()] == factors(scales)
    x, w, y = scales
    by_hand = scale_parameters(contract(name), x * w / y, S32)["scale"]
    assert 0.2 < np.mean(bits != by_hand) < 0.3


@pytest.mark.parametrize("name", ["precise", "rndnu", "q31"])
def test_qnnpacks_multiplier(name, rng):
    """The significand of the float32, 24 bits; ``q31`` has seven zeros more."""
    scales = triples(rng)
    p = found(name, *scales)
    multipliers, shifts = (p[field].tolist() for field in ("multiplier", "shift"))
    fixed = 31 if name == "q31" else 0
    for factor, multiplier, shift in zip(factors(scales), multipliers, shifts, strict=True):
        assert Fraction(multiplier, 2**(shift + fixed)) == factor
        assert multiplier.bit_length() == (31 if name == "q31" else 24)
        assert multiplier % (128 if name == "q31" else 1) == 0


@pytest.mark.parametrize("name", TFLITE)
@pytest.mark.parametrize("held", ["float32", "float64"])
def test_tflites_multiplier(name, held, rng):
    """In float64, of the float32 scales that a file holds."""
    scales = triples(rng, 500, held)
    p = found(name, *scales)
    single = [[float(to_float32(value)) for value in scale.tolist()] for scale in scales]
    wanted = [quantize_multiplier(x * w / y, single_rounding=name == "tflite_single")
              for x, w, y in zip(*single, strict=True)]
    if name == "tflite_int16x8":
        wanted = [(reduce_multiplier(multiplier), shift) for multiplier, shift in wanted]
    assert list(zip(p["multiplier"].tolist(), p["shift"].tolist(), strict=True)) == wanted


@pytest.mark.parametrize("name", TFLITE)
def test_fully_connected_with_one_scale(name, rng):
    """``(double)(input_scale * filter_scale) / output_scale``: the product is a float32."""
    scales = triples(rng, 500)
    p = linear_parameters(contract(name), *scales, S32, rule=ScaleRule.FLOAT32_PRODUCT)
    wanted = [quantize_multiplier(float(to_float32(Fraction(x) * Fraction(w))) / y,
                                  single_rounding=name == "tflite_single")
              for x, w, y in zip(*(scale.tolist() for scale in scales), strict=True)]
    if name == "tflite_int16x8":
        wanted = [(reduce_multiplier(multiplier), shift) for multiplier, shift in wanted]
    else:
        assert 0.9 < np.mean(p["multiplier"] != found(name, *scales)["multiplier"])
    assert list(zip(p["multiplier"].tolist(), p["shift"].tolist(), strict=True)) == wanted


@pytest.mark.parametrize("name", [name for name in SCALING if name not in SINGLE + TFLITE])
def test_other_multipliers(name, rng):
    """In float64."""
    x, w, y = triples(rng, 200, "float64")
    wanted = scale_parameters(contract(name), x * w / y, S32)
    p = found(name, x, w, y)
    assert list(p) == list(wanted)
    for field, value in wanted.items():
        np.testing.assert_array_equal(p[field], value)


def test_shapes():
    p = linear_parameters(contract("tflite"), 0.5, np.full((3,), 0.25), 1.0, S32)
    assert {name: value.shape for name, value in p.items()} == {"multiplier": (3,), "shift": (3,)}
    assert combined_scale(contract("onnx"), 0.5, 0.25, output=2).shape == ()
    assert combined_scale(contract("half_up"), 3, output=2) == 1.5


@pytest.mark.parametrize("name", SCALING)
@pytest.mark.parametrize("place", [0, 1])
def test_scale_of_0(name, place):
    """The zero point, as tflite-micro answers, for every sum."""
    scales = [0.5, np.array([0.25, 0.5]), 1.0]
    scales[place] = scales[place] * np.array([0.0, 1.0])
    way = contract(name)
    p = dict(bias=0, zero_point=3, clamp_min=-128, clamp_max=127) | found(name, *scales)
    if "multiplier" in p:
        assert p["multiplier"][0] == 0
        assert p["shift"][0] == {"precise": 24, "rndnu": 16}.get(name, 0)
    sums = np.array([[-2**31, -1000], [-1, 0], [2**31 - 1, 1000]])
    draws = np.full((3, 2), 2**32 - 1) if name == "stochastic" else None
    levels = requantize(sums, way, S8, p, draws=draws)
    assert levels[:, 0].tolist() == [3, 3, 3]
    assert len(set(levels[:, 1].tolist())) == 3


def test_a_product_that_float32_does_not_hold():
    """0, as in the source; in float64 it would be 2**-20."""
    scales = 2.0**-80, 2.0**-80, 2.0**-140
    assert combined_scale(contract("onnx"), *scales[:2], output=scales[2]) == 0
    assert combined_scale(contract("tflite"), *scales[:2], output=scales[2]) == 2.0**-20


RATIO = "Input scale times weight scale over output scale"


@pytest.mark.parametrize("name, scales, message", [
    ("half_up", (1.0, 1.0, 0.0), "Scale must be positive and finite, not 0.0"),
    ("half_up", (-1.0, 1.0, 1.0), "Scale must be finite and not negative, not -1.0"),
    ("onnx", (1.0, np.array([1.0, np.nan]), 1.0), "Scale must be finite and not negative, not nan"),
    ("onnx", (1e-50, 1.0, 1.0), "Scale must be neither 0 nor infinite as a float32, not 1e-50"),
    ("tflite", (1.0, 1e40, 1.0), "Scale must be neither 0 nor infinite as a float32, not 1e+40"),
    ("tflite", (1.0, 1.0, 1e-50), "Scale must be neither 0 nor infinite as a float32, not 1e-50"),
    ("onnx", (2.0**100, 2.0**100, 1.0), f"{RATIO} must be finite and not negative, not inf"),
    ("half_up", (1e20, 1e20, 1.0), f"{RATIO} must be less than 2147483647.5 for contract half_up "
                                   "with 31-bit multipliers, not 1e+40"),
    ("none", (1.0, 1.0, 1.0), "Contract must be one that scales, not none"),
    ("thresholds", (1.0, 1.0, 1.0), "Contract must be one that scales, not thresholds"),
])
def test_refused(name, scales, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        found(name, *scales)


@pytest.mark.parametrize("name", ["onnx", "q31", "rndnu", "tflite", "half_up"])
def test_a_quantized_network_has_them(name, rng):
    layers = [FloatDense(rng.normal(size=(16, 8))), FloatDense(rng.normal(size=(16, 16)))]
    network = quantize_network(layers, rng.normal(size=(20, 8)), weights=S8, activations=S8,
                               contract=contract(name))
    x = network.input
    for layer in network.layers:
        assert isinstance(layer, Dense)
        wanted = found(name, x.scale, layer.weight.scale, layer.output.scale)
        for field, value in wanted.items():
            np.testing.assert_array_equal(layer.parameters[field], value)
        x = layer.output


def test_a_network_whose_channel_has_scale_0():
    weight = Quantization(S8, np.array([0.5, 0.0]))
    p = linear_parameters(contract("tflite"), 1.0, weight.step, 1.0, S32)
    layer = Dense(name="dense", inputs=("input",), output=Quantization(S8, 1.0, -5),
                  contract=contract("tflite"), weights=np.array([[3, 4], [100, -100]]),
                  weight=weight, parameters=p | dict(
                      bias=np.array([0, 10**6]), zero_point=np.array([-5]),
                      clamp_min=np.array([-128]), clamp_max=np.array([127])))
    network = Network(name="network", inputs=(Tensor("input", Quantization(S8), (2,)),),
                      layers=(layer,))
    assert run(network, [[2, 4], [-100, 100]])["dense"].tolist() == [[6, -5], [45, -5]]
    np.testing.assert_array_equal(dequantize(layer.weights, weight), [[1.5, 2.0], [0, 0]])
    with pytest.raises(ValueError, match=r"^Scale must be positive and finite, not 0\.0$"):
        quantize([[1.0, 1.0], [0.0, 1.0]], weight)
