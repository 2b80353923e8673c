"""Lowering: layers of sums as products of matrices, whose operands nested loops gather.

A layer becomes one or more products ``requantize(x @ w.T + bias)``. The rows of ``x`` are gathered
from the padded input tensor, and the results are scattered to the output tensor, both by
:class:`Loops`: counts and strides, which a host or an address generator counts through.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from golden.networks import Conv2d, Dense, Layer, Linear, Quantization, Reduce, TransposeConv2d

__all__ = ["Loops", "Product", "Lowering", "lower"]


@dataclass(frozen=True)
class Loops:
    """Nested loops over elements of a tensor, which lie row-major in a memory.

    The place of an element is ``base + sum(index * stride)``, for each ``index`` from 0 to
    ``count - 1``. The last loop is the innermost one.

    Parameters
    ----------
    base : int
    counts, strides : tuple of int
        One entry for each loop; a stride may be 0 or negative.
    """

    base: int
    counts: tuple[int, ...]
    strides: tuple[int, ...]

    def places(self) -> np.ndarray:
        """Place of each element, of shape ``counts``."""
        places = np.array(self.base)
        for count, stride in zip(self.counts, self.strides, strict=True):
            places = places[..., None] + np.arange(count) * stride
        return places


@dataclass(frozen=True, eq=False)
class Product:
    """A product of matrices: some output channels at some places of the output tensor.

    Parameters
    ----------
    weights : array ``(channels, K)``
        Levels.
    weight_zero_points : array ``(channels,)``
    parameters : mapping of str to array ``(channels,)``
        Fields of the layer's contract. Zero points are not folded into the bias.
    activations : Loops
        Loops over the padded input tensor: first those of the vectors, then those of the K factors
        of a vector.
    results : Loops
        Loops over the output tensor: those of the vectors, then one of the channels.
    own : int, optional
        Number of the K factors that are a channel's own, by default all; the weights of the others
        are real zero.
    """

    weights: np.ndarray
    weight_zero_points: np.ndarray
    parameters: Mapping[str, np.ndarray]
    activations: Loops
    results: Loops
    own: int | None = None

    @property
    def macs(self) -> int:
        """Number of the products of a channel's own weights."""
        own = self.weights.shape[1] if self.own is None else self.own
        return prod(self.results.counts) * own

    def gather(self, padded: np.ndarray) -> np.ndarray:
        """Return the vectors ``(vectors, K)`` from the padded input tensor."""
        return padded.reshape(-1)[self.activations.places().reshape(-1, self.weights.shape[1])]

    def scatter(self, results: np.ndarray, output: np.ndarray):
        """Write results ``(vectors, channels)`` to their places in the output tensor."""
        output.reshape(-1)[self.results.places().reshape(results.shape)] = results

    @property
    def first_places(self) -> np.ndarray:
        """Place in the output tensor of the first result of each vector, ``(vectors,)``."""
        return self.results.places()[..., 0].reshape(-1)


@dataclass(frozen=True, eq=False)
class Lowering:
    """A layer as products of matrices, which together make every element of the output once.

    Parameters
    ----------
    padding : tuple of pairs of int
        Number of elements in front of and behind each axis of the input tensor.
    level : int
        Level of the padding, which stands for real zero: the input's zero point.
    shape : tuple of int
        Shape of the output tensor, the batch first.
    products : tuple of Product
    """

    padding: tuple[tuple[int, int], ...]
    level: int
    shape: tuple[int, ...]
    products: tuple[Product, ...]

    def padded(self, x: np.ndarray) -> np.ndarray:
        """Return the input tensor with its padding."""
        return np.pad(x, self.padding, constant_values=self.level)


