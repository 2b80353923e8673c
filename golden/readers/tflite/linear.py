"""TFLite's operators of sums of products: convolutions and fully connected layers."""

from math import prod
from typing import Any

import numpy as np

from golden import contracts
from golden.contracts import S32, Clamped
from golden.formats import IntFormat
from golden.layer_scales import linear_rule
from golden.multipliers import linear_parameters
from golden.networks import (
    Conv2d,
    Dense,
    Layer,
    Linear,
    Quantization,
    Reshape,
    TransposeConv2d,
)
from golden.readers.model import Unsupported
from golden.readers.tflite.file import Operator, Tensor
from golden.readers.tflite.operands import (
    Context,
    activation_clamp,
    check_image,
    check_types,
    operands,
    options_of,
    padding_of,
    quantization_of,
)

__all__ = ["convolution", "fully_connected", "transpose_convolution"]


def convolution(op: Operator, context: Context) -> list[Layer]:
    """CONV_2D and DEPTHWISE_CONV_2D."""
    x, w, bias, y = operands(op, 2, 1)
    check_image(x)
    check_image(w)
    options = options_of(op)
    stride = options["StrideH"], options["StrideW"]
    dilation = options["DilationHFactor"], options["DilationWFactor"]
    if op.name == "DEPTHWISE_CONV_2D":
        # One kernel for each output channel, the last axis.
        weights, axis, groups = context.constant(w, axes=(3, 1, 2, 0)), 3, x.shape[3]
    else:
        weights, axis, groups = context.constant(w), 0, x.shape[3] // w.shape[3]
    return [Conv2d(**_linear(op, context, x, w, axis, weights, bias, y, Conv2d),
                   stride=stride, dilation=dilation, groups=groups,
                   padding=padding_of(op, x.shape[1:3], w.shape[1:3], stride, dilation))]


def transpose_convolution(op: Operator, context: Context) -> list[Layer]:
    """TRANSPOSE_CONV."""
    shape, w, x, bias, y = operands(op, 3, 1)
    check_image(x)
    check_image(w)
    check_image(y)
    if (size := context.constant(shape).ravel().tolist()) != list(y.shape):
        raise Unsupported(f"Output shape must be that of the output, {y.shape}, not {size}")
    options = options_of(op)
    stride = options["StrideH"], options["StrideW"]
    (top, _), (left, _) = padding_of(op, y.shape[1:3], w.shape[1:3], stride)
    if options["FusedActivationFunction"]:
        # tflite-micro ignores it, LiteRT does not.
        raise Unsupported("Activation must be NONE, not number "
                          f"{options['FusedActivationFunction']}")
    return [TransposeConv2d(**_linear(op, context, x, w, 0, context.constant(w), bias, y,
                                      TransposeConv2d),
                            stride=stride, offset=(top, left), size=y.shape[1:3])]


def fully_connected(op: Operator, context: Context) -> list[Layer]:
    """FULLY_CONNECTED, with a reshape of an input that has more axes than the output."""
    x, w, bias, y = operands(op, 2, 1)
    if len(w.shape) != 2:
        raise Unsupported(f"Weights {w.name!r} must have 2 axes, not shape {w.shape}")
    fields = _linear(op, context, x, w, 0, context.constant(w), bias, y, Dense)
    features = w.shape[1]
    if x.shape[:-1] == y.shape[:-1] and x.shape[-1] == features:
        return [Dense(**fields)]
    if prod(x.shape[1:]) != features:
        raise Unsupported(f"Input {x.name!r} must have {features} features for each member of the "
                          f"batch, not shape {x.shape}")
    flat = Reshape(name=f"{y.name}:input", inputs=(x.name,), output=quantization_of(x),
                   target=(features,))
    return [flat, Dense(**{**fields, "inputs": (flat.name,)})]


