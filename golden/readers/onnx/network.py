"""The network of an ONNX model: its operators as layers, what cannot be read named."""

from dataclasses import replace
from pathlib import Path

from golden.networks import FLOAT32, Quantization
from golden.readers.contents import printable
from golden.readers.model import Boundary, Model, Problem, Unsupported
from golden.readers.onnx.context import TYPES, Context
from golden.readers.onnx.declared import declared
from golden.readers.onnx.file import Graph, Input, Node, parse
from golden.readers.onnx.fused import FUSED, MOVES, fused, quantized, real_node
from golden.readers.onnx.linear import quantize_weights
from golden.readers.onnx.operands import check_attributes, operands
from golden.readers.onnx.operators import MICROSOFT, OPERATORS
from golden.readers.onnx.reader import Reader, Unknown, titles
from golden.readers.onnx.reals import DYNAMIC, REALS, reshaped
from golden.readers.onnx.tensors import Real, Target

__all__ = ["RUNTIMES", "read_onnx"]

RUNTIMES = ("onnxruntime", "onnxruntime-unfused")
"""Runtimes whose arithmetic a network can have."""

FLOAT = ("float32: quantize it first, by exactmac quantize, or by ONNX Runtime, thus, with "
         "EXAMPLES an iterator of {input name: array}: "
         "from onnxruntime.quantization import CalibrationDataReader, quantize_static; "
         "reader = type('Reader', (CalibrationDataReader,), "
         "{'get_next': lambda self: next(EXAMPLES, None)})(); "
         "quantize_static(MODEL, QUANTIZED, reader)")

DOMAINS = "", MICROSOFT
"""Domains of QuantizeLinear and DequantizeLinear, which are the same in both."""


def read_onnx(path: Path, runtime: str = "onnxruntime") -> Model:
    """Read an ONNX model, with the arithmetic of ONNX Runtime's kernels for the CPU.

    Parameters
    ----------
    path : Path
    runtime : str
        ``onnxruntime``: with the operators on real numbers that it fuses, as far as extended
        optimizations do. ``onnxruntime-unfused``: without optimizations, all of these operators in
        float32.

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
    # What no other reader takes comes here.
    graph = parse(path, "a TFLite file, which has TFL3 at byte 4, or an ONNX file")
    return _Reader(graph, fuses=runtime == "onnxruntime").read(path, runtime)


class _Reader(Reader):
    # The nodes of a file, one after the other.

    def __init__(self, graph: Graph, fuses: bool):
        super().__init__(graph, Context(graph, declared(graph), fuses))
        self.done: set[int] = set()
        self.dynamic = any(node.operator in DYNAMIC for node in graph.nodes)

    def note(self) -> str:
        nodes = self.graph.nodes
        integer = any(node.operator in ("QuantizeLinear", "DequantizeLinear") or "Integer"
                      in node.operator or node.operator[:2] == "QL" for node in nodes)
        floats = all(each.type == "float32" for each in self.graph.inputs)
        return f" ({FLOAT})" if floats and not integer else ""

    def input(self, value: Input):
        shape = self.shape(value)
        if value.type == "float32" and self.dynamic:
            self.source(value.name, Quantization(FLOAT32), shape)
            return
        if value.type == "float32":
            self.context.reals[value.name] = Real(shape)
            return
        if value.type not in TYPES:
            raise Unsupported(f"Type must be {', '.join(TYPES)} or float32, not {value.type}")
        quantization = self.context.declared.get(value.name)
        if quantization is None or quantization.format != TYPES[value.type]:
            quantization = Quantization(TYPES[value.type])
        self.source(value.name, quantization, shape)

    def node(self, node: Node):
        known = (node.domain, node.operator)
        if node.operator == "QuantizeLinear" and node.domain in DOMAINS:
            self.check(node)
            self._quantize(node)
        elif node.operator == "DequantizeLinear" and node.domain in DOMAINS:
            self.check(node)
            self._dequantize(node)
        elif node.domain == "" and (node.operator in MOVES or node.operator in FUSED) and any(
                name in self.context.reals for name in node.inputs):
            self.check(node)
            real_node(node, self.context)
        elif node.operator == "Reshape" and set(node.inputs) <= set(self.context.values):
            reshaped(node, self.context)
        elif node.domain == "" and any(self._is_float(name) for name in node.inputs):
            self.check(node)
            if node.operator not in REALS:
                raise Unsupported(f"Operator on computed numbers of float32 must be one of "
                                  f"{', '.join(REALS)}")
            REALS[node.operator](node, self.context)
        elif known in OPERATORS:
            self.check(node)
            OPERATORS[known](node, self.context)
        elif node.domain == "" and node.operator in FUSED:
            self.check(node)
            raise Unsupported("Inputs must be what a DequantizeLinear makes, not constants of "
                              "float32 alone")
        else:
            names = ", ".join(sorted({operator for _, operator in OPERATORS} | set(FUSED)))
            raise Unsupported(f"Operator must be one of {names}, QuantizeLinear, DequantizeLinear")

    def _is_float(self, name: str) -> bool:
        levels = self.context.levels.get(name)
        return levels is not None and levels.quantization.format == FLOAT32

    def _quantize(self, node: Node):
        x, scale, zero, y = operands(node, 2, 3)
        check_attributes(node, {"block_size": 0, "output_dtype": 0, "precision": 0})
        if x in self.context.values:
            quantize_weights(node, self.context)
            return
        output = self.context.quantization(scale, zero, TYPES)
        real = self.context.reals.get(x)
        if real is None:
            raise Unsupported(f"Input {printable(x)!r} must be computed real numbers")
        if real.levels is not None:
            quantized(self.context, y, real.levels, output)
        elif real.node is not None:
            # What is refused is the operator's, not the QuantizeLinear's.
            maker = real.node
            self.done |= _makers(maker, self.context)
            self.attempt(*titles(maker), node.outputs,
                         lambda: fused(maker, self.context, Target(y, output, x)))
        elif real.shape is not None:
            self.source(y, output, real.shape)
            self.quantize.append(Boundary("QuantizeLinear", printable(x),
                                          self.context.levels[y].layouts[False]))

    def _dequantize(self, node: Node):
        x, scale, zero, y = operands(node, 2, 3)
        check_attributes(node, {"block_size": 0, "output_dtype": 0})
        if x in self.context.values:
            self.context.reals[y] = Real(constant=node)
            return
        levels = self.context.reads(self.context.tensor(x),
                                    self.context.quantization(scale, zero, TYPES))
        self.context.reals[y] = Real(levels=levels, direct=True)

    def left(self):
        """Name what no QuantizeLinear follows."""
        for name, real in self.context.reals.items():
            if real.node is not None and real.node.index not in self.done:
                self.context.unknown.add(name)
                self.done.add(real.node.index)
                self.problems.append(Problem(*titles(real.node), (
                    "Result must go to a QuantizeLinear, not be used in float32")))

    def output(self, name: str):
        if name in self.context.unknown:
            raise Unknown
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
        context = self.context
        return replace(super().model(path, runtime), reals={
            next(iter(context.levels[name].layouts.values())): self.graph.places[real]
            for name, real in context.rounded.items() if name in context.levels})

def _makers(node: Node, context: Context) -> set[int]:
    # The node, and the one on real numbers before it, of which there is at most one.
    real = context.reals.get(node.inputs[0]) if node.inputs else None
    return {node.index} if real is None or real.node is None else {node.index, real.node.index}


