"""Exact sums between QONNX's quantizers: convolutions, matrices, means, sums of two tensors."""

from collections.abc import Callable
from fractions import Fraction
from math import prod

import numpy as np

from golden import contracts
from golden.formats import MAX_BITS
from golden.networks import Concat, Conv2d, Dense, Lookup, Quantization, Reshape
from golden.ranges import Range
from golden.readers.contents import printable
from golden.readers.model import Unsupported
from golden.readers.onnx.file import Node
from golden.readers.onnx.operands import attribute, check_attributes, ints, operands, window
from golden.readers.onnx.tensors import Levels
from golden.readers.qonnx.exact import Piece
from golden.readers.qonnx.quantizers import constant_weights
from golden.readers.qonnx.tensors import MOST_MADE, ONE, Tensors, tabulated
from golden.readers.qonnx.values import Pending, Sums, Weights, number
from golden.unit_scales import parameters_of
from golden.units import Rescaling

__all__ = ["average_pool", "conv", "gemm", "matmul", "pair"]

_MOST_TERM = 48
"""Most bits of a term of a sum of two tensors, on the scale of which both are multiples."""

_SAME = contracts.parse("half_up")


def _weights(tensors: Tensors, name: str) -> Weights:
    if name in tensors.weights:
        own = tensors.weights[name]
    elif name in tensors.graph.constants:
        own = constant_weights(tensors.constant(name, "Weights"), name)
    else:
        raise Unsupported(f"Weights {printable(name)!r} must be constant, not computed")
    if own.format.bits > MAX_BITS:
        raise Unsupported(f"Weights {printable(name)!r} must have at most {MAX_BITS} bits, "
                          f"not {own.format.bits}")
    return own


def _per_channel(array: np.ndarray, rank: int, axis: int, channels: int, title: str) -> np.ndarray:
    # One entry for each channel, of an array that broadcasts to the weights.
    shape = (1,) * (rank - array.ndim) + array.shape
    if any(size != 1 for place, size in enumerate(shape) if place != axis):
        raise Unsupported(f"{title} of the weights must be one, or one for each output channel on "
                          f"axis {axis}, not of shape {array.shape}")
    return np.broadcast_to(array.reshape(-1), channels)


def _bias(tensors: Tensors, name: str, channels: int, factor: Fraction = Fraction(1)
          ) -> list[Fraction]:
    if not name:
        return [Fraction(0)]
    array = tensors.literals(name)
    if array is None:
        raise Unsupported(f"Bias {printable(name)!r} must be constant, not computed")
    if array.size not in (1, channels) or array.shape[-1:] not in ((), (array.size,)):
        raise Unsupported(f"Bias {printable(name)!r} must have 1 entry or {channels}, one per "
                          f"channel, not shape {array.shape}")
    return [value * factor for value in array.ravel()]


def _linear(node: Node, tensors: Tensors, x: Levels, weights: Weights, axis: int, sums: Callable[
        ..., Sums], rank: int, channel_axis: int, bias: list[Fraction],
            factor: Fraction = Fraction(1)):
    # The sums, and the real numbers that they stand for.
    shape = weights.levels.shape
    channels = shape[axis]
    scale, zero = (_per_channel(array, len(shape), axis, channels, title) for array, title in (
        (weights.scale, "Scale"), (weights.zero, "Zero point")))
    step = Fraction(float(x.quantization.scale)) * factor
    base = sums(format=weights.format, zero=zero, scale=scale)
    pieces = tuple(Piece(step * Fraction(each), bias[k % len(bias)])
                   for k, each in enumerate(scale.tolist()))
    tensors.pendings[node.outputs[0]] = Pending(base, pieces, node, rank, channel_axis, channels)


def conv(node: Node, tensors: Tensors):
    """Conv of images by constant weights."""
    x, w, bias, _ = operands(node, 2, 3)
    input, weights = tensors.levels_of(x), _weights(tensors, w)
    shape = weights.levels.shape
    if len(shape) != 4 or len(input.shape) != 3 or 0 in shape:
        raise Unsupported(f"Input and weights must have 4 axes and elements, not "
                          f"{len(input.shape) + 1} axes and shape {shape}")
    kernel = list(shape[2:])
    if (given := ints(node, "kernel_shape", kernel, 2)) != kernel:
        raise Unsupported(f"Attribute kernel_shape must be {kernel}, as the weights', not {given}")
    stride, dilation, padding = window(node, input.shape[1:], kernel)
    if any(not 0 <= each <= 1 << 16 for pad in padding for each in pad):
        raise Unsupported(f"Padding must be in range [0, {1 << 16}], not {padding}")
    if np.any(padding):
        input = tensors.with_zero(x, input)

    def sums(**fields) -> Sums:
        return Sums(Conv2d, input, True, weights.levels.transpose(0, 2, 3, 1), **fields, fields={
            "stride": stride, "dilation": dilation, "padding": padding,
            "groups": attribute(node, "group", 1)})

    _linear(node, tensors, input, weights, 0, sums, 4, 1, _bias(tensors, bias, shape[0]))


