"""The network of a QONNX model: exact functions of sums between its quantizers."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from golden.formats import IntFormat
from golden.networks import Quantization
from golden.readers.contents import printable
from golden.readers.model import Boundary, Model, Problem, Unsupported
from golden.readers.onnx.context import Context
from golden.readers.onnx.file import Graph, Input, Node, parse
from golden.readers.onnx.fused import MOVES, zero_padded
from golden.readers.onnx.operands import attribute, axis_of, ints, operands
from golden.readers.onnx.reader import Reader, Unknown, titles
from golden.readers.onnx.tensors import Levels, Shape
from golden.readers.qonnx.emit import exact_sums, quantized, values_of
from golden.readers.qonnx.operators import OPERATORS
from golden.readers.qonnx.quantizers import (
    DOMAINS,
    QUANTIZERS,
    border_of,
    channels_of,
    quantized_constant,
    steps_of,
)
from golden.readers.qonnx.tensors import Tensors
from golden.readers.qonnx.values import Source, check_axes

__all__ = ["DOMAINS", "RUNTIMES", "read_qonnx"]

RUNTIMES = ("qonnx",)
"""Runtimes whose arithmetic a network can have."""

_SHAPED = ("Reshape", "Flatten", "Squeeze", "Unsqueeze")
_MOST_MOVES = 64
_POSTPONED = ("MaxPool", "Transpose", *_SHAPED)


def read_qonnx(path: Path, runtime: str = "qonnx") -> Model:
    """Read a QONNX model, with exact arithmetic of real numbers between its quantizers.

    Only constants are rounded in float32, by their quantizers, as the executor does.

    Parameters
    ----------
    path : Path
    runtime : str
        ``qonnx``.

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
        raise ValueError(f"Runtime must be one of {', '.join(RUNTIMES)} for a QONNX model, "
                         f"not {runtime!r}")
    return _Reader(parse(path)).read(path, runtime)


