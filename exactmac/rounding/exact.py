"""Exact results of layers as fractions, from the levels, the scales and the bias alone."""

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from golden.block_scaled import Blocks, shift_levels
from golden.contracts import ExactSum
from golden.formats import BlockScaled
from golden.layers.linear import steps
from golden.networks import (
    Add,
    Concat,
    Conv2d,
    Dense,
    FloatAveragePool,
    FloatReduce,
    Layer,
    Linear,
    Mul,
    Network,
    Pool,
    Quantization,
    Reduce,
    Rescale,
    Sub,
    TransposeConv2d,
)

__all__ = ["UNIT", "Exact", "exact"]

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


def exact(layer: Layer, network: Network, inputs: Sequence, index: tuple[int, ...]
          ) -> Exact | None:
    """Return the exact result of one element of a layer's output, before any rounding and clamp.

    Parameters
    ----------
    layer : Layer
        Layer of ``network``.
    network : Network
    inputs : sequence of array of integers, or Blocks
        Levels of the layer's inputs.
    index : tuple of int
        Place of the element, the sample first.

    Returns
    -------
    Exact or None
        None for a layer with a table, of an input with infinities or of a block-scaled output, and
        for a layer of another kind than sums of products, sums, differences and products of two
        tensors, sums and means over axes, average pools, rescalings and joins.
    """
    kind = _KINDS.get(type(layer))
    if (kind is None or isinstance(layer.output.format, BlockScaled)
            or isinstance(layer, Linear) and layer.table is not None
            or isinstance(layer, Pool) and layer.kind == "max"
            or any(network.quantization(name).format.propagates for name in layer.inputs)):
        return None
    return kind(layer, network, [
        shift_levels(*x, least=network.quantization(name).exponents.lo) if isinstance(x, Blocks)
        else np.asarray(x) for name, x in zip(layer.inputs, inputs, strict=True)], index)


def _linear(layer: Linear, network: Network, inputs: list[np.ndarray], index: tuple[int, ...]
            ) -> Exact:
    *place, channel = index
    input, x = network.quantization(layer.inputs[0]), inputs[0]
    weights = layer.weights if layer.exponents is None else shift_levels(
        layer.weights, layer.exponents)
    if isinstance(layer, Conv2d):
        x, own = _window(layer, x, weights[channel], index)
    elif isinstance(layer, TransposeConv2d):
        x, own = _pixels(layer, x, weights[channel], index)
    else:
        x, own = x[tuple(place)], weights[channel]
    step, scales = steps(layer, network)
    zero_point, scale, bias = (
        np.broadcast_to(each, len(weights))[channel]
        for each in (layer.weight.zero_point, scales, layer.parameters["bias"]))
    products = [(a - input.scalar_zero_point()) * (b - int(zero_point))
                for a, b in zip(x.ravel().tolist(), own.ravel().tolist(), strict=True)]
    # An exact sum is a level of its output.
    factor = Fraction(1) if isinstance(layer.contract, ExactSum) else (
        _fraction(step) * _fraction(scale) / _fraction(layer.output.step))
    return _terms([*products, int(bias)], factor)


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


def _pixels(layer: TransposeConv2d, image: np.ndarray, kernel: np.ndarray,
            index: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    # Pixels of an image that add to one of the output, and their weights.
    sample, *place, _ = index
    kept = []
    for axis, own in enumerate(place):
        taps = np.arange(kernel.shape[axis])
        pixels, rest = np.divmod(own + layer.offset[axis] - taps, layer.stride[axis])
        inside = (rest == 0) & (pixels >= 0) & (pixels < image.shape[axis + 1])
        kept.append((pixels[inside], taps[inside]))
    (rows, own_rows), (columns, own_columns) = kept
    return image[sample][np.ix_(rows, columns)], kernel[np.ix_(own_rows, own_columns)]


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


def _rescaled(layer: Rescale, network: Network, inputs: list[np.ndarray], index: tuple[int, ...]
              ) -> Exact:
    return _averaged(inputs[0][index], network.quantization(layer.inputs[0]), layer.output, 1)


def _joined(layer: Concat, network: Network, inputs: list[np.ndarray], index: tuple[int, ...]
            ) -> Exact:
    axis, place = layer.axis % inputs[0].ndim, list(index)
    for name, x in zip(layer.inputs, inputs, strict=True):
        if place[axis] < x.shape[axis]:
            return _averaged(x[tuple(place)], network.quantization(name), layer.output, 1)
        place[axis] -= x.shape[axis]
    raise IndexError(f"Index must be one of the joined tensor, not {index}")


def _mean(layer: Reduce | FloatReduce, network: Network, inputs: list[np.ndarray],
          index: tuple[int, ...]) -> Exact:
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


def _pooled(layer: FloatAveragePool | Pool, network: Network, inputs: list[np.ndarray],
            index: tuple[int, ...]) -> Exact:
    sample, row, column, channel = index
    x, kept = inputs[0], []
    for axis, place in enumerate((row, column)):
        first = place * layer.stride[axis] - layer.padding[axis][0]
        kept.append(slice(max(first, 0), min(first + layer.size[axis], x.shape[axis + 1])))
    taps = x[sample, kept[0], kept[1], channel].ravel()
    counted = isinstance(layer, FloatAveragePool) and layer.count_padding
    count = layer.size[0] * layer.size[1] if counted else taps.size
    return _averaged(taps, network.quantization(layer.inputs[0]), layer.output, count)


def _averaged(taps: np.ndarray, input: Quantization, output: Quantization, count: int) -> Exact:
    zero_point = input.scalar_zero_point()
    found = _terms([level - zero_point for level in taps.ravel().tolist()],
                   _fraction(input.step) / _fraction(output.step) / count)
    return found._replace(magnitude=found.magnitude + abs(output.scalar_zero_point()))


def _terms(terms: list[int], factor: Fraction) -> Exact:
    return Exact(sum(terms) * factor, sum(map(abs, terms)) * factor, len(terms))


def _fraction(step: Any) -> Fraction:
    return Fraction(float(step))


_KINDS: Mapping[type[Layer], Callable[[Any, Network, list[np.ndarray], tuple[int, ...]], Exact]] = {
    Dense: _linear, Conv2d: _linear, TransposeConv2d: _linear, Add: _sum, Sub: _sum,
    Mul: _product, Reduce: _mean, FloatReduce: _mean, Pool: _pooled, FloatAveragePool: _pooled,
    Rescale: _rescaled, Concat: _joined}
