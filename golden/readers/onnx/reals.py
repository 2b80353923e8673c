"""ONNX's dynamic quantization: its integer operators, and those of float32 between them."""

from collections.abc import Callable, Mapping

import numpy as np

from golden.contracts import S32, ExactSum
from golden.formats import IntFormat
from golden.networks import (
    FLOAT32,
    Centre,
    Conv2d,
    Dense,
    DynamicQuantize,
    FloatOperation,
    Quantization,
    ToFloat,
)
from golden.readers.contents import printable
from golden.readers.model import Unsupported
from golden.readers.onnx import moves
from golden.readers.onnx.context import BYTES, Context
from golden.readers.onnx.file import Node
from golden.readers.onnx.linear import windows_of
from golden.readers.onnx.operands import attribute, operands
from golden.readers.onnx.tensors import Levels

__all__ = ["DYNAMIC", "REALS", "cast", "conv_integer", "dynamic_quantize_linear",
           "matmul_integer", "reshaped"]

DYNAMIC = "DynamicQuantizeLinear", "MatMulInteger", "ConvInteger"
"""Operators in whose models the inputs of float32 are tensors of the network."""

_NUMBERS, _BYTES, _SUMS = (Quantization(fmt) for fmt in (FLOAT32, BYTES["uint8"], S32))


def dynamic_quantize_linear(node: Node, context: Context):
    """DynamicQuantizeLinear: its three results, as three layers."""
    if len(node.inputs) != 1 or len(node.outputs) != 3 or not node.outputs[0]:
        raise Unsupported(f"Inputs and outputs must be 1 and 3, not {len(node.inputs)} and "
                          f"{len(node.outputs)}")
    x = _numbers(context, node.inputs[0])
    for part, name, output in zip(("levels", "scale", "zero_point"), node.outputs,
                                  (_BYTES, _NUMBERS, _BYTES), strict=True):
        if part == "levels":
            context.made(name, output, DynamicQuantize, inputs=[x], last=None, part=part)
        elif name:
            _one(context, context.made(name, output, DynamicQuantize, part=part,
                                       names=[next(iter(x.layouts.values()))]))


def _one(context: Context, levels: Levels):
    # A tensor without axes is the same in both layouts.
    levels.layouts[True] = levels.layouts[False]


def matmul_integer(node: Node, context: Context):
    """MatMulInteger by a constant matrix."""
    a, b, a_zero, b_zero, y = operands(node, 2, 4)
    weights, weight = _weights(context, b, b_zero, (1, 0))
    if not (x := context.tensor(a)).shape:
        raise Unsupported("Input must have at least 2 axes, not 1")
    x = _centred(context, x, a_zero)
    context.made(y, _SUMS, Dense, inputs=[x], weights=weights, weight=weight,
                 contract=ExactSum(), parameters={"bias": np.zeros(len(weights), np.int64)})


def conv_integer(node: Node, context: Context):
    """ConvInteger of images by constant weights."""
    a, b, a_zero, b_zero, y = operands(node, 2, 4)
    x = context.tensor(a)
    fields = windows_of(node, x, context.constant(b, "Weights").shape)
    weights, weight = _weights(context, b, b_zero, (0, 2, 3, 1))
    x = _centred(context, x, a_zero)
    context.made(y, _SUMS, Conv2d, inputs=[x], last=True, weights=weights, weight=weight,
                 contract=ExactSum(), parameters={"bias": np.zeros(len(weights), np.int64)},
                 **fields)


def _weights(context: Context, name: str, zero: str, axes: tuple[int, ...]
             ) -> tuple[np.ndarray, Quantization]:
    array = context.constant(name, "Weights")
    points = context.constant(zero, "Zero point") if zero else np.zeros(1, array.dtype)
    if array.dtype.name not in BYTES or points.dtype != array.dtype or array.ndim != len(axes):
        raise Unsupported(f"Weights {printable(name)!r} and their zero point must be int8 or "
                          f"uint8, of {len(axes)} axes, not {array.dtype.name} and "
                          f"{points.dtype.name}, of {array.ndim}")
    weights = context.integers(name, "Weights", axes)
    if points.size not in (1, len(weights)):
        raise Unsupported(f"Zero point of weights {printable(name)!r} must have 1 entry or "
                          f"{len(weights)}, not {points.size}")
    zeros = points.ravel().astype(np.int64)
    return weights, Quantization(BYTES[array.dtype.name], 1.0,
                                 zeros if len(zeros) > 1 else int(zeros[0]))


