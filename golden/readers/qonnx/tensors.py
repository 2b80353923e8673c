"""The tensors of a QONNX graph as far as they are known."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np

from golden.formats import Format, IntFormat
from golden.networks import Conv2d, Dense, Lookup, Quantization, Reshape
from golden.readers.contents import printable
from golden.readers.model import Exact, Unsupported
from golden.readers.onnx.context import Context
from golden.readers.onnx.file import Graph, Node
from golden.readers.onnx.fused import MOVES
from golden.readers.onnx.tensors import Levels
from golden.readers.qonnx.exact import Piece
from golden.readers.qonnx.values import (
    Pending,
    Source,
    Sums,
    Weights,
    fractions,
    identity,
)

__all__ = ["MOST_MADE", "ONE", "Tensors", "tabulated"]

ONE = IntFormat(1, signed=False)
"""Format of weights that only add."""

MOST_MADE = 1 << 18
"""Most weights of a layer that only adds, which the file does not have."""

MOST_ENTRIES = 1 << 16
"""Most entries of a constant that is computed exactly."""

MOST_DIGITS = 1 << 14
"""Most binary digits of a number."""

MOST_NUMBERS = 1 << 21
"""Most exact numbers that a model may take, besides four for each entry of a constant.

One takes about 3 us. What takes longer, or much memory, counts as several: numbers of many digits,
with the square of these, borders of quantizers, tables, moves of sums.
"""

DIGITS = 1 << 10


class Tensors(Context):
    """Tensors by their names in the file, and the layers that make them.

    Parameters
    ----------
    graph : Graph
    """

    def __init__(self, graph: Graph):
        super().__init__(graph, {})
        self.sources: dict[str, Source] = {}
        self.pendings: dict[str, Pending] = {}
        self.weights: dict[str, Weights] = {}
        self.exact: dict[str, Exact] = {}
        self._most = MOST_NUMBERS + 4 * sum(each.size for each in graph.constants.values())
        self._spent = 0

    def spend(self, count: int, digits: int = 1):
        """Count exact numbers; :class:`Unsupported` if they are so many that a file does harm."""
        self._spent += count * (1 + digits * digits // DIGITS**2)
        if self._spent > self._most or digits > MOST_DIGITS:
            raise Unsupported(f"Model must take at most {self._most} exact numbers of "
                              f"{MOST_DIGITS} digits")

    def fresh(self, name: str, suffix: str) -> str:
        """Return a name like one of the file, which is none of the file's."""
        key = f"{name}:{suffix}"
        while key in self.graph.places or key in self.graph.constants or key in self.levels:
            key += "'"
        return key

    def literals(self, name: str) -> np.ndarray | None:
        """Return a constant's exact real numbers; None if the tensor is computed."""
        if name in self.weights:
            own = self.weights[name]
            self._few(name, own.levels)
            values, shape = own.reals(), own.levels.shape
        elif name in self.graph.constants:
            array = self.constant(name, "Constant")
            self._few(name, array)
            values, shape = fractions(array, f"Constant {printable(name)!r}"), array.shape
        else:
            return None
        reals = np.empty(len(values), object)
        reals[:] = values
        return reals.reshape(shape)

    def _few(self, name: str, array: np.ndarray):
        if array.size > MOST_ENTRIES:
            raise Unsupported(f"Constant {printable(name)!r} must have at most {MOST_ENTRIES} "
                              f"entries, not {array.size}")
        self.spend(array.size)

    def pending(self, name: str, node: Node) -> Pending:
        """Return a computed tensor as a function of integers."""
        if name in self.pendings:
            return self.pendings[name]
        levels = self.levels_of(name)
        step = Fraction(float(levels.quantization.scale))
        return Pending(levels, (Piece(step),), node, len(levels.shape) + 1)

    def levels_of(self, name: str) -> Levels:
        """Return a computed tensor of levels, which a quantizer makes or what only relabels it."""
        if name not in self.levels and name in self.pendings:
            if self._relabelled(name, self.pendings[name]) is None:
                maker = self.pendings[name].node
                raise Unsupported(f"Input {printable(name)!r} must be what a quantizer makes, not "
                                  f"the real numbers of {maker.operator} {maker.index}")
        if name in self.levels:
            return self.levels[name]
        if name in self.sources:
            raise Unsupported(f"Input {printable(name)!r} must be what a quantizer makes, not real "
                              f"numbers of the graph's input")
        raise Unsupported(f"Input {printable(name)!r} must be computed, not constant")

    def _relabelled(self, name: str, pending: Pending) -> Levels | None:
        # The same levels with another scale and zero point, perhaps clipped to two of them.
        base = pending.base
        if not isinstance(base, Levels):
            return None
        [piece], fmt = pending.pieces, base.quantization.format
        if piece.slope <= 0 or Fraction(float(piece.slope)) != piece.slope:
            return None
        zero = base.quantization.zero_point - piece.offset / piece.slope
        ends = [None if end is None else end / piece.slope + zero for end in (piece.lo, piece.hi)]
        if zero.denominator != 1 or (zero and not (
                isinstance(fmt, IntFormat) and fmt.contains(int(zero)))):
            return None
        lo, hi = (min(max(end, Fraction(fmt.min)), Fraction(fmt.max)) for end in (
            fmt.min if ends[0] is None else ends[0], fmt.max if ends[1] is None else ends[1]))
        if (lo, hi) != (fmt.min, fmt.max) and not (
                isinstance(fmt, IntFormat) and lo.denominator == hi.denominator == 1):
            return None
        levels = self.tabled(name, base, Quantization(fmt, float(piece.slope), int(zero)),
                             lambda levels: levels.clip(int(lo), int(hi)), bool(pending.moves))
        return self.replayed(name, levels, pending.moves)

    def tabled(self, name: str, x: Levels, output: Quantization,
               function: Callable[[np.ndarray], np.ndarray], hidden: bool = False) -> Levels:
        """Append the table of a function of levels, unless it changes nothing.

        A hidden tensor is none of the file.
        """
        fmt, levels = x.quantization.format, x.quantization.format.levels()
        self.spend(len(levels) // 8)
        table = tabulated(fmt, function)
        if identity(x.quantization) == identity(output) and (
                table[fmt.encode(levels)] == levels).all():
            made = Levels(name, output, x.shape, x.layouts)
        else:
            key = self.fresh(name, "table") if hidden else name
            made = self.made(key, output, Lookup, inputs=[x], last=None, table=table)
            del self.levels[key]
        if not hidden:
            self.levels[name] = made
        return made

    def with_zero(self, name: str, x: Levels) -> Levels:
        """Return levels in a format that has one for the real number 0; odd levels have none."""
        own = x.quantization
        if own.format.contains(own.scalar_zero_point()):
            return x
        output = Quantization(IntFormat(own.format.bits + 1), own.scale)
        return self.tabled(name, x, output, lambda levels: levels, True)

    def replayed(self, name: str, levels: Levels, moves: Sequence[Node]) -> Levels:
        """Do moves of real numbers on their levels; the last makes the tensor ``name``."""
        self.spend(32 * len(moves))
        for place, node in enumerate(moves, 1):
            key = self.fresh(name, "moved")
            target = name if place == len(moves) else self.fresh(name, f"move{place}")
            own = replace(node, inputs=(key, *node.inputs[1:]), outputs=(target,))
            self.levels[key] = levels
            try:
                MOVES[node.operator](own, self)
            finally:
                del self.levels[key]
            levels = self.levels[target]
            if target != name:
                del self.levels[target]
        return levels

    def between_layers(self, name: str, suffix: str, output: Quantization, layer, names: list[str],
                       **fields: Any) -> str:
        """Append a layer that makes no tensor of the file; return its name in the network."""
        key = self.fresh(name, suffix)
        self.made(key, output, layer, names=names, **fields)
        return self.levels.pop(key).layouts[False]

    def with_channels(self, pending: Pending, axis: int, count: int) -> Pending:
        """Return a tensor with a function of its own for each of so many channels on an axis."""
        if pending.axis is not None:
            if (axis, count) != (pending.axis, pending.channels):
                raise Unsupported(f"Constant must have {pending.channels} entries on axis "
                                  f"{pending.axis}, one for each channel, not {count} on axis "
                                  f"{axis}")
            return pending
        base = pending.base
        if isinstance(base, tuple) or pending.moves or pending.rank not in (2, 4) or axis != 1:
            raise Unsupported(f"Constant must have 1 entry, or one for each of the channels on "
                              f"axis 1 of a tensor of 2 or 4 axes that no operator has moved, "
                              f"not {count} on axis {axis}")
        if isinstance(base, Levels):
            base = _each_channel(base)
        elif base.target is not None:
            base = self._each_pair(base, pending)
        if len(base.weights) != count:
            raise Unsupported(f"Constant must have {len(base.weights)} entries, one for each "
                              f"channel, not {count}")
        return replace(pending, base=base, axis=axis, channels=count)

    def _each_pair(self, pair: Sums, pending: Pending) -> Sums:
        # Sums of two tensors, with the pairs of each channel in a group of their own.
        target, name = pair.target, pending.node.outputs[0]
        assert target is not None
        if len(target) != 3:
            raise Unsupported("Constant behind the sum of two tensors must have 1 entry")
        height, width, channels = target
        own = self.between_layers(name, "pairs", pair.input.quantization, Reshape,
                                  [pair.input.layouts[False]], target=(height, width, 2 * channels))
        levels = Levels(name, pair.input.quantization, (2 * channels, height, width), {True: own})
        return replace(pair, layer=Conv2d, input=levels, last=True, target=None,
                       weights=np.ones((channels, 1, 1, 2), np.int64),
                       zero=np.zeros(channels, np.int64), scale=np.ones(channels),
                       fields={"groups": channels})


def tabulated(fmt: Format, function: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Return the table of a function of the levels of a format, in the order of its codes."""
    levels = fmt.levels()
    values = function(levels)
    # A code that a narrow format leaves out never comes.
    table = np.full(1 << fmt.bits, values[0], np.int64)
    table[fmt.encode(levels)] = values
    return table


def _each_channel(levels: Levels) -> Sums:
    # Levels as sums of one product by 1.
    count = levels.shape[0]
    fields: dict[str, Any] = {}
    if len(levels.shape) == 3:
        layer, weights, fields = Conv2d, np.ones((count, 1, 1, 1), np.int64), {"groups": count}
    elif count * count <= MOST_MADE:
        layer, weights = Dense, np.eye(count, dtype=np.int64)
    else:
        raise Unsupported(f"Constant for each element must have at most "
                          f"{math.isqrt(MOST_MADE)} entries, not {count}")
    return Sums(layer, levels, len(levels.shape) == 3, weights, ONE, np.zeros(count, np.int64),
                np.ones(count), fields)
