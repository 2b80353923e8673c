"""Average pools of ONNX Runtime, windows of any size and scales of any bits.

The runtime computes a window's mean in floats, whose order golden's own function follows; contract
``onnx_zp_inside`` is that only where no rounding on the way matters.
"""

import re

import numpy as np
import pytest

from golden.contracts import parse as contract
from golden.formats import parse
from golden.multipliers import linear_parameters
from golden.requantize import requantize
from golden.runtimes.onnx_pools import qlinear_average_pool
from tests.golden.comparisons import compares
from tests.golden.onnx_session import run_model
from tests.golden.runtimes.test_runtimes import agree, parameters

DTYPES = {"u8": np.uint8, "s8": np.int8}
U8, S8 = parse("u8"), parse("s8")


def execute(x, x_scale, x_zero_point, y_scale, y_zero_point, *, operator="QLinearAveragePool",
            **attributes):
    """What ONNX Runtime says."""
    onnx = pytest.importorskip("onnx", reason="onnx is not installed")
    of, dtype = onnx.helper.np_dtype_to_tensor_dtype, x.dtype.type
    feeds = {"x": x, "xs": np.float32(x_scale), "xz": dtype(x_zero_point),
             "ys": np.float32(y_scale), "yz": dtype(y_zero_point)}
    feeds = {name: np.asarray(value) for name, value in feeds.items()}
    node = onnx.helper.make_node(operator, list(feeds), ["y"], domain="com.microsoft",
                                 channels_last=0, **attributes)
    inputs = [onnx.helper.make_tensor_value_info(name, of(value.dtype), value.shape)
              for name, value in feeds.items()]
    graph = onnx.helper.make_graph(
        [node], "graph", inputs, [onnx.helper.make_tensor_value_info("y", of(x.dtype), None)])
    model = onnx.helper.make_model(graph, ir_version=10, opset_imports=[
        onnx.helper.make_opsetid("", 21), onnx.helper.make_opsetid("com.microsoft", 1)])
    return run_model(model, feeds)[0]


def inside(sums, factor, zero_point, fmt):
    """As contract ``onnx_zp_inside`` has it."""
    way = contract("onnx_zp_inside")
    return requantize(sums, way, fmt, dict(
        bias=0, zero_point=zero_point, clamp_min=fmt.min, clamp_max=fmt.max,
        **linear_parameters(way, factor, 1, 1, parse("s16"))))


