"""What golden is given: lists do as arrays, what is empty gives what is empty or is named."""

import re

import numpy as np
import pytest

from golden import affine, block_scaled, digits, ops, specials
from golden.block_scaled import Blocks
from golden.casts import cast
from golden.contracts import CONTRACTS
from golden.contracts import parse as contract
from golden.floats import FloatDense
from golden.formats import BlockScaled, IntFormat, parse
from golden.multipliers import combined_scale, scale_parameters
from golden.networks import Conv2d, Dense, Network, Pool, Quantization, Tensor
from golden.quantize import calibration, dequantize, limits, quantize, quantize_network
from golden.ranges import Range, weights_ends
from golden.requantize import requantize
from golden.rounding import fraction
from golden.run import run
from golden.runtimes.onnx_ops import conv_integer, dynamic_range, quantize_linear
from golden.thresholds import threshold_parameters
from golden.units import Rescaling
from golden.units import parse as scheme

SEE = "Contract must be a contract (see exactmac.contract), not 'half_up'"
S8, MX, HALF_UP = parse("s8"), parse("mx_s8"), contract("half_up")
HALF = dict(bias=[0], multiplier=[1], shift=[1], zero_point=[0], clamp_min=[-128], clamp_max=[127])
LAYER = dict(inputs=("input",), output=Quantization(S8), contract=HALF_UP, parameters=HALF)
LISTS = [FloatDense([[1.0, -2.0], [3.0, 4.0]], [0.5, 1.0], relu=True), FloatDense([[1.0, 1.0]])]
EXAMPLES = [[1.0, 2.0], [-0.5, 1.0]]


def of_lists(weights, *, weight=None, **more):
    layer = Dense(name="dense", weights=weights, weight=weight or Quantization(S8), **LAYER | more)
    return Network(name="network", inputs=(Tensor("input", Quantization(S8), (2,)),),
                   layers=(layer,))


def quantized(**changed):
    given = dict(weights=S8, activations=S8, contract=HALF_UP)
    return quantize_network(LISTS, EXAMPLES, **given | changed)


def test_lists_do():
    assert run(of_lists([[3, 4]]), [[1, 2]])["dense"].tolist() == [[6]]
    weight = Quantization(S8, [0.5, 2.0], [1, -1])
    np.testing.assert_array_equal(dequantize([[3, 4], [0, 1]], weight), [[1.0, 1.5], [2.0, 4.0]])
    assert quantize([[1.0, 1.5], [2.0, 4.0]], weight).tolist() == [[3, 4], [0, 1]]
    np.testing.assert_array_equal(limits(weight)[1], [63, 256])
    network = quantized()
    arrays = [FloatDense(np.array(layer.weights), layer.biases(), layer.relu) for layer in LISTS]
    same = quantize_network(arrays, np.array(EXAMPLES), weights=S8, activations=S8,
                            contract=HALF_UP)
    x = quantize(EXAMPLES, network.input)
    np.testing.assert_array_equal(run(network, x.tolist())["dense1"], run(same, x)["dense1"])
    assert specials.as_floats([1, 2]).tolist() == [1.0, 2.0]
    assert specials.count([[1]], [[1]]).tolist() == [[[0]], [[0]], [[0]]]


@pytest.mark.parametrize("fmt", ["s8", "u1", "e4m3fn", "e4m3fn:specials=propagate", "mx_s8",
                                 "mx_e4m3fn"])
def test_an_empty_batch(fmt):
    fmt = parse(fmt)
    network = quantized(activations=fmt)
    tensors = run(network, quantize(np.zeros((0, 2)), network.input))
    shapes = [tensor.levels.shape if isinstance(tensor, Blocks) else tensor.shape
              for tensor in tensors.values()]
    assert shapes == [(0, 2), (0, 2), (0, 1)]


@pytest.mark.parametrize("name", [name for name in CONTRACTS if name != "none"])
def test_an_empty_batch_by_contract(name):
    s4 = parse("s4")
    network = quantized(weights=s4, activations=s4, contract=contract(name))
    assert run(network, np.zeros((0, 2), dtype=int))["dense1"].shape == (0, 1)


def test_an_empty_batch_of_images():
    conv = Conv2d(name="conv", weights=[[[[1], [2]]]], weight=Quantization(S8),
                  padding=((0, 0), (1, 0)), **LAYER)
    pools = [Pool(name=kind, inputs=("conv",), output=Quantization(S8), kind=kind, size=(1, 2),
                  stride=(1, 1)) for kind in ("average", "max")]
    network = Network(name="network", inputs=(Tensor("input", Quantization(S8), (1, 4, 1)),),
                      layers=(conv, *pools))
    tensors = run(network, np.zeros((0, 1, 4, 1), dtype=int))
    assert [tensor.shape for tensor in tensors.values()] == [
        (0, 1, 4, 1), (0, 1, 4, 1), (0, 1, 3, 1), (0, 1, 3, 1)]


