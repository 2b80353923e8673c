"""How a tensor's levels stand for real numbers."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from golden.formats import EXPONENT, EXPONENT_BIAS, BlockScaled, Format, IntFormat, floats, integers
from golden.ranges import Range, levels_range

__all__ = ["Quantization", "check_scale", "fixed", "fixed_parameters"]


def fixed(array: np.ndarray) -> np.ndarray:
    """Return an array that cannot be written, a copy unless it is one."""
    if array.flags.writeable or not array.flags.owndata:
        array = array.copy()
        array.flags.writeable = False
    return array


def fixed_parameters(parameters: Mapping, layer: str) -> Mapping[str, int | np.ndarray]:
    """Return a layer's parameters, integers and arrays of them: neither they can be written."""
    if not isinstance(parameters, Mapping):
        raise TypeError(f"Parameters of layer {layer!r} must be a mapping of names to integers, "
                        f"not {parameters!r}")
    arrays = {name: integers(value, f"Parameter {name} of layer {layer!r}")
              for name, value in parameters.items()}
    return MappingProxyType({name: fixed(array) if array.ndim else array.item()
                             for name, array in arrays.items()})


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
        """Zero point of the whole tensor; ``ValueError`` where it is none or there are several."""
        zero_point = self.format.check_zero_point(self.zero_point, name)
        if zero_point.ndim:
            raise ValueError(f"{name} must be a scalar, not shape {zero_point.shape}")
        return int(zero_point)

    @property
    def step(self) -> float | np.ndarray:
        """What one level stands for; of a block-scaled tensor where the exponent's code is 127."""
        return self.scale * 2.0**self.format.unit

    @property
    def least_step(self) -> float | np.ndarray:
        """What one level stands for where the exponent is the least."""
        return self.step * 2.0**(self.exponents.lo - EXPONENT_BIAS)
