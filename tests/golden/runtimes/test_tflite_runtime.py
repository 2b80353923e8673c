"""Against tflite-micro's CONV_2D, which makes the multipliers, the sums and the outputs.

It is contract ``tflite``, and ``tflite_int16x8`` with a bias of 64 bits.
"""

import importlib

import numpy as np
import pytest

from golden.contracts import S32
from golden.contracts import parse as contract
from golden.formats import parse
from golden.multipliers import linear_parameters, scale_parameters
from golden.requantize import requantize
from tests.golden.comparisons import compares
from tests.golden.runtimes.test_runtimes import agree, product, scales_for


def convolution(x, w, bias, scale, *, x_zero, y_zero):
    """A TFLite model of one 1x1 convolution, and what tflite-micro makes of it."""
    schema = pytest.importorskip(
        "tflite_micro.tensorflow.lite.micro.python.schema_py_generated",
        reason="tflite-micro is not installed")
    flatbuffers = pytest.importorskip("flatbuffers", reason="flatbuffers is not installed")
    runtime = importlib.import_module("tflite_micro.python.tflite_micro.runtime")
    types = {np.dtype(np.int8): schema.TensorType.INT8, np.dtype(np.int16): schema.TensorType.INT16,
             np.dtype(np.int32): schema.TensorType.INT32,
             np.dtype(np.int64): schema.TensorType.INT64}

    def tensor(shape, dtype, buffer, scales, zero_points):
        made = schema.TensorT()
        made.shape, made.type, made.buffer = list(shape), types[np.dtype(dtype)], buffer
        made.quantization = schema.QuantizationParametersT()
        made.quantization.scale, made.quantization.zeroPoint = scales, zero_points
        return made

    zeros, ones = np.zeros(len(w), np.int64), np.ones(1, np.float32)
    y_shape = (*x.shape[:3], len(w))
    graph = schema.SubGraphT()
    graph.tensors = [
        tensor(x.shape, x.dtype, 0, ones, np.array([x_zero])),
        tensor(w.shape, w.dtype, 1, scale, zeros),
        tensor(bias.shape, bias.dtype, 2, scale, zeros),
        tensor(y_shape, x.dtype, 0, ones, np.array([y_zero]))]
    graph.inputs, graph.outputs = [0], [3]
    node = schema.OperatorT()
    node.inputs, node.outputs, node.opcodeIndex = [0, 1, 2], [3], 0
    node.builtinOptionsType = schema.BuiltinOptions.Conv2DOptions
    node.builtinOptions = schema.Conv2DOptionsT()
    node.builtinOptions.padding = schema.Padding.VALID
    node.builtinOptions.strideH = node.builtinOptions.strideW = 1
    graph.operators = [node]
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.CONV_2D
    code.version = 1
    model = schema.ModelT()
    model.version, model.operatorCodes, model.subgraphs = 3, [code], [graph]
    model.buffers = [schema.BufferT() for _ in range(3)]
    for buffer, data in zip(model.buffers[1:], (w, bias), strict=True):
        buffer.data = np.frombuffer(data.tobytes(), np.uint8)
    builder = flatbuffers.Builder(1 << 16)
    builder.Finish(model.Pack(builder), b"TFL3")
    interpreter = runtime.Interpreter.from_bytes(bytes(builder.Output()), arena_size=1 << 23)
    interpreter.set_input(x, 0)
    interpreter.invoke()
    return interpreter.get_output(0)


