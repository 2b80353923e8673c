"""Layers of a network, each with the shape of its output."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from golden.contracts import Contract
from golden.formats import integers
from golden.networks.quantization import Quantization, fixed, fixed_parameters
from golden.units import FusedScheme, Scheme
from golden.windows import NO_PADDING, Padding, Pair, pool_windows, windows

__all__ = ["Shape", "Layer", "Linear", "Dense", "Conv2d", "Pool", "Rescale", "Add", "Sub", "Mul",
           "Concat"]

Shape = tuple[int, ...]
"""Shape of a tensor without the batch, its first axis."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Layer:
    """Layer of a network: one operator.

    Parameters
    ----------
    name : str
        Name of the layer and of its output tensor.
    inputs : tuple of str
        Names of the input tensors.
    output : Quantization
        Quantization of the output tensor.
    """

    input_count: ClassVar[int | None] = 1
    """Number of inputs; None if the layer takes one or more."""

    name: str
    inputs: tuple[str, ...]
    output: Quantization

    def shape(self, shapes: Sequence[Shape]) -> Shape:
        """Shape of the output for inputs of ``shapes``; ``ValueError`` if these do not fit."""
        raise TypeError(f"Layer must be one of golden.networks, not {self!r}")

    def _refuse(self, index: int, expected: object, shapes: Sequence[Shape]):
        raise ValueError(f"Tensor {self.inputs[index]!r} must have shape {expected}, "
                         f"not {shapes[index]}")


@dataclass(frozen=True, eq=False, kw_only=True)
class Linear(Layer):
    """Linear layer: exact sums of products, requantized.

    Parameters
    ----------
    weights : array of integers
        Levels of the weights, output channel first.
    weight : Quantization
        Quantization of the weights.
    contract : Contract
        Contract that requantizes the sums.
    parameters : mapping of str to array
        One array of ``(channels,)`` integers for each field of the contract. The bias is the
        layer's own: zero points are not folded into it.
    seed : int
        First state of the draws of contract ``stochastic`` (:mod:`golden.lfsr`), 1 to
        ``2**32 - 1``; other contracts draw nothing.
    table : array of integers, ``(256,)``, optional
        Table applied to each 8-bit result: the level of each code (:mod:`golden.tables`).
    exponents : array of integers, ``(channels, ceil(features / 32))``, optional
        Codes of the exponents of block-scaled weights (:mod:`golden.block_scaled`); with code 127
        a weight's step is that of ``weight``. Sums and bias are in units of the least exponents of
        the weights and of the input's range.
    """

    weights: np.ndarray
    weight: Quantization
    contract: Contract
    parameters: Mapping[str, np.ndarray]
    seed: int = 1
    table: np.ndarray | None = None
    exponents: np.ndarray | None = None

    def __post_init__(self):
        # Through object, for the instance is frozen.
        for field, title in (("weights", "Weight"), ("table", "Table"), ("exponents", "Exponent")):
            if (value := getattr(self, field)) is not None:
                value = fixed(integers(value, f"{title} of layer {self.name!r}"))
            object.__setattr__(self, field, value)
        object.__setattr__(self, "parameters", fixed_parameters(self.parameters, self.name))

    def _check_weights(self, axes: int):
        if self.weights.ndim != axes or not len(self.weights):
            raise ValueError(f"Weights must have {axes} axes and an output, "
                             f"not shape {self.weights.shape}")


@dataclass(frozen=True, eq=False, kw_only=True)
class Dense(Linear):
    """Fully connected: ``(..., features) -> (..., channels)``; weights (channels, features)."""

    def shape(self, shapes: Sequence[Shape]) -> Shape:
        """Shape of the input with channels in place of the features."""
        self._check_weights(2)
        channels, features = self.weights.shape
        if shapes[0][-1:] != (features,):
            self._refuse(0, (*shapes[0][:-1], features), shapes)
        return *shapes[0][:-1], channels


@dataclass(frozen=True, eq=False, kw_only=True)
class Conv2d(Linear):
    """Convolution over ``(batch, height, width, channels)``.

    Parameters
    ----------
    weights : array of integers, ``(outputs, kernel height, kernel width, inputs / groups)``
    stride, dilation : pair of int
        Vertical and horizontal step of the windows, and of the taps.
    padding : pair of pairs of int
        Padding ``((top, bottom), (left, right))``, filled with the input's zero point.
    groups : int
        Number of groups; as many as input channels make the convolution depthwise.
    """

    stride: Pair = (1, 1)
    padding: Padding = NO_PADDING
    dilation: Pair = (1, 1)
    groups: int = 1

    def shape(self, shapes: Sequence[Shape]) -> Shape:
        """Shape of rows and columns of windows, and channels."""
        self._check_weights(4)
        channels, *kernel, depth = self.weights.shape
        if integers(self.groups, "Groups") < 1 or channels % self.groups:
            raise ValueError(f"Groups must divide the {channels} outputs, not {self.groups}")
        if len(shapes[0]) != 3 or shapes[0][2] != depth * self.groups:
            self._refuse(0, f"(height, width, {depth * self.groups})", shapes)
        return *windows(shapes[0][:2], kernel, self.stride, self.padding, self.dilation,
                        name=f"Tensor {self.inputs[0]!r}"), channels


