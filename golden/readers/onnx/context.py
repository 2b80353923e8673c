"""What the operators of one ONNX file share: its tensors, their layouts, the layers so far."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from golden import contracts
from golden.formats import IntFormat
from golden.networks import Layer, Lookup, Quantization, Tensor, Transpose
from golden.readers.contents import MOST_ELEMENTS, printable
from golden.readers.model import Unsupported
from golden.readers.onnx.file import Graph
from golden.readers.onnx.tensors import Levels, Real, Shape, Target, prefers_last, table_levels

__all__ = ["BYTES", "EXACT", "INSIDE", "ONNX", "TYPES", "WEIGHTS", "Context"]

BYTES = {"int8": IntFormat(8), "uint8": IntFormat(8, signed=False)}
"""Formats of the types of operators on levels."""

TYPES = BYTES | {"int16": IntFormat(16), "uint16": IntFormat(16, signed=False)}
"""Formats of the types that QuantizeLinear makes."""

WEIGHTS = TYPES | {"int4": IntFormat(4), "uint4": IntFormat(4, signed=False)}
"""Formats of the types that a DequantizeLinear of a constant may take."""

ONNX, INSIDE = contracts.parse("onnx"), contracts.parse("onnx_zp_inside")

EXACT = contracts.parse("half_even")
"""Contract of what ONNX Runtime computes in float32: the exact result, rounded once."""

# Axes of an image, channels first, in the order of one with channels last, and the way back.
_LAST, _FIRST = (0, 2, 3, 1), (0, 3, 1, 2)


class Context:
    """The tensors of a file as far as they are known, and the layers that make them.

    Parameters
    ----------
    graph : Graph
    declared : dict of str to Quantization
        Quantization that the first reader of a tensor gives it, for tensors that nothing gives one.
    fuses : bool
        Whether the runtime fuses operators on real numbers of 8-bit levels.
    """

    def __init__(self, graph: Graph, declared: dict[str, Quantization], fuses: bool = True):
        self.graph = graph
        self.declared = declared
        self.fuses = fuses
        self.values = dict(graph.constants)
        self.rounded: dict[str, str] = {}
        self.levels: dict[str, Levels] = {}
        self.reals: dict[str, Real] = {}
        self.unknown: set[str] = set()
        self.readers = Counter(name for node in graph.nodes for name in node.inputs)
        self.readers.update(graph.outputs)
        self.layers: list[Layer] = []
        self.constants: dict[str, Tensor] = {}
        self.shapes: dict[str, Shape] = {}
        self._used: set[str] = set()
        self._arrays: dict[tuple, np.ndarray] = {}

    def name(self, name: str, suffix: str = "") -> str:
        """Return a new name in the network, like one in the file."""
        base = f"{printable(name)}{suffix}"
        own, number = base, 1
        while own in self._used:
            number += 1
            own = f"{base}#{number}"
        self._used.add(own)
        return own

    def constant(self, name: str, title: str) -> np.ndarray:
        """Return a constant of the file, as it is."""
        if name not in self.values:
            raise Unsupported(f"{title} {printable(name)!r} must be constant, not computed")
        array = self.values[name]
        if array.dtype.kind == "V":
            raise Unsupported(f"{title} {printable(name)!r} must be of a type of 8, 16, 32 or "
                              f"64 bits")
        return array

    def quantized(self, name: str, title: str) -> tuple[np.ndarray, str]:
        """Return a constant's integers, perhaps of 4 bits, and the name of their type."""
        array = self.values.get(name)
        if array is not None and array.dtype.names:
            [kind] = array.dtype.names
            return array[kind], kind
        return (array := self.constant(name, title)), array.dtype.name

    def integers(self, name: str, title: str, axes: Sequence[int] | None = None) -> np.ndarray:
        """Return a constant's integers as layers have them, perhaps with axes in another order.

        Layers share the array.
        """
        key = name, None if axes is None else tuple(axes)
        if key not in self._arrays:
            array, _ = self.quantized(name, title)
            if array.dtype.kind not in "iu":
                raise Unsupported(f"{title} {printable(name)!r} must be integers, "
                                  f"not {array.dtype.name}")
            self._arrays[key] = _fixed(array if axes is None else array.transpose(axes))
        return self._arrays[key]

    def one(self, name: str, title: str) -> Any:
        """Return a constant's only element."""
        array = self.constant(name, title)
        if array.size != 1:
            raise Unsupported(f"{title} {printable(name)!r} must have 1 entry, not {array.size}")
        return array.ravel()[0]

    def scale(self, name: str, title: str) -> np.ndarray:
        """Return scales, float32."""
        array = self.constant(name, title)
        if array.dtype != np.float32 or not array.size:
            raise Unsupported(f"{title} {printable(name)!r} must be float32, "
                              f"not {array.dtype.name}")
        good = np.isfinite(array) & (array >= np.finfo(np.float32).tiny)
        if not good.all():
            raise Unsupported(f"{title} {printable(name)!r} must be positive, finite and not "
                              f"subnormal, not {array[~good].flat[0]}")
        return array

    def quantization(self, scale: str, zero_point: str,
                     types: Mapping[str, IntFormat] = BYTES) -> Quantization:
        """Return the quantization that two constants describe, one scale and one zero point."""
        step, kind, zero = self.scale(scale, "Scale"), "uint8", 0
        if step.size != 1:
            raise Unsupported(f"Scale {printable(scale)!r} must have 1 entry, not {step.size}")
        if zero_point:
            zero, kind = self.one(zero_point, "Zero point"), self.constant(
                zero_point, "Zero point").dtype.name
        if kind not in types:
            raise Unsupported(f"Type of zero point {printable(zero_point)!r} must be "
                              f"{' or '.join(types)}, not {kind}")
        return Quantization(types[kind], float(step.ravel()[0]), int(zero))

    def in_float(self, target: Target, *operands: Quantization, fuses: bool = True) -> bool:
        """Whether the runtime computes a tensor in float32, in an order of its own, and note it.

        It fuses an operator on real numbers with the QuantizeLinear behind it if all levels have 8
        bits, those of the first operand and of the result one type, and the others that type or
        int8; and if no rectifier cuts off more than the QuantizeLinear does. Some operators it
        never ``fuses``.
        """
        output, (first, *others) = target.quantization.format, (each.format for each in operands)
        fused = (self.fuses and fuses and output in BYTES.values() and first == output
                 and all(each in (output, BYTES["int8"]) for each in others))
        own = bool(target.real) and not fused
        if own:
            self.rounded[target.name] = target.real
        elif target.clamp is not None:
            raise Unsupported(f"Result must not be cut off before its QuantizeLinear more than "
                              f"that does, at {target.quantization.format.min} and "
                              f"{target.quantization.format.max}, but at {target.clamp}")
        return own

    def tensor(self, name: str) -> Levels:
        """Return a computed tensor of levels."""
        if name in self.levels:
            return self.levels[name]
        if name in self.values:
            raise Unsupported(f"Input {printable(name)!r} must be computed, not constant")
        raise Unsupported(f"Type of tensor {printable(name)!r} must be int8 or uint8, not float32")

    def reads(self, levels: Levels, quantization: Quantization) -> Levels:
        """Return a tensor as its reader says that it is quantized.

        ONNX gives scale and zero point with every use; a use may give others than the maker did.
        """
        own = levels.quantization
        if own.format != quantization.format:
            raise Unsupported(f"Tensor {printable(levels.name)!r} must be of the zero point's type "
                              f"{quantization.format}, not {own.format}")
        if (own.scale, own.zero_point) == (quantization.scale, quantization.zero_point):
            return levels
        last = False not in levels.layouts
        read = Levels(levels.name, quantization, levels.shape)
        name = self.name(levels.name, ":read")
        self._append(Lookup(name=name, inputs=(levels.layouts[last],), output=quantization,
                            table=table_levels(own.format)))
        read.layouts[last] = name
        return read

    def layout(self, levels: Levels, last: bool) -> str:
        """Return the tensor of the network that has the levels in one layout."""
        if last not in levels.layouts:
            if len(levels.shape) != 3:
                raise Unsupported(f"Tensor {printable(levels.name)!r} must have 4 axes, not shape "
                                  f"(1, {', '.join(map(str, levels.shape))})")
            name = self.name(levels.name, ":channels_last" if last else "")
            self._append(Transpose(name=name, inputs=(levels.layouts[not last],),
                                   output=levels.quantization, axes=_LAST if last else _FIRST))
            levels.layouts[last] = name
        return levels.layouts[last]

    def made(self, name: str, output: Quantization, layer: Callable[..., Layer], *,
             inputs: Sequence[Levels] = (), names: Sequence[str] | None = None,
             last: bool | None = False, **fields) -> Levels:
        """Append the layer that makes a tensor of the file.

        Parameters
        ----------
        name : str
            Name of the tensor in the file.
        output : Quantization
        layer : callable
            Class of the layer.
        inputs : sequence of Levels
        names : sequence of str, optional
            Tensors of the network in place of ``inputs``.
        last : bool or None
            Whether the layer takes and makes channels last; by default of None where all inputs
            are there with channels last, and one of them is not there otherwise.
        **fields
            Further fields of the layer.
        """
        if last is None:
            last = prefers_last(inputs)
        own = self.name(name, ":channels_last" if last else "")
        names = [self.layout(each, last) for each in inputs] if names is None else names
        shape = self._append(layer(name=own, inputs=tuple(names), output=output, **fields))
        if last:
            shape = shape[2], shape[0], shape[1]
        self.levels[name] = Levels(name, output, shape, {last: own})
        return self.levels[name]

    def between(self, levels: Levels, suffix: str, output: Quantization,
                layer: Callable[..., Layer], last: bool, others: tuple[str, ...] = (), **fields
                ) -> str:
        """Append a layer that makes no tensor of the file, of one input and perhaps others.

        Return its name.
        """
        name = self.name(levels.name, suffix)
        self._append(layer(name=name, inputs=(self.layout(levels, last), *others), output=output,
                           **fields))
        return name

    def operand(self, name: str, quantization: Quantization, rank: int) -> Levels:
        """Return an operand of an elementwise operator: a computed tensor, or a constant one.

        A constant has one member for the batch, or fewer axes than the ``rank`` of the result.
        """
        if name not in self.values:
            return self.reads(self.tensor(name), quantization)
        array = self.constant(name, "Operand")
        return self.literal(name, array, quantization, rank)

    def literal(self, name: str, array: np.ndarray, quantization: Quantization, rank: int
                ) -> Levels:
        """Return a constant operand, in both layouts."""
        if TYPES.get(array.dtype.name) != quantization.format:
            raise Unsupported(f"Operand {printable(name)!r} must be of the zero point's type "
                              f"{quantization.format}, not {array.dtype.name}")
        if array.ndim > rank or (array.ndim == rank and array.shape[0] != 1):
            raise Unsupported(f"Operand {printable(name)!r} must have one member for the batch, "
                              f"not shape {array.shape}")
        return self.stored(name, array[0] if array.ndim == rank else array, quantization)

    def stored(self, name: str, array: np.ndarray, quantization: Quantization) -> Levels:
        """Return a constant of the network, in both layouts where it has at most 3 axes."""
        values = _fixed(array)
        levels = Levels(name, quantization, values.shape)
        levels.layouts[False] = self._constant(name, quantization, values, "")
        if not values.ndim:
            levels.layouts[True] = levels.layouts[False]
        elif values.ndim <= 3:
            full = values.reshape((1,) * (3 - values.ndim) + values.shape)
            levels.layouts[True] = self._constant(name, quantization, _fixed(
                full.transpose(1, 2, 0)), ":channels_last")
        return levels

    def _constant(self, name: str, quantization: Quantization, values: np.ndarray, suffix: str
                  ) -> str:
        own = self.name(name, suffix)
        self.constants[own] = Tensor(own, quantization, values.shape, values)
        self.shapes[own] = values.shape
        return own

    def _append(self, layer: Layer) -> Shape:
        shape = layer.shape([self.shapes[name] for name in layer.inputs])
        if prod(shape) > MOST_ELEMENTS:
            raise Unsupported(f"Output must have at most {MOST_ELEMENTS} elements, "
                              f"not shape {shape}")
        self.layers.append(layer)
        self.shapes[layer.name] = shape
        return shape


def _fixed(array: np.ndarray) -> np.ndarray:
    array = np.array(array, np.float32 if array.dtype == np.float32 else np.int64, order="C")
    array.flags.writeable = False
    return array
