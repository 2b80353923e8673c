"""ONNX's operators of sums of products: QLinearConv, QLinearMatMul and QGemm."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from golden.contracts import S32, Clamped
from golden.formats import IntFormat
from golden.multipliers import linear_parameters
from golden.networks import Conv2d, Dense, Quantization
from golden.ranges import Range, levels_range, values_range, weights_ends
from golden.readers.contents import printable
from golden.readers.model import Unsupported
from golden.readers.onnx.context import BYTES, EXACT, ONNX, TYPES, Context
from golden.readers.onnx.file import Node
from golden.readers.onnx.operands import (
    attribute,
    axis_of,
    check_attributes,
    ints,
    operands,
    window,
)
from golden.readers.onnx.tensors import Levels, Target
from golden.runtimes.onnx_ops import quantize_linear

__all__ = ["Weights", "convolution", "matrix_product", "qgemm", "qlinear_conv", "qlinear_matmul",
           "quantize_weights", "windows_of"]


class Weights:
    """Constant weights with their quantization.

    Parameters
    ----------
    context : Context
    name : str
        Name of the constant.
    scale, zero_point : str
        Names of constants of one entry, or of one for each channel; the zero point may be left out.
    types : mapping of str to IntFormat
        Formats of the types that the weights may have.
    """

    def __init__(self, context: Context, name: str, scale: str, zero_point: str,
                 types: Mapping[str, IntFormat] = BYTES):
        self.context, self.name = context, name
        self.array, self.type = context.quantized(name, "Weights")
        self.scale = context.scale(scale, "Scale").ravel()
        zero, kind = np.zeros(self.scale.shape, np.int64), self.type
        if zero_point:
            zero, kind = context.quantized(zero_point, "Zero point")
        if self.type not in types or kind != self.type:
            raise Unsupported(f"Type of weights {printable(name)!r} and of their zero point must "
                              f"both be {' or '.join(types)}, not {self.type} and {kind}")
        self.format, self.zero_point = types[self.type], zero.ravel()

    def levels(self, axes: tuple[int, ...]) -> np.ndarray:
        """Return the weights with axes in another order, the channels first."""
        return self.context.integers(self.name, "Weights", axes)

    def quantization(self, channels: int) -> Quantization:
        """Return the quantization of so many channels."""
        for title, values in (("Scale", self.scale), ("Zero point", self.zero_point)):
            if len(values) not in (1, channels):
                raise Unsupported(f"{title} of weights {printable(self.name)!r} must have 1 entry "
                                  f"or {channels}, one per channel, not {len(values)}")
        zero = self.zero_point.astype(np.int64)
        return Quantization(
            self.format,
            float(self.scale[0]) if len(self.scale) == 1 else self.scale.astype(np.float64),
            int(zero[0]) if len(zero) == 1 else zero)


def quantize_weights(node: Node, context: Context):
    """QuantizeLinear of constant weights of float32, per tensor or per channel."""
    x, scale, zero, y = operands(node, 3)
    reals, steps = context.constant(x, "Weights"), context.scale(scale, "Scale")
    zeros = context.constant(zero, "Zero point")
    if (kind := zeros.dtype.name) not in TYPES or zeros.shape != steps.shape:
        raise Unsupported(f"Zero point must be one of {', '.join(TYPES)} for each scale, not shape "
                          f"{zeros.shape} of {kind}")
    if context.readers[x] != 1:
        raise Unsupported(f"Weights {printable(x)!r} must have one reader, "
                          f"not {context.readers[x]}")
    axis = 0 if steps.size == 1 else axis_of(attribute(node, "axis", 1), reals.ndim)
    levels = np.empty(reals.shape, kind)
    rows, out = (np.moveaxis(np.atleast_1d(each), axis, 0) for each in (reals, levels))
    steps, zeros = steps.ravel(), zeros.astype(np.int64).ravel()
    if len(steps) not in (1, len(rows)):
        raise Unsupported(f"Scale {printable(scale)!r} must have 1 entry or {len(rows)}, "
                          f"not {len(steps)}")
    # Slice by slice, as exact rounding takes more memory than the file has bytes.
    for k, row in enumerate(rows):
        own = slice(k, k + 1) if len(steps) > 1 else slice(1)
        out[k] = quantize_linear(row, steps[own], zeros[own], output=TYPES[kind])
    context.values[y] = levels


def qlinear_conv(node: Node, context: Context):
    """QLinearConv of images."""
    x, x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero, bias, y = operands(node, 8, 9)
    weights = Weights(context, w, w_scale, w_zero)
    input = context.reads(context.tensor(x), context.quantization(x_scale, x_zero))
    convolution(node, context, Target(y, context.quantization(y_scale, y_zero)), input, weights,
                bias)


def qlinear_matmul(node: Node, context: Context):
    """QLinearMatMul by a constant matrix."""
    a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero, y = operands(node, 8)
    weights = Weights(context, b, b_scale, b_zero)
    input = context.reads(context.tensor(a), context.quantization(a_scale, a_zero))
    matrix_product(context, Target(y, context.quantization(y_scale, y_zero)), input, weights,
                   (1, 0), "")


def qgemm(node: Node, context: Context):
    """com.microsoft QGemm by a constant matrix."""
    a, a_scale, a_zero, b, b_scale, b_zero, c, y_scale, y_zero, y = operands(node, 6, 9)
    if not y_scale:
        raise Unsupported("Scale of the output must be given, not left out")
    weights = Weights(context, b, b_scale, b_zero)
    input = context.reads(context.tensor(a), context.quantization(a_scale, a_zero))
    check_attributes(node, {"transA": 0, "alpha": 1.0})
    matrix_product(context, Target(y, context.quantization(y_scale, y_zero)), input, weights,
                   (0, 1) if attribute(node, "transB", 0) else (1, 0), c)


def convolution(node: Node, context: Context, target: Target, x: Levels, weights: Weights,
                bias: str):
    """Append a convolution of images with the attributes of a node."""
    windows = windows_of(node, x, weights.array.shape)
    levels = weights.levels((0, 2, 3, 1))
    context.made(target.name, target.quantization, Conv2d, inputs=[x], last=True, weights=levels,
                 **windows, **_sums(context, target, x, weights, levels, bias))


def windows_of(node: Node, x: Levels, weights: tuple[int, ...]) -> dict[str, Any]:
    """Return the fields of a convolution's windows, by its attributes and its weights' shape."""
    if len(weights) != 4 or len(x.shape) != 3:
        raise Unsupported(f"Input and weights must have 4 axes, not {len(x.shape) + 1} and "
                          f"{len(weights)}")
    kernel = list(weights[2:])
    if (given := ints(node, "kernel_shape", kernel, 2)) != kernel:
        raise Unsupported(f"Attribute kernel_shape must be {kernel}, as the weights', not {given}")
    if 0 in weights:
        raise Unsupported(f"Weights must not be empty, not shape {weights}")
    stride, dilation, padding = window(node, x.shape[1:], kernel)
    if any(max(pad) > 1 << 16 for pad in padding):
        raise Unsupported(f"Padding must be at most {1 << 16}, not {padding}")
    return dict(stride=stride, dilation=dilation, padding=padding,
                groups=attribute(node, "group", 1))


def matrix_product(context: Context, target: Target, x: Levels, weights: Weights,
                   axes: tuple[int, int], bias: str):
    """Append a product by a constant matrix; the axes are its columns and its rows."""
    if weights.array.ndim != 2 or not x.shape:
        raise Unsupported(f"Weights must have 2 axes and the input at least 2, "
                          f"not {weights.array.ndim} and {len(x.shape) + 1}")
    levels = weights.levels(axes)
    context.made(target.name, target.quantization, Dense, inputs=[x], weights=levels,
                 **_sums(context, target, x, weights, levels, bias))


def _sums(context: Context, target: Target, x: Levels, weights: Weights, levels: np.ndarray,
          bias: str) -> dict[str, Any]:
    # The fields that every layer of sums has.
    channels, output = len(levels), target.quantization
    weight, offsets = weights.quantization(channels), np.zeros(channels, np.int64)
    if bias:
        given = context.constant(bias, "Bias")
        if given.dtype != np.int32 or given.size not in (1, channels):
            raise Unsupported(f"Bias {printable(bias)!r} must be {channels} of int32, not shape "
                              f"{given.shape} of {given.dtype.name}")
        offsets = np.broadcast_to(given.ravel(), channels).astype(np.int64)
    contract, total = ONNX, S32
    if context.in_float(target, x.quantization, weight):
        zero = np.reshape(weight.zero_point, (-1, *[1] * (levels.ndim - 1)))
        own = x.quantization.scalar_zero_point()
        inputs = levels_range(x.quantization.format) - Range(own, own)
        contract = EXACT
        total = EXACT.sum_format(values_range(weights_ends(levels - zero, inputs)))
    assert isinstance(contract, Clamped)
    parameters = {
        "bias": offsets,
        **linear_parameters(contract, x.quantization.scale, weight.scale, output.scale, total),
        "zero_point": output.scalar_zero_point(),
        "clamp_min": target.ends[0], "clamp_max": target.ends[1]}
    return dict(weight=weight, contract=contract, parameters=parameters)