class TestTfliteMicro:
    """CONV_2D, whose bias takes the sums anywhere; the runtime makes the multipliers."""

    @compares("tflite", "CONV_2D")
    @pytest.mark.parametrize("y_zero", [-128, 0, 5])
    def test_int8(self, y_zero, rng):
        """Sums of any int32; TFLite's double rounding."""
        s8 = parse("s8")
        x = rng.integers(-128, 128, (1, 32, 32, 3)).astype(np.int8)
        w = rng.integers(-128, 128, (1024, 1, 1, 3)).astype(np.int8)
        sums = product(x.reshape(-1, 3).astype(int) - 7, w.reshape(-1, 3).T)
        centre = rng.integers(-2**31, 2**31, 1024) >> rng.integers(0, 31, 1024)
        centre[:16] = np.repeat([-2**31, 2**31 - 1], 8)
        bias = np.clip(centre, -2**31 - sums.min(axis=0), 2**31 - 1 - sums.max(axis=0))
        assert (sums + bias).min() == -2**31 and (sums + bias).max() == 2**31 - 1
        scale = scales_for(sums + bias, rng)
        result = convolution(x, w, bias.astype(np.int32), scale, x_zero=7, y_zero=y_zero)
        p = dict(bias=bias, zero_point=y_zero, clamp_min=-128, clamp_max=127) | scale_parameters(
            contract("tflite"), scale.astype(np.float64), S32)
        assert len(np.unique(p["shift"])) > 24
        return agree(result, sums, "tflite", s8, p)

    @pytest.mark.parametrize("name", ["tflite", "tflite_int16x8"])
    def test_channels_of_scale_0(self, name, rng):
        """Real files have them: the zero point, whatever the sum; the scales are combined here."""
        kind, bias_kind = (np.int8, np.int32) if name == "tflite" else (np.int16, np.int64)
        fmt, sums_of = parse(f"s{kind().nbytes * 8}"), contract(name).takes
        x = rng.integers(fmt.min, fmt.max + 1, (1, 16, 16, 3)).astype(kind)
        w = rng.integers(-128, 128, (32, 1, 1, 3)).astype(np.int8)
        bias = rng.integers(-2**20, 2**20, 32)
        sums = product(x.reshape(-1, 3), w.reshape(-1, 3).T)
        scale = scales_for(sums + bias, rng)
        scale[::3] = 0
        y_zero = 5 if name == "tflite" else 0
        result = convolution(x, w, bias.astype(bias_kind), scale, x_zero=0, y_zero=y_zero)
        result = result.reshape(-1, 32)
        assert (result[:, ::3] == y_zero).all() and len(np.unique(result)) > 20
        p = dict(bias=bias, zero_point=y_zero, clamp_min=fmt.min, clamp_max=fmt.max)
        p |= linear_parameters(contract(name), 1, scale, 1, sums_of)
        np.testing.assert_array_equal(result, requantize(sums, contract(name), fmt, p))

    @compares("tflite_int16x8", "CONV_2D")
    def test_int16(self, rng):
        """Biases of 48 bits; one rounding, and multipliers of 15 bits."""
        s16, s48 = parse("s16"), contract("tflite_int16x8").takes
        x = rng.integers(-2**15, 2**15, (1, 32, 32, 3)).astype(np.int16)
        w = rng.integers(-128, 128, (1024, 1, 1, 3)).astype(np.int8)
        sums = product(x.reshape(-1, 3), w.reshape(-1, 3).T)
        centre = rng.integers(-2**47, 2**47, 1024) >> rng.integers(0, 40, 1024)
        centre[:16] = np.repeat([-2**47, 2**47 - 1], 8)
        bias = np.clip(centre, -2**47 - sums.min(axis=0), 2**47 - 1 - sums.max(axis=0))
        assert (sums + bias).min() == -2**47 and (sums + bias).max() == 2**47 - 1
        scale = scales_for(sums + bias, rng) * np.float32(256)
        result = convolution(x, w, bias, scale, x_zero=0, y_zero=0)
        p = dict(bias=bias, zero_point=0, clamp_min=-2**15, clamp_max=2**15 - 1)
        p |= scale_parameters(contract("tflite_int16x8"), scale.astype(np.float64), s48)
        assert len(np.unique(p["shift"])) > 16
        return agree(result, sums, "tflite_int16x8", s16, p)