def _centred(context: Context, x: Levels, zero: str) -> Levels:
    # The levels minus their zero point, which is computed too, or constant.
    fmt = x.quantization.format
    if fmt not in BYTES.values():
        raise Unsupported(f"Tensor {printable(x.name)!r} must be int8 or uint8, not {fmt}")
    if not zero:
        return Levels(x.name, Quantization(fmt), x.shape, x.layouts)
    if zero in context.values:
        level = np.reshape(context.one(zero, "Zero point"), ())
        if BYTES.get(level.dtype.name) != fmt:
            raise Unsupported(f"Zero point {printable(zero)!r} must be {fmt}, "
                              f"not {level.dtype.name}")
        point = context.stored(zero, level, Quantization(fmt))
    else:
        point = context.tensor(zero)
        if point.quantization.format != fmt or point.shape:
            raise Unsupported(f"Zero point {printable(zero)!r} must be one level of {fmt}, not "
                              f"shape {point.shape} of {point.quantization.format}")
    last = False not in x.layouts
    wide = Quantization(IntFormat(9))
    name = context.between(x, ":centred", wide, Centre, last,
                           others=(context.layout(point, last),))
    return Levels(x.name, wide, x.shape, {last: name})


def cast(node: Node, context: Context):
    """Cast of integers to float32."""
    x, y = operands(node, 1)
    if (kind := attribute(node, "to", None)) != 1:
        raise Unsupported(f"Attribute to must be 1, float32, not {kind}")
    levels = context.tensor(x)
    if not isinstance(levels.quantization.format, IntFormat):
        raise Unsupported(f"Tensor {printable(x)!r} must be integers, "
                          f"not {levels.quantization.format}")
    context.made(y, _NUMBERS, ToFloat, inputs=[levels], last=None)


def _operation(node: Node, context: Context):
    count = 1 if node.operator == "Relu" else 2
    *names, y = operands(node, count)
    axes = max(len(context.levels[name].shape) for name in names if name in context.levels)
    inputs = [_numbers(context, name, axes) for name in names]
    made = context.made(y, _NUMBERS, FloatOperation, inputs=inputs, last=None,
                        kind=node.operator.lower())
    if not made.shape:
        _one(context, made)


def _numbers(context: Context, name: str, axes: int = 0) -> Levels:
    # A tensor of float32, perhaps constant, with at most as many axes as the other operand has
    # behind the batch; with any number where that is one scale. Axes of one element in front say
    # nothing.
    if name in context.values:
        array = context.constant(name, "Operand")
        if array.dtype != np.float32:
            raise Unsupported(f"Operand {printable(name)!r} must be float32, "
                              f"not {array.dtype.name}")
        while array.ndim and len(array) == 1:
            array = array[0]
        if axes and array.ndim > axes:
            raise Unsupported(f"Operand {printable(name)!r} must have one member for the batch, "
                              f"not shape {array.shape}")
        return context.stored(name, array, _NUMBERS)
    levels = context.tensor(name)
    if levels.quantization.format != FLOAT32:
        raise Unsupported(f"Tensor {printable(name)!r} must be float32, "
                          f"not {levels.quantization.format}")
    return levels


def reshaped(node: Node, context: Context):
    """Reshape of a constant: a constant too."""
    x, target, y = operands(node, 2)
    array, sizes = context.constant(x, "Operand"), context.integers(target, "Shape").ravel()
    try:
        context.values[y] = array.reshape(sizes.tolist())
    except ValueError as error:
        raise Unsupported(f"Shape must be one of {array.size} elements, "
                          f"not {sizes.tolist()}") from error


REALS: Mapping[str, Callable[[Node, Context], None]] = {
    "Add": _operation, "Mul": _operation, "Relu": _operation,
    "DynamicQuantizeLinear": dynamic_quantize_linear, "Reshape": moves.reshape,
    "Flatten": moves.flatten, "Squeeze": moves.squeeze, "Unsqueeze": moves.unsqueeze,
    "Transpose": moves.transpose, "Slice": moves.slice_of, "Identity": moves.identity}
"""Operators on computed numbers of float32."""