class _Reader(Reader):
    # The nodes of a file, one after the other.

    context: Tensors

    def __init__(self, graph: Graph):
        super().__init__(graph, Tensors(graph))
        self.readers = self.context.readers.copy()
        self.makers = {name: node.operator for node in graph.nodes for name in node.outputs}
        self.used: set[str] = set()
        self.border: dict[str, tuple[str, Source, tuple]] = {}
        self.functions: dict[str, Callable[[np.ndarray], np.ndarray]] = {}

    def input(self, value: Input):
        if value.type != "float32":
            raise Unsupported(f"Type must be float32, not {value.type}")
        self.context.sources[value.name] = Source(value.name, self.shape(value))

    def node(self, node: Node):
        self.check(node)
        self.used |= set(node.inputs)
        self._node(node)
        # What no later node reads takes memory for nothing.
        for name in node.inputs:
            self.readers[name] -= 1
            if not self.readers[name]:
                self.context.pendings.pop(name, None)
                self.context.weights.pop(name, None)

    def _node(self, node: Node):
        if node.domain in DOMAINS and node.operator in QUANTIZERS:
            self._quantizer(node)
        elif node.domain == "" and node.operator == "Identity":
            self._identity(node)
        elif node.domain == "" and node.operator in (*MOVES, *OPERATORS):
            if any(name in self.context.sources for name in node.inputs):
                self._in_front(node)
            elif node.operator in OPERATORS:
                OPERATORS[node.operator](node, self.context)
            else:
                self._move(node)
        else:
            names = ", ".join(sorted({*OPERATORS, *MOVES}))
            raise Unsupported(f"Operator must be one of {names}, or {', '.join(QUANTIZERS)} of "
                              f"domain {' or '.join(DOMAINS)}")

    def _quantizer(self, node: Node):
        context = self.context
        if not node.inputs or not node.outputs:
            raise Unsupported("Inputs and outputs must be given, not left out")
        x, y = node.inputs[0], node.outputs[0]
        if x in self.graph.constants:
            context.weights[y] = quantized_constant(node, context)
        elif x in context.weights:
            raise Unsupported(f"Input {printable(x)!r} must be computed or constant, not what a "
                              f"quantizer makes of a constant")
        elif x in context.sources:
            if node.operator in ("Trunc", "MultiThreshold"):
                raise Unsupported(f"Input {printable(x)!r} must be what a quantizer makes, not "
                                  f"real numbers of the graph's input")
            source = context.sources[x]
            self._ranked(node, len(source.shape) + 1)
            output, function, key = border_of(node, context)
            if source.origin in self.border:
                # The network has one input for each of the file's.
                first, *own = self.border[source.origin]
                if own != [source, key]:
                    raise Unsupported(f"Input {printable(source.origin)!r} must have one "
                                      f"quantizer, not another than {printable(first)!r}")
                levels = context.levels[first]
                context.levels[y] = Levels(y, output, source.shape, levels.layouts)
                return
            self.border[source.origin] = y, source, key
            self.source(y, output, source.shape)
            self.functions[context.levels[y].layouts[False]] = function
            front = ", ".join(source.front)
            self.quantize.append(Boundary(node.operator, printable(x),
                                          context.levels[y].layouts[False],
                                          front and f"{front} in front of it stay outside"))
        else:
            pending = context.pending(x, node)
            self._ranked(node, pending.rank)
            if (place := channels_of(node, context, pending.rank)) is not None:
                pending = context.with_channels(pending, *place)
            values = values_of(context, pending) if node.operator == "Trunc" else None
            quantized(context, y, pending, steps_of(node, context, values))

    def _ranked(self, node: Node, rank: int | None):
        for name in node.inputs[1:] if node.operator != "MultiThreshold" else ():
            if name in self.graph.constants:
                check_axes(self.graph.constants[name], rank, f"Input {printable(name)!r}")

    def _identity(self, node: Node):
        x, y = operands(node, 1)
        for own in (self.context.sources, self.context.pendings, self.context.weights):
            table: dict[str, Any] = own
            if x in table:
                table[y] = table[x]
                return
        own = self.context.levels_of(x)
        self.context.levels[y] = Levels(y, own.quantization, own.shape, own.layouts)

    def _in_front(self, node: Node):
        # In front of the first quantizer, only shapes matter.
        context, x = self.context, next(name for name in node.inputs
                                        if name in self.context.sources)
        if node.operator not in MOVES and node.operator not in (
                "Add", "Sub", "Mul", "Div", "Neg", "Clip", "Relu", "BatchNormalization") or any(
                name not in self.graph.constants for name in node.inputs if name and name != x):
            context.levels_of(x)  # which refuses it
        *_, y = operands(node, 1, max(len(node.inputs), 1))
        source = context.sources[x]
        shape = source.shape
        if node.operator in MOVES:
            scratch = Context(self.graph, {})
            own = scratch.name(x)
            scratch.shapes[own] = shape
            scratch.levels[x] = Levels(x, Quantization(IntFormat(8)), shape, {False: own})
            MOVES[node.operator](node, scratch)
            shape = scratch.levels[y].shape
        elif node.operator in ("Add", "Sub", "Mul", "Div"):
            shape = self._broadcast(node, shape)
        front = tuple(dict.fromkeys((*source.front, node.operator)))
        context.sources[y] = Source(source.origin, shape, front)

    def _broadcast(self, node: Node, shape: Shape) -> Shape:
        # Shape of real numbers in front of the first quantizer, and constants.
        others = [self.graph.constants[name].shape for name in node.inputs
                  if name in self.graph.constants]
        try:
            first, *made = np.broadcast_shapes((1, *shape), *others)
        except ValueError:
            first, made = 0, []
        if first != 1 or len(made) != len(shape):
            raise Unsupported(f"Constant must broadcast to {len(shape) + 1} axes of shape "
                              f"{(1, *shape)}, and have one member for the batch, not shape "
                              f"{', '.join(map(str, others))}")
        return tuple(made)

    def _move(self, node: Node):
        context, x = self.context, node.inputs[0] if node.inputs else ""
        if x in context.weights or x in self.graph.constants:
            self._turned(node, x)
            return
        pending = context.pendings.get(x)
        if pending is None or node.operator not in _POSTPONED:
            levels = context.levels_of(x)
            if node.operator == "Pad":
                node, levels = zero_padded(node, context), context.with_zero(x, levels)
            own, context.levels[x] = context.levels[x], levels
            try:
                MOVES[node.operator](node, context)
            finally:
                context.levels[x] = own
            return
        rank, axis = pending.rank, pending.axis
        if node.operator == "Transpose" and rank is not None:
            axes = ints(node, "perm", range(rank)[::-1], rank) or []
            axis = None if axis is None or axis not in axes else axes.index(axis)
        elif node.operator in _SHAPED:
            rank, axis = self._reshaped(node, rank), None
        if len(pending.moves) >= _MOST_MOVES:
            raise Unsupported(f"Moves without a quantizer must be at most {_MOST_MOVES}")
        *_, y = operands(node, 1, max(len(node.inputs), 1))
        context.pendings[y] = replace(pending, node=node, rank=rank, axis=axis,
                                      moves=(*pending.moves, node))

    def _reshaped(self, node: Node, rank: int | None) -> int | None:
        # Number of axes behind a reshape, if the node alone tells it.
        second = self.graph.constants.get(node.inputs[1]) if len(node.inputs) > 1 else None
        axes = attribute(node, "axes", []) if second is None else second
        match node.operator:
            case "Flatten":
                return 2
            case "Reshape":
                return None if second is None else second.size
            case _:
                change = np.size(axes) if node.operator == "Unsqueeze" else -np.size(axes)
                return rank + change if rank is not None and change else None

    def _turned(self, node: Node, x: str):
        # A constant's axes in another order.
        context = self.context
        if node.operator != "Transpose" or x not in context.weights:
            raise Unsupported(f"Input {printable(x)!r} must be computed, not constant")
        _, y = operands(node, 1)
        weights = context.weights[x]
        rank = weights.levels.ndim
        axes = ints(node, "perm", range(rank)[::-1], rank) or []
        context.weights[y] = weights.transposed([axis_of(axis, rank) for axis in axes])

    def left(self):
        """Name real numbers that nothing takes."""
        for name, pending in self.context.pendings.items():
            if name not in self.used and name not in self.graph.outputs:
                self.problems.append(Problem(*titles(pending.node),
                                             "Result must go to a quantizer or an output"))

    def output(self, name: str):
        context = self.context
        if name in context.unknown:
            raise Unknown
        reason = ""
        if name not in context.levels and name in context.pendings:
            pending = context.pendings[name]
            operator = pending.node.operator
            if not isinstance(pending.base, Levels):
                context.levels[name] = exact_sums(context, name, pending)
                reason = "exact sums, of which the real numbers are computed outside"
        else:
            operator = self.makers.get(name, "input")
        levels = context.levels_of(name)
        own = context.layout(levels, False)
        self.dequantize.append(Boundary(operator, printable(name), own,
                                        reason or f"levels of {operator}"))
        if own not in self.outputs:
            self.outputs.append(own)

    def model(self, path: Path, runtime: str) -> Model:
        return replace(super().model(path, runtime), borders=self.functions,
                       exact=self.context.exact)
