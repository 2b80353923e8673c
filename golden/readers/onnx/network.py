"""The network of an ONNX model: its operators as layers, what cannot be read named."""

from pathlib import Path

from golden.networks import Network, Quantization, Tensor
from golden.readers.contents import printable
from golden.readers.model import (
    Boundary,
    DamagedModel,
    Model,
    Problem,
    Unsupported,
    UnsupportedModel,
)
from golden.readers.onnx.context import FORMATS, Context
from golden.readers.onnx.file import Graph, Input, Node, parse
from golden.readers.onnx.fused import FUSED, MOVES, fused, quantized, real_node
from golden.readers.onnx.operands import check_attributes, operands
from golden.readers.onnx.operators import OPERATORS
from golden.readers.onnx.tensors import Levels, Real

__all__ = ["RUNTIMES", "read_onnx"]

RUNTIMES = ("onnxruntime",)
"""Runtimes whose arithmetic a network can have."""


def read_onnx(path: Path, runtime: str = "onnxruntime") -> Model:
    """Read an ONNX model, with the arithmetic of ONNX Runtime's kernels for the CPU.

    Parameters
    ----------
    path : Path
    runtime : str
        ``onnxruntime``.

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
        raise ValueError(f"Runtime must be one of {', '.join(RUNTIMES)} for an ONNX model, "
                         f"not {runtime!r}")
    graph = parse(path)
    reader = _Reader(graph)
    for each in graph.inputs:
        reader.attempt(each.name, "input", (each.name,), lambda each=each: reader.input(each))
    for node in graph.nodes:
        reader.attempt(*_titles(node), node.outputs, lambda node=node: reader.node(node))
    reader.left()
    for name in graph.outputs:
        reader.attempt(name, "output", (), lambda name=name: reader.output(name))
    if not reader.problems and not reader.outputs:
        reader.problems.append(Problem("0", "output", "Outputs must be one or more, not none"))
    if reader.problems:
        shown = str(path)
        if not any(node.operator in ("QuantizeLinear", "DequantizeLinear") or "Integer"
                   in node.operator or node.operator[:2] == "QL" for node in graph.nodes) and all(
                each.type == "float32" for each in graph.inputs):
            shown += " (which is of float32: quantize it first)"
        raise UnsupportedModel(shown, reader.problems)
    try:
        return reader.model(path, runtime)
    except (ValueError, TypeError) as error:
        raise DamagedModel(f"Model {path} must be consistent: {error}") from error


class _Reader:
    # The nodes of a file, one after the other.

    def __init__(self, graph: Graph):
        self.graph = graph
        self.context = Context(graph, declared(graph))
        self.problems: list[Problem] = []
        self.inputs: list[Tensor] = []
        self.outputs: list[str] = []
        self.quantize: list[Boundary] = []
        self.dequantize: list[Boundary] = []
        self.done: set[int] = set()

    def attempt(self, place: str, operator: str, outputs: tuple[str, ...], action):
        """Run an action; keep what it refuses, and that its outputs are not known."""
        try:
            action()
        except _Unknown:
            self.context.unknown |= set(outputs)
        except (ValueError, TypeError) as error:
            self.context.unknown |= set(outputs)
            self.problems.append(Problem(printable(place), operator, str(error)))

    def input(self, value: Input):
        if not value.shape or value.shape[0] not in (None, 1):
            raise Unsupported(f"Shape must have a batch of 1 or of any size first, "
                              f"not {value.shape}")
        if None in value.shape[1:]:
            raise Unsupported(f"Sizes behind the batch must be given, not {value.shape[1:]}")
        shape = tuple(size for size in value.shape[1:] if size is not None)
        if value.type == "float32":
            self.context.reals[value.name] = Real(shape)
            return
        if value.type not in FORMATS:
            raise Unsupported(f"Type must be int8, uint8 or float32, not {value.type}")
        quantization = self.context.declared.get(value.name)
        if quantization is None or quantization.format != FORMATS[value.type]:
            quantization = Quantization(FORMATS[value.type])
        self._source(value.name, quantization, shape)

    def _source(self, name: str, quantization: Quantization, shape: tuple[int, ...]):
        own = self.context.name(name)
        self.inputs.append(Tensor(own, quantization, shape))
        self.context.shapes[own] = shape
        self.context.levels[name] = Levels(name, quantization, shape, {False: own})

    def node(self, node: Node):
        known = (node.domain, node.operator)
        if known == ("", "QuantizeLinear"):
            self._check(node)
            self._quantize(node)
        elif known == ("", "DequantizeLinear"):
            self._check(node)
            self._dequantize(node)
        elif node.domain == "" and (node.operator in MOVES or node.operator in FUSED) and any(
                name in self.context.reals for name in node.inputs):
            self._check(node)
            real_node(node, self.context)
        elif known in OPERATORS:
            self._check(node)
            OPERATORS[known](node, self.context)
        elif node.domain == "" and node.operator in FUSED:
            raise Unsupported("Inputs must be what a DequantizeLinear makes, not constants of "
                              "float32 alone")
        else:
            names = ", ".join(sorted({operator for _, operator in OPERATORS} | set(FUSED)))
            raise Unsupported(f"Operator must be one of {names}, QuantizeLinear, DequantizeLinear")

    def _check(self, node: Node):
        if set(node.inputs) & self.context.unknown:
            raise _Unknown

    def _quantize(self, node: Node):
        x, scale, zero, y = operands(node, 2, 3)
        check_attributes(node, {"block_size": 0, "output_dtype": 0, "precision": 0})
        output = self.context.quantization(scale, zero)
        real = self.context.reals.get(x)
        if real is None:
            raise Unsupported(f"Input {printable(x)!r} must be computed real numbers")
        if real.levels is not None:
            quantized(self.context, y, real.levels, output)
        elif real.node is not None:
            # What is refused is the operator's, not the QuantizeLinear's.
            maker = real.node
            self.done |= _makers(maker, self.context)
            self.attempt(*_titles(maker), node.outputs,
                         lambda: fused(maker, self.context, y, output))
        elif real.shape is not None:
            self._source(y, output, real.shape)
            self.quantize.append(Boundary("QuantizeLinear", printable(x),
                                          self.context.levels[y].layouts[False]))

    def _dequantize(self, node: Node):
        x, scale, zero, y = operands(node, 2, 3)
        check_attributes(node, {"block_size": 0, "output_dtype": 0})
        if x in self.graph.constants:
            self.context.reals[y] = Real(constant=node)
            return
        levels = self.context.reads(self.context.tensor(x), self.context.quantization(scale, zero))
        self.context.reals[y] = Real(levels=levels, direct=True)

    def left(self):
        """Name what no QuantizeLinear follows."""
        for name, real in self.context.reals.items():
            if real.node is not None and real.node.index not in self.done:
                self.context.unknown.add(name)
                self.done.add(real.node.index)
                self.problems.append(Problem(*_titles(real.node), (
                    "Result must go to a QuantizeLinear, not be used in float32")))

    def output(self, name: str):
        if name in self.context.unknown:
            raise _Unknown
        context, levels = self.context, self.context.levels.get(name)
        if levels is None and (real := context.reals.get(name)) is not None:
            levels = real.levels
            if levels is not None:
                self.dequantize.append(Boundary("DequantizeLinear", printable(name),
                                                context.layout(levels, False)))
        if levels is None:
            raise Unsupported("Output must be int8 or uint8, or what a DequantizeLinear makes of "
                              "them, not computed in float32")
        if (own := context.layout(levels, False)) not in self.outputs:
            self.outputs.append(own)

    def model(self, path: Path, runtime: str) -> Model:
        """Return what the file has become."""
        context = self.context
        used = {name for layer in context.layers for name in layer.inputs}
        network = Network(
            name=path.stem, inputs=tuple(self.inputs), layers=tuple(context.layers),
            constants=tuple(each for each in context.constants.values() if each.name in used),
            outputs=tuple(self.outputs))
        tensors: dict[str, int | str] = {}
        last = set()
        for name, levels in context.levels.items():
            # The first layout is what the operator makes; the other is a transpose of it.
            is_last, own = next(iter(levels.layouts.items()))
            tensors.setdefault(own, self.graph.places[name])
            if is_last:
                last.add(own)
        return Model(network, runtime, tensors, tuple(each.name for each in network.inputs),
                     tuple(self.quantize), tuple(self.dequantize),
                     frozenset(last))


def _makers(node: Node, context: Context) -> set[int]:
    # The node, and the one on real numbers before it, of which there is at most one.
    real = context.reals.get(node.inputs[0]) if node.inputs else None
    return {node.index} if real is None or real.node is None else {node.index, real.node.index}


def _titles(node: Node) -> tuple[str, str]:
    # Place and operator of a node, as a message names them.
    place = f"{node.index} ({printable(next(filter(None, node.outputs), ''))})"
    return place, f"{node.domain}.{node.operator}" if node.domain else node.operator


class _Unknown(Exception):
    # An input is what another node, already named, should have made.
    pass


def declared(graph: Graph) -> dict[str, Quantization]:
    """Return the quantization that the first reader of each tensor names, if one does."""
    found: dict[str, Quantization] = {}
    context = Context(graph, {})
    # From the last node on, so that what only passes levels on hands them to its input.
    for node in reversed(graph.nodes):
        for x, scale, zero in _readings(node):
            try:
                found[x] = context.quantization(scale, zero)
            except (ValueError, TypeError):
                continue
        if (node.domain, node.operator) in _PASSING and node.inputs and node.outputs:
            if node.outputs[0] in found:
                found.setdefault(node.inputs[0], found[node.outputs[0]])
    return found


_PASSING = {("", name) for name in (
    "MaxPool", "Relu", "Clip", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Slice",
    "Split", "Pad", "Identity", "Concat")}


def _readings(node: Node):
    # Names of tensor, scale and zero point of each input of levels.
    names = [*node.inputs, *[""] * 6]
    match node.operator:
        case ("QLinearConv" | "QLinearMatMul" | "QGemm" | "QLinearAveragePool"
              | "QLinearGlobalAveragePool" | "QLinearLeakyRelu" | "DequantizeLinear"):
            places = [0]
        case "QLinearAdd" | "QLinearMul":
            places = [0, 3]
        case "QLinearConcat":
            places = range(2, len(node.inputs), 3)
        case _:
            places = []
    for place in places:
        yield names[place], names[place + 1], names[place + 2]
