"""ONNX's own tests of its operators on quantized tensors, and of its casts to small formats.

Equality of every output with what the standard's authors computed; a code of -0 is the level 0.
"""

import importlib
import warnings
from collections import Counter
from typing import Any

import numpy as np
import pytest

from golden.casts import cast, to_float
from golden.formats import parse
from golden.runtimes import onnx_ops

onnx = pytest.importorskip("onnx", reason="onnx is not installed")

FORMATS = {
    "UINT8": "u8", "INT8": "s8", "UINT16": "u16", "INT16": "s16", "UINT4": "u4", "INT4": "s4",
    "UINT2": "u2", "INT2": "s2", "FLOAT4E2M1": "e2m1", "FLOAT8E4M3FN": "e4m3fn:specials=propagate",
    "FLOAT8E5M2": "e5m2:specials=propagate",
}
FLOATS = {"FLOAT": np.float32, "FLOAT16": np.float16}
# Operator: cases that are compared, cases that are excluded below.
COUNTS = {
    "QuantizeLinear": (13, 0), "DequantizeLinear": (14, 0), "DynamicQuantizeLinear": (3, 0),
    "MatMulInteger": (1, 0), "ConvInteger": (2, 0), "QLinearMatMul": (8, 0), "QLinearConv": (1, 0),
    "Cast": (72, 44), "CastLike": (36, 20),
}
NO_FORMAT = ("FLOAT8E4M3FNUZ", "FLOAT8E5M2FNUZ", "FLOAT8E8M0")
"""Types of operands that no format here has: of these, casts are excluded. See EXCLUDED."""

BETWEEN = ("FLOAT_to_FLOAT16", "FLOAT16_to_FLOAT", "FLOAT_to_DOUBLE", "FLOAT16_to_DOUBLE",
           "DOUBLE_to_FLOAT", "DOUBLE_to_FLOAT16", "FLOAT_to_BFLOAT16", "BFLOAT16_to_FLOAT")
"""Casts with no format in them, between floats of 16 bits and more."""

EXCLUDED = {
    *BETWEEN,
    *(f"{float_}_to_{kind}" for float_ in FLOATS for kind in NO_FORMAT),
    *(f"{kind}_to_{float_}" for float_ in FLOATS for kind in NO_FORMAT),
}
"""What the names of the excluded cases say after ``test_cast_`` and the like."""


def excluded(case):
    pair = case.name.removesuffix("_expanded")
    for prefix in ("test_cast_", "test_castlike_", "no_saturate_", "e8m0_"):
        pair = pair.removeprefix(prefix)
    return pair in EXCLUDED


@pytest.fixture(scope="module")
def cases():
    """By operator. Each module of cases collects its own as it is imported."""
    node = importlib.import_module("onnx.backend.test.case.node")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numpy's, of casts that overflow
        for operator in COUNTS:
            importlib.import_module(f"onnx.backend.test.case.node.{operator.lower()}")
    found = {operator: [] for operator in COUNTS}
    for case in node._NodeTestCases:
        graph = case.model.graph
        if len(graph.node) == 1 and graph.node[0].op_type in found:
            found[graph.node[0].op_type].append(case)
    return found


def tensors(protos, values):
    """Name of the type, and the value: floats, or levels."""
    for proto, value in zip(protos, values, strict=True):
        kind = onnx.TensorProto.DataType.Name(proto.type.tensor_type.elem_type)
        if isinstance(value, onnx.TensorProto):
            value = onnx.numpy_helper.to_array(value)
        if kind in FORMATS:
            fmt, value = parse(FORMATS[kind]), np.asarray(value)
            codes = value.view(f"u{value.itemsize}").astype(np.int64) & (1 << fmt.bits) - 1
            value = fmt.decode(codes)
        yield kind, value


def run(operator, kinds, operands, attributes, to):
    """Outputs of one node: levels or floats."""
    output: Any = parse(FORMATS[to]) if to in FORMATS else None
    match operator:
        case "QuantizeLinear":
            attributes.pop("output_dtype", None)
            return [onnx_ops.quantize_linear(*operands, output=output, **attributes)]
        case "DequantizeLinear":
            return [onnx_ops.dequantize_linear(*operands, source=parse(FORMATS[kinds[0]]),
                                               **attributes)]
        case "DynamicQuantizeLinear":
            return onnx_ops.dynamic_quantize_linear(*operands)
        case "MatMulInteger":
            return [onnx_ops.matmul_integer(*operands)]
        case "ConvInteger":
            return [onnx_ops.conv_integer(*operands, **attributes)]
        case "QLinearMatMul":
            return [onnx_ops.qlinear_matmul(*operands, output=output)]
        case "QLinearConv":
            return [onnx_ops.qlinear_conv(*operands, output=output, **attributes)]
    if kinds[0] in FLOATS:
        return [cast(operands[0], output, saturate=bool(attributes.get("saturate", 1)))]
    if to in FLOATS:
        return [to_float(operands[0], parse(FORMATS[kinds[0]]), FLOATS[to])]
    return [output.check(operands[0])]  # from integers to wider ones: the same levels


@pytest.mark.parametrize("operator", COUNTS)
def test_every_case(operator, cases):
    counts = Counter(excluded(case) for case in cases[operator])
    assert (counts[False], counts[True]) == COUNTS[operator]
    for case in cases[operator]:
        if excluded(case):
            continue
        graph, ((inputs, outputs),) = case.model.graph, case.data_sets
        kinds, operands = zip(*tensors(graph.input, inputs), strict=True)
        tos, wanted = zip(*tensors(graph.output, outputs), strict=True)
        attributes = {each.name: onnx.helper.get_attribute_value(each)
                      for each in graph.node[0].attribute}
        found = run(operator, kinds, operands, attributes, tos[0])
        for result, to, want in zip(found, tos, wanted, strict=True):
            assert to not in FLOATS or result.dtype == FLOATS[to]
            np.testing.assert_array_equal(result, want, err_msg=case.name)


def test_exclusions_are_cases(cases):
    """None is left that excludes nothing."""
    names = {case.name for operator in ("Cast", "CastLike") for case in cases[operator]}
    assert all(any(name.endswith(f"_{pair}") for name in names) for pair in EXCLUDED)