def _dense(node: Node, tensors: Tensors, x: str, w: str, across: bool,
           bias: Callable[[int], list[Fraction]], factor: Fraction = Fraction(1)):
    input, weights = tensors.levels_of(x), _weights(tensors, w)
    if weights.levels.ndim != 2 or not input.shape or not weights.levels.size:
        raise Unsupported(f"Weights must have 2 axes and the input at least 2, not shape "
                          f"{weights.levels.shape} and {len(input.shape) + 1} axes")
    axis = 0 if across else 1
    levels = weights.levels if across else weights.levels.T
    rank = len(input.shape) + 1
    _linear(node, tensors, input, weights, axis,
            lambda **fields: Sums(Dense, input, False, levels, **fields), rank, rank - 1,
            bias(len(levels)), factor)


def matmul(node: Node, tensors: Tensors):
    """MatMul by a constant matrix."""
    x, w, _ = operands(node, 2)
    _dense(node, tensors, x, w, False, lambda channels: [Fraction(0)])


def gemm(node: Node, tensors: Tensors):
    """Gemm by a constant matrix."""
    x, w, bias, _ = operands(node, 2, 3)
    check_attributes(node, {"transA": 0})
    alpha, beta = (number(node, name, 1.0) for name in ("alpha", "beta"))
    _dense(node, tensors, x, w, bool(attribute(node, "transB", 0)),
           lambda channels: _bias(tensors, bias, channels, beta), alpha)


def average_pool(node: Node, tensors: Tensors):
    """AveragePool and GlobalAveragePool: exact sums of the levels, which a factor divides."""
    x, _ = operands(node, 1)
    input = tensors.levels_of(x)
    if len(input.shape) != 3:
        raise Unsupported(f"Input must have 4 axes, not {len(input.shape) + 1}")
    if node.operator == "GlobalAveragePool":
        size, fields = list(input.shape[1:]), {}
    else:
        check_attributes(node, {"ceil_mode": 0, "dilations": [1, 1]})
        size = ints(node, "kernel_shape", None, 2)
        if size is None:
            raise Unsupported("Attribute kernel_shape must be given, not left out")
        stride, _, padding = window(node, input.shape[1:], size)
        if np.any(padding) and not attribute(node, "count_include_pad", 0):
            raise Unsupported("Attribute count_include_pad must be 1 where there is padding, "
                              "for all means to be of as many elements")
        if np.any(padding):
            input = tensors.with_zero(x, input)
        fields = {"stride": stride, "padding": padding}
    channels = input.shape[0]
    if channels * prod(size) > MOST_MADE:
        raise Unsupported(f"Windows of all channels must have at most {MOST_MADE} elements, "
                          f"not {channels * prod(size)}")
    base = Sums(Conv2d, input, True, np.ones((channels, *size, 1), np.int64), ONE,
                np.zeros(channels, np.int64), np.ones(channels), {"groups": channels, **fields})
    step = Fraction(float(input.quantization.scale)) / prod(size)
    tensors.pendings[node.outputs[0]] = Pending(base, (Piece(step),) * channels, node, 4, 1,
                                                channels)


def pair(node: Node, tensors: Tensors, a: str, b: str) -> Pending:
    """Return the sum or the difference of two tensors of levels.

    Each is brought to the scale of which both are multiples. They stand side by side on an axis of
    their own, whose two elements are added.
    """
    name, inputs = node.outputs[0], [tensors.levels_of(each) for each in (a, b)]
    if inputs[0].shape != inputs[1].shape:
        raise Unsupported(f"Inputs must have one shape, not {inputs[0].shape} and "
                          f"{inputs[1].shape} behind the batch")
    scales = [Fraction(float(each.quantization.scale)) for each in inputs]
    ratio = scales[0] / scales[1]
    factors = ratio.numerator, ratio.denominator * (-1 if node.operator == "Sub" else 1)
    ends = []
    for each, factor in zip(inputs, factors, strict=True):
        own, zero = each.quantization.format, each.quantization.scalar_zero_point()
        ends += [factor * (own.min - zero), factor * (own.max - zero)]
    hull = Range(min(ends), max(ends))
    if hull.format.width > _MOST_TERM:
        raise Unsupported(f"Scales of the inputs must be to each other as integers with which "
                          f"levels have at most {_MOST_TERM} bits, not as {ratio.numerator} to "
                          f"{ratio.denominator}")
    shared = Quantization(hull.format, float(scales[1] / ratio.denominator))
    last = len(inputs[0].shape) == 3
    parts = []
    for place, (each, factor) in enumerate(zip(inputs, factors, strict=True)):
        zero, own = each.quantization.scalar_zero_point(), tensors.layout(each, last)
        shape = tensors.shapes[own]
        own = tensors.between_layers(
            name, f"term{place}", shared, Lookup, [own],
            table=tabulated(each.quantization.format,
                            lambda levels, factor=factor, zero=zero: factor * (levels - zero)))
        parts.append(tensors.between_layers(name, f"column{place}", shared, Reshape, [own],
                                            target=(*shape, 1)))
    same = parameters_of(Rescaling(_SAME, hull.format, hull.format), shared, shared)
    joined = tensors.between_layers(name, "pair", shared, Concat, parts, axis=-1, contract=_SAME,
                                    parameters=(same, same))
    shape = tensors.shapes[joined]
    base = Sums(Dense, Levels(name, shared, shape, {False: joined}), last,
                np.ones((1, 2), np.int64), ONE, np.zeros(1, np.int64), np.ones(1),
                target=shape[:-1])
    return Pending(base, (Piece(scales[1] / ratio.denominator),), node, len(shape))