def test_empty_sums():
    empty = np.zeros((0, 3), dtype=int)
    codes = np.zeros((0, 1), dtype=int)
    assert block_scaled.matmul(empty, codes, [[1, 2, 3]], [[127]], base=254).shape == (0, 1)
    no_outputs = ops.conv2d(np.zeros((1, 2, 2, 1), int), np.zeros((0, 1, 1, 1), int))
    assert no_outputs.shape == (1, 2, 2, 0)
    no_inputs = ops.conv2d(np.zeros((1, 2, 2, 0), int), np.zeros((3, 1, 1, 0), int))
    assert no_inputs.tolist() == np.zeros((1, 2, 2, 3), int).tolist()
    assert weights_ends(np.zeros((0, 2), int), Range(0, 1)).shape == (2, 0)


@pytest.mark.parametrize("call, error, message", [
    (lambda: parse(4), TypeError, "Format must be a name, not 4"),
    (lambda: parse(None), TypeError, "Format must be a name, not None"),
    (lambda: contract(["tflite"]), TypeError, "Contract must be a name, not ['tflite']"),
    (lambda: scheme(4), TypeError, "Scheme must be a name, not 4"),
    (lambda: BlockScaled(4), TypeError, "Element of a block-scaled format must be a format, not 4"),
    (lambda: S8.check([[1], [1, 2]]), ValueError, "Level must be an integer or an array of "
     "integers, whose rows have one length, not [[1], [1, 2]]"),
    (lambda: requantize([[1], [1, 2]], HALF_UP, S8, HALF), ValueError, "Sum must be an integer or "
     "an array of integers, whose rows have one length, not [[1], [1, 2]]"),
    (lambda: requantize([1], "half_up", S8, HALF), TypeError,
     SEE),
    (lambda: requantize([1], HALF_UP, "s8", HALF), TypeError,
     "Output must be a format (see exactmac.parse), not 's8'"),
    (lambda: scale_parameters("half_up", 1.0, S8), TypeError, SEE),
    (lambda: requantize([1], HALF_UP, S8, [1]), TypeError,
     "Parameters must be a mapping of names to integers, not [1]"),
    (lambda: Quantization("s8"), TypeError,
     "Format must be a format (see exactmac.parse), not 's8'"),
    (lambda: Quantization(S8, "1"), TypeError,
     "Scale must be a number or an array of numbers, not '1'"),
    (lambda: Quantization(S8, [1.0, None]), TypeError,
     "Scale must be a number or an array of numbers, not [1.0, None]"),
    (lambda: Quantization(S8, 10**400), ValueError, "Scale must be positive and finite, not inf"),
    (lambda: Quantization(S8, [1.0], [[1], [2, 3]]), ValueError, "Zero point must be an integer "
     "or an array of integers, whose rows have one length, not [[1], [2, 3]]"),
    (lambda: FloatDense([[1.0, "2"]]), TypeError,
     "Weights must be a number or an array of numbers, not [['1.0', '2']]"),
    (lambda: FloatDense([[1.0, 2.0]], [None]), TypeError,
     "Bias must be a number or an array of numbers, not [None]"),
    (lambda: FloatDense([[1.0, 2.0]], [10**400]), ValueError, "Bias must be finite, not inf"),
    (lambda: quantize_network(np.array([]), [[1.0]], weights=S8, activations=S8,
                              contract=HALF_UP), ValueError,
     "Layers must be one or more, not none"),
    (lambda: quantize_network(3, [[1.0]], weights=S8, activations=S8, contract=HALF_UP),
     TypeError, "Layers must be a sequence of FloatDense, not 3"),
    (lambda: Network(name="network", inputs=(S8,)), TypeError,
     f"Input must be a Tensor, not {S8!r}"),
    (lambda: Tensor("x", S8, (1,)), TypeError,
     f"Quantization of tensor 'x' must be a Quantization, not {S8!r}"),
    (lambda: Tensor("x", Quantization(S8), (1, 2.5)), TypeError,
     "Shape of tensor 'x' must be an integer, not 2.5 (float)"),
    (lambda: run([], [1]), TypeError, "Network must be a Network, not []"),
    (lambda: Rescaling("half_up", S8, S8), TypeError, SEE),
    (lambda: quantized(activations=8), TypeError,
     "Activations must be a format (see exactmac.parse), not 8"),
    (lambda: quantized(output="s1n"), ValueError,
     "Output: Format must have at least 2 levels, not the 1 of s1n"),
    (lambda: quantized(contract=8), TypeError,
     "Contract must be a contract (see exactmac.contract), not 8"),
    (lambda: quantize_network([[[1.0]]], [[1.0]], weights=S8, activations=S8, contract=HALF_UP),
     TypeError, "Layer must be a FloatDense, not [[1.0]]"),
    (lambda: run(of_lists(3), [[1]]), ValueError,
     "Layer 'dense': Weights must have 2 axes and an output, not shape ()"),
    (lambda: run(of_lists([]), [[1]]), ValueError,
     "Layer 'dense': Weights must have 2 axes and an output, not shape (0,)"),
    (lambda: run(of_lists(np.zeros((0, 2), int)), [[1, 2]]), ValueError,
     "Layer 'dense': Weights must have 2 axes and an output, not shape (0, 2)"),
    (lambda: block_scaled.matmul([1], [127], [1], [127], base=254), ValueError,
     "Operand must have 2 axes, not shape (1,)"),
    (lambda: ops.depthwise(3, [[[[1]]]]), ValueError,
     "Input must have shape (batch, height, width, 1), not ()"),
    (lambda: conv_integer(1, 1), ValueError, "Input must have 4 axes, not shape ()"),
    (lambda: conv_integer([[[[1]]]], [1]), ValueError, "Weights must have 4 axes, not shape (1,)"),
    (lambda: calibration.least_error([], S8, zero_point=True), ValueError,
     "Values must be one or more, not shape (0,)"),
    (lambda: calibration.least_error_rows(np.zeros((2, 0)), S8, zero_point=True), ValueError,
     "Values must be one or more, not shape (2, 0)"),
    (lambda: calibration.apart(np.zeros((0, 2)), [], S8, zero_point=True), ValueError,
     "Values must be one or more, not shape (0, 2)"),
    (lambda: calibration.highest_exponents(np.zeros((0, 32)), MX, 3), ValueError,
     "Values must be one or more, not shape (0, 32)"),
    (lambda: threshold_parameters(0.5, parse("s3"), IntFormat(32)), ValueError,
     "Scale must have one axis, of channels, not shape ()"),
    (lambda: combined_scale("half_up", 1.0, output=1.0), TypeError,
     SEE),
    (lambda: combined_scale(HALF_UP, "a", output=1.0), TypeError,
     "Scale must be a number or an array of numbers, not 'a'"),
    (lambda: digits.accuracy(np.zeros((0, 2)), np.zeros(0)), ValueError,
     "Labels must be one or more, not none"),
])
def test_refused(call, error, message):
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        call()


