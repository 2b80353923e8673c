"""Float ONNX models as float networks: their operators as layers, what cannot be read named."""

import re
from collections.abc import Iterator
from dataclasses import replace
from math import prod
from pathlib import Path

import numpy as np

from golden.floats import FloatDense, FloatLayer, FloatNetwork, FloatReshape, FloatTranspose
from golden.readers.contents import printable
from golden.readers.model import DamagedModel, Unsupported
from golden.readers.onnx.file import Graph, Input, Node, parse
from golden.readers.onnx.floats_context import FloatContext
from golden.readers.onnx.floats_operators import FLOATS
from golden.readers.onnx.reader import Reader

__all__ = ["QuantizedModel", "read_float"]

TYPES = "float32", "float64"
"""Types that an input may have."""


class QuantizedModel(ValueError):
    """A file has operators on levels, so that it is no float model."""


def read_float(path: str | Path) -> FloatNetwork:
    """Read an ONNX file of real numbers as a float network.

    Images with channels first, as in the file, become images with channels last by transposes where
    an operator needs them; where fully connected layers take a flattened image, their weights are
    in its order instead. Batch normalizations, constant addends and clippings go into the layer
    before where nothing else reads that; else a depthwise convolution of one tap does their work.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    FloatNetwork
        Its layers have the names of the tensors that they make; its input and its output have the
        shapes of the file.

    Raises
    ------
    OSError
        If the file cannot be read.
    ModuleNotFoundError
        If package ``onnx`` is not installed.
    DamagedModel
        If the file is damaged.
    QuantizedModel
        If it has operators on levels.
    UnsupportedModel
        If an operator, the input or the output cannot be read; all of them are named.
    """
    path = Path(path)
    graph = parse(path)
    levels = dict.fromkeys(node.operator for node in graph.nodes if _LEVELS.search(node.operator))
    if levels:
        raise QuantizedModel(f"Model {path} must be of real numbers, not quantized: it has "
                             f"operators {', '.join(levels)}")
    return _Reader(graph).network(path)


# Of the standard, of com.microsoft and of QONNX.
_LEVELS = re.compile("Quant|^QLinear|^QGemm|^QAttention|Integer|^Trunc$")


class _Reader(Reader):
    # The nodes of a file, one after the other.

    context: FloatContext

    def __init__(self, graph: Graph):
        super().__init__(graph, FloatContext(graph))
        self.source_name = ""

    def network(self, path: Path) -> FloatNetwork:
        self.visit(path)
        context, [output] = self.context, self.outputs
        used, layers = {output}, []
        for layer in reversed(context.built.values()):
            if layer.name in used:
                used.update(layer.inputs)
                layers.append(layer)
        try:
            return _without_transposes(FloatNetwork(
                name=path.stem, layers=tuple(reversed(layers)),
                input_shape=context.shapes[self.source_name], input=self.source_name))
        except (ValueError, TypeError) as error:
            raise DamagedModel(f"Model {path} must be consistent: {error}") from error

    def input(self, value: Input):
        if value.name != self.graph.inputs[0].name:
            raise Unsupported(f"Inputs of the model must be 1, not {len(self.graph.inputs)}")
        if value.type not in TYPES:
            raise Unsupported(f"Type must be {' or '.join(TYPES)}, not {value.type}")
        if not (shape := self.shape(value)):
            raise Unsupported("Shape must have an axis behind the batch, not the batch alone")
        self.source_name = self.context.source(value.name, shape)

    def node(self, node: Node):
        if node.domain or node.operator not in FLOATS:
            raise Unsupported(f"Operator must be one of {', '.join(FLOATS)}")
        self.check(node)
        FLOATS[node.operator](node, self.context)

    def output(self, name: str):
        if name in self.context.unknown:
            return
        if name != self.graph.outputs[0]:
            raise Unsupported(f"Outputs of the model must be 1, not {len(self.graph.outputs)}")
        output = self.context.plain(self.context.input(name))
        if output == self.source_name:
            raise Unsupported(f"Output {printable(name)!r} must be computed, not the input")
        self.outputs.append(output)


def _without_transposes(network: FloatNetwork) -> FloatNetwork:
    # The network without transposes of images that fully connected layers alone read, flattened:
    # their weights are in the order of the images.
    layers = {layer.name: layer for layer in network.layers}
    for transpose, flat, readers in _flattened(network):
        before = network.shapes[transpose.inputs[0]]
        places = flat.unclipped(transpose.unclipped(
            np.arange(prod(before)).reshape(1, *before)))[0]
        del layers[transpose.name]
        name = f"{flat.name}:channels_last"
        layers[flat.name] = replace(flat, name=name, inputs=transpose.inputs)
        for each in readers:
            weights = np.empty_like(each.weights)
            weights[:, places] = each.weights
            layers[each.name] = replace(each, weights=weights, inputs=(name,))
    return replace(network, layers=tuple(layers.values()))


def _flattened(network: FloatNetwork
               ) -> Iterator[tuple[FloatTranspose, FloatReshape, list[FloatDense]]]:
    def only(layer: FloatLayer, kind: type) -> bool:
        return all(isinstance(each, kind) for each in network.readers(layer.name))

    for layer in network.layers:
        readers = network.readers(layer.name)
        if isinstance(layer, FloatTranspose) and len(readers) == 1 and only(layer, FloatReshape):
            [flat] = readers
            assert isinstance(flat, FloatReshape)
            dense = [each for each in network.readers(flat.name) if isinstance(each, FloatDense)]
            if len(flat.target) == 1 and dense and only(flat, FloatDense) and (
                    f"{flat.name}:channels_last" not in network.shapes):
                yield layer, flat, dense
