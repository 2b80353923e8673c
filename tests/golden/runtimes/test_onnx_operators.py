"""ONNX's operators and casts: against ONNX Runtime, in rationals, and what they refuse."""

from fractions import Fraction

import numpy as np
import pytest

from golden.casts import cast, to_float
from golden.formats import INFINITY, NAN, parse
from golden.runtimes.onnx_ops import (
    conv_integer,
    dequantize_linear,
    dynamic_quantize_linear,
    matmul_integer,
    qlinear_conv,
    qlinear_matmul,
    quantize_linear,
)
from tests.golden.onnx_session import run_model

S8, U8, E4M3FN = parse("s8"), parse("u8"), parse("e4m3fn")
DTYPES = {"u8": np.uint8, "s8": np.int8, "u16": np.uint16, "s16": np.int16}


def float32(values):
    return np.array(values, np.float32)


def execute(operator, feeds, outputs=("y",), **attributes):
    """Outputs of one node of ONNX Runtime."""
    onnx = pytest.importorskip("onnx", reason="onnx is not installed")
    feeds = {f"i{k}": np.asarray(value) for k, value in enumerate(feeds)}
    inputs = [onnx.helper.make_tensor_value_info(
        name, onnx.helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)
        for name, value in feeds.items()]
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node(operator, list(feeds), outputs, **attributes)], "graph", inputs,
        [onnx.helper.make_empty_tensor_value_info(name) for name in outputs])
    model = onnx.helper.make_model(graph, ir_version=10,
                                   opset_imports=[onnx.helper.make_opsetid("", 21)])
    return run_model(model, feeds)


@pytest.mark.parametrize("name", DTYPES)
def test_quantize_linear(name, rng):
    """Per tensor and per channel; ties, and numbers far beyond the ends."""
    fmt, scale = parse(name), np.array([0.5, 0.1, 3e-3], np.float32)
    zero_point = rng.integers(fmt.min, fmt.max + 1, 3).astype(DTYPES[name])
    steps = rng.integers(-3 << fmt.bits, 3 << fmt.bits, (4, 3, 20_000)) / 2
    x = (steps * scale[:, None]).astype(np.float32)
    x[:, :, :4] = [1e30, -1e30, np.inf, -np.inf]
    for channel in (slice(None), 1):
        scales, zeros = scale[channel], zero_point[channel]
        found = quantize_linear(x, scales, zeros, output=fmt)
        np.testing.assert_array_equal(
            found, execute("QuantizeLinear", [x, scales, zeros], axis=1)[0])
        real = dequantize_linear(found, scales, zeros, source=fmt)
        assert real.dtype == np.float32
        np.testing.assert_array_equal(real, execute(
            "DequantizeLinear", [found.astype(DTYPES[name]), scales, zeros], axis=1)[0])


@pytest.mark.parametrize("name", DTYPES)
def test_scales_of_float16(name):
    """Every float16 by ONNX Runtime's float32, and every level back; the ends' zero points too."""
    fmt, kind = parse(name), DTYPES[name]
    x = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    x, levels = x[~np.isnan(x)], fmt.levels()
    for scale in np.array([.1, .017, 3e-3, 6e-8, 1000], np.float16):
        for zero_point in kind([fmt.min, 3, fmt.max]):
            np.testing.assert_array_equal(
                quantize_linear(x, scale, zero_point, output=fmt, precision=np.float32),
                execute("QuantizeLinear", [x, scale, zero_point])[0])
            real = dequantize_linear(levels, scale, zero_point, source=fmt)
            assert real.dtype == np.float16
            np.testing.assert_array_equal(
                real, execute("DequantizeLinear", [levels.astype(kind), scale, zero_point])[0])


@pytest.mark.parametrize("of_x, of_scale, precision", [
    (np.float16, np.float16, None), (np.float32, np.float32, None), (np.float16, np.float32, None),
    (np.float32, np.float32, np.float16), (np.float16, np.float16, np.float32)])