def test_a_mean_that_is_a_tie_in_integers():
    """27.5 - 59: ties go to -32, but the runtime's quotient is a little above 27.5."""
    scale = 0.2077118158340454
    x = np.array([[[[29, 29, 30, 30], [29, 30, 29, 30]]]], dtype=np.int8)
    given = x, scale, 2, scale, -59
    shape = dict(kernel_shape=(1, 4), strides=(1, 4))
    assert qlinear_average_pool(*given, source=S8, output=S8, **shape).ravel().tolist() == [
        -31, -31]
    assert inside(x.astype(int).sum() // 2 - 4 * 2, 0.25, -59, S8) == -32
    assert execute(*given, **shape).ravel().tolist() == [-31, -31]
    # The whole image rounds before it adds the zero point: 27.5 to 28.
    x, shape = x[:, :, :1], dict(kernel_shape=(1, 4))
    given = x, *given[1:]
    assert qlinear_average_pool(*given, source=S8, output=S8, **shape).item() == -31
    assert execute(*given, **shape).item() == -31
    given = x, scale, 2, scale, -60
    assert qlinear_average_pool(*given, source=S8, output=S8, **shape).item() == -32
    assert execute(*given, **shape).item() == -32


@pytest.mark.parametrize("kind", ["u8", "s8"])
@pytest.mark.parametrize("window", [(1, 2), (1, 3), (2, 2), (3, 3), (2, 5), (4, 4)])
def test_any_scales(kind, window, rng):
    fmt, count = parse(kind), 0
    for trial in range(4):
        x = rng.integers(fmt.min, fmt.max + 1, (8, 16, 3 * window[0], 4 * window[1]))
        x_scale = rng.uniform(0.01, 1)
        y_scale = x_scale * (1 if trial % 2 else rng.uniform(0.3, 3))
        zero_points = rng.integers(fmt.min, fmt.max + 1, 2).tolist()
        pads = (0, 0, 0, 0) if trial < 2 else (0, 1, min(1, window[0] - 1), window[1] - 1)
        given = x.astype(DTYPES[kind]), x_scale, zero_points[0], y_scale, zero_points[1]
        shape = dict(kernel_shape=window, strides=window, pads=pads, count_include_pad=trial == 3)
        got = qlinear_average_pool(*given, source=fmt, output=fmt, **shape)
        result = execute(*given, **shape | dict(count_include_pad=int(trial == 3)))
        np.testing.assert_array_equal(result, got)
        count += result.size
    assert count == 6912


@compares("onnx", "QLinearGlobalAveragePool", 8 * 2048)
@pytest.mark.parametrize("kind", ["u8", "s8"])
@pytest.mark.parametrize("operator", ["QLinearAveragePool", "QLinearGlobalAveragePool"])
@pytest.mark.parametrize("window", [(1, 2), (2, 3), (3, 4), (5, 6)])
def test_the_whole_image(kind, operator, window, rng):
    """Both operators round before they add the zero point."""
    fmt, count = parse(kind), 0
    for trial in range(8):
        x = rng.integers(fmt.min, fmt.max + 1, (16, 128, *window)).astype(DTYPES[kind])
        x_scale = rng.uniform(0.01, 1)
        y_scale = x_scale * (1 if trial % 2 else rng.uniform(0.3, 3))
        given = x, x_scale, 3 + fmt.min, y_scale, fmt.max - 100
        shape = dict(kernel_shape=window)
        got = qlinear_average_pool(*given, source=fmt, output=fmt, **shape)
        result = execute(*given, operator=operator,
                         **shape if operator == "QLinearAveragePool" else {})
        np.testing.assert_array_equal(result, got)
        count += result.size
    return count


@compares("onnx", "QLinearGlobalAveragePool", 64 * 1024)
@pytest.mark.parametrize("window", [(1, 2), (2, 2), (3, 3), (5, 7)])
def test_contract_of_the_whole_image(window, rng):
    """Contract ``onnx``, whatever the operator's name says."""
    x = rng.integers(0, 256, (64, 1024, *window)).astype(np.uint8)
    taps = window[0] * window[1]
    ratio = np.float32(rng.choice([1.0, 0.71, 1.9]) * taps**0.5)
    result = execute(x, ratio, 127, 1, 3, operator="QLinearGlobalAveragePool")[:, :, 0, 0]
    sums = x.astype(np.int64).sum(axis=(2, 3)) - taps * 127
    return agree(result, sums, "onnx", U8, parameters(U8, ratio / np.float32(taps), 3))


@compares("onnx_zp_inside", "QLinearAveragePool")
@pytest.mark.parametrize("window", [(1, 2), (2, 2), (2, 4)])
@pytest.mark.parametrize("y_zero", [2, 3])
def test_contract_of_a_window(window, y_zero, rng):
    """Contract ``onnx_zp_inside`` where the scales, and the number of taps, are powers of two."""
    x = rng.integers(0, 256, (16, 64, 2 * window[0], 4 * window[1])).astype(np.uint8)
    result = execute(x, 0.5, 127, 1, y_zero, kernel_shape=window, strides=window)
    taps = window[0] * window[1]
    sums = (x.astype(np.int64) - 127).reshape(16, 64, 2, window[0], 4, window[1]).sum((3, 5))
    wanted, outside = (requantize(sums, contract(name), U8, parameters(U8, 0.5 / taps, y_zero))
                       for name in ("onnx_zp_inside", "onnx"))
    np.testing.assert_array_equal(result, wanted)
    assert (outside != wanted).any() == (y_zero % 2 == 1)
    return result.size


@pytest.mark.parametrize("changed, message", [
    (dict(x=[[1]]), "Input must have 4 axes, not shape (1, 1)"),
    (dict(x=[[[[128]]]]), "Input must be in range [-128, 127] of s8, not 128 at index "
     "(0, 0, 0, 0)"),
    (dict(x_zero_point=128), "Zero point of the input must be in range [-128, 127] of s8, not 128"),
    (dict(y_zero_point=256), "Zero point of the output must be in range [0, 255] of u8, not 256"),
    (dict(x_scale=0.0), "Scale must be positive and finite, not 0.0"),
    (dict(kernel_shape=(3, 1)), "Kernel shape must be positive and at most the padded image's "
     "(2, 2), not (3, 1)"),
    (dict(kernel_shape=(0, 1)), "Kernel shape must be positive and at most the padded image's "
     "(2, 2), not (0, 1)"),
    (dict(pads=(1, 0, 0, 0)), "Pads must not be negative, and less than the window (1, 2), "
     "not (1, 0, 0, 0)"),
])
def test_refused(changed, message):
    given = dict(x=np.zeros((1, 1, 2, 2), int), x_scale=1.0, x_zero_point=0, y_scale=1.0,
                 y_zero_point=0, source=S8, output=U8, kernel_shape=(1, 2)) | changed
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        qlinear_average_pool(**given)
