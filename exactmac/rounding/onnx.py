"""Exact results of layers as fractions, and whether a difference from them is float32's.

A runtime may compute a layer in float32, rounding every operation in an order of its own. Golden
then rounds the exact result once. Where the two differ, the exact result is computed again here,
with :class:`fractions.Fraction`, from the levels, the scales and the bias alone. A difference is
float32's if the bound of the rounding errors of these operations reaches the runtime's level.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from golden.networks import (
    Add,
    Conv2d,
    Dense,
    FloatAveragePool,
    Layer,
    Linear,
    Mul,
    Network,
    Quantization,
    Reduce,
    Sub,
)
from golden.readers import Model

__all__ = ["Exact", "FloatRounding", "OnnxRounding", "exact", "float_rounding"]

ROUNDINGS = 8
"""Roundings of a result besides those of its terms' sum.

One for each factor's real number, one for their product, two for the real number of the bias and
its scale, one for a number of taps, one for the output's scale and one for its zero point.
"""

UNIT = Fraction(1, 1 << 24)
"""Largest relative error of one rounding to float32."""


class Exact(NamedTuple):
    """Exact result of one element, in levels of the output, without the zero point.

    Parameters
    ----------
    value : Fraction
    magnitude : Fraction
        Sum of the magnitudes of the terms.
    terms : int
        Number of terms.
    """

    value: Fraction
    magnitude: Fraction
    terms: int

    def slack(self, roundings: int) -> Fraction:
        """Largest error of so many roundings to float32 on the way of each term to the result.

        ``n * u / (1 - n * u)`` times the magnitude, for ``n`` roundings of the unit ``u = 2**-24``
        (N. J. Higham, *Accuracy and Stability of Numerical Algorithms*, lemma 3.1).
        """
        return self.magnitude * roundings * UNIT / (1 - roundings * UNIT)


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


def exact(layer: Layer, network: Network, inputs: Sequence, index: tuple[int, ...]
          ) -> Exact | None:
    """Return the exact result of one element of a layer's output.

    Parameters
    ----------
    layer : Layer
        Layer of ``network``.
    inputs : sequence of array of integers
        Levels of the layer's inputs.
    index : tuple of int
        Place of the element, the sample first.

    Returns
    -------
    Exact or None
        None for a layer of another kind than fully connected ones and convolutions without a
        table, sums, differences and products of two tensors, means and average pools.
    """
    kind = _KINDS.get(type(layer))
    if kind is None or (isinstance(layer, Linear) and layer.table is not None):
        return None
    return kind(layer, network, [np.asarray(x) for x in inputs], index)


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
    zero_point, step = output.scalar_zero_point(), _fraction(output.step)
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


def _linear(layer: Linear, network: Network, inputs: list[np.ndarray], index: tuple[int, ...]
            ) -> Exact:
    *place, channel = index
    input, weights = network.quantization(layer.inputs[0]), layer.weights[channel]
    x = inputs[0]
    if isinstance(layer, Conv2d):
        x, weights = _window(layer, x, weights, index)
    else:
        x = x[tuple(place)]
    zero_points, scales, bias = (
        np.broadcast_to(each, len(layer.weights))[channel]
        for each in (layer.weight.zero_point, layer.weight.step, layer.parameters["bias"]))
    products = [(a - input.scalar_zero_point()) * (b - int(zero_points))
                for a, b in zip(x.ravel().tolist(), weights.ravel().tolist(), strict=True)]
    return _terms([*products, int(bias)], _fraction(input.step) * _fraction(scales)
                  / _fraction(layer.output.step))


def _window(layer: Conv2d, image: np.ndarray, kernel: np.ndarray, index: tuple[int, ...]
            ) -> tuple[np.ndarray, np.ndarray]:
    # Taps of an image that a kernel covers, and their weights, without those in the padding.
    sample, row, column, channel = index
    first = channel // (len(layer.weights) // layer.groups) * kernel.shape[2]
    kept = []
    for axis, place in enumerate((row, column)):
        taps = (place * layer.stride[axis] - layer.padding[axis][0]
                + layer.dilation[axis] * np.arange(kernel.shape[axis]))
        inside = (taps >= 0) & (taps < image.shape[axis + 1])
        kept.append((taps[inside], np.flatnonzero(inside)))
    (rows, own_rows), (columns, own_columns) = kept
    image = image[sample, ..., first:first + kernel.shape[2]]
    return image[np.ix_(rows, columns)], kernel[np.ix_(own_rows, own_columns)]


def _sum(layer: Add, network: Network, inputs: list[np.ndarray], index: tuple[int, ...]) -> Exact:
    a, b = _operands(layer, network, inputs, index)
    value = a[0] - b[0] if isinstance(layer, Sub) else a[0] + b[0]
    step = _fraction(layer.output.step)
    # A fused sum adds the levels as they are, and all zero points as one number.
    return Exact(value / step, (a[1] + b[1]) / step + abs(layer.output.scalar_zero_point()), 3)


def _product(layer: Mul, network: Network, inputs: list[np.ndarray], index: tuple[int, ...]
             ) -> Exact:
    a, b = _operands(layer, network, inputs, index)
    value = a[0] * b[0] / _fraction(layer.output.step)
    return Exact(value, abs(value) + abs(layer.output.scalar_zero_point()), 1)


def _operands(layer: Layer, network: Network, inputs: list[np.ndarray], index: tuple[int, ...]
              ) -> list[tuple[Fraction, Fraction]]:
    # Real number of each operand, and the magnitude of level and zero point.
    found, rank = [], max(x.ndim for x in inputs)
    shape = np.broadcast_shapes(*(x.shape[1:] for x in inputs))
    for name, x in zip(layer.inputs, inputs, strict=True):
        own = network.quantization(name)
        spread = x.reshape(len(x), *[1] * (rank - x.ndim), *x.shape[1:])
        level = int(np.broadcast_to(spread, (len(x), *shape))[index])
        zero_point, step = own.scalar_zero_point(), _fraction(own.step)
        found.append(((level - zero_point) * step, (abs(level) + abs(zero_point)) * step))
    return found


def _mean(layer: Reduce, network: Network, inputs: list[np.ndarray], index: tuple[int, ...]
          ) -> Exact:
    input, x = network.quantization(layer.inputs[0]), inputs[0]
    left = iter(index if layer.keep else index[1:])
    if layer.keep:
        places = [slice(None) if axis in layer.axes else place for axis, place in enumerate(left)]
    else:
        places = [index[0], *(slice(None) if axis in layer.axes else next(left)
                              for axis in range(1, x.ndim))]
    taps = x[tuple(places)].ravel()
    count = taps.size if layer.kind == "mean" else 1
    return _averaged(taps, input, layer.output, count)


def _pooled(layer: FloatAveragePool, network: Network, inputs: list[np.ndarray],
            index: tuple[int, ...]) -> Exact:
    sample, row, column, channel = index
    x, kept = inputs[0], []
    for axis, place in enumerate((row, column)):
        first = place * layer.stride[axis] - layer.padding[axis][0]
        kept.append(slice(max(first, 0), min(first + layer.size[axis], x.shape[axis + 1])))
    taps = x[sample, kept[0], kept[1], channel].ravel()
    count = layer.size[0] * layer.size[1] if layer.count_padding else taps.size
    return _averaged(taps, network.quantization(layer.inputs[0]), layer.output, count)


def _averaged(taps: np.ndarray, input: Quantization, output: Quantization, count: int) -> Exact:
    zero_point = input.scalar_zero_point()
    found = _terms([level - zero_point for level in taps.tolist()],
                   _fraction(input.step) / _fraction(output.step) / count)
    return found._replace(magnitude=found.magnitude + abs(output.scalar_zero_point()))


def _terms(terms: list[int], factor: Fraction) -> Exact:
    return Exact(sum(terms) * factor, sum(map(abs, terms)) * factor, len(terms))


def _fraction(step: Any) -> Fraction:
    return Fraction(float(step))


def _clamp(layer: Layer, channel: int) -> tuple[int, int]:
    # Ends of the clamp: a layer's own, or those of its format.
    parameters: Any = getattr(layer, "parameters", {})
    if "clamp_min" not in parameters:
        return layer.output.format.min, layer.output.format.max
    ends = [np.ravel(parameters[name]) for name in ("clamp_min", "clamp_max")]
    least, most = (int(end[channel if end.size > 1 else 0]) for end in ends)
    return least, most


_KINDS: Mapping[type[Layer], Callable[[Any, Network, list[np.ndarray], tuple[int, ...]], Exact]] = {
    Dense: _linear, Conv2d: _linear, Add: _sum, Sub: _sum, Mul: _product, Reduce: _mean,
    FloatAveragePool: _pooled}


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
