"""What LiteRT computes otherwise than tflite-micro: literals of its results, and random files.

Scales that are short decimals make the ties in which the formulas differ.
"""

import subprocess
import sys

import numpy as np
import pytest

from exactmac.oracles import RUNTIMES
from golden.formats import IntFormat
from golden.networks import (
    FloatReduce,
    FloatSoftmax,
    Network,
    Quantization,
    Softmax,
    Tensor,
)
from golden.readers import UnsupportedModel, read_model
from golden.readers.tflite.scales import activation_clamp, short_factor
from golden.run import run
from golden.runtimes import tflite_softmax
from tests.golden.readers.tflite_files import case
from tests.golden.readers.tflite_model import Constant, Node, Value, model

S8, S16 = IntFormat(8), IntFormat(16)


def written(tmp_path, node, *inputs):
    path = tmp_path / "one.tflite"
    path.write_bytes(model([node], list(inputs), node.outputs))
    return path


def reason(path, runtime="litert"):
    with pytest.raises(UnsupportedModel) as caught:
        read_model(path, runtime)
    [problem] = caught.value.problems
    return problem.reason


@pytest.mark.parametrize("scale, zero_point, ours, theirs", [
    (0.8, -37, -29, -30), (4.0, -33, -31, -32), (0.8, 83, 91, 90), (0.8, 7, 15, 14),
    (0.8, -75, -67, -68)])
def test_ends_of_activations(scale, zero_point, ours, theirs):
    """XNNPACK rounds quotient plus zero point, ties to even; TFLite the quotient, away from 0."""
    output = Quantization(S8, float(np.float32(scale)), zero_point)
    assert activation_clamp("RELU6", output) == (zero_point, ours)
    assert activation_clamp("RELU6", output, True) == (zero_point, theirs)
    assert activation_clamp("NONE", output, True) == (-128, 127)
    assert activation_clamp("RELU_N1_TO_1", Quantization(S8, 2.0**-10, 3), True) == (-128, 127)


@pytest.mark.parametrize("delegated", [False, True])
def test_ends_of_activations_with_the_least_scale(delegated):
    """A quotient beyond float32 is beyond the levels."""
    assert activation_clamp("RELU6", Quantization(S8, 2.0**-149, 3), delegated) == (3, 127)


def test_short_factors():
    """XNNPACK takes factors of magnitude 2**-8 to 2**7, and none below 2**-8 - 2**7."""
    def factor(by):
        return short_factor(Quantization(S8, 0.5), Quantization(S8, 0.5), by)
    assert [factor(by) for by in (1, 2.0**-8, 128, 2.0**-8 - 128, -0.5)] == [
        256, 1, 32768, -32767, -128]
    assert [factor(by) for by in (0, 0.0039, -0.0039, 128.01, -128)] == [None] * 5


def test_windows_that_xnnpack_does_not_take(tmp_path):
    """MAX_POOL_2D with a stride beyond the window is TFLite's own, and so is its activation."""
    x, y = (Value((1, 4, 4, 1), "int8", 0.8, 7) for _ in range(2))
    y.shape = 1, 2, 2, 1
    for stride, end in ((2, 14), (3, 15)):
        node = Node("MAX_POOL_2D", [x], [y], dict(
            padding=0, strideH=stride, strideW=2, filterHeight=2, filterWidth=2,
            fusedActivationFunction=3), "Pool2DOptions")
        [layer] = read_model(written(tmp_path, node, x), "litert").network.layers
        assert layer.clamp == (7, end)


@pytest.mark.parametrize("padding, stride, kernel, size, contract", [
    (0, 2, 2, 6, "onnx"), (0, 3, 2, 9, "tflite"), (1, 2, 3, 7, "onnx"), (1, 2, 8, 7, "tflite")])
def test_transposed_convolutions_that_xnnpack_takes(tmp_path, padding, stride, kernel, size,
                                                    contract):
    x, y = Value((1, 3, 3, 1), "int8", 0.5, 0), Value((1, size, size, 1), "int8", 0.5, 0)
    w = Constant(np.ones((1, kernel, kernel, 1), np.int8), np.float32(0.5), 0)
    node = Node("TRANSPOSE_CONV", [Constant(np.array(y.shape, np.int32)), w, x], [y],
                dict(padding=padding, strideH=stride, strideW=stride), "TransposeConvOptions")
    [layer] = read_model(written(tmp_path, node, x), "litert").network.layers
    assert layer.contract.name == contract


def test_int16_layers_that_ruy_multiplies(tmp_path):
    x, y = Value((1, 2), "int16", 0.5), Value((1, 2), "int16", 0.5)
    w = Constant(np.ones((2, 2), np.int8), np.float32(0.5), 0)
    for kind, had in ((None, "left out"), (np.int32, "int32"), (np.int64, None)):
        bias = None if kind is None else Constant(np.zeros(2, kind), np.float32(0.25), 0)
        path = written(tmp_path, Node("FULLY_CONNECTED", [x, w, bias], [y], {},
                                      "FullyConnectedOptions"), x)
        if had:
            assert reason(path) == (
                f"Bias must be int64 for runtime litert, not {had}, with which LiteRT multiplies "
                "by ruy, whose rounding depends on the processor")
        else:
            [layer] = read_model(path, "litert").network.layers
            assert layer.contract.name == "half_away"


@pytest.mark.parametrize("name, shapes, refused", [
    ("ADD", ((1, 16), (1, 16)), True), ("ADD", ((1, 15), (1, 15)), False),
    ("ADD", ((1, 16), (1, 1)), False), ("SUB", ((1, 16), (1, 1)), True),
    ("SUB", ((1, 15), (1, 1)), False)])
