"""ONNX's operators of elements and of windows: sums, products, pools, rectifiers."""

from collections.abc import Callable
from math import prod

import numpy as np

from golden import units
from golden.contracts import S32, Clamped
from golden.layer_scales import reduce_parameters
from golden.networks import (
    Add,
    FloatAveragePool,
    Lookup,
    Mul,
    Pool,
    Quantization,
    Reduce,
    Sub,
    TableSoftmax,
)
from golden.ranges import levels_range
from golden.readers.model import Unsupported
from golden.readers.onnx.context import EXACT, INSIDE, ONNX, Context
from golden.readers.onnx.file import Node
from golden.readers.onnx.operands import (
    attribute,
    axis_of,
    check_attributes,
    ints,
    operands,
    window,
)
from golden.readers.onnx.tensors import Levels, Target, prefers_last, same_format, table_levels
from golden.runtimes.onnx_functions import logistic
from golden.runtimes.onnx_ops import dequantize_linear, quantize_linear
from golden.unit_scales import parameters_of
from golden.units import Addition, Multiplication

__all__ = ["average_pool", "clip", "elementwise", "global_average_pool", "leaky_relu", "max_pool",
           "qlinear_add", "qlinear_average_pool", "qlinear_global_average_pool",
           "qlinear_leaky_relu", "qlinear_mul", "qlinear_sigmoid", "qlinear_softmax", "rank_of",
           "relu", "softmax", "table_of", "tabulated"]


def qlinear_add(node: Node, context: Context):
    """com.microsoft QLinearAdd."""
    _qlinear(node, context, "Add")


def qlinear_mul(node: Node, context: Context):
    """com.microsoft QLinearMul."""
    _qlinear(node, context, "Mul")


def _qlinear(node: Node, context: Context, kind: str):
    a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero, y = operands(node, 7, 8)
    quantizations = (context.quantization(a_scale, a_zero), context.quantization(b_scale, b_zero))
    rank = rank_of([context.levels[name] for name in (a, b) if name in context.levels])
    inputs = [context.operand(name, each, rank)
              for name, each in zip((a, b), quantizations, strict=True)]
    elementwise(context, kind, Target(y, context.quantization(y_scale, y_zero)), inputs)


def rank_of(computed: list[Levels]) -> int:
    """Return the most axes of the computed inputs of a sum or a product, the batch included."""
    if not computed:
        raise Unsupported("One input at least must be a computed tensor, not constants alone")
    return max(len(each.shape) for each in computed) + 1


def elementwise(context: Context, kind: str, target: Target, inputs: list[Levels]):
    """Append a sum or a product, as ONNX Runtime's QLinearAdd and QLinearMul, or an exact one.

    The Runtime fuses no difference.
    """
    own, output = [each.quantization for each in inputs], target.quantization
    fmt, floats = same_format(*own, output), context.in_float(target, *own, fuses=kind != "Sub")
    if kind != "Mul":
        scheme = units.parse("exact" if floats else "onnx")
        for each in [] if floats else own:
            if not 2.0**-40 <= each.scale / output.scale < 2.0**20:
                raise Unsupported(f"Scale of an input over that of the output must be in range "
                                  f"[2**-40, 2**20), not {each.scale / output.scale}")
        parameters = parameters_of(Addition(scheme, fmt, fmt, fmt, kind == "Sub"), *own, output,
                                   clamp=target.ends)
        context.made(target.name, output, Sub if kind == "Sub" else Add, inputs=inputs, last=None,
                     scheme=scheme, parameters=parameters)
    else:
        contract = EXACT if floats else INSIDE
        parameters = parameters_of(Multiplication(contract, fmt, fmt, fmt), *own, output,
                                   clamp=target.ends)
        context.made(target.name, output, Mul, inputs=inputs, last=None, contract=contract,
                     parameters=parameters)


