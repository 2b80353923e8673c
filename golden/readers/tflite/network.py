"""The network of a TFLite model: its operators as layers, what cannot be read named."""

from collections.abc import Callable, Iterable
from pathlib import Path

from golden.networks import Layer, Network
from golden.networks import Tensor as NetworkTensor
from golden.readers.model import (
    Boundary,
    DamagedModel,
    Model,
    Problem,
    Unsupported,
    UnsupportedModel,
)
from golden.readers.tflite.file import Graph, Operator, Tensor, parse
from golden.readers.tflite.operands import TYPES, Context, quantization_of
from golden.readers.tflite.operators import OPERATORS

__all__ = ["RUNTIMES", "read_tflite"]

RUNTIMES = ("tflite-micro", "litert", "litert-reference")
"""Runtimes whose arithmetic a network can have."""

FLOAT = ("float32: quantize it first, thus: converter = "
         "tf.lite.TFLiteConverter.from_saved_model(FOLDER); converter.optimizations = "
         "[tf.lite.Optimize.DEFAULT]; converter.representative_dataset = EXAMPLES")


def read_tflite(path: Path, runtime: str = "tflite-micro") -> Model:
    """Read a TFLite model, with the arithmetic of a runtime.

    Parameters
    ----------
    path : Path
    runtime : str
        ``tflite-micro``: its reference kernels. ``litert``: LiteRT with its default delegate,
        XNNPACK. ``litert-reference``: LiteRT with its reference kernels.

    Raises
    ------
    OSError
        If the file cannot be read.
    DamagedModel
        If the file is damaged.
    UnsupportedModel
        If an operator or an input cannot be read; all of them are named.
    """
    if runtime not in RUNTIMES:
        raise ValueError(f"Runtime must be one of {', '.join(RUNTIMES)}, not {runtime!r}")
    graph = parse(path)
    context = Context(runtime)
    problems: list[Problem] = []
    layers: list[Layer] = []
    quantize: list[Boundary] = []
    dequantize: list[Boundary] = []
    for op in graph.operators:
        try:
            if not op.outputs:
                raise Unsupported("Outputs must be one or more, not 0")
            if (boundary := _boundary(op, graph)) is not None:
                (quantize if op.name == "QUANTIZE" else dequantize).append(boundary)
            else:
                layers += _operator(op)(op, context)
        except (ValueError, TypeError) as error:
            node = f"{op.index} ({op.outputs[0].name})" if op.outputs else str(op.index)
            problems.append(Problem(node, op.name, str(error)))
    levels = {each.real: each.levels for each in quantize}
    by_name = {tensor.name: tensor for tensor in graph.tensors}
    inputs = [by_name[levels.get(tensor.name, tensor.name)] for tensor in graph.inputs]
    for tensor in inputs:
        try:
            quantization_of(tensor, TYPES)
            if tensor.shape[:1] != (1,):
                raise Unsupported(f"Tensor {tensor.name!r} must have a batch of 1, "
                                  f"not shape {tensor.shape}")
        except Unsupported as error:
            problems.append(Problem(tensor.name, "input", str(error)))
    levels = {each.real: each.levels for each in dequantize}
    outputs = [levels.get(tensor.name, tensor.name) for tensor in graph.outputs]
    if problems:
        if graph.inputs and all(tensor.type == "float32" for tensor in (*inputs, *graph.inputs)):
            raise UnsupportedModel(f"{path} ({FLOAT})", problems)
        raise UnsupportedModel(str(path), problems)
    try:
        network = Network(
            name=path.stem, inputs=tuple(map(_tensor, dict.fromkeys(inputs))),
            constants=tuple(_constants(layers, graph, context)), layers=tuple(layers),
            outputs=tuple(dict.fromkeys(outputs)))
        for layer in network.layers:
            shape = network.tensors[layer.name].shape
            if layer.name in by_name and by_name[layer.name].shape[1:] != shape:
                raise ValueError(f"Tensor {layer.name!r} must have shape (batch, "
                                 f"{', '.join(map(str, shape))}), not {by_name[layer.name].shape}")
    except (ValueError, TypeError) as error:
        raise DamagedModel(f"Model {path} must be consistent: {error}") from error
    return Model(network, runtime, {name: by_name[name].index for name in network.tensors
                                    if name in by_name},
                 tuple(tensor.name for tensor in inputs), tuple(quantize), tuple(dequantize))


def _operator(op: Operator) -> Callable[[Operator, Context], list[Layer]]:
    if op.name not in OPERATORS:
        raise Unsupported(f"Operator must be one of {', '.join(OPERATORS)}")
    for tensor in (*op.inputs, *op.outputs):
        if tensor is not None and tensor.type == "float32":
            raise Unsupported(f"Type of tensor {tensor.name!r} must be int8 or int16, not float32")
    return OPERATORS[op.name]


def _boundary(op: Operator, graph: Graph) -> Boundary | None:
    # An operator between real numbers and levels.
    x, y = op.inputs[0] if op.inputs else None, op.outputs[0]
    if x is None:
        return None
    if op.name == "QUANTIZE" and x.type == "float32":
        quantization_of(y, TYPES)
        if x not in graph.inputs:
            raise Unsupported(f"Tensor {x.name!r} must be an input of the model, not computed as "
                              "real numbers")
        return Boundary(op.name, x.name, y.name)
    if op.name == "DEQUANTIZE":
        quantization_of(x, TYPES)
        return Boundary(op.name, y.name, x.name)
    return None


def _tensor(tensor: Tensor) -> NetworkTensor:
    return NetworkTensor(tensor.name, quantization_of(tensor, TYPES), tensor.shape[1:])


def _constants(layers: Iterable[Layer], graph: Graph, context: Context
               ) -> Iterable[NetworkTensor]:
    # Constants among the inputs of layers.
    names = {name for layer in layers for name in layer.inputs}
    rank = max((len(each.shape) for each in graph.tensors), default=0)
    for tensor in graph.tensors:
        if tensor.name in names and tensor.data is not None:
            # One for the batch, where the tensor has as many axes as the others.
            shape = tensor.shape[1:] if tensor.shape[:1] == (1,) and rank == len(
                tensor.shape) else tensor.shape
            yield NetworkTensor(tensor.name, quantization_of(tensor, TYPES), shape,
                                context.constant(tensor, shape))
