"""Layers of real numbers: images are ``(batch, height, width, channels)``, as in golden.networks.

A layer's result is clipped to its ends, of an activation that follows it.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from math import inf, prod
from typing import ClassVar, Literal

import numpy as np

from golden.formats import finite
from golden.networks.layers import Shape
from golden.windows import NO_PADDING, Padding, Pair, pool_windows, windows

__all__ = ["FloatAdd", "FloatConcat", "FloatConv2d", "FloatDense", "FloatLayer", "FloatLinear",
           "FloatMove", "FloatPool", "FloatReshape", "FloatTranspose"]


@dataclass(frozen=True, eq=False, kw_only=True)
class FloatLayer(ABC):
    """Layer of a float network: one operator.

    Parameters
    ----------
    name : str
        Name of the layer and of its output tensor; a chain names its layers.
    inputs : tuple of str
        Names of the input tensors; a chain's layer has that of the layer before.
    least, most : float
        Ends that the result is clipped to, around 0; without end by default.
    """

    input_count: ClassVar[int | None] = 1
    """Number of inputs; None if the layer takes one or more."""

    name: str = ""
    inputs: tuple[str, ...] = ()
    least: float = -inf
    most: float = inf

    def __post_init__(self):
        if not self.least <= 0 <= self.most or self.least == self.most:
            raise ValueError(f"Ends of layer {self.name!r} must be at most 0 and at least 0, and "
                             f"differ, not {self.least} and {self.most}")

    @abstractmethod
    def shape(self, shapes: Sequence[Shape]) -> Shape:
        """Shape of the output, without the batch; ``ValueError`` if the inputs do not fit."""

    @abstractmethod
    def unclipped(self, *inputs: np.ndarray) -> np.ndarray:
        """Result for a batch, before it is clipped."""

    def run(self, *inputs: np.ndarray) -> np.ndarray:
        """Result for a batch, as ``float64``."""
        return np.clip(self.unclipped(*inputs), self.least, self.most)

    def _refuse(self, index: int, expected: object, shapes: Sequence[Shape]):
        raise ValueError(f"Input {index} must have shape {expected}, not {shapes[index]}")


@dataclass(frozen=True, eq=False, kw_only=True)
class FloatMove(FloatLayer):
    """A layer whose output elements are elements of its inputs."""


@dataclass(frozen=True, eq=False)
class FloatLinear(FloatLayer):
    """Sums of products.

    Parameters
    ----------
    weights : array of float
        Output first.
    bias : array of float, ``(outputs,)``, optional
        Bias of each output; by default 0.
    relu : bool
        Whether a ReLU follows: it makes :attr:`least` 0, and a copy without it needs another one.
    """

    weights: np.ndarray
    bias: np.ndarray | None = None
    relu: bool = False

    axes: ClassVar[int]

    def __post_init__(self):
        # Lists become arrays; through object, for the instance is frozen.
        object.__setattr__(self, "weights", finite(self.weights, "Weights"))
        if self.bias is not None:
            object.__setattr__(self, "bias", finite(self.bias, "Bias"))
        if np.ndim(self.weights) != self.axes or not np.size(self.weights):
            raise ValueError(f"Weights must have {self.axes} axes, of one element at least, "
                             f"not shape {np.shape(self.weights)}")
        outputs = len(self.weights)
        if self.bias is not None and np.shape(self.bias) != (outputs,):
            raise ValueError(f"Bias must have shape {(outputs,)}, not {np.shape(self.bias)}")
        if self.relu:
            object.__setattr__(self, "least", max(0.0, self.least))
        super().__post_init__()

    def biases(self) -> np.ndarray:
        """Bias of each output: zeros if the layer has none."""
        return np.zeros(len(self.weights)) if self.bias is None else self.bias


@dataclass(frozen=True, eq=False)
class FloatDense(FloatLinear):
    """Fully connected: ``x @ weights.T + bias``, of ``(..., inputs)``.

    Parameters
    ----------
    weights : array of float, ``(outputs, inputs)``
    bias, relu
        As of :class:`FloatLinear`.
    """

    axes: ClassVar[int] = 2

    def shape(self, shapes: Sequence[Shape]) -> Shape:
        """Shape of the input with outputs in place of the inputs."""
        outputs, inputs = self.weights.shape
        if shapes[0][-1:] != (inputs,):
            self._refuse(0, (*shapes[0][:-1], inputs), shapes)
        return *shapes[0][:-1], outputs

    def unclipped(self, *inputs: np.ndarray) -> np.ndarray:
        """Return the sums plus bias."""
        return inputs[0] @ self.weights.T + self.biases()


@dataclass(frozen=True, eq=False)
class FloatConv2d(FloatLinear):
    """Convolution of images; the kernel is not flipped.

    Parameters
    ----------
    weights : array of float, ``(outputs, kernel height, kernel width, inputs / groups)``
    bias, relu
        As of :class:`FloatLinear`.
    stride, dilation : pair of int
        Vertical and horizontal step of the windows, and of the taps.
    padding : pair of pairs of int
        Zeros ``((top, bottom), (left, right))``.
    groups : int
        Number of groups; as many as input channels make the convolution depthwise.
    """

    axes: ClassVar[int] = 4

    _: KW_ONLY
    stride: Pair = (1, 1)
    padding: Padding = NO_PADDING
    dilation: Pair = (1, 1)
    groups: int = 1

    def shape(self, shapes: Sequence[Shape]) -> Shape:
        """Shape of rows and columns of windows, and outputs."""
        outputs, *kernel, depth = self.weights.shape
        if self.groups < 1 or outputs % self.groups:
            raise ValueError(f"Groups must divide the {outputs} outputs, not {self.groups}")
        if len(shapes[0]) != 3 or shapes[0][2] != depth * self.groups:
            self._refuse(0, f"(height, width, {depth * self.groups})", shapes)
        return *windows(shapes[0][:2], kernel, self.stride, self.padding, self.dilation), outputs

    def unclipped(self, *inputs: np.ndarray) -> np.ndarray:
        """Return the sums plus bias."""
        outputs, *kernel, depth = self.weights.shape
        shape = self.shape([inputs[0].shape[1:]])
        x = np.pad(inputs[0], ((0, 0), *self.padding, (0, 0)))
        sums = np.zeros((len(x), *shape))
        per = outputs // self.groups
        for tap in np.ndindex(*kernel):
            seen = _tap(x, tap, self.dilation, self.stride, shape[:2])
            for group in range(self.groups):
                own = slice(group * per, (group + 1) * per)
                sums[..., own] += seen[..., group * depth:(group + 1) * depth] @ self.weights[
                    own, tap[0], tap[1]].T
        return sums + self.biases()


@dataclass(frozen=True, eq=False, kw_only=True)
class FloatPool(FloatLayer):
    """Average or maximum over windows of images; padded taps do not take part.

    Parameters
    ----------
    kind : "average" or "max"
    size, stride : pair of int
        Vertical and horizontal size and step of the windows.
    padding : pair of pairs of int
        Padding ``((top, bottom), (left, right))``.
    """

    kind: Literal["average", "max"]
    size: Pair
    stride: Pair
    padding: Padding = NO_PADDING

    def shape(self, shapes: Sequence[Shape]) -> Shape:
        """Shape of rows and columns of windows, and channels."""
        if len(shapes[0]) != 3:
            self._refuse(0, "(height, width, channels)", shapes)
        return *pool_windows(shapes[0][:2], self.size, self.stride, self.padding), shapes[0][2]

    def unclipped(self, *inputs: np.ndarray) -> np.ndarray:
        """Return the mean or the largest number of each window."""
        shape = self.shape([inputs[0].shape[1:]])
        pads = ((0, 0), *self.padding, (0, 0))
        seen = [[_tap(np.pad(each, pads, constant_values=outside), tap, (1, 1), self.stride,
                      shape[:2]) for tap in np.ndindex(*self.size)]
                for each, outside in ((inputs[0], -inf if self.kind == "max" else 0.0),
                                      (np.ones_like(inputs[0]), 0.0))]
        if self.kind == "max":
            return np.max(seen[0], axis=0)
        return np.sum(seen[0], axis=0) / np.sum(seen[1], axis=0)


@dataclass(frozen=True, eq=False, kw_only=True)
class FloatAdd(FloatLayer):
    """Sum of two tensors of one shape."""

    input_count: ClassVar[int | None] = 2

    def shape(self, shapes: Sequence[Shape]) -> Shape:
        """Shape of the inputs."""
        if shapes[1] != shapes[0]:
            self._refuse(1, shapes[0], shapes)
        return shapes[0]

    def unclipped(self, *inputs: np.ndarray) -> np.ndarray:
        """Return the sum."""
        return inputs[0] + inputs[1]


@dataclass(frozen=True, eq=False, kw_only=True)
class FloatConcat(FloatLayer):
    """Tensors joined along the last axis."""

    input_count: ClassVar[int | None] = None

    def shape(self, shapes: Sequence[Shape]) -> Shape:
        """Shape of the first input, but with the sum of all sizes along the last axis."""
        for index, shape in enumerate(shapes):
            if shape[:-1] != shapes[0][:-1] or not shape:
                self._refuse(index, (*shapes[0][:-1], "any"), shapes)
        return *shapes[0][:-1], sum(shape[-1] for shape in shapes)

    def unclipped(self, *inputs: np.ndarray) -> np.ndarray:
        """Return the joined tensors."""
        return np.concatenate(inputs, axis=-1)


@dataclass(frozen=True, eq=False, kw_only=True)
class FloatReshape(FloatMove):
    """The same elements in the same order, in another shape.

    Parameters
    ----------
    target : tuple of int
        Shape of the output, without the batch.
    """

    target: Shape

    def shape(self, shapes: Sequence[Shape]) -> Shape:
        """Return the target, which has as many elements as the input."""
        if prod(self.target) != prod(shapes[0]) or min(self.target, default=1) < 1:
            raise ValueError(f"Target shape must have the {prod(shapes[0])} elements of the input, "
                             f"not be {self.target}")
        return self.target

    def unclipped(self, *inputs: np.ndarray) -> np.ndarray:
        """Return the elements."""
        return inputs[0].reshape(len(inputs[0]), *self.target)


@dataclass(frozen=True, eq=False, kw_only=True)
class FloatTranspose(FloatMove):
    """Axes in another order.

    Parameters
    ----------
    axes : tuple of int
        Axis of the input for each axis of the output; axis 0, the batch, is first and stays.
    """

    axes: tuple[int, ...]

    def shape(self, shapes: Sequence[Shape]) -> Shape:
        """Sizes of the input, in the new order."""
        if self.axes[:1] != (0,) or sorted(self.axes) != list(range(len(shapes[0]) + 1)):
            raise ValueError(f"Axes must be 0 and then 1 to {len(shapes[0])} in any order, "
                             f"not {self.axes}")
        return tuple(shapes[0][axis - 1] for axis in self.axes[1:])

    def unclipped(self, *inputs: np.ndarray) -> np.ndarray:
        """Return the elements."""
        return inputs[0].transpose(self.axes)


def _tap(x: np.ndarray, tap: Sequence[int], dilation: Pair, stride: Pair, shape: Sequence[int]
         ) -> np.ndarray:
    # What one tap of a kernel sees in each window.
    rows, columns = (slice(at * apart, at * apart + (count - 1) * step + 1, step)
                     for at, apart, step, count in zip(tap, dilation, stride, shape, strict=True))
    return x[:, rows, columns]