def test_int16_sums_of_many_elements(tmp_path, name, shapes, refused):
    a, b = (Value(shape, "int16", scale) for shape, scale in zip(shapes, (0.03, 0.02), strict=True))
    y = Value(shapes[0], "int16", 0.04)
    node = Node(name, [a, b], [y], dict(fusedActivationFunction=0), f"{name.title()}Options")
    path = written(tmp_path, node, a, b)
    if refused:
        assert reason(path) == (
            "Output of runtime litert must be int8, or have less than 16 elements, not 16: it "
            "rounds so many int16 elements at once as the processor likes")
    else:
        assert read_model(path, "litert").network.layers[0].scheme.name == "tflite_int16"


def reduced(kind, operator, x, input, output, path):
    a, y = Value((1, len(x)), kind, *input), Value((1, 1), kind, *output)
    node = Node(operator, [a, Constant(np.array([1], np.int32))], [y], dict(keepDims=True),
                "ReducerOptions")
    network = read_model(written(path, node, a), "litert").network
    assert isinstance(network.layers[0], FloatReduce)
    return int(run(network, [x])[network.outputs[0]].item())


def test_sums_in_float32(tmp_path):
    """Ties are those of the sum with the zero points in it; LiteRT has int16 ones away from 0."""
    # 526 / 4 = 131.5 with offset -83: the sum 48.5 is a tie, of which the even neighbour is 48.
    x = [-103 + 526 // 7] * 6 + [-103 + 526 - 6 * (526 // 7)]
    assert reduced("int8", "SUM", x, (0.25, -103), (1.0, -83), tmp_path) == 48
    assert reduced("int16", "SUM", [-22117], (0.5, 0), (1.0, 0), tmp_path) == -11059
    assert reduced("int8", "MEAN", [3, 4], (0.5, 0), (0.5, 1), tmp_path) == 4
    path = written(tmp_path, Node("SUM", [x := Value((1, 2)), Constant(np.array([1], np.int32))],
                                  [Value((1, 1))], dict(keepDims=True), "ReducerOptions"), x)
    assert reason(path, "litert-reference") == (
        "Runtime must be tflite-micro or litert, not litert-reference, which reads the levels as "
        "unsigned bytes")


def test_tables_of_softmax():
    """Of 1026 entries of float64, as LiteRT has them, two reciprocals are others."""
    ours, theirs = (np.concatenate([tflite_softmax._exponentials(kind),
                                    tflite_softmax._reciprocals(kind)])
                    for kind in ("float32", "float64"))
    assert np.flatnonzero(ours != theirs).tolist() == [513 + 160, 513 + 294]
    input, output = Quantization(S16, 0.1, 0), Quantization(S16, 2.0**-15, 0)
    assert tflite_softmax.parameters_of(input, output, 0.3, "float32") != (
        tflite_softmax.parameters_of(input, output, 0.3))


def test_softmax_in_float32():
    """One element of a row, which fixed point has as -119."""
    x = [-10, -40, 65, -106, 88, 35, 87, 82, -51, -57, -95, 107, -93, 32, 117, 20, 22, -55, 32, -13,
         -58, 3]
    input, output = Quantization(S8, 0.16461056470870972, -111), Quantization(S8, 1 / 256, -128)
    levels = []
    for kind, fields in ((FloatSoftmax, {"beta": 0.5}), (Softmax, {
            "parameters": tflite_softmax.parameters_of(input, output, 0.5)})):
        layer = kind(name="y", inputs=("x",), output=output, **fields)
        network = Network(name="n", inputs=(Tensor("x", input, (22,)),), layers=(layer,))
        levels.append(run(network, [x])["y"][0])
    assert np.flatnonzero(levels[0] != levels[1]).tolist() == [7]
    assert [each[7] for each in levels] == [-120, -119]
    # Terms of 2**-25 vanish behind a sum of 1, and are 2**-7 together in front of it.
    x = np.full(1 + (1 << 18), -46)
    x[0] = 127
    step = Quantization(S8, 25 * np.log(2) / 173)
    assert [tflite_softmax.float_softmax(row, step).max() for row in (x, x[::-1])] == [127, 126]
    # Half a level.
    assert (tflite_softmax.float_softmax(np.zeros(512, int), step) == -127).all()


NAMES = ("CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV", "ADD", "MAX_POOL_2D", "MEAN", "SUM",
         "LEAKY_RELU", "SOFTMAX")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["litert", "litert-reference"])
def test_random_files(name, tmp_path, rng):
    """Files of one operator: equal to LiteRT, or refused."""
    runtime = RUNTIMES[name]
    if not runtime.installed:
        pytest.skip("LiteRT is not installed")
    inputs = {}
    for operator in NAMES:
        for kind in ("int8", "int16"):
            for number in range(5):
                path = tmp_path / f"{number}_{operator}_{kind}.tflite"
                data, inputs[path] = case(operator, kind, rng)
                path.write_bytes(data)
                np.savez(path.with_suffix(".npz"), **{str(k): x for k, x in enumerate(
                    inputs[path])})
    # LiteRT may crash after many models; what is there then is compared.
    subprocess.run([sys.executable, "-m", "tests.golden.readers.operators", *runtime.arguments,
                    "--worker", name, str(tmp_path)], capture_output=True, check=False)
    count = 0
    for path, arrays in inputs.items():
        try:
            read = read_model(path, name)
        except UnsupportedModel:
            continue
        if (results := path.with_suffix(f".{name}.npz")).exists():
            own = run(read.network, {tensor.name: each for tensor, each in zip(
                read.network.inputs, arrays, strict=True)})
            with np.load(results) as shown:
                for output in read.network.outputs:
                    theirs = shown[str(read.tensors[output])]
                    np.testing.assert_array_equal(own[output].reshape(theirs.shape), theirs)
            count += 1
    assert count >= len(NAMES)