@dataclass(frozen=True, eq=False, kw_only=True)
class Pool(Layer):
    """Average or maximum over windows; the output has the input's quantization.

    Parameters
    ----------
    kind : "average" or "max"
    size, stride : pair of int
        Vertical and horizontal size and step of the windows.
    padding : pair of pairs of int
        Padding ``((top, bottom), (left, right))``; padded taps do not take part.
    clamp : pair of int, optional
        Least and largest level of the output, for a fused activation.
    """

    kind: Literal["average", "max"]
    size: Pair
    stride: Pair
    padding: Padding = NO_PADDING
    clamp: Pair | None = None

    def shape(self, shapes: Sequence[Shape]) -> Shape:
        """Shape of rows and columns of windows, and channels."""
        if len(shapes[0]) != 3:
            self._refuse(0, "(height, width, channels)", shapes)
        return *pool_windows(shapes[0][:2], self.size, self.stride, self.padding,
                             name=f"Tensor {self.inputs[0]!r}"), shapes[0][2]


@dataclass(frozen=True, eq=False, kw_only=True)
class _Elementwise(Layer):
    # Layers that compute element by element, of tensors that are broadcast together.
    parameters: Mapping[str, int]

    def __post_init__(self):
        object.__setattr__(self, "parameters", fixed_parameters(self.parameters, self.name))

    def shape(self, shapes: Sequence[Shape]) -> Shape:
        """Shape of the inputs, broadcast together."""
        try:
            return np.broadcast_shapes(*shapes)
        except ValueError:
            raise ValueError(
                f"Tensors {' and '.join(map(repr, self.inputs))} must have shapes that broadcast "
                f"together, not {' and '.join(map(str, shapes))}") from None


@dataclass(frozen=True, eq=False, kw_only=True)
class Rescale(_Elementwise):
    """The same real numbers with another scale or zero point.

    Parameters
    ----------
    contract : Contract
    parameters : mapping of str to int
        Value of each field of a :class:`~golden.units.Rescaling`.
    """

    contract: Contract


@dataclass(frozen=True, eq=False, kw_only=True)
class Add(_Elementwise):
    """Sum of two tensors, broadcast together.

    Parameters
    ----------
    scheme : Scheme or FusedScheme
    parameters : mapping of str to int
        Value of each field of an :class:`~golden.units.Addition`.
    """

    input_count: ClassVar[int | None] = 2

    scheme: Scheme | FusedScheme


@dataclass(frozen=True, eq=False, kw_only=True)
class Sub(Add):
    """Difference of two tensors: the first minus the second."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Mul(_Elementwise):
    """Product of two tensors, element by element, broadcast together.

    Parameters
    ----------
    contract : Contract
    parameters : mapping of str to int
        Value of each field of a :class:`~golden.units.Multiplication`.
    """

    input_count: ClassVar[int | None] = 2

    contract: Contract


@dataclass(frozen=True, eq=False, kw_only=True)
class Concat(Layer):
    """Tensors joined along an axis, each rescaled to the output's scale.

    Parameters
    ----------
    axis : int
        Axis to join along; axis 0 is the batch and cannot be joined.
    contract : Contract
    parameters : tuple of mapping of str to int
        Value of each field of a :class:`~golden.units.Rescaling`, for each input.
    """

    input_count: ClassVar[int | None] = None

    axis: int = -1
    contract: Contract
    parameters: tuple[Mapping[str, int], ...]

    def __post_init__(self):
        object.__setattr__(self, "parameters", tuple(
            fixed_parameters(each, self.name) for each in self.parameters))

    def shape(self, shapes: Sequence[Shape]) -> Shape:
        """Shape of the first input, but with the sum of all sizes along the axis."""
        rank = len(shapes[0])
        integers(self.axis, "Axis")
        if self.axis == 0 or not -rank <= self.axis <= rank:
            raise ValueError(f"Axis must be one of tensor {self.inputs[0]!r}, of shape "
                             f"{shapes[0]}, after the batch, not {self.axis}")
        place = (self.axis - 1) % rank if self.axis > 0 else self.axis % rank
        before, after = shapes[0][:place], shapes[0][place + 1:]
        for index, shape in enumerate(shapes):
            if len(shape) != rank or shape[:place] + shape[place + 1:] != before + after:
                self._refuse(index, f"{shapes[0]}, but along axis {self.axis}", shapes)
        return *before, sum(shape[place] for shape in shapes), *after