def max_pool(node: Node, context: Context):
    """MaxPool of images."""
    x, y = operands(node, 1)
    if any(node.outputs[1:]):
        raise Unsupported("Outputs must be 1, not 2")
    input = context.tensor(x)
    size = _size(node, input)
    check_attributes(node, {"ceil_mode": 0, "dilations": [1, 1], "storage_order": 0})
    stride, _, padding = window(node, input.shape[1:], size)
    context.made(y, input.quantization, Pool, inputs=[input], last=True, kind="max", size=size,
                 stride=stride, padding=padding)


def qlinear_average_pool(node: Node, context: Context):
    """com.microsoft QLinearAveragePool."""
    x, x_scale, x_zero, y_scale, y_zero, y = operands(node, 4, 5)
    input = context.reads(context.tensor(x), context.quantization(x_scale, x_zero))
    check_attributes(node, {"channels_last": 0})
    average_pool(node, context, Target(y, context.quantization(y_scale, y_zero)), input)


def average_pool(node: Node, context: Context, target: Target, x: Levels):
    """Append an average pool with the attributes of a node."""
    size = _size(node, x)
    check_attributes(node, {"ceil_mode": 0, "dilations": [1, 1]})
    stride, _, padding = window(node, x.shape[1:], size)
    if size == x.shape[1:] and not np.any(padding):
        global_average_pool(context, target, x)
        return
    context.in_float(target, x.quantization)
    if target.clamp is not None:
        raise Unsupported("Result of a pool must go to a QuantizeLinear, not be cut off before it")
    context.made(target.name, target.quantization, FloatAveragePool, inputs=[x], last=True,
                 size=size, stride=stride, padding=padding,
                 count_padding=bool(attribute(node, "count_include_pad", 0)))


def qlinear_global_average_pool(node: Node, context: Context):
    """com.microsoft QLinearGlobalAveragePool."""
    x, x_scale, x_zero, y_scale, y_zero, y = operands(node, 5)
    input = context.reads(context.tensor(x), context.quantization(x_scale, x_zero))
    check_attributes(node, {"channels_last": 0})
    global_average_pool(context, Target(y, context.quantization(y_scale, y_zero)), input)


def global_average_pool(context: Context, target: Target, x: Levels):
    """Append the mean over all axes behind the channels."""
    output = target.quantization
    if len(x.shape) < 2 or x.quantization.format != output.format:
        raise Unsupported(f"Input and output must be images of one type, not shape "
                          f"(1, {', '.join(map(str, x.shape))}) of {x.quantization.format} "
                          f"and {output.format}")
    last = len(x.shape) == 3 and prefers_last([x])
    axes = (1, 2) if last else tuple(range(2, len(x.shape) + 1))
    taps = prod(x.shape[1:])
    contract, total = ONNX, S32
    if context.in_float(target, x.quantization):
        levels = levels_range(x.quantization.format)
        contract = EXACT
        total = EXACT.sum_format((levels - levels).times(taps))
    assert isinstance(contract, Clamped)
    scale = reduce_parameters(contract, x.quantization, output, taps, total)
    context.made(target.name, output, Reduce, inputs=[x], last=last, axes=axes, keep=True,
                 kind="mean", contract=contract, parameters={
                     **scale, "zero_point": output.scalar_zero_point(),
                     "clamp_min": target.ends[0], "clamp_max": target.ends[1]})


def _size(node: Node, x: Levels) -> tuple[int, ...]:
    if len(x.shape) != 3:
        raise Unsupported(f"Input must have 4 axes, not {len(x.shape) + 1}")
    size = ints(node, "kernel_shape", None, 2)
    if size is None:
        raise Unsupported("Attribute kernel_shape must be given, not left out")
    return tuple(size)


def relu(node: Node, context: Context):
    """Relu of integers: levels below 0 become 0."""
    x, y = operands(node, 1)
    _clamped(context, y, context.tensor(x), 0, None)


