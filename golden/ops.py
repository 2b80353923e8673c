"""Reference operators: exact sums of products, and pools, of levels.

A linear operator computes ``sum((x - x_zero_point) * (w - w_zero_point))`` literally: no zero point
is folded into anything. A bound on the sum of the absolute products selects the arithmetic: below
2**53 it is float64 (BLAS), where every partial sum in any order is exact; below 2**63 ``int64``;
else Python integers.
"""

from collections.abc import Sequence
from math import prod

import numpy as np
from numpy.typing import ArrayLike

from golden.contracts import Rounding
from golden.formats import integers
from golden.ranges import INT64, Range, values_range
from golden.rounding import divide
from golden.windows import NO_PADDING, Padding, Pair, pool_windows, windows

__all__ = [
    "dot", "matmul", "dense", "conv2d", "transpose_conv2d", "depthwise", "average_pool",
    "max_pool", "same_padding", "centred", "padded",
]

BLOCK = 1 << 16
"""Inputs of products of matrices that a convolution lays out at a time."""


def dot(a, b) -> np.ndarray:
    """Sum of ``a * b`` over the last axis; the other axes broadcast."""
    a, b = integers(a, "Operand"), integers(b, "Operand")
    length = a.shape[-1] if a.ndim else 0
    if not (a.ndim and b.ndim and b.shape[-1] == length):
        raise ValueError(f"Operands must have equal last axes, not shapes {a.shape} and {b.shape}")
    a, b = _exact(a, b, values_range(a).magnitude * values_range(b).magnitude * length)
    # With its dtype, for a Python integer of 64 bits would become uint64.
    return _integral(np.asarray((a * b).sum(axis=-1), dtype=a.dtype))


def matmul(a, b) -> np.ndarray:
    """Matrix product ``a @ b``: ``(..., m, k)`` by ``(..., k, n)``."""
    a, b = integers(a, "Operand"), integers(b, "Operand")
    if a.ndim < 2 or b.ndim < 2 or a.shape[-1] != b.shape[-2]:
        raise ValueError("Operands must have shapes (..., m, k) and (..., k, n), "
                         f"not {a.shape} and {b.shape}")
    a, b = _exact(a, b, values_range(a).magnitude * _largest_sum(b, axis=-2))
    return _integral(np.matmul(a, b))


def dense(x, weights, *, x_zero_point: int = 0, w_zero_point=0) -> np.ndarray:
    """Fully connected layer: sums of ``(..., features)`` by ``(outputs, features)``.

    Parameters
    ----------
    x : array_like of integers, ``(..., features)``
    weights : array_like of integers, ``(outputs, features)``
    x_zero_point : int
    w_zero_point : int or array_like of int, ``(outputs,)``

    Returns
    -------
    array of integers, ``(..., outputs)``
    """
    x = centred(integers(x, "Input"), x_zero_point)
    weights = _centred_weights(weights, w_zero_point, axes=2)
    if x.ndim < 1 or x.shape[-1] != weights.shape[1]:
        raise ValueError(
            f"Input must have a last axis of {weights.shape[1]} features, not shape {x.shape}")
    rows = x.reshape(prod(x.shape[:-1]), x.shape[-1])
    return matmul(rows, weights.T).reshape(*x.shape[:-1], len(weights))


