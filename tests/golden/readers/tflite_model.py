"""TFLite files, written operator by operator."""

import importlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

__all__ = ["Constant", "Node", "Value", "model"]


@dataclass
class Value:
    """A computed tensor: its shape, type, scale and zero point."""

    shape: tuple[int, ...]
    type: str = "int8"
    scale: float = 1.0
    zero: int = 0


@dataclass
class Constant:
    """A constant, with scales and zero points along an axis; without scales it is not quantized."""

    data: np.ndarray
    scale: Any = ()
    zero: Any = ()
    axis: int = 0


@dataclass
class Node:
    """An operator: its name, inputs, outputs and options."""

    name: str
    inputs: list
    outputs: list
    options: dict = field(default_factory=dict)
    kind: str = ""


def model(nodes, inputs, outputs) -> bytes:
    """A file of these operators."""
    schema = pytest.importorskip(
        "tflite_micro.tensorflow.lite.micro.python.schema_py_generated",
        reason="tflite-micro is not installed")
    flatbuffers = importlib.import_module("flatbuffers")
    every = []
    for each in [*inputs, *(x for node in nodes for x in (*node.inputs, *node.outputs))]:
        if each is not None and not any(each is other for other in every):
            every.append(each)
    place = {id(each): k for k, each in enumerate(every)}
    result, graph = schema.ModelT(), schema.SubGraphT()
    result.buffers = [schema.BufferT()]
    graph.tensors = []
    for k, each in enumerate(every):
        tensor = schema.TensorT()
        tensor.name, tensor.buffer = f"t{k}", 0
        scales, zeros, axis = (), (), 0
        if isinstance(each, Constant):
            tensor.shape, kind = list(each.data.shape), each.data.dtype.name
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(each.data.tobytes(), np.uint8)
            result.buffers.append(buffer)
            tensor.buffer = len(result.buffers) - 1
            scales, zeros, axis = np.atleast_1d(each.scale), np.atleast_1d(each.zero), each.axis
        else:
            tensor.shape, kind = list(each.shape), each.type
            if kind != "float32":
                scales, zeros = np.array([each.scale]), np.array([each.zero])
        tensor.type = getattr(schema.TensorType, kind.upper())
        if len(scales):
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.scale = scales.astype(np.float32)
            tensor.quantization.zeroPoint = (
                zeros if len(zeros) else np.zeros(len(scales))).astype(np.int64)
            tensor.quantization.quantizedDimension = axis
        graph.tensors.append(tensor)
    graph.inputs = [place[id(each)] for each in inputs]
    graph.outputs = [place[id(each)] for each in outputs]
    result.operatorCodes, graph.operators = [], []
    for node in nodes:
        op, code = schema.OperatorT(), schema.OperatorCodeT()
        op.inputs = [-1 if each is None else place[id(each)] for each in node.inputs]
        op.outputs = [place[id(each)] for each in node.outputs]
        op.opcodeIndex = len(result.operatorCodes)
        if node.kind:
            op.builtinOptionsType = getattr(schema.BuiltinOptions, node.kind)
            op.builtinOptions = getattr(schema, f"{node.kind}T")()
            for key, value in node.options.items():
                assert hasattr(op.builtinOptions, key), key
                setattr(op.builtinOptions, key, value)
        code.builtinCode = getattr(schema.BuiltinOperator, node.name)
        code.deprecatedBuiltinCode = min(code.builtinCode, 127)
        code.version = 1
        result.operatorCodes.append(code)
        graph.operators.append(op)
    result.version, result.subgraphs = 3, [graph]
    builder = flatbuffers.Builder(1 << 12)
    builder.Finish(result.Pack(builder), b"TFL3")
    return bytes(builder.Output())