def clip(node: Node, context: Context):
    """Clip of integers, to the levels of two constants."""
    x, least, most, y = operands(node, 1, 3)
    input = context.tensor(x)
    lo, hi = (int(context.one(name, "Level")) if name else None for name in (least, most))
    _clamped(context, y, input, lo, hi)


def _clamped(context: Context, y: str, x: Levels, lo: int | None, hi: int | None):
    fmt = x.quantization.format
    # Of crossed ends, the upper one wins.
    levels = np.minimum(np.maximum(table_levels(fmt), fmt.min if lo is None else lo),
                        fmt.max if hi is None else hi)
    context.made(y, x.quantization, Lookup, inputs=[x], last=None, table=levels)


def leaky_relu(node: Node, context: Context, y: str, x: Levels, output: Quantization):
    """Append LeakyRelu with the attributes of a node: a table of float32."""
    alpha = np.float32(attribute(node, "alpha", 0.01))
    same_format(x.quantization, output)
    if not np.isfinite(alpha):
        raise Unsupported(f"Attribute alpha must be finite, not {alpha}")
    tabulated(context, y, x, output, lambda reals: np.where(reals >= 0, reals, reals * alpha))


def qlinear_leaky_relu(node: Node, context: Context):
    """com.microsoft QLinearLeakyRelu."""
    x, x_scale, x_zero, y_scale, y_zero, y = operands(node, 4, 5)
    input = context.reads(context.tensor(x), context.quantization(x_scale, x_zero))
    leaky_relu(node, context, y, input, context.quantization(y_scale, y_zero))


def qlinear_sigmoid(node: Node, context: Context):
    """com.microsoft QLinearSigmoid: a table of float32."""
    x, x_scale, x_zero, y_scale, y_zero, y = operands(node, 4, 5)
    input = context.reads(context.tensor(x), context.quantization(x_scale, x_zero))
    tabulated(context, y, input, context.quantization(y_scale, y_zero), logistic)


def qlinear_softmax(node: Node, context: Context):
    """com.microsoft QLinearSoftmax."""
    x, x_scale, x_zero, y_scale, y_zero, y = operands(node, 4, 5)
    input = context.reads(context.tensor(x), context.quantization(x_scale, x_zero))
    opset = attribute(node, "opset", 13)
    softmax(node, context, Target(y, context.quantization(y_scale, y_zero)), input,
            -1 if opset >= 13 else 1)


def softmax(node: Node, context: Context, target: Target, x: Levels, default: int = -1):
    """Append a softmax over the last axis, which the Runtime fuses."""
    same_format(x.quantization, target.quantization)
    rank = len(x.shape) + 1
    if axis_of(attribute(node, "axis", default), rank) != rank - 1 or rank < 2:
        raise Unsupported(f"Attribute axis must be {rank - 1}, the last, "
                          f"not {attribute(node, 'axis', default)}")
    if context.in_float(target, x.quantization):
        raise Unsupported("Softmax must be one that the Runtime fuses, not one in float32")
    context.made(target.name, target.quantization, TableSoftmax, inputs=[x])


def table_of(input: Quantization, output: Quantization,
             function: Callable[[np.ndarray], np.ndarray] | None = None) -> np.ndarray:
    """Return the table of DequantizeLinear, a function of float32, and QuantizeLinear."""
    reals = dequantize_linear(table_levels(input.format), np.float32(input.scale),
                              input.zero_point, source=input.format)
    with np.errstate(over="ignore"):  # infinity saturates too
        results = reals if function is None else function(reals)
    return quantize_linear(results, np.float32(output.scale), output.zero_point,
                           output=output.format)


def tabulated(context: Context, y: str, x: Levels, output: Quantization,
              function: Callable[[np.ndarray], np.ndarray] | None = None):
    """Append a function of the real numbers; by default the same with another quantization."""
    context.made(y, output, Lookup, inputs=[x], last=None,
                 table=table_of(x.quantization, output, function))
