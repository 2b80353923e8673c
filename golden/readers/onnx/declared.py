"""Quantizations that the readers of an ONNX file's tensors declare."""

from collections.abc import Iterator

from golden.networks import Quantization
from golden.readers.onnx.context import TYPES, Context
from golden.readers.onnx.file import Graph, Node

__all__ = ["declared"]


def declared(graph: Graph) -> dict[str, Quantization]:
    """Return the quantization that the first reader of each tensor names, if one does."""
    found: dict[str, Quantization] = {}
    context = Context(graph, {})
    # From the last node on, so that what only passes levels on hands them to its input.
    for node in reversed(graph.nodes):
        for x, scale, zero in _readings(node):
            try:
                found[x] = context.quantization(scale, zero, TYPES)
            except (ValueError, TypeError):
                continue
        if (node.domain, node.operator) in _PASSING and node.inputs and node.outputs:
            if node.outputs[0] in found:
                found.setdefault(node.inputs[0], found[node.outputs[0]])
    return found


_PASSING = {("", name) for name in (
    "MaxPool", "Relu", "Clip", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Slice",
    "Split", "Pad", "Identity", "Concat")}


def _readings(node: Node) -> Iterator[tuple[str, str, str]]:
    # Names of tensor, scale and zero point of each input of levels.
    names = [*node.inputs, *[""] * 6]
    match node.operator:
        case ("QLinearConv" | "QLinearMatMul" | "QGemm" | "QLinearAveragePool"
              | "QLinearGlobalAveragePool" | "QLinearLeakyRelu" | "QLinearSigmoid"
              | "QLinearSoftmax" | "DequantizeLinear"):
            places = [0]
        case "QLinearAdd" | "QLinearMul":
            places = [0, 3]
        case "QLinearConcat":
            places = range(2, len(node.inputs), 3)
        case _:
            places = []
    for place in places:
        yield names[place], names[place + 1], names[place + 2]