def lower(layer: Layer, shape: Sequence[int], input: Quantization, *, columns: int = 1,
          depth: int | None = None) -> Lowering:
    """Return a layer of sums as products of matrices.

    - Dense: one product.
    - Conv2d: one product for each group. In front of the loop of the input channels stand those of
      the kernel's rows and columns, with the dilation in their strides; the strides of the vectors
      have the layer's stride. Several small groups share a product, whose weights are real zero
      where output and input are of different groups.
    - TransposeConv2d: the outputs whose row and column have the same remainders by the stride are
      one product, for all of them see the same taps: every ``stride``-th of the kernel, each tap
      one input pixel before the last, so that the strides are negative. Outputs that no tap reaches
      take one factor, which is padding.
    - Reduce: one product, whose weights are all 1, of a single channel.

    Parameters
    ----------
    layer : Dense, Conv2d, TransposeConv2d or Reduce
    shape : sequence of int
        Shape of the input tensor, the batch first.
    input : Quantization
        Quantization of the input tensor.
    columns : int
        Most output channels of a product that groups share.
    depth : int, optional
        Most factors of a vector of a product that groups share; by default any number.

    Raises
    ------
    TypeError
        If the layer has no sums of products.
    ValueError
        If the shape is not one that the layer takes, or the layer pads an input whose format has
        no level for real zero.
    """
    if not isinstance(layer, Dense | Conv2d | TransposeConv2d | Reduce):
        raise TypeError("Layer must be a Dense, a Conv2d, a TransposeConv2d or a Reduce to be "
                        f"lowered, not {type(layer).__name__} {layer.name!r}")
    shape = tuple(shape)
    output = (shape[0], *layer.shape([shape[1:]]))
    padding, products = (_NONE,) * len(shape), []
    match layer:
        case Dense():
            products = [_product(layer, slice(None), layer.weights,
                                 Loops(0, shape, _strides(shape)),
                                 Loops(0, output, _strides(output)))]
        case Conv2d():
            padding = (_NONE, *layer.padding, _NONE)
            products = _convolution(layer, _sizes(shape, padding), output,
                                    _shared(layer, columns, depth))
        case TransposeConv2d():
            padding, products = _transposed(layer, shape, output)
        case Reduce():
            products = [_sums(layer, shape)]
    level = input.scalar_zero_point(f"Zero point of tensor {layer.inputs[0]!r}")
    if np.any(padding) and not input.format.contains(level):
        raise ValueError(f"Padding of layer {layer.name!r} must be none where the input has format "
                         f"{input.format}, which has no level {level}, not {padding[1:-1]}")
    return Lowering(padding, level, output, tuple(products))


_NONE = (0, 0)


def _sizes(shape: Sequence[int], padding: Sequence[tuple[int, int]]) -> tuple[int, ...]:
    return tuple(size + sum(pair) for size, pair in zip(shape, padding, strict=True))


def _strides(shape: Sequence[int]) -> tuple[int, ...]:
    # Distances of neighbours along each axis of a row-major tensor.
    return tuple(prod(shape[axis + 1:]) for axis in range(len(shape)))


def _product(layer: Linear, channels: slice, weights: np.ndarray, activations: Loops,
             results: Loops, own: int | None = None) -> Product:
    every = len(layer.weights)
    zero_points, *values = (np.broadcast_to(each, every)[channels] for each in (
        layer.weight.zero_point, *layer.parameters.values()))
    return Product(weights.reshape(len(weights), -1), zero_points,
                   dict(zip(layer.parameters, values, strict=True)), activations, results, own)


def _shared(layer: Conv2d, columns: int, depth: int | None) -> int:
    # Number of groups that share a product.
    outputs, *sizes = layer.weights.shape
    each, factors = outputs // layer.groups, prod(sizes)
    if not layer.weight.format.contains(layer.weight.zero_point).all():
        return 1
    fit = columns // each if depth is None else min(columns // each, depth // factors)
    return min(max(fit, 1), layer.groups)


