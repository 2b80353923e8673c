"""Quantized networks as plain data: tensors, layers and how they are joined. No arithmetic."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from golden.contracts import Contract
from golden.formats import EXPONENT, EXPONENT_BIAS, BlockScaled, Format, IntFormat, floats, integers
from golden.ranges import Range, levels_range
from golden.units import FusedScheme, Scheme

__all__ = ["Quantization", "Layer", "Linear", "Dense", "Conv2d", "Pool", "Rescale", "Add", "Sub",
           "Mul", "Concat", "Network", "INPUT", "check_scale"]

INPUT = "input"
"""Name of the tensor that a network takes."""


def check_scale(scale, *, zero: bool = False) -> np.ndarray:
    """Return scales as an array of floats.

    Raises
    ------
    TypeError
        Where one is no number.
    ValueError
        Where one is not finite, or not positive; with ``zero`` it may be 0 as well. Where rows
        differ in length.
    """
    scale = floats(scale, "Scale")
    if not (good := ((scale >= 0) if zero else (scale > 0)) & np.isfinite(scale)).all():
        constraint = "finite and not negative" if zero else "positive and finite"
        raise ValueError(f"Scale must be {constraint}, not {scale[~good].flat[0]}")
    return scale


@dataclass(frozen=True, eq=False)
class Quantization:
    """How a tensor's levels stand for real numbers: ``real = step * (level - zero_point)``.

    ``step = scale * 2**format.unit``: the scale is that of the format's own numbers, such as
    ``0.5`` in a float format whose unit is smaller. In a block-scaled tensor this is times
    ``2**(code - 127)``, of the code of the block's exponent.

    Parameters
    ----------
    format : Format
        Of each element.
    scale : float or array of float
        Per tensor, or per output channel: one of these may be 0, and its weights then stand for 0
        whatever their levels, as in files of TFLite.
    zero_point : int or array of int
        A level of the format; per tensor, or per output channel.
    exponents : Range
        Codes that the blocks of a block-scaled tensor may have; those of weights are in their
        layer. Of other formats 127 alone, which stands for 1.

    Raises
    ------
    TypeError
        Where the format is none, a scale no number, or the exponents are no Range.
    ValueError
        Where a scale is not positive and finite, but for a channel's of 0, or the exponents are
        none of the format's.
    """

    format: Format
    scale: float | np.ndarray = 1.0
    zero_point: int | np.ndarray = 0
    exponents: Range = Range(EXPONENT_BIAS, EXPONENT_BIAS)

    def __post_init__(self):
        if not isinstance(self.format, Format):
            raise TypeError(f"Format must be a format, not {self.format!r}")
        # Lists become arrays; through object, for the instance is frozen.
        for name, array, title in (("scale", floats, "Scale"),
                                   ("zero_point", integers, "Zero point")):
            if isinstance(value := getattr(self, name), list | tuple):
                object.__setattr__(self, name, array(value, title))
        check_scale(self.scale, zero=np.ndim(self.scale) > 0)
        if not isinstance(self.format, IntFormat):
            self.format.check_zero_point(self.zero_point)
        if not isinstance(self.exponents, Range):
            raise TypeError(f"Exponents must be a Range, not {self.exponents!r}")
        allowed = (levels_range(EXPONENT) if isinstance(self.format, BlockScaled)
                   else Range(EXPONENT_BIAS, EXPONENT_BIAS))
        if self.exponents not in allowed:
            raise ValueError(f"Exponents must be in range {allowed} for {self.format}, "
                             f"not {self.exponents}")

    @property
    def step(self) -> float | np.ndarray:
        """What one level stands for; of a block-scaled tensor where the exponent's code is 127."""
        return self.scale * 2.0**self.format.unit

    @property
    def least_step(self) -> float | np.ndarray:
        """What one level stands for where the exponent is the least."""
        return self.step * 2.0**(self.exponents.lo - EXPONENT_BIAS)


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

    name: str
    inputs: tuple[str, ...]
    output: Quantization


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


@dataclass(frozen=True, eq=False, kw_only=True)
class Dense(Linear):
    """Fully connected: ``(batch, features) -> (batch, channels)``; weights (channels, features)."""


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

    stride: tuple[int, int] = (1, 1)
    padding: tuple[tuple[int, int], tuple[int, int]] = ((0, 0), (0, 0))
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1


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
    size: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[tuple[int, int], tuple[int, int]] = ((0, 0), (0, 0))
    clamp: tuple[int, int] | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class Rescale(Layer):
    """The same real numbers on another scale, or with another zero point.

    Parameters
    ----------
    contract : Contract
    parameters : mapping of str to int
        The fields of a :class:`~golden.units.Rescaling`.
    """

    contract: Contract
    parameters: Mapping[str, int]


@dataclass(frozen=True, eq=False, kw_only=True)
class Add(Layer):
    """Sum of two tensors, broadcast together.

    Parameters
    ----------
    scheme : Scheme or FusedScheme
    parameters : mapping of str to int
        The fields of an :class:`~golden.units.Addition`.
    """

    scheme: Scheme | FusedScheme
    parameters: Mapping[str, int]


@dataclass(frozen=True, eq=False, kw_only=True)
class Sub(Add):
    """The first tensor less the second."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Mul(Layer):
    """Product of two tensors, element by element, broadcast together.

    Parameters
    ----------
    contract : Contract
    parameters : mapping of str to int
        The fields of a :class:`~golden.units.Multiplication`.
    """

    contract: Contract
    parameters: Mapping[str, int]


@dataclass(frozen=True, eq=False, kw_only=True)
class Concat(Layer):
    """Tensors joined along an axis, each rescaled to the output's scale.

    Parameters
    ----------
    axis : int
    contract : Contract
    parameters : tuple of mapping of str to int
        The fields of a :class:`~golden.units.Rescaling`, of each input.
    """

    axis: int = -1
    contract: Contract
    parameters: tuple[Mapping[str, int], ...]


@dataclass(frozen=True, eq=False, kw_only=True)
class Network:
    """Layers in an order in which they can run; the last one's tensor is the output.

    Parameters
    ----------
    name : str
    input : Quantization
        Of the tensor called ``"input"``.
    layers : tuple of Layer

    Raises
    ------
    TypeError
        Where the input is no Quantization.
    ValueError
        Where a name is used twice, or a layer takes a tensor that no earlier one makes.
    """

    name: str
    input: Quantization
    layers: tuple[Layer, ...] = field(default=())

    def __post_init__(self):
        if not isinstance(self.input, Quantization):
            raise TypeError(f"Input must be a Quantization, not {self.input!r}")
        known = {INPUT}
        for layer in self.layers:
            if layer.name in known:
                raise ValueError(f"Layer name must be new, not {layer.name!r}")
            for name in layer.inputs:
                if name not in known:
                    raise ValueError(
                        f"Inputs of layer {layer.name!r} must be among {sorted(known)}, "
                        f"not {name!r}")
            known.add(layer.name)

    def quantization(self, name: str) -> Quantization:
        """Quantization of the tensor called ``name``."""
        if name == INPUT:
            return self.input
        return next(layer.output for layer in self.layers if layer.name == name)
