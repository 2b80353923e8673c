"""Layers of a network, each with the shape of its output."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from golden.contracts import Contract
from golden.formats import integers
from golden.networks.quantization import Quantization, fixed_parameters
from golden.units import FusedScheme, Scheme
from golden.windows import NO_PADDING, Padding, Pair, pool_windows

__all__ = ["Shape", "Layer", "check_inputs", "Pool", "Rescale", "Add", "Sub", "Mul", "Concat"]

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

    def _broadcast(self, shapes: Sequence[Shape]) -> Shape:
        try:
            return np.broadcast_shapes(*shapes)
        except ValueError:
            raise ValueError(
                f"Tensors {' and '.join(map(repr, self.inputs))} must have shapes that broadcast "
                f"together, not {' and '.join(map(str, shapes))}") from None

    def _refuse(self, index: int, expected: object, shapes: Sequence[Shape]):
        raise ValueError(f"Tensor {self.inputs[index]!r} must have shape {expected}, "
                         f"not {shapes[index]}")


def check_inputs(name: str, inputs: Sequence[str], count: int | None, known: Collection[str]):
    """Raise ``ValueError`` unless a layer has so many inputs, all of them known tensors."""
    for each in inputs:
        if each not in known:
            raise ValueError(f"Inputs of layer {name!r} must be among {sorted(known)}, "
                             f"not {each!r}")
    if len(inputs) != (wanted := count or max(1, len(inputs))):
        raise ValueError(f"Layer {name!r} must have {wanted} input{'s' if wanted > 1 else ''}, "
                         f"not {len(inputs)}")


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
        return self._broadcast(shapes)


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