FLOATS = [
    ("Numbers to quantize", lambda x: quantize(x, Quantization(S8))),
    ("Numbers to quantize", lambda x: block_scaled.quantize_blocks(x, MX)),
    ("Numbers to round", lambda x: affine.round_to_step(x, 1.0)),
    ("Numbers to round", fraction),
    ("Numbers to cast", lambda x: cast(x, S8)),
    ("Magnitude", lambda x: affine.symmetric(x, S8)),
    ("Minimum", lambda x: affine.asymmetric(x, 1.0, S8)),
    ("Minimum", lambda x: dynamic_range(x, 1.0)),
    ("Number", lambda x: quantize_linear(x, 1.0, output=S8)),
    ("Scale", lambda x: Quantization(S8, x)),
    ("Scale", lambda x: threshold_parameters(x, parse("s3"), IntFormat(32))),
    ("Scale", lambda x: combined_scale(HALF_UP, x, output=1.0)),
    ("Weights", FloatDense),
    ("Bias", lambda x: FloatDense([[1.0]], x)),
    ("Values", lambda x: calibration.least_error(x, S8, zero_point=False)),
    ("Calibration", lambda x: quantize_network(LISTS, x, weights=S8, activations=S8,
                                               contract=HALF_UP)),
]


@pytest.mark.parametrize("name, call", FLOATS, ids=lambda each: each if isinstance(each, str)
                         else "")
def test_what_is_no_array_of_numbers(name, call):
    what = f"{name} must be a number or an array of numbers"
    with pytest.raises(ValueError, match=f"^{what}, whose rows have one length, "
                                         r"not \[\[1\.5\], \[1\.5, 2\.5\]\]$"):
        call([[1.5], [1.5, 2.5]])
    with pytest.raises(TypeError, match=rf"^{what}, not \[1\.5, None\]$"):
        call([1.5, None])


def test_numbers_that_no_integer_of_numpy_holds():
    layer = FloatDense([[1.0, 2.0], [2**70, 1]], [2**100, -(2**64)])
    assert layer.weights.tolist() == [[1.0, 2.0], [2.0**70, 1.0]]
    assert layer.biases().tolist() == [2.0**100, -(2.0**64)]
    assert Quantization(S8, [2**64, 1]).scale.tolist() == [2.0**64, 1.0]
    assert quantize([2**70, -(2**70)], Quantization(S8)).tolist() == [127, -128]
    assert quantize(-(10**300), Quantization(S8)) == -128
