"""The layers of a network, each with what it makes of the shapes of its inputs."""

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
"""Of a tensor, without the batch, its first axis."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Layer:
    """One operator.

    Parameters
    ----------
    name : str
        Of the layer, and of the tensor that it makes.
    inputs : tuple of str
        Names of the tensors that it takes.
    output : Quantization
        Of the tensor that it makes.
    """

    takes: ClassVar[int | None] = 1
    """How many inputs there are; None where it is any number but 0."""

    name: str
    inputs: tuple[str, ...]
    output: Quantization

    def shape(self, shapes: Sequence[Shape]) -> Shape:
        """Shape of the output, of inputs of ``shapes``; ``ValueError`` where they do not fit."""
        raise TypeError(f"Layer must be one of golden.networks, not {self!r}")

    def _refuse(self, index: int, wanted: object, shapes: Sequence[Shape]):
        raise ValueError(f"Tensor {self.inputs[index]!r} must have shape {wanted}, "
                         f"not {shapes[index]}")


@dataclass(frozen=True, eq=False, kw_only=True)
class Linear(Layer):
    """A layer of exact sums of products that are then requantized.

    Parameters
    ----------
    weights : array of integers
        Levels, output channel first.
    weight : Quantization
        Of ``weights``.
    contract : Contract
        How the sums are requantized.
    parameters : mapping of str to array
        One array of ``(channels,)`` integers for each field of the contract. The bias is that of
        the layer: zero points are not folded into it.
    seed : int
        State that the draws of contract ``stochastic`` begin with (:mod:`golden.lfsr`), 1 to
        ``2**32 - 1``; other contracts draw nothing.
    table : array of integers, ``(256,)``, optional
        What becomes of the results, which then have 8 bits: the level of each code
        (:mod:`golden.tables`).
    exponents : array of integers, ``(channels, ceil(features / 32))``, optional
        Codes of block-scaled weights' exponents (:mod:`golden.block_scaled`), 127 where a weight's
        step is that of ``weight``. The layer's sums, and so its bias, are in units of the least of
        them and of the least that its input may have.
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
        """The last axis becomes that of the channels."""
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
        Vertical, horizontal.
    padding : pair of pairs of int
        ``((top, bottom), (left, right))``, filled with the input's zero point.
    groups : int
        Depthwise where it equals the number of input channels.
    """

    stride: Pair = (1, 1)
    padding: Padding = NO_PADDING
    dilation: Pair = (1, 1)
    groups: int = 1

    def shape(self, shapes: Sequence[Shape]) -> Shape:
        """Rows and columns of windows, and the channels."""
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
        Vertical, horizontal.
    padding : pair of pairs of int
        ``((top, bottom), (left, right))``; padded taps do not take part.
    clamp : pair of int, optional
        Least and largest level of the output, as a fused activation has them.
    """

    kind: Literal["average", "max"]
    size: Pair
    stride: Pair
    padding: Padding = NO_PADDING
    clamp: Pair | None = None

    def shape(self, shapes: Sequence[Shape]) -> Shape:
        """Rows and columns of windows, and the channels."""
        if len(shapes[0]) != 3:
            self._refuse(0, "(height, width, channels)", shapes)
        return *pool_windows(shapes[0][:2], self.size, self.stride, self.padding,
                             name=f"Tensor {self.inputs[0]!r}"), shapes[0][2]


@dataclass(frozen=True, eq=False, kw_only=True)
class _Elementwise(Layer):
    # What is computed element by element, of tensors that are broadcast together.
    parameters: Mapping[str, int]

    def __post_init__(self):
        object.__setattr__(self, "parameters", fixed_parameters(self.parameters, self.name))

    def shape(self, shapes: Sequence[Shape]) -> Shape:
        """That of the inputs, broadcast together."""
        try:
            return np.broadcast_shapes(*shapes)
        except ValueError:
            raise ValueError(
                f"Tensors {' and '.join(map(repr, self.inputs))} must have shapes that broadcast "
                f"together, not {' and '.join(map(str, shapes))}") from None


@dataclass(frozen=True, eq=False, kw_only=True)
class Rescale(_Elementwise):
    """The same real numbers on another scale, or with another zero point.

    Parameters
    ----------
    contract : Contract
    parameters : mapping of str to int
        The fields of a :class:`~golden.units.Rescaling`.
    """

    contract: Contract


@dataclass(frozen=True, eq=False, kw_only=True)
class Add(_Elementwise):
    """Sum of two tensors, broadcast together.

    Parameters
    ----------
    scheme : Scheme or FusedScheme
    parameters : mapping of str to int
        The fields of an :class:`~golden.units.Addition`.
    """

    takes: ClassVar[int | None] = 2

    scheme: Scheme | FusedScheme


@dataclass(frozen=True, eq=False, kw_only=True)
class Sub(Add):
    """The first tensor less the second."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Mul(_Elementwise):
    """Product of two tensors, element by element, broadcast together.

    Parameters
    ----------
    contract : Contract
    parameters : mapping of str to int
        The fields of a :class:`~golden.units.Multiplication`.
    """

    takes: ClassVar[int | None] = 2

    contract: Contract


@dataclass(frozen=True, eq=False, kw_only=True)
class Concat(Layer):
    """Tensors joined along an axis, each rescaled to the output's scale.

    Parameters
    ----------
    axis : int
        Of the tensors with their batch, which is axis 0 and is not joined.
    contract : Contract
    parameters : tuple of mapping of str to int
        The fields of a :class:`~golden.units.Rescaling`, of each input.
    """

    takes: ClassVar[int | None] = None

    axis: int = -1
    contract: Contract
    parameters: tuple[Mapping[str, int], ...]

    def __post_init__(self):
        object.__setattr__(self, "parameters", tuple(
            fixed_parameters(each, self.name) for each in self.parameters))

    def shape(self, shapes: Sequence[Shape]) -> Shape:
        """That of each input but along the axis, where they add up."""
        rank = len(shapes[0])
        integers(self.axis, "Axis")
        if self.axis == 0 or not -rank <= self.axis <= rank:
            raise ValueError(f"Axis must be one of tensor {self.inputs[0]!r}, of shape "
                             f"{shapes[0]}, behind the batch, not {self.axis}")
        place = (self.axis - 1) % rank if self.axis > 0 else self.axis % rank
        before, after = shapes[0][:place], shapes[0][place + 1:]
        for index, shape in enumerate(shapes):
            if len(shape) != rank or shape[:place] + shape[place + 1:] != before + after:
                self._refuse(index, f"{shapes[0]}, but along axis {self.axis}", shapes)
        return *before, sum(shape[place] for shape in shapes), *after
