"""One operator in tflite-micro."""

import importlib

import numpy as np
import pytest

__all__ = ["operator"]


def operator(name, inputs, output, *, options=None, kind=None):
    """Output of one node.

    ``inputs`` are pairs of an array and its ``(scale, zero point)``; ``output`` is a shape, a
    dtype and such a pair; ``options`` are the fields of ``kind``, by default ``<Name>Options``.
    """
    schema = pytest.importorskip(
        "tflite_micro.tensorflow.lite.micro.python.schema_py_generated",
        reason="tflite-micro is not installed")
    flatbuffers = pytest.importorskip("flatbuffers", reason="flatbuffers is not installed")
    runtime = importlib.import_module("tflite_micro.python.tflite_micro.runtime")

    def tensor(shape, dtype, quantization):
        made = schema.TensorT()
        made.shape, made.buffer = list(shape), 0
        made.type = getattr(schema.TensorType, np.dtype(dtype).name.upper())
        made.quantization = schema.QuantizationParametersT()
        scale, zero_point = quantization
        made.quantization.scale = np.array([scale], np.float32)
        made.quantization.zeroPoint = np.array([zero_point])
        return made

    graph, node = schema.SubGraphT(), schema.OperatorT()
    graph.tensors = [*(tensor(x.shape, x.dtype, q) for x, q in inputs), tensor(*output)]
    graph.inputs = node.inputs = list(range(len(inputs)))
    graph.outputs = node.outputs = [len(inputs)]
    node.opcodeIndex = 0
    kind = kind or f"{name.capitalize()}Options"
    node.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
    node.builtinOptions = getattr(schema, f"{kind}T")()
    for key, value in (options or {}).items():
        assert hasattr(node.builtinOptions, key)
        setattr(node.builtinOptions, key, value)
    graph.operators = [node]
    code, model = schema.OperatorCodeT(), schema.ModelT()
    code.builtinCode = code.deprecatedBuiltinCode = getattr(schema.BuiltinOperator, name)
    code.version = 1
    model.version, model.operatorCodes, model.subgraphs = 3, [code], [graph]
    model.buffers = [schema.BufferT()]
    builder = flatbuffers.Builder(1 << 12)
    builder.Finish(model.Pack(builder), b"TFL3")
    interpreter = runtime.Interpreter.from_bytes(bytes(builder.Output()), arena_size=1 << 22)
    for index, (x, _) in enumerate(inputs):
        interpreter.set_input(x, index)
    interpreter.invoke()
    return interpreter.get_output(0)