def conv2d(x, weights, *, x_zero_point: int = 0, w_zero_point: ArrayLike = 0,
           stride: Pair = (1, 1), padding: Padding = NO_PADDING, dilation: Pair = (1, 1),
           groups: int = 1) -> np.ndarray:
    """Two-dimensional convolution of neural networks: the kernel is not flipped.

    Parameters
    ----------
    x : array_like of integers, ``(batch, height, width, inputs)``
    weights : array_like of integers, ``(outputs, kernel height, kernel width, inputs / groups)``
    x_zero_point : int
        Zero point of ``x``, and level of the padding, which contributes nothing.
    w_zero_point : int or array_like of int, ``(outputs,)``
    stride, dilation : pair of int
        Vertical and horizontal step of the windows, and of the taps.
    padding : pair of pairs of int
        Padding ``((top, bottom), (left, right))``.
    groups : int
        Number of groups. Output ``c`` sees only the inputs of group ``c // (outputs / groups)``.

    Returns
    -------
    array of integers, ``(batch, height, width, outputs)``
    """
    x, weights = integers(x, "Input"), _centred_weights(weights, w_zero_point, axes=4)
    outputs, *kernel, depth = weights.shape
    if groups < 1 or outputs % groups:
        raise ValueError(f"Groups must divide the {outputs} outputs, not {groups}")
    if x.ndim != 4 or x.shape[3] != depth * groups:
        raise ValueError(f"Input must have shape (batch, height, width, {depth * groups}), "
                         f"not {x.shape}")
    # The zero point is subtracted in the arithmetic of the sums, which holds the levels as well.
    zero = int(integers(x_zero_point, "Zero point"))
    levels, rows = values_range(x), weights.reshape(outputs, prod(weights.shape[1:]))
    ends = levels - Range(zero, zero)
    kind = _kind(ends.magnitude * _largest_sum(rows, axis=-1), ends.magnitude, levels.magnitude,
                 abs(zero), values_range(weights).magnitude)
    x, weights = x.astype(kind) - np.array(zero, kind), weights.astype(kind)
    shape = windows(x.shape[1:3], kernel, stride, padding, dilation)
    x = padded(x, ((0, 0), *padding, (0, 0)))
    sums = np.empty((len(x), *shape, outputs), dtype=x.dtype)
    taps = [(row * dilation[0], column * dilation[1]) for row, column in np.ndindex(*kernel)]
    convolve = _depthwise_rows if depth == 1 and groups > 1 else _rows
    rows_of = max(1, BLOCK // max(1, shape[1] * prod(weights.shape[1:]) * groups))
    for image in range(len(x)):
        for first in range(0, shape[0], rows_of):
            rows = sums[image, first:first + rows_of]
            convolve([_tap(x[image:image + 1, first * stride[0]:], tap, stride, rows.shape[:2])[0]
                      for tap in taps], weights, groups, rows)
    return _integral(sums)


def _rows(windows: list[np.ndarray], weights: np.ndarray, groups: int, sums: np.ndarray):
    # Rows of an image: one product of matrices for each group. As the bound is of all taps, the
    # order of the sum does not matter.
    outputs, depth = len(weights), weights.shape[3]
    kernels = weights.reshape(groups, outputs // groups, prod(weights.shape[1:]))
    for group, kernel in enumerate(kernels):
        columns = slice(group * depth, (group + 1) * depth)
        inputs = np.concatenate([window[:, :, columns] for window in windows], axis=2)
        own = inputs.reshape(prod(sums.shape[:2]), kernel.shape[1]) @ kernel.T
        sums[:, :, group * len(kernel):(group + 1) * len(kernel)] = own.reshape(
            *sums.shape[:2], len(kernel))


def _depthwise_rows(windows: list[np.ndarray], weights: np.ndarray, groups: int, sums: np.ndarray):
    # One input channel for each group: products element by element.
    kernels = weights.reshape(groups, -1, len(windows))
    own = sums.reshape(*sums.shape[:2], groups, -1)
    product = np.empty_like(own)
    for tap, window in enumerate(windows):
        np.multiply(window[..., None], kernels[:, :, tap], out=product if tap else own)
        if tap:
            own += product


def transpose_conv2d(x, weights, *, stride: Pair, offset: Pair, size: Pair, x_zero_point: int = 0,
                     w_zero_point: ArrayLike = 0) -> np.ndarray:
    """Transposed two-dimensional convolution (:class:`golden.networks.TransposeConv2d`).

    It is the convolution, by the turned kernel, of the input with zeros between its pixels.

    Parameters
    ----------
    x : array_like of integers, ``(batch, height, width, inputs)``
    weights : array_like of integers, ``(outputs, kernel height, kernel width, inputs)``
    stride, offset, size : pair of int
        Distance of two input pixels in the output, rows and columns left out at the top and left,
        height and width of the output.
    x_zero_point : int
    w_zero_point : int or array_like of int, ``(outputs,)``

    Returns
    -------
    array of integers, ``(batch, *size, outputs)``
    """
    x, weights = centred(integers(x, "Input"), x_zero_point), integers(weights, "Weight")
    if x.ndim != 4 or weights.ndim != 4:
        raise ValueError(f"Input and weights must have 4 axes, not shapes {x.shape} and "
                         f"{weights.shape}")
    spread = np.zeros((len(x), *((count - 1) * step + 1 for count, step in zip(
        x.shape[1:3], stride, strict=True)), x.shape[3]), dtype=x.dtype)
    spread[:, ::stride[0], ::stride[1]] = x
    # What is in front of the first pixel, and as much behind the last as the size takes.
    before = [taps - 1 - left for taps, left in zip(weights.shape[1:3], offset, strict=True)]
    reach = [wanted + taps - 1 for wanted, taps in zip(size, weights.shape[1:3], strict=True)]
    spread = padded(spread, ((0, 0), *(
        (max(first, 0), max(last - first - have, 0)) for first, last, have in zip(
            before, reach, spread.shape[1:3], strict=True)), (0, 0)))
    rows, columns = (slice(max(-first, 0), max(-first, 0) + last) for first, last in zip(
        before, reach, strict=True))
    return conv2d(spread[:, rows, columns], weights[:, ::-1, ::-1], w_zero_point=w_zero_point)


def depthwise(x, weights, **options) -> np.ndarray:
    """Convolve each input channel with its own ``outputs / inputs`` kernels.

    This is :func:`conv2d` with a group for each input; weights ``(outputs, kernel height, kernel
    width, 1)``.
    """
    x = integers(x, "Input")
    return conv2d(x, weights, groups=x.shape[-1] if x.ndim else 1, **options)


def average_pool(x, *, size: Pair, stride: Pair, padding: Padding = NO_PADDING) -> np.ndarray:
    """Mean of the raw levels in each window, ties away from zero.

    As in TFLite, the zero point is not subtracted first, and padded taps count neither in the sum
    nor in the divisor.

    Parameters
    ----------
    x : array_like of integers, ``(batch, height, width, channels)``
    size, stride : pair of int
        Vertical and horizontal size and step of the windows.
    padding : pair of pairs of int
        Padding ``((top, bottom), (left, right))``, less than the window.
    """
    x, shape = _pooled(x, size, stride, padding)
    if (values_range(x).times(size[0] * size[1])) not in INT64:
        x = x.astype(object)
    ones = np.ones((1, *x.shape[1:3], 1), dtype=np.int64)
    x, valid = (padded(a, ((0, 0), *padding, (0, 0))) for a in (x, ones))
    sums, counts = np.zeros((), dtype=x.dtype), np.zeros((), dtype=np.int64)
    for tap in np.ndindex(*size):
        sums = sums + _tap(x, tap, stride, shape)
        counts = counts + _tap(valid, tap, stride, shape)
    return divide(sums, counts, Rounding.HALF_AWAY)


def max_pool(x, *, size: Pair, stride: Pair, padding: Padding = NO_PADDING) -> np.ndarray:
    """Largest level in each window without padded taps; parameters of :func:`average_pool`."""
    x, shape = _pooled(x, size, stride, padding)
    x = padded(x, ((0, 0), *padding, (0, 0)), values_range(x).lo)
    return np.maximum.reduce([_tap(x, tap, stride, shape) for tap in np.ndindex(*size)])


def same_padding(size: Pair, *, kernel: Pair, stride: Pair = (1, 1),
                 dilation: Pair = (1, 1)) -> Padding:
    """Padding that gives ``ceil(size / stride)`` outputs; an odd pad goes to the end.

    Parameters
    ----------
    size : pair of int
        Height and width of the input.
    kernel, stride, dilation : pair of int
        Vertical and horizontal size of the kernel, step of the windows, and step of the taps.
    """
    def along(axis: int) -> Pair:
        outputs = -(-size[axis] // stride[axis])
        reach = (outputs - 1) * stride[axis] + (kernel[axis] - 1) * dilation[axis] + 1
        total = max(reach - size[axis], 0)
        return total // 2, total - total // 2

    return along(0), along(1)


def centred(values: np.ndarray, zero_point) -> np.ndarray:
    """``values - zero_point``; in Python integers if ``int64`` may not hold a difference."""
    zero_point = integers(zero_point, "Zero point")
    if not zero_point.any() and zero_point.size == 1 and zero_point.ndim <= values.ndim:
        return values
    ranges = values_range(values), values_range(zero_point)
    wide = not all(r in INT64 for r in (*ranges, ranges[0] - ranges[1]))
    if wide:
        values, zero_point = values.astype(object), zero_point.astype(object)
    return np.asarray(values - zero_point, dtype=values.dtype)


def padded(values: np.ndarray, widths: Sequence[Pair], fill: int = 0) -> np.ndarray:
    """Return ``values`` padded with ``fill``, by a pair of widths for each axis.

    numpy pads Python integers with an ``int64``, and every sum that begins with it wraps.
    """
    return np.pad(values, widths, constant_values=np.array(fill, dtype=values.dtype))


def _exact(a: np.ndarray, b: np.ndarray, bound: int) -> tuple[np.ndarray, np.ndarray]:
    # ``bound`` is that of the sum of the absolute products. If it is 0 because one operand is 0,
    # the other may have any size.
    kind = _kind(bound, values_range(a).magnitude, values_range(b).magnitude)
    return a.astype(kind), b.astype(kind)


def _kind(*bounds: int) -> type:
    # Type in which all integers of such magnitudes are exact.
    most = max(bounds)
    return (np.float32 if most < 1 << 24 else np.float64 if most < 1 << 53 else
            np.int64 if most < 1 << 63 else object)


def _integral(sums: np.ndarray) -> np.ndarray:
    return sums if sums.dtype == object else sums.astype(np.int64, copy=False)


def _largest_sum(values: np.ndarray, axis: int) -> int:
    # Largest sum of absolute values along an axis; an upper bound if int64 might overflow.
    simple = values_range(values).magnitude * values.shape[axis]
    if simple >= 1 << 53 or not values.size:
        return simple
    return int(np.abs(values).sum(axis=axis).max())


def _centred_weights(weights, zero_point, axes: int) -> np.ndarray:
    weights, zero_point = integers(weights, "Weight"), integers(zero_point, "Zero point")
    if weights.ndim != axes:
        raise ValueError(f"Weights must have {axes} axes, not shape {weights.shape}")
    if zero_point.shape not in ((), (len(weights),)):
        raise ValueError(f"Zero point of the weights must be a scalar or have one entry for each "
                         f"of {len(weights)} outputs, not shape {zero_point.shape}")
    return centred(weights, zero_point.reshape(-1, *[1] * (axes - 1)))


def _tap(x: np.ndarray, start: Pair, stride: Pair, shape: Pair) -> np.ndarray:
    # Values of padded ``x`` under one tap of a kernel, at each position of the output.
    rows, columns = (slice(first, first + step * (count - 1) + 1, step)
                     for first, step, count in zip(start, stride, shape, strict=True))
    return x[:, rows, columns]


def _pooled(x, size: Pair, stride: Pair, padding: Padding) -> tuple[np.ndarray, Pair]:
    x = integers(x, "Input")
    if x.ndim != 4:
        raise ValueError(f"Input must have shape (batch, height, width, channels), not {x.shape}")
    return x, pool_windows(x.shape[1:3], size, stride, padding)