def _convolution(layer: Conv2d, padded: Sequence[int], output: Sequence[int], share: int
                 ) -> list[Product]:
    every, height, width, depth = layer.weights.shape
    each = every // layer.groups
    zero_points = np.broadcast_to(layer.weight.zero_point, every)
    image, row, column, channel = _strides(padded)
    strides = (image, row * layer.stride[0], column * layer.stride[1], row * layer.dilation[0],
               column * layer.dilation[1], channel)
    products = []
    for first in range(0, layer.groups, share):
        count = min(share, layer.groups - first)
        channels = slice(first * each, (first + count) * each)
        # Real zero, but for the inputs of a channel's own group.
        weights = np.broadcast_to(zero_points[channels, None, None, None],
                                  (count * each, height, width, count * depth)).copy()
        for group in range(count):
            own = slice(group * each, (group + 1) * each)
            weights[own, ..., group * depth:(group + 1) * depth] = layer.weights[channels][own]
        products.append(_product(
            layer, channels, weights,
            Loops(first * depth, (*output[:3], *weights.shape[1:]), strides),
            Loops(first * each, (*output[:3], count * each), _strides(output)),
            height * width * depth))
    return products


def _transposed(layer: TransposeConv2d, shape: Sequence[int], output: Sequence[int]
                ) -> tuple[tuple[tuple[int, int], ...], list[Product]]:
    (rows, above), (columns, left) = (
        _phases(*each) for each in zip(layer.stride, layer.offset, layer.weights.shape[1:3],
                                       layer.size, shape[1:3], strict=True))
    padding = (_NONE, above, left, _NONE)
    image, row, column, channel = _strides(_sizes(shape, padding))
    image_out, row_out, column_out, channel_out = _strides(output)
    products = []
    for y, (down, first_row, taps_down) in enumerate(rows):
        for x, (across, first_column, taps_across) in enumerate(columns):
            own = None
            weights = layer.weights[:, taps_down][:, :, taps_across]
            activations = Loops(
                (above[0] + first_row) * row + (left[0] + first_column) * column,
                (shape[0], down, across, *weights.shape[1:]),
                (image, row, column, -row, -column, channel))
            if not weights.size:
                # The first element of the padded input is padding, since a phase without taps has
                # some in front.
                weights, own = layer.weights[:, :1, :1, :1], 0
                activations = Loops(0, (shape[0], down, across, 1), (0, 0, 0, 0))
            results = Loops(y * row_out + x * column_out, (shape[0], down, across, output[3]),
                            (image_out, layer.stride[0] * row_out, layer.stride[1] * column_out,
                             channel_out))
            products.append(_product(layer, slice(None), weights, activations, results, own))
    return padding, products


def _phases(stride: int, offset: int, taps: int, size: int, inputs: int
            ) -> tuple[list[tuple[int, int, slice]], tuple[int, int]]:
    # Along one axis: for each remainder of an output's place by the stride, the number of outputs,
    # the input place of the first one's first tap, and the taps; and the padding that all need.
    #
    # Output p + stride * q takes tap i of input r where r * stride + i - offset is its place. So
    # the taps are i = first + stride * t with first = (p + offset) % stride, and r = (p + offset)
    # // stride + q - t.
    phases, front, behind = [], 0, 0
    for place in range(min(stride, size)):
        start, first = divmod(place + offset, stride)
        count = len(range(place, size, stride))
        reach = len(range(first, taps, stride)) - 1
        phases.append((count, start, slice(first, taps, stride)))
        if reach < 0:
            front = max(front, 1)
        else:
            front = max(front, reach - start)
            behind = max(behind, start + count - inputs)
    return phases, (front, behind)


def _sums(layer: Reduce, shape: Sequence[int]) -> Product:
    kept = [axis for axis in range(len(shape)) if axis not in layer.axes]
    order = (*kept, *layer.axes)
    sizes = tuple(shape[axis] for axis in kept)
    values = {**layer.parameters, "bias": 0}
    return Product(
        np.ones((1, prod(shape[axis] for axis in layer.axes)), dtype=np.int64),
        np.zeros(1, dtype=np.int64), {name: np.array([value]) for name, value in values.items()},
        Loops(0, tuple(shape[axis] for axis in order),
              tuple(_strides(shape)[axis] for axis in order)),
        Loops(0, (*sizes, 1), (*_strides(sizes), 1)))
