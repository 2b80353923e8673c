"""Layers of exact sums of products: fully connected, convolutions, transposed convolutions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from golden.contracts import Contract
from golden.formats import integers
from golden.networks.layers import Layer, Shape
from golden.networks.quantization import Quantization, fixed, fixed_parameters
from golden.windows import NO_PADDING, Padding, Pair, windows

__all__ = ["Linear", "Dense", "Conv2d", "TransposeConv2d"]


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
class TransposeConv2d(Linear):
    """Transposed convolution over ``(batch, height, width, channels)``.

    Tap ``(i, j)`` of the kernel adds input pixel ``(r, c)`` times its weights to output pixel
    ``(r * stride[0] + i - offset[0], c * stride[1] + j - offset[1])``, where there is one.

    Parameters
    ----------
    weights : array of integers, ``(outputs, kernel height, kernel width, inputs)``
    stride : pair of int
        Vertical and horizontal distance of two input pixels in the output.
    offset : pair of int
        Rows and columns that are left out at the top and at the left.
    size : pair of int
        Height and width of the output.
    """

    stride: Pair
    offset: Pair
    size: Pair

    def shape(self, shapes: Sequence[Shape]) -> Shape:
        """Size of the output, and channels."""
        self._check_weights(4)
        channels, *_, depth = self.weights.shape
        if len(shapes[0]) != 3 or shapes[0][2] != depth:
            self._refuse(0, f"(height, width, {depth})", shapes)
        for title, pair, least in (("Stride", self.stride, 1), ("Offset", self.offset, 0),
                                   ("Size", self.size, 1)):
            values = integers(pair, title)
            if values.shape != (2,) or (values < least).any():
                raise ValueError(f"{title} must be a pair of integers of at least {least}, "
                                 f"not {pair!r}")
        return *self.size, channels
