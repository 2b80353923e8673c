"""Quantization: the real numbers that a tensor's levels stand for."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from golden.formats import (
    EXPONENT,
    EXPONENT_BIAS,
    BlockScaled,
    Format,
    IntFormat,
    check_format,
    floats,
    integers,
)
from golden.ranges import Range, levels_range

__all__ = ["Quantization", "check_scale", "fixed", "fixed_parameters"]


def fixed(array: np.ndarray) -> np.ndarray:
    """Return a read-only array: ``array`` itself if it is one, else a copy."""
    if array.flags.writeable or not array.flags.owndata:
        array = array.copy()
        array.flags.writeable = False
    return array


def fixed_parameters(parameters: Mapping, layer: str) -> Mapping[str, int | np.ndarray]:
    """Return a layer's parameters, integers and arrays, as a read-only mapping."""
    if not isinstance(parameters, Mapping):
        raise TypeError(f"Parameters of layer {layer!r} must be a mapping of names to integers, "
                        f"not {parameters!r}")
    arrays = {name: integers(value, f"Parameter {name} of layer {layer!r}")
              for name, value in parameters.items()}
    return MappingProxyType({name: fixed(array) if array.ndim else array.item()
                             for name, array in arrays.items()})


def check_scale(scale, *, zero: bool = False, name: str = "Scale") -> np.ndarray:
    """Return scales as an array of floats.

    Raises
    ------
    TypeError
        If a scale is no number.
    ValueError
        If a scale is not finite or not positive (``zero`` allows 0), or rows differ in length.
    """
    scale = floats(scale, name)
    if not (good := ((scale >= 0) if zero else (scale > 0)) & np.isfinite(scale)).all():
        constraint = "finite and not negative" if zero else "positive and finite"
        raise ValueError(f"{name} must be {constraint}, not {scale[~good].flat[0]}")
    return scale


@dataclass(frozen=True, eq=False)
class Quantization:
    """Real numbers that a tensor's levels stand for: ``real = step * (level - zero_point)``.

    ``step = scale * 2**format.unit``: the scale applies to the format's own numbers, such as
    ``0.5`` in a float format whose unit is smaller. A block whose exponent has code ``c``
    multiplies the step by ``2**(c - 127)``.

    Parameters
    ----------
    format : Format
        Format of the elements.
    scale : float or array of float
        Scale of the tensor, or of each output channel. A channel's scale may be 0: its weights then
        stand for 0 whatever their levels, as in files of TFLite.
    zero_point : int or array of int
        Zero point of the tensor, or of each output channel: a level of the format.
    exponents : Range
        Codes that the exponents of a block-scaled tensor may have; the codes of weights are in
        their layer. Other formats have only 127, which stands for 1.

    Raises
    ------
    TypeError
        If the format is no format, a scale no number, or the exponents are no Range.
    ValueError
        If a scale is not positive and finite (a channel's may be 0), or the format cannot have the
        exponents.
    """

    format: Format
    scale: float | np.ndarray = 1.0
    zero_point: int | np.ndarray = 0
    exponents: Range = Range(EXPONENT_BIAS, EXPONENT_BIAS)

    def __post_init__(self):
        check_format(self.format)
        scale, zero_point = floats(self.scale, "Scale"), integers(self.zero_point, "Zero point")
        # Through object, for the instance is frozen.
        for name, array in (("scale", scale.astype(np.float64)), ("zero_point", zero_point)):
            object.__setattr__(self, name, fixed(array) if array.ndim else array.item())
        check_scale(self.scale, zero=scale.ndim > 0)
        if not isinstance(self.format, IntFormat):
            self.format.check_zero_point(self.zero_point)
        if not isinstance(self.exponents, Range):
            raise TypeError(f"Exponents must be a Range, not {self.exponents!r}")
        allowed = (levels_range(EXPONENT) if isinstance(self.format, BlockScaled)
                   else Range(EXPONENT_BIAS, EXPONENT_BIAS))
        if self.exponents not in allowed:
            raise ValueError(f"Exponents must be in range {allowed} for {self.format}, "
                             f"not {self.exponents}")

    def scalar_zero_point(self, name: str = "Zero point") -> int:
        """Zero point of the whole tensor; ``ValueError`` if it is no level, or an array."""
        zero_point = self.format.check_zero_point(self.zero_point, name)
        if zero_point.ndim:
            raise ValueError(f"{name} must be a scalar, not shape {zero_point.shape}")
        return int(zero_point)

    @property
    def step(self) -> float | np.ndarray:
        """Real value of one level; in a block-scaled tensor, where the exponent's code is 127."""
        return self.scale * 2.0**self.format.unit

    @property
    def least_step(self) -> float | np.ndarray:
        """Real value of one level in a block of the least exponent."""
        return self.step * 2.0**(self.exponents.lo - EXPONENT_BIAS)