def test_the_precision_of_quotients(of_x, of_scale, precision, rng):
    """The standard's: that of the scale's type, or what is asked for."""
    helper = pytest.importorskip("onnx.helper", reason="onnx is not installed")
    reference = pytest.importorskip("onnx.reference", reason="onnx is not installed")
    node = helper.make_node("QuantizeLinear", ["x", "scale", "zero_point"], ["y"], **(
        {"precision": helper.np_dtype_to_tensor_dtype(np.dtype(precision))} if precision else {}))
    x, scale = rng.uniform(-20, 20, 50_000).astype(of_x), of_scale(.1)
    feeds = {"x": x, "scale": scale, "zero_point": np.int8(3)}
    infos = [helper.make_tensor_value_info(
        name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)
        for name, value in feeds.items()]
    model = helper.make_model(
        helper.make_graph([node], "graph", infos, [helper.make_empty_tensor_value_info("y")]),
        opset_imports=[helper.make_opsetid("", 25)])
    [wanted] = reference.ReferenceEvaluator(model).run(None, feeds)
    np.testing.assert_array_equal(
        quantize_linear(x, scale, 3, output=S8, precision=precision), wanted)


def test_the_type_of_the_scale_decides():
    """6.4995 rounds to 6, and to 6.5 of float16; a list is of float32."""
    x, scale = np.float32([6.4995, 7.4995]), np.float16(1)
    assert quantize_linear(x, scale, output=S8).tolist() == [6, 8]
    assert quantize_linear(x, np.float32(1), output=S8).tolist() == [6, 7]
    assert quantize_linear(x.tolist(), 1, output=S8).tolist() == [6, 7]


@pytest.mark.parametrize("name", ["s4", "u2", "odd4", "codebook:-7/-3/0/1/30", "e3m2", "u8"])
@pytest.mark.parametrize("kind", [np.float16, np.float32])
def test_quantize_linear_of_blocks(name, kind, rng):
    """The nearest level in rationals, of a quotient that is exact; the last block is short."""
    fmt = parse(name)
    scale = np.exp2(rng.integers(-3, 3, (3, 2, 4))).astype(kind)
    levels, zero_point = fmt.levels().tolist(), 1 if name in ("s4", "u8") else 0
    quotient = rng.integers(-4 * (len(levels) + 9), 4 * (len(levels) + 9), (3, 5, 4)) / 4
    each = scale[:, [0, 0, 0, 1, 1]]
    result = quantize_linear((quotient * each).astype(kind), scale, zero_point, output=fmt, axis=1,
                             block_size=3)

    def nearest(value):
        value = Fraction(value) / Fraction(2) ** fmt.unit
        if zero_point:
            return min(max(round(value) + zero_point, fmt.min), fmt.max)
        return min(levels, key=lambda level: (abs(level - value), fmt.encode(level) % 2))

    np.testing.assert_array_equal(result, np.vectorize(nearest)(quotient))
    np.testing.assert_array_equal(
        dequantize_linear(result, scale, zero_point, source=fmt, axis=-2, block_size=3),
        (result - zero_point) * 2.0**fmt.unit * each)


def test_dynamic_quantize_linear(rng):
    for _ in range(50):
        x = (rng.normal(rng.normal(), 1, 100) * 10.0 ** rng.integers(-5, 5)).astype(np.float32)
        wanted = execute("DynamicQuantizeLinear", [x], ("y", "scale", "zero_point"))
        for found, want in zip(dynamic_quantize_linear(x), wanted, strict=True):
            np.testing.assert_array_equal(found, want)


@pytest.mark.parametrize("name", ["u8", "s8"])
def test_matrix_products(name, rng):
    fmt, kind = parse(name), DTYPES[name]
    a, b = (rng.integers(fmt.min, fmt.max + 1, shape).astype(kind)
            for shape in ((2, 40, 50), (50, 60)))
    zeros = rng.integers(fmt.min, fmt.max + 1, 61).astype(kind)
    np.testing.assert_array_equal(
        matmul_integer(a, b, zeros[60], zeros[:60]),
        execute("MatMulInteger", [a, b, zeros[60], zeros[:60]])[0])
    feeds = (a, np.float32(.02), zeros[60], b, rng.uniform(.001, .05, 60).astype(np.float32),
             zeros[:60], np.float32(.3), zeros[3])
    np.testing.assert_array_equal(qlinear_matmul(*feeds, output=fmt),
                                  execute("QLinearMatMul", feeds)[0])


