"""What the operators of one float ONNX file share: its tensors, their layouts, the float layers."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import inf, prod

import numpy as np

from golden.floats import (
    FloatConv2d,
    FloatLayer,
    FloatLinear,
    FloatMove,
    FloatReshape,
    FloatTranspose,
)
from golden.networks import INPUT
from golden.readers.contents import MOST_ELEMENTS, printable
from golden.readers.model import Unsupported
from golden.readers.onnx.context import Context
from golden.readers.onnx.file import Graph
from golden.readers.onnx.tensors import Shape

__all__ = ["PASSING", "FloatContext", "Numbers"]

PASSING = "Identity", "Dropout"
"""Operators whose output is their first input."""

_IMAGE_AXES = 3


@dataclass(frozen=True, eq=False)
class Numbers:
    """A computed tensor of a float file.

    Parameters
    ----------
    name : str
        Name in the file.
    shape : tuple of int
        Shape in the file, without the batch.
    layouts : dict of bool to str
        Tensors of the network that have its numbers: False as the file has them, True as images
        ``(height, width, channels)``, of height 1 if the file has one spatial axis, and of 1 by 1
        pixels if it has none.
    """

    name: str
    shape: Shape
    layouts: dict[bool, str] = field(default_factory=dict)

    @property
    def channels(self) -> int:
        """Number of channels: the size of axis 1."""
        return self.shape[0]


class FloatContext(Context):
    """The tensors of a float file as far as they are known, and the layers that make them.

    Parameters
    ----------
    graph : Graph
    """

    def __init__(self, graph: Graph):
        super().__init__(graph, {})
        self.numbers: dict[str, Numbers] = {}
        self.built: dict[str, FloatLayer] = {}
        self._aliases: dict[str, str] = {}
        for node in graph.nodes:
            if not node.domain and node.operator in PASSING and node.inputs and node.outputs:
                self._aliases[node.outputs[0]] = self._root(node.inputs[0])
        # An operator that passes a tensor on is no reader of it.
        self.readers = Counter(self._root(name) for node in graph.nodes
                               if node.domain or node.operator not in PASSING
                               for name in node.inputs)
        self.readers.update(map(self._root, graph.outputs))

    def _root(self, name: str) -> str:
        return self._aliases.get(name, name)

    def source(self, name: str, shape: Shape) -> str:
        """Add the input of the network, which is a tensor of the file; return its name."""
        own = self.name(name or INPUT)
        self.shapes[own] = shape
        self.numbers[name] = Numbers(name, shape, {False: own})
        return own

    def reals_of(self, name: str, title: str) -> np.ndarray:
        """Return a constant of real numbers, as ``float64``."""
        array = self.constant(name, title)
        if array.dtype.kind != "f":
            raise Unsupported(f"{title} {printable(name)!r} must be float32 or float64, "
                              f"not {array.dtype.name}")
        if not np.isfinite(array).all():
            raise Unsupported(f"{title} {printable(name)!r} must be finite, "
                              f"not {array[~np.isfinite(array)].flat[0]}")
        return array.astype(np.float64)

    def input(self, name: str) -> Numbers:
        """Return a computed tensor."""
        if name in self.values:
            raise Unsupported(f"Input {printable(name)!r} must be computed, not constant")
        return self.numbers[name]

    def add(self, layer: FloatLayer) -> str:
        """Append a layer, of a new name; return the name."""
        shape = layer.shape([self.shapes[name] for name in layer.inputs])
        if prod(shape) > MOST_ELEMENTS:
            raise Unsupported(f"Output must have at most {MOST_ELEMENTS} elements, "
                              f"not shape {shape}")
        self.built[layer.name], self.shapes[layer.name] = layer, shape
        return layer.name

    def result(self, name: str, layer: FloatLayer, *, rank: int | None = None):
        """Append the layer that makes a tensor of the file.

        With a ``rank``, the layer makes images of a tensor with so many axes behind the batch.
        """
        shape = self.shapes[own := self.add(layer)]
        if rank is not None:
            shape = (shape[2], *shape[_IMAGE_AXES - rank:2])
        self.numbers[name] = Numbers(name, shape, {rank is not None: own})

    def plain(self, x: Numbers) -> str:
        """Return the tensor of the network that has the numbers as the file has them."""
        if False not in x.layouts:
            name = x.layouts[True]
            if not _same_order(x.shape):
                if len(x.shape) < _IMAGE_AXES:
                    name = self.reshaped(x, name, (*x.shape[1:], x.channels), ":pixels")
                rank = len(x.shape)
                name = self.transposed(x, name, (0, rank, *range(1, rank)), ":channels_first")
            elif self.shapes[name] != x.shape:
                name = self.reshaped(x, name, x.shape, ":channels_first")
            x.layouts[False] = name
        return x.layouts[False]

    def image(self, x: Numbers) -> str:
        """Return the tensor of the network that has the numbers as images."""
        if True not in x.layouts:
            rank, name = len(x.shape), x.layouts[False]
            if not 1 <= rank <= _IMAGE_AXES:
                raise Unsupported(f"Tensor {printable(x.name)!r} must have 2 to 4 axes, not shape "
                                  f"(batch{''.join(f', {size}' for size in x.shape)})")
            target = ((1, 1, 1) + x.shape[1:])[-2:] + (x.channels,)
            if not _same_order(x.shape):
                name = self.transposed(x, name, (0, *range(2, rank + 1), 1), ":channels_last")
            if self.shapes[name] != target:
                name = self.reshaped(x, name, target, ":image")
            x.layouts[True] = name
        return x.layouts[True]

    def in_order(self, x: Numbers) -> str:
        """Return a tensor of the network, of any shape, with the numbers in the file's order."""
        return x.layouts[True] if False not in x.layouts and _same_order(x.shape) else (
            self.plain(x))

    def reshaped(self, x: Numbers, name: str, target: Shape, suffix: str) -> str:
        """Append a reshape of a tensor of the network."""
        return self.add(FloatReshape(name=self.name(x.name, suffix), inputs=(name,),
                                     target=tuple(target)))

    def transposed(self, x: Numbers, name: str, axes: Sequence[int], suffix: str) -> str:
        """Append a transpose of a tensor of the network."""
        return self.add(FloatTranspose(name=self.name(x.name, suffix), inputs=(name,),
                                       axes=tuple(axes)))

    def clipped(self, name: str, x: Numbers, least: float, most: float):
        """Clip a tensor: in the layer that makes it if nothing else reads it.

        Else a layer of its own, which multiplies by 1, clips it.
        """
        maker = self._maker(x)
        if maker is None:
            self.scaled(name, x, np.ones(1), np.zeros(1), least, most)
            return
        ends = (float(np.clip(end, least, most)) for end in (maker.least, maker.most))
        self._replaced(name, x, maker, **dict(zip(("least", "most"), ends, strict=True)))

    def scaled(self, name: str, x: Numbers, scale: np.ndarray, shift: np.ndarray,
               least: float = -inf, most: float = inf, *, axis: int | None = None):
        """Multiply each place of an axis of a tensor by a factor, and add a number to it.

        The layer of sums that makes the tensor does it if nothing else reads that and its outputs
        are along the axis; else a depthwise convolution of one tap.

        Parameters
        ----------
        name : str
            Name of the result in the file.
        x : Numbers
        scale, shift : array of float, ``(places,)`` or ``(1,)``
        least, most : float
            Ends that the result is clipped to.
        axis : int, optional
            Axis behind the batch: 0 is the channels. By default all numbers are treated alike.
        """
        maker = self._maker(x)
        outputs = 0 if True in x.layouts else len(x.shape) - 1
        if (isinstance(maker, FloatLinear) and axis in (None, outputs)
                and (maker.least, maker.most) == (-inf, inf)):
            factors = scale.reshape(-1, *[1] * (maker.weights.ndim - 1))
            self._replaced(name, x, maker, weights=maker.weights * factors,
                           bias=maker.biases() * scale + shift, least=least, most=most)
            return
        if axis not in (None, 0):
            raise Unsupported(f"Operand must have a number for each channel, along axis 1, or come "
                              f"behind a fully connected layer that nothing else reads, not have "
                              f"one for each place of axis {axis + 1}")
        own = self.image(x)
        self.result(name, FloatConv2d(
            np.broadcast_to(scale, x.channels).reshape(-1, 1, 1, 1),
            np.broadcast_to(shift, x.channels), name=self.name(name), inputs=(own,),
            groups=x.channels, least=least, most=most), rank=len(x.shape))

    def _maker(self, x: Numbers) -> FloatLayer | None:
        # The layer that makes a tensor that one operator reads, and may do that one's work.
        layer = self.built.get(next(iter(x.layouts.values())))
        alone = self.sole(x) and len(x.layouts) == 1
        return None if layer is None or isinstance(layer, FloatMove) or not alone else layer

    def sole(self, x: Numbers) -> bool:
        """Whether one operator or output alone reads a tensor."""
        return self.readers[self._root(x.name)] == 1

    def _replaced(self, name: str, x: Numbers, maker: FloatLayer, **fields):
        # The maker becomes the layer that makes the tensor of the file that is called name.
        layer = replace(maker, name=self.name(name), **fields)
        del self.built[maker.name]
        self.built[layer.name], self.shapes[layer.name] = layer, self.shapes[maker.name]
        self.numbers[name] = Numbers(name, x.shape, {next(iter(x.layouts)): layer.name})


def _same_order(shape: Shape) -> bool:
    # Whether numbers with channels first are in the order of those with channels last.
    return shape[:1] == (1,) or prod(shape[1:]) == 1
