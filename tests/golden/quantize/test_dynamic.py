"""Dynamic quantization of fully connected layers: equal to ONNX Runtime's operators."""

import re
from fractions import Fraction

import numpy as np
import pytest

from golden.contracts import S32
from golden.floats import FloatConv2d, FloatDense, run_float
from golden.formats import parse
from golden.networks import Quantization
from golden.quantize.dynamic import (
    DynamicLayer,
    code_thresholds,
    codes_network,
    dynamic_input,
    output_quantization,
    quantize_dynamic,
    real_sums,
    run_dynamic,
    sums_network,
)
from golden.requantize import requantize
from golden.run import run
from golden.runtimes.onnx_ops import dynamic_quantize_linear, quantize_linear
from tests.golden.dynamic_networks import batches, mlp, onnx_mlp
from tests.golden.onnx_session import run_model

S8N = parse("s8n")


def test_every_tensor_equals_onnx_runtime(rng):
    """Codes, scales, zero points, sums of MatMulInteger with the bias, and the output."""
    layers = quantize_dynamic(mlp(rng), S8N)
    model = onnx_mlp(layers)
    for x in batches(rng, 12, 30):
        names = [output.name for output in model.graph.output]
        found = dict(zip(names, run_model(model, {"x": x}), strict=True))
        for index, done in enumerate(run_dynamic(layers, x)):
            for name, own in (("levels", done.levels), ("sums", done.sums),
                              ("reals", done.output), ("zero_point", done.input.zero_point),
                              ("scale", np.float32(done.input.scale))):
                np.testing.assert_array_equal(own, found[f"{name}{index}"], name)


def test_weights_have_one_scale_of_float32(rng):
    layers = mlp(rng)
    for float_layer, layer in zip(layers, quantize_dynamic(layers, S8N), strict=True):
        weights = np.abs(float_layer.weights)
        scale = layer.weight.scale
        assert np.float32(scale) == scale and layer.weight.zero_point == 0
        assert abs(scale - weights.max() / 127) <= scale * 2.0**-24
        assert np.abs(layer.weights).max() == 127


@pytest.mark.parametrize("relu", [False, True])
def test_thresholds_are_where_the_code_changes(rng, relu):
    """Right below each threshold the code is less, from it on it is not; in all of int32."""
    for _ in range(20):
        layer = DynamicLayer("a", np.ones((1, 1), int), Quantization(S8N, float(np.float32(
            rng.uniform(0.001, 1)))), np.zeros(1, np.float32), relu)
        input = Quantization(parse("u8"), float(np.float32(2.0**rng.uniform(-12, 3))), 7)
        ends = np.sort(rng.integers(-2**31, 2**31, 2) >> int(rng.integers(25)))
        output = output_quantization(layer, input, *ends.tolist())
        found = code_thresholds(layer, input, output)
        least = np.array([found[f"threshold_{level}"] for level in range(1, 256)])
        assert (np.diff(least) >= 0).all() and least[0] >= S32.min
        sums = np.concatenate([ends, least - 1, least, least + 1,
                               rng.integers(ends[0], ends[1] + 1, 500)]).clip(S32.min, S32.max)
        want = quantize_linear(real_sums(layer, input, sums), np.float32(output.scale),
                               output.zero_point, output=parse("u8"))
        np.testing.assert_array_equal((sums[:, None] >= least).sum(axis=1), want)
        assert (least == S32.max + 1).any() or {0, 255} <= set(want.tolist())


def test_numbers_are_rounded_four_times():
    """A sum, its number, the quotient and the code, each by its definition."""
    layer = DynamicLayer("a", np.ones((1, 1), int), Quantization(S8N, float(np.float32(0.1))),
                         np.zeros(1, np.float32))
    input = Quantization(parse("u8"), float(np.float32(0.3)))
    step = Fraction(float(np.float32(np.float32(0.1) * np.float32(0.3))))
    assert Fraction(float(layer.step(input))) == step
    total = 2**24 + 3  # halfway between two numbers of float32; the even one is above
    [real] = real_sums(layer, input, [total])
    assert Fraction(float(real)) == Fraction(float(np.float32(float((2**24 + 4) * step))))


def test_the_factor_of_onnx_is_one_level_off_at_most(rng):
    """Of the sums on both sides of each border between two codes, a few get the other code."""
    differ = count = 0
    for _ in range(20):
        [layer] = quantize_dynamic([FloatDense([[rng.uniform(0.1, 1)]])], S8N)
        input = Quantization(parse("u8"), float(np.float32(rng.uniform(0.1, 1))))
        output = output_quantization(layer, input, *(rng.integers(1, 2**22, 2) * [-1, 1]).tolist())
        least = np.array([*code_thresholds(layer, input, output).values()])
        least = least[least <= S32.max]
        sums = np.concatenate([least - 1, least])
        near, exact = (requantize(sums, own.contract, output.format, {
            name: value[0] for name, value in own.parameters.items()} | {"bias": 0})
            for contract in ("onnx", "thresholds")
            for own in codes_network(layer, input, output, contract).layers)
        assert np.abs(exact - near).max() <= 1
        differ, count = differ + int((exact != near).sum()), count + len(sums)
    assert 0 < differ < count / 10