def test_the_scale_is_rounded_as_onnx_runtime_does(rng):
    """Scales next to eighths: its last digit, and so the order, decides what is a tie."""
    a, b = (rng.integers(-8, 9, shape).astype(np.int8) for shape in ((100, 3), (3, 200)))
    b_scale = (np.float32(.05) / np.float32(.013) * rng.integers(1, 8, 200) / 8).astype(np.float32)
    feeds = (a, np.float32(.013), np.int8(0), b, b_scale, np.zeros(200, np.int8), np.float32(.05),
             np.int8(1))
    np.testing.assert_array_equal(qlinear_matmul(*feeds, output=S8),
                                  execute("QLinearMatMul", feeds)[0])


def test_rows_have_zero_points_too():
    """ONNX Runtime has none."""
    np.testing.assert_array_equal(matmul_integer([[1, 2], [3, 4]], [[5], [6]], [1, 2], [4]),
                                  [[2], [1 * 1 + 2 * 2]])


@pytest.mark.parametrize("group", [1, 2])
def test_convolutions(group, rng):
    x = rng.integers(0, 256, (2, 4, 13, 11)).astype(np.uint8)
    weights = rng.integers(-128, 128, (6, 4 // group, 3, 2)).astype(np.int8)
    shape = {"pads": [1, 0, 2, 1], "strides": [2, 1], "dilations": [1, 2], "group": group}
    np.testing.assert_array_equal(
        conv_integer(x, weights, 7, 3, **shape),
        execute("ConvInteger", [x, weights, np.uint8(7), np.int8(3)], **shape)[0])
    feeds = (x, np.float32(.1), np.uint8(130), weights,
             rng.uniform(.001, .02, 6).astype(np.float32), np.zeros(6, np.int8), np.float32(.4),
             np.uint8(99), rng.integers(-9999, 9999, 6).astype(np.int32))
    np.testing.assert_array_equal(qlinear_conv(*feeds, output=U8, **shape),
                                  execute("QLinearConv", feeds, **shape)[0])


@pytest.mark.parametrize("name, x, levels", [
    ("e4m3fn", [464, 465, 1e9, np.inf], [448, 448, 448, 448]),
    ("e5m2", [61439, 61440, -np.inf], [57344, 57344, -57344]),
    ("e4m3fn:specials=propagate", [464, 465, np.inf, np.nan], [448, 448, 448, np.nan]),
    ("e2m1", [np.nan, 5, -9, .25, .75], [0, 4, -6, 0, 1]),
    ("s4", [7.9, 8, -9, -7.5, 1e30], [7, -8, 7, -7, 0]),
    ("u2", [-1, 3.9, 4, -.9], [3, 3, 0, 0]),
    ("binary", [.1, 0, -.1], [1, -1, -1]),
])
def test_casts(name, x, levels):
    fmt = parse(name)
    np.testing.assert_array_equal(to_float(cast(x, fmt), fmt), levels)


def test_casts_that_do_not_saturate():
    e4m3fn, e5m2 = (parse(f"{name}:specials=propagate") for name in ("e4m3fn", "e5m2"))
    x = [464, 464.5, -1e9, -np.inf]
    assert cast(x, e4m3fn, saturate=False).tolist() == [448 << 9, NAN, NAN, NAN]
    x = [61439, -61440, np.inf, np.nan]
    assert cast(x, e5m2, saturate=False).tolist() == [57344 << 16, -INFINITY, INFINITY, NAN]
    # Without a code for what is too large there is no other way.
    assert cast(1e9, parse("e5m2"), saturate=False) == 57344 << 16
    np.testing.assert_array_equal(to_float([NAN, INFINITY, -INFINITY, 1], e5m2),
                                  [np.nan, np.inf, -np.inf, 2.0**-16])


@pytest.mark.parametrize("call, message", [
    (lambda: quantize_linear(float32([1, np.nan]), 1, output=S8),
     r"Numbers to round must not be NaN"),
    (lambda: quantize_linear(float32([1]), 0, output=S8),
     r"Scale must be positive and finite, not 0\.0"),
    (lambda: quantize_linear(np.float16([1]), np.float32(1e6), output=S8, precision=np.float16),
     r"Scale must be positive and finite, not inf"),
    (lambda: quantize_linear(float32([[1, 2]]), float32([1, 2]), output=S8, axis=2),
     r"Axis must be one of the tensor's 2, not 2"),
    (lambda: quantize_linear(float32([[1, 2]]), 1, [1, 2], output=S8, axis=-3),
     r"Axis must be one of the tensor's 2, not -3"),
    (lambda: dequantize_linear(3, float32([1, 2]), source=S8),
     r"Axis must be one of the tensor's 0, not 1"),
    (lambda: dequantize_linear([3], 1, source=S8, block_size=-1),
     r"Block size must not be negative, not -1"),
    (lambda: dynamic_quantize_linear([]), r"Tensor must have an element, not shape \(0,\)"),
    (lambda: dequantize_linear([1], np.float32(np.inf), source=S8),
     r"Scale must be positive and finite, not inf"),
    (lambda: quantize_linear(float32([[1, 2, 3]]), [1, 2], output=S8),
     r"Scale must have 1 entry or shape \(3,\), not \(2,\)"),
    (lambda: quantize_linear(float32([[1, 2, 3]]), 1, [[1, 2, 3]], output=S8, block_size=2),
     r"Zero point must have 1 entry or shape \(1, 2\), not \(1, 3\)"),
    (lambda: quantize_linear(float32([1]), 1, 1, output=E4M3FN),
     r"Zero point must be 0 for e4m3fn, which is no integer format, not 1"),
    (lambda: dequantize_linear([200], 1, source=S8),
     r"Level must be in range \[-128, 127\] of s8, not 200 at index 0"),
    (lambda: matmul_integer([[1 << 20]], [[1 << 20]]),
     r"Sum must be in range \[-2147483648, 2147483647\] of s32, not 1099511627776 at index "
     r"\(0, 0\)"),
    (lambda: conv_integer([[[[1]]]], [[[[1]]]], [1, 2]),
     r"Zero point of the input must have 1 entry, not 2"),
    (lambda: qlinear_matmul([[1]], [1, 1], 0, [[1]], 1, 0, 1, 0, output=S8),
     r"Scale of the input must have 1 entry, not 2"),
    (lambda: qlinear_matmul([[1]], 1, 0, [[1]], 1, 0, [1, 1], 0, output=S8),
     r"Scale of the output must have 1 entry, not 2"),
    (lambda: qlinear_matmul([[1]], 1, [0, 0], [[1]], 1, 0, 1, 0, output=S8),
     r"Zero point of the input must have 1 entry, not 2"),
    (lambda: qlinear_matmul([[1]], 1, 0, [[1]], 1, 0, 1, [0, 0], output=S8),
     r"Zero point of the output must have 1 entry, not 2"),
    (lambda: cast([1, -np.inf], S8), r"Numbers to cast to integers must be finite, not -inf"),
    (lambda: cast(np.nan, E4M3FN), r"Numbers to round must not be NaN"),
])
def test_messages(call, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        call()


@pytest.mark.parametrize("call, message", [
    (lambda: quantize_linear(np.array([.5]), np.float32(1), output=S8),
     r"Number must be float16 or float32, not float64"),
    (lambda: quantize_linear(np.float32(1), np.array([1]), output=S8),
     r"Scale must be float16 or float32, not int64"),
    (lambda: dequantize_linear([1], np.float64(1), source=S8),
     r"Scale must be float16 or float32, not float64"),
])
def test_other_types(call, message):
    with pytest.raises(TypeError, match=f"^{message}$"):
        call()


def test_quantize_linear_that_does_not_saturate():
    fmt = parse("e5m2:specials=propagate")
    assert quantize_linear([1e9, -1.0], 1, output=fmt, saturate=False).tolist() == [
        INFINITY, -1 << 16]
    assert quantize_linear([1e9], 1, output=fmt) == fmt.max
