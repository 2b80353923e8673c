"""ONNX's operators of sums of products: QLinearConv, QLinearMatMul and QGemm."""

from typing import Any

import numpy as np

from golden.contracts import S32, Clamped
from golden.multipliers import linear_parameters
from golden.networks import Conv2d, Dense, Quantization
from golden.readers.contents import printable
from golden.readers.model import Unsupported
from golden.readers.onnx.context import FORMATS, ONNX, Context
from golden.readers.onnx.file import Node
from golden.readers.onnx.operands import attribute, check_attributes, ints, operands, window
from golden.readers.onnx.tensors import Levels

__all__ = ["Weights", "convolution", "matrix_product", "qgemm", "qlinear_conv", "qlinear_matmul"]


class Weights:
    """Constant weights with their quantization.

    Parameters
    ----------
    context : Context
    name : str
        Name of the constant.
    scale, zero_point : array
        One entry, or one for each channel.
    """

    def __init__(self, context: Context, name: str, scale: np.ndarray, zero_point: np.ndarray):
        self.context, self.name = context, name
        self.array = context.constant(name, "Weights")
        self.type = self.array.dtype.name
        if self.type not in FORMATS or zero_point.dtype != self.array.dtype:
            raise Unsupported(f"Type of weights {printable(name)!r} and of their zero point must "
                              f"both be int8 or uint8, not {self.type} and "
                              f"{zero_point.dtype.name}")
        self.scale, self.zero_point = scale.ravel(), zero_point.ravel()

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
            FORMATS[self.type],
            float(self.scale[0]) if len(self.scale) == 1 else self.scale.astype(np.float64),
            int(zero[0]) if len(zero) == 1 else zero)


def qlinear_conv(node: Node, context: Context):
    """QLinearConv of images."""
    x, x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero, bias, y = operands(node, 8, 9)
    weights = Weights(context, w, context.scale(w_scale, "Scale"),
                      context.constant(w_zero, "Zero point"))
    input = context.reads(context.tensor(x), context.quantization(x_scale, x_zero))
    convolution(node, context, y, input, weights, bias, context.quantization(y_scale, y_zero))


def qlinear_matmul(node: Node, context: Context):
    """QLinearMatMul by a constant matrix."""
    a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero, y = operands(node, 8)
    weights = Weights(context, b, context.scale(b_scale, "Scale"),
                      context.constant(b_zero, "Zero point"))
    input = context.reads(context.tensor(a), context.quantization(a_scale, a_zero))
    matrix_product(context, y, input, weights, (1, 0), "",
                   context.quantization(y_scale, y_zero))


def qgemm(node: Node, context: Context):
    """com.microsoft QGemm by a constant matrix."""
    a, a_scale, a_zero, b, b_scale, b_zero, c, y_scale, y_zero, y = operands(node, 6, 9)
    if not y_scale:
        raise Unsupported("Scale of the output must be given, not left out")
    weights = Weights(context, b, context.scale(b_scale, "Scale"),
                      context.constant(b_zero, "Zero point"))
    input = context.reads(context.tensor(a), context.quantization(a_scale, a_zero))
    check_attributes(node, {"transA": 0, "alpha": 1.0})
    matrix_product(context, y, input, weights,
                   (0, 1) if attribute(node, "transB", 0) else (1, 0), c,
                   context.quantization(y_scale, y_zero))


def convolution(node: Node, context: Context, y: str, x: Levels, weights: Weights, bias: str,
                output: Quantization):
    """Append a convolution of images with the attributes of a node."""
    if weights.array.ndim != 4 or len(x.shape) != 3:
        raise Unsupported(f"Input and weights must have 4 axes, not {len(x.shape) + 1} and "
                          f"{weights.array.ndim}")
    channels, _, *kernel = weights.array.shape
    if (given := ints(node, "kernel_shape", kernel, 2)) != kernel:
        raise Unsupported(f"Attribute kernel_shape must be {kernel}, as the weights', not {given}")
    if 0 in weights.array.shape:
        raise Unsupported(f"Weights must not be empty, not shape {weights.array.shape}")
    stride, dilation, padding = window(node, x.shape[1:], kernel)
    if any(max(pad) > 1 << 16 for pad in padding):
        raise Unsupported(f"Padding must be at most {1 << 16}, not {padding}")
    context.made(
        y, output, Conv2d, inputs=[x], last=True, stride=stride, dilation=dilation,
        padding=padding, groups=attribute(node, "group", 1), weights=weights.levels((0, 2, 3, 1)),
        **_sums(context, x, weights, channels, bias, output))


def matrix_product(context: Context, y: str, x: Levels, weights: Weights, axes: tuple[int, int],
                   bias: str, output: Quantization):
    """Append a product by a constant matrix; the axes are its columns and its rows."""
    if weights.array.ndim != 2 or not x.shape:
        raise Unsupported(f"Weights must have 2 axes and the input at least 2, "
                          f"not {weights.array.ndim} and {len(x.shape) + 1}")
    context.made(y, output, Dense, inputs=[x], weights=weights.levels(axes),
                 **_sums(context, x, weights, weights.array.shape[axes[0]], bias, output))


def _sums(context: Context, x: Levels, weights: Weights, channels: int, bias: str,
          output: Quantization) -> dict[str, Any]:
    # The fields that every layer of sums has.
    weight, offsets = weights.quantization(channels), np.zeros(channels, np.int64)
    if bias:
        given = context.constant(bias, "Bias")
        if given.dtype != np.int32 or given.size not in (1, channels):
            raise Unsupported(f"Bias {printable(bias)!r} must be {channels} of int32, not shape "
                              f"{given.shape} of {given.dtype.name}")
        offsets = np.broadcast_to(given.ravel(), channels).astype(np.int64)
    assert isinstance(ONNX, Clamped)
    parameters = {
        "bias": offsets,
        **linear_parameters(ONNX, x.quantization.scale, weight.scale, output.scale, S32),
        "zero_point": output.scalar_zero_point(),
        "clamp_min": output.format.min, "clamp_max": output.format.max}
    return dict(weight=weight, contract=ONNX, parameters=parameters)
