"""Whether a difference from an exact result is ONNX Runtime's float32's.

The Runtime may compute a layer in float32, rounding every operation in an order of its own. Golden
then rounds the exact result once. Where the two differ, the exact result is computed again as a
fraction (:func:`exactmac.rounding.exact.exact`). A difference is float32's if the bound of the
rounding errors of these operations reaches the Runtime's level.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from exactmac.rounding.exact import exact
from golden.networks import Layer, Network
from golden.readers import Model

__all__ = ["FloatRounding", "OnnxRounding", "float_rounding"]

ROUNDINGS = 8
"""Roundings of a result besides those of its terms' sum.

One for each factor's real number, one for their product, two for the real number of the bias and
its scale, one for a number of taps, one for the output's scale and one for its zero point.
"""

class FloatRounding(NamedTuple):
    """A difference that float32 makes.

    Parameters
    ----------
    value : Fraction
        Exact result in levels of the output, with the zero point, before it is rounded.
    golden, runtime : int
        Levels.
    real : float or None
        Real number that the runtime rounded to its level, if it shows that.
    """

    value: Fraction
    golden: int
    runtime: int
    real: float | None

    def __str__(self) -> str:
        shown = "" if self.real is None else f" of {self.real!r}"
        return (f"{self.value} ({float(self.value):.9g}): golden {self.golden}, "
                f"runtime {self.runtime}{shown}")


def float_rounding(layer: Layer, network: Network, inputs: Sequence, index: tuple[int, ...],
                   golden: int, runtime: int, real: float | None = None) -> FloatRounding | None:
    """Return the difference of two levels of one element if float32 makes it, else None.

    Golden's level is that of a number so near to the exact result as the few roundings of golden's
    own parameters allow. The runtime's level is that of a number as near as float32 operations in
    any order allow: of ``real``, if that is given, rounded to a level in float32.

    Parameters
    ----------
    layer, network, inputs, index
        As for :func:`exact`.
    golden, runtime : int
        Levels of the element.
    real : float, optional
        Real number that the runtime rounded.
    """
    found = exact(layer, network, inputs, index)
    if found is None:
        return None
    output = layer.output
    zero_point, step = output.scalar_zero_point(), Fraction(float(output.step))
    lo, hi = _clamp(layer, index[-1])

    def within(level: int, roundings: int) -> bool:
        ends = (found.value - found.slack(roundings), found.value + found.slack(roundings))
        # Python rounds fractions half to even.
        least, most = (min(max(round(end) + zero_point, lo), hi) for end in ends)
        return least <= level <= most

    roundings = found.terms + ROUNDINGS
    good = within(golden, ROUNDINGS) and within(runtime, roundings)
    if good and real is not None:
        quotient = np.float32(real) / np.float32(output.step)
        good = (min(max(int(np.rint(quotient)) + zero_point, lo), hi) == runtime
                and abs(Fraction(real) / step - found.value) <= found.slack(roundings))
    if not good:
        return None
    return FloatRounding(found.value + zero_point, golden, runtime, real)


def _clamp(layer: Layer, channel: int) -> tuple[int, int]:
    # Ends of the clamp: a layer's own, or those of its format.
    parameters: Any = getattr(layer, "parameters", {})
    if "clamp_min" not in parameters:
        return layer.output.format.min, layer.output.format.max
    ends = [np.ravel(parameters[name]) for name in ("clamp_min", "clamp_max")]
    least, most = (int(end[channel if end.size > 1 else 0]) for end in ends)
    return least, most


@dataclass(frozen=True, eq=False)
class OnnxRounding:
    """Exact results of the layers that ONNX Runtime computes in float32.

    Parameters
    ----------
    read : Model
    given : mapping of str to array of integers
        Levels of the inputs, and of layers as the runtime shows them.
    reals : mapping of str to array of float32
        Numbers that the runtime rounded to levels, by the tensor of these, where it shows them.
    """

    read: Model
    given: Mapping[str, np.ndarray]
    reals: Mapping[str, np.ndarray]

    def explained(self, name: str, own: np.ndarray, theirs: np.ndarray) -> np.ndarray:
        """Whether each element of a tensor is equal, or differs by the runtime's rounding alone.

        None is in a tensor that the runtime does not compute in float32 where golden is exact.

        Parameters
        ----------
        name : str
        own, theirs : array of integers, ``(samples, *shape)``
            Levels of golden and of the runtime.
        """
        if name not in self.read.reals:
            return np.zeros(own.shape, bool)
        good, (layer, inputs) = own == theirs, self._layer(name)
        for place in map(tuple, np.argwhere(~good).tolist()):
            real = float(self.reals[name][place]) if name in self.reals else None
            good[place] = float_rounding(layer, self.read.network, inputs, place,
                                         int(own[place]), int(theirs[place]), real) is not None
        return good

    def value(self, name: str, place: tuple[int, ...]) -> Fraction | None:
        """Exact number of an element, in levels; None if golden's is not exact."""
        if name not in self.read.reals:
            return None
        layer, inputs = self._layer(name)
        found = exact(layer, self.read.network, inputs, place)
        return None if found is None else found.value + layer.output.scalar_zero_point()

    def _layer(self, name: str) -> tuple[Layer, list[np.ndarray]]:
        layer = self.read.network.tensors[name].source
        assert isinstance(layer, Layer)
        return layer, [self.given[each] for each in layer.inputs]