def test_the_error_is_small(rng):
    """Two layers of 8 bits: within 3 % of the largest number of the output."""
    layers = mlp(rng)
    quantized = quantize_dynamic(layers, S8N)
    for x in batches(rng, 20, 30):
        wanted = run_float(layers, x)
        error = np.abs(run_dynamic(quantized, x)[-1].output - wanted).max()
        assert 0 < error <= 0.03 * np.abs(wanted).max()


@pytest.mark.parametrize("x", [np.zeros((3, 9)), np.full((3, 9), -1.5), np.full((3, 9), 2.0)])
def test_batches_without_a_spread(rng, x):
    """The range includes 0, and is [-1, 1] in units of the scale if it is 0 alone."""
    layers = quantize_dynamic(mlp(rng), S8N)
    for done in run_dynamic(layers, x.astype(np.float32)):
        levels, scale, zero_point = dynamic_quantize_linear(
            x if done.layer is layers[0] else run_dynamic(layers, x)[0].output)
        np.testing.assert_array_equal(done.levels, levels)
        assert (done.input.scale, done.input.zero_point) == (scale, zero_point)


def test_the_largest_bias(rng):
    """2**31 units would wrap in int32."""
    input = Quantization(parse("u8"), 2.0**-20, 7)
    layer = DynamicLayer("a", np.ones((1, 1), int), Quantization(S8N, 2.0**-10),
                         np.float32([-2]))
    assert layer.bias_levels(input).tolist() == [-2**31]
    # With a product of -7 the sum would leave int32: golden's proof refuses the layer.
    for network in (sums_network(layer, input), codes_network(layer, input, input, "onnx")):
        with pytest.raises(ValueError, match=r", channel 0: .* must be in range \[-2147483648, "):
            run(network, [[9]])
    high = DynamicLayer("a", layer.weights, layer.weight, np.float32([2]))
    with pytest.raises(ValueError, match=(
            r"^Bias of layer 'a' must be in range \[-2147483648, 2147483647\] in units of the "
            r"sums, 9\.313225\d*e-10, not 2\.14748e\+09$")):
        high.bias_levels(input)


def test_sums_are_those_of_the_definition(rng):
    [layer, _] = quantize_dynamic(mlp(rng), S8N)
    levels, input = dynamic_input(rng.normal(size=(5, 9)).astype(np.float32))
    sums = run(sums_network(layer, input), levels)["sums"]
    np.testing.assert_array_equal(sums, (levels - input.zero_point) @ layer.weights.T
                                  + layer.bias_levels(input))


DENSE = FloatDense([[1.0, 2.0]])


@pytest.mark.parametrize("layers, weights, error, message", [
    ([], "s8n", ValueError, "Layers must be one or more, not none"),
    ([DENSE], "odd4", ValueError, "Weights must be of a signed integer format, not odd4"),
    ([DENSE], "u8", ValueError, "Weights must be of a signed integer format, not u8"),
    ([FloatConv2d(np.ones((1, 1, 1, 1)))], "s8n", TypeError, "Layer must be a FloatDense, not "),
    ([FloatDense([[1.0]], most=6.0)], "s8n", ValueError,
     "Layer 'dense0' must have a ReLU or no clipping to be quantized dynamically, not -inf and "
     "6.0"),
    ([DENSE, DENSE], "s8n", ValueError,
     "Layer 'dense1' must take the 1 outputs of layer 'dense0', not 2"),
])
def test_layers_that_are_refused(layers, weights, error, message):
    with pytest.raises(error, match=f"^{re.escape(message)}"):
        quantize_dynamic(layers, weights)


def test_what_else_is_refused(rng):
    [layer] = quantize_dynamic([DENSE], S8N)
    input = Quantization(parse("u8"), 0.5, 3)
    with pytest.raises(ValueError, match=r"^Contract must be one of thresholds, onnx, not "
                                         r"'half_up'$"):
        codes_network(layer, input, input, "half_up")
    with pytest.raises(ValueError, match="^Sums' minimum must be at most the maximum 1, not 2$"):
        output_quantization(layer, input, 2, 1)
    with pytest.raises(ValueError, match=r"^Scale of the sums of layer 'dense0' must be a positive "
                                         r"and finite float32, not 0\.0$"):
        layer.step(Quantization(parse("u8"), 1e-45))
    with pytest.raises(ValueError, match="^Maximum must be finite, not nan$|^Minimum must be "):
        run_dynamic([layer], [[np.nan, 1.0]])