def _linear(op: Operator, context: Context, x: Tensor, w: Tensor, axis: int,
            weights: np.ndarray, bias: Tensor | None, y: Tensor, kind: type[Linear]
            ) -> dict[str, Any]:
    # The fields that every layer of sums has; the axis is that of the scales of the weights.
    check_types(x, y)
    input, output, weight = quantization_of(x), quantization_of(y), _weight_quantization(w, axis)
    channels = len(weights)
    allowed = ("int32",) if x.type == "int8" else ("int32", "int64")
    if bias is not None and (bias.type not in allowed or bias.shape != (channels,)):
        raise Unsupported(f"Bias {bias.name!r} must be {channels} of {' or '.join(allowed)}, "
                          f"not shape {bias.shape} of {bias.type}")
    delegated = context.delegated(x) and (op.name != "TRANSPOSE_CONV" or _delegated(op, x, w, y))
    contract = _contract(op, context, x, bias, w, delegated)
    sums = contract.takes or S32
    lo, hi = activation_clamp(op, output, delegated)
    parameters = {
        "bias": np.zeros(channels, np.int64) if bias is None else context.constant(bias),
        **linear_parameters(contract, input.scale, weight.scale, output.scale, sums,
                            rule=linear_rule(kind, contract, weight)),
        "zero_point": output.scalar_zero_point(), "clamp_min": lo, "clamp_max": hi}
    return dict(name=y.name, inputs=(x.name,), output=output, weights=weights, weight=weight,
                contract=contract, parameters=parameters)


def _delegated(op: Operator, x: Tensor, w: Tensor, y: Tensor) -> bool:
    # Whether XNNPACK takes the sizes of a TRANSPOSE_CONV.
    options, kernel, size = options_of(op), w.shape[1:3], y.shape[1:3]
    stride = options["StrideH"], options["StrideW"]
    if options["Padding"]:  # VALID
        return kernel[0] <= size[0] and kernel[1] <= size[1]
    return all(n == -(-s // step) and k >= step for n, s, step, k in zip(
        x.shape[1:3], size, stride, kernel, strict=True))


def _contract(op: Operator, context: Context, x: Tensor, bias: Tensor | None, w: Tensor,
              delegated: bool) -> Clamped:
    if context.runtime == "litert" and x.type == "int16":
        _check_not_ruy(op, x, bias, w)
    if delegated:
        name = "litert"
    elif context.runtime != "tflite-micro" and op.name == "FULLY_CONNECTED":
        # The sum times a float64, rounded once.
        name = "half_away"
    else:
        # Sums of int16 have 64 bits unless the bias has 32.
        wide = x.type == "int16" and (bias is None or bias.type == "int64")
        name = "tflite_int16x8" if wide else "tflite"
    contract = contracts.parse(name)
    assert isinstance(contract, Clamped)
    return contract


def _check_not_ruy(op: Operator, x: Tensor, bias: Tensor | None, w: Tensor):
    # Raise Unsupported where LiteRT multiplies int16 by its library ruy, into sums of 32 bits.
    short = bias is not None and bias.type == "int32"
    if op.name == "FULLY_CONNECTED" and (short or bias is None) or (
            op.name == "CONV_2D" and short and x.shape[3] == w.shape[3]):
        raise Unsupported("Bias must be int64 for runtime litert, not "
                          f"{'left out' if bias is None else 'int32'}, with which LiteRT "
                          "multiplies by ruy, whose rounding depends on the processor")


def _weight_quantization(tensor: Tensor, axis: int) -> Quantization:
    if tensor.type != "int8":
        raise Unsupported(f"Type of weights {tensor.name!r} must be int8, not {tensor.type}")
    if not len(tensor.scale):
        raise Unsupported(f"Weights {tensor.name!r} must have scales, not none")
    if len(tensor.scale) > 1 and tensor.axis != axis:
        raise Unsupported(f"Axis of the scales of weights {tensor.name!r} must be {axis}, "
                          f"not {tensor.axis}")
    if tensor.zero_point.any():
        raise Unsupported(f"Zero point of weights {tensor.name!r} must be 0, "
                          f"not {int(tensor.zero_point[tensor.zero_point != 0][0])}")
    scale = tensor.scale.astype(np.float64)
    return Quantization(IntFormat(8), scale if len(scale) > 1 else float(scale[0]))
