"""Logistic function and tanh in float32: ONNX Runtime's, bit for bit."""

import math

import numpy as np
import pytest

from exactmac.oracles.probe import processor
from golden.formats import parse
from golden.runtimes.onnx_functions import logistic, softmax, tanh
from tests.golden.onnx_session import run_model
from tests.golden.readers.onnx_files import MICROSOFT, Builder

FUNCTIONS = {"Sigmoid": (logistic, lambda x: 1 / (1 + math.exp(-x))), "Tanh": (tanh, math.tanh)}


def numbers(rng):
    ends = [0, -0.0, 1e-30, -1e-44, 8.9999, 9, 9.5, 17.9999, 18, 30, 87, 3e38]
    return np.concatenate([*(rng.normal(size=3000) * scale for scale in (0.01, 1, 5, 20)), ends,
                           np.negative(ends)]).astype(np.float32)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_near_the_function(name, rng):
    """Within a few units of the last place of 1."""
    own, exact = FUNCTIONS[name]
    x = np.clip(numbers(rng), -80, 80)
    wanted = [exact(each) for each in x.tolist()]
    assert np.abs(own(x) - wanted).max() < 4 * 2.0**-23
    assert own(x).dtype == np.float32 and np.abs(own(x)).max() < 1 + 2.0**-21


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_bit(name, rng):
    onnx = pytest.importorskip("onnx", reason="onnx is not installed")
    if "avx" in processor() and "fma" not in processor():
        pytest.skip("ONNX Runtime rounds products by themselves on this processor")
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph([onnx.helper.make_node(name, ["x"], ["y"])], "one", [
        value("x", onnx.TensorProto.FLOAT, [None])], [value("y", onnx.TensorProto.FLOAT, [None])])
    model = onnx.helper.make_model(graph, ir_version=10,
                                   opset_imports=[onnx.helper.make_opsetid("", 21)])
    x = numbers(rng)
    [y] = run_model(model, {"x": x})
    np.testing.assert_array_equal(FUNCTIONS[name][0](x).view(np.int32), y.view(np.int32))


@pytest.mark.parametrize("name, zero_point", [("u8", 0), ("s8", -128)])
def test_softmax_is_near_the_function(name, zero_point, rng):
    """Within one level, rows of one and of many elements, of any differences."""
    fmt = parse(name)
    for size, scale in ((1, 0.1), (2, 3.0), (40, 0.01), (300, 0.2)):
        x = rng.integers(fmt.min, fmt.max + 1, (5, size))
        y = softmax(x, scale, 1 / 256, zero_point, output=fmt)
        wanted = np.exp(scale * (x - x.max(axis=1, keepdims=True)))
        wanted = 256 * wanted / wanted.sum(axis=1, keepdims=True) + zero_point
        assert np.abs(y - np.minimum(wanted, fmt.max)).max() < 0.501


def test_softmax_at_ties(rng):
    """Rows of equal, or nearly equal, elements: quotients that the order of float32 decides."""
    graph, scales, expected, feeds = Builder(rng), [1 / 255, 1 / 51, 1 / 77, 1 / 256], [], {}
    for n in (1, 2, 3, 6, 10, 34, 66, 102, 170):
        for scale in scales:
            step = np.float32(rng.uniform(0.001, 0.1))
            x = graph.input((8, n))
            feeds[x] = np.repeat(rng.integers(0, 256, (8, 1)), n, axis=1).astype(np.uint8)
            feeds[x][4:, :n // 2] //= 2
            graph.output(graph.node("QLinearSoftmax", [x, *(graph.constant(each) for each in (
                step, np.uint8(3), np.float32(scale), np.uint8(0)))], MICROSOFT, opset=13, axis=-1))
            expected.append(softmax(feeds[x].astype(int), step, scale, 0, output=parse("u8")))
    model = graph.onnx.ModelProto.FromString(graph.bytes())
    for own, runtime in zip(expected, run_model(model, feeds), strict=True):
        np.testing.assert_array_equal(own, runtime)
