"""Tables of TFLite's kernels against tflite-micro, every code of many scales."""

import importlib
import re

import numpy as np
import pytest

from golden.formats import parse
from golden.networks import Quantization
from golden.runtimes.tflite_tables import KERNELS
from golden.tables import FUNCTIONS, lookup, tabulate

S8 = parse("s8")
CODES = np.arange(-128, 128)
OUTPUTS = {"logistic": Quantization(S8, 1 / 256, -128), "tanh": Quantization(S8, 1 / 128, 0)}


def kernel(name, input, output):
    """What tflite-micro makes of -128 .. 127."""
    schema = pytest.importorskip(
        "tflite_micro.tensorflow.lite.micro.python.schema_py_generated",
        reason="tflite-micro is not installed")
    flatbuffers = pytest.importorskip("flatbuffers", reason="flatbuffers is not installed")
    runtime = importlib.import_module("tflite_micro.python.tflite_micro.runtime")

    def tensor(quantization):
        result = schema.TensorT()
        result.shape, result.type, result.buffer = [1, 256], schema.TensorType.INT8, 0
        result.quantization = schema.QuantizationParametersT()
        result.quantization.scale = np.array([quantization.scale], np.float32)
        result.quantization.zeroPoint = np.array([quantization.zero_point])
        return result

    graph = schema.SubGraphT()
    graph.tensors, graph.inputs, graph.outputs = [tensor(input), tensor(output)], [0], [1]
    node = schema.OperatorT()
    node.inputs, node.outputs, node.opcodeIndex = [0], [1], 0
    graph.operators = [node]
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = getattr(schema.BuiltinOperator, name.upper())
    code.version = 1
    model = schema.ModelT()
    model.version, model.operatorCodes, model.subgraphs = 3, [code], [graph]
    model.buffers = [schema.BufferT()]
    builder = flatbuffers.Builder(1 << 10)
    builder.Finish(model.Pack(builder), b"TFL3")
    interpreter = runtime.Interpreter.from_bytes(bytes(builder.Output()), arena_size=1 << 16)
    interpreter.set_input(CODES.astype(np.int8)[None], 0)
    interpreter.invoke()
    return interpreter.get_output(0)[0]


def scales(rng, lo, hi, count):
    """Powers of two, and what is between them, as float32."""
    for k in range(count):
        exponent = rng.uniform(lo, hi)
        yield float(np.float32(2.0**(np.round(exponent) if k % 4 == 0 else exponent)))


@pytest.mark.parametrize("name", KERNELS)
def test_equals_tflite_micro(name, rng):
    """All 256 codes of 400 pairs of scales: over what the kernels take, all that models have."""
    compared = 0
    lo, hi = (-22, 6) if name == "hard_swish" else (-27, 3.49)
    for scale in scales(rng, lo, hi, 400):
        input = Quantization(S8, scale, int(rng.integers(-128, 128)))
        output = OUTPUTS.get(name) or Quantization(
            S8, float(np.float32(scale * 2.0**rng.uniform(-6.99, 8.99))),
            int(rng.integers(-128, 128)))
        table = KERNELS[name](input, output)
        result = kernel(name, input, output)
        np.testing.assert_array_equal(lookup(table, CODES, S8), result)
        compared += result.size
    assert compared == 102_400


@pytest.mark.parametrize("scale, output", [
    (4.513724707067013e-05, 1.909003003675025e-05), (0.03245506435632706, 0.07817031443119049)])
def test_quotients_of_scales_are_doubles(scale, output):
    """As float32 these are ties of 16 bits, and a level of each table differs."""
    for zero_point in (-128, -92, 58):
        scales = Quantization(S8, scale, zero_point), Quantization(S8, output, 4)
        np.testing.assert_array_equal(lookup(KERNELS["hard_swish"](*scales), CODES, S8),
                                      kernel("hard_swish", *scales))


@pytest.mark.parametrize("name, function, most", [
    ("hard_swish", "hard_swish", 1), ("logistic", "sigmoid", 1), ("tanh", "tanh", 1)])
def test_kernels_are_near_what_they_stand_for(name, function, most, rng):
    """In usual scales within one level of the nearest one, which most are."""
    away = 0
    for scale in scales(rng, -7, -4, 50):
        input = Quantization(S8, scale, int(rng.integers(-128, 128)))
        output = OUTPUTS.get(name) or Quantization(S8, float(np.float32(scale)), -20)
        nearest = tabulate(FUNCTIONS[function], input, output)
        distance = np.abs(KERNELS[name](input, output) - nearest)
        assert distance.max() <= most
        away += (distance > 0).sum()
    assert away < 0.02 * 50 * 256


def s8(scale, zero_point=0):
    return Quantization(S8, scale, zero_point)


@pytest.mark.parametrize("name, input, output, message", [
    ("tanh", Quantization(parse("u8"), 1.0), OUTPUTS["tanh"],
     "TFLite's table must be of format s8, not u8"),
    ("hard_swish", s8(1.0), Quantization(parse("s8n"), 1.0),
     "TFLite's table must be of format s8, not s8n"),
    ("logistic", s8(1e300), OUTPUTS["logistic"],
     "Scale must be a positive and finite float32, not 1e+300"),
    ("logistic", s8(1.0, 128), OUTPUTS["logistic"],
     "Zero point must be in range [-128, 127] of s8, not 128"),
    ("logistic", s8(1.0), OUTPUTS["tanh"],
     "Output of LOGISTIC must have scale 1/256 and zero point -128, not 0.0078125 and 0"),
    ("tanh", s8(1.0), s8(1 / 128, 1),
     "Output of TANH must have scale 1/128 and zero point 0, not 0.0078125 and 1"),
    ("tanh", s8(16.0), OUTPUTS["tanh"],
     "Scale of the input must be in range [2**-27, 16), not 16.0"),
    ("tanh", s8(2.0**-28), OUTPUTS["tanh"],
     "Scale of the input must be in range [2**-27, 16), not 3.725290298461914e-09"),
    ("hard_swish", s8(1.0), s8(1 / 128),
     "Scale of the input must be less than 128 times that of the output, "
     "not 1.0 with 0.0078125"),
    ("hard_swish", s8(1.0), s8(513.0),
     "Scale of the output must be at most 512 times that of the input, "
     "not 513.0 with 1.0"),
    ("hard_swish", s8(2.0**-23), s8(2.0**-23), f"Scale of the input must be at least "
                                               f"{3 / 2**24!r}, not {2.0**-23!r}"),
])
def test_bad_quantizations(name, input, output, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        KERNELS[name](input, output)
