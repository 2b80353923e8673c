"""Operators on real numbers between DequantizeLinear and QuantizeLinear, as layers on levels.

ONNX Runtime fuses such a group into the operator on levels, with graph optimizations up to the
extended ones. On x86 it fuses those of int8 only if ``session.qdqisint8allowed`` is set; else it
first turns some of them into uint8, and computes what has inputs and outputs of two types in
float32.

Operators that only move real numbers, or choose among them, need no QuantizeLinear: they are
done on the levels at once.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from golden.networks import Extreme, Lookup, Quantization
from golden.readers.contents import printable
from golden.readers.model import Unsupported
from golden.readers.onnx import functions, linear, moves
from golden.readers.onnx.context import TYPES, WEIGHTS, Context
from golden.readers.onnx.file import Node
from golden.readers.onnx.linear import Weights
from golden.readers.onnx.operands import attribute, axis_of, check_attributes, operands
from golden.readers.onnx.tensors import Levels, Real, Target, prefers_last, table_levels
from golden.runtimes.onnx_functions import logistic, tanh
from golden.runtimes.onnx_ops import quantize_linear

__all__ = ["FUSED", "MOVES", "fused", "quantized", "real_node", "zero_padded"]

RECTIFIERS = "Relu", "Clip"

_CLOSE, _ROUNDED = 1e-3, 2.0**-22
"""Largest relative difference of a bias's scale that ONNX Runtime fuses, and in float32."""


def real_node(node: Node, context: Context):
    """Do an operator on real numbers at once if it moves them, else keep it for its reader."""
    first = context.reals.get(node.inputs[0]) if node.inputs else None
    maker = None if first is None else first.node
    if maker is not None and (node.operator not in RECTIFIERS or maker.operator in RECTIFIERS):
        raise Unsupported(f"Input {printable(node.inputs[0])!r} must be what a DequantizeLinear "
                          f"makes, not {maker.operator}")
    if node.operator not in MOVES or maker is not None:
        for name in node.outputs:
            context.reals[name] = Real(node=node)
        return
    if node.operator == "Pad":
        node = zero_padded(node, context)
    if node.operator == "Split" and any(context.readers[name] != 1 for name in node.outputs):
        # ONNX Runtime 1.32 may give another part to the second reader.
        raise Unsupported(f"Each result must have one reader, "
                          f"not {[context.readers[name] for name in node.outputs]}")
    # As an operator on levels, for a moment.
    x = node.inputs[0]
    context.levels[x] = _levels(context, x)
    try:
        MOVES[node.operator](node, context)
    finally:
        del context.levels[x]
    for name in node.outputs:
        if name:
            context.reals[name] = Real(levels=context.levels.pop(name))


def zero_padded(node: Node, context: Context) -> Node:
    """Return a Pad of real numbers by 0 without the value, which is a level of another number."""
    names = [*node.inputs, "", "", ""]
    if names[2] and (value := context.one(names[2], "Value")) != 0:
        raise Unsupported(f"Value must be 0, which has a level, not {value}")
    return replace(node, inputs=(*names[:2], "", *names[3:])) if names[2] else node


def _relu(node: Node, context: Context):
    # Real numbers below 0 become 0, whose level is the zero point.
    x, y = operands(node, 1)
    levels = context.levels[x]
    own = levels.quantization
    context.made(y, own, Lookup, inputs=[levels], last=None,
                 table=np.maximum(table_levels(own.format), own.scalar_zero_point()))


def _pad(node: Node, context: Context):
    moves.pad(node, context, context.levels[node.inputs[0]].quantization.scalar_zero_point())


MOVES: Mapping[str, Callable[[Node, Context], None]] = {
    "MaxPool": functions.max_pool, "Reshape": moves.reshape, "Flatten": moves.flatten,
    "Squeeze": moves.squeeze, "Unsqueeze": moves.unsqueeze, "Transpose": moves.transpose,
    "Slice": moves.slice_of, "Split": moves.split, "Identity": moves.identity, "Pad": _pad,
    "Relu": _relu}
"""Operators whose results are elements of their input, or 0."""


def quantized(context: Context, y: str, x: Levels, output: Quantization):
    """Make levels of real numbers that have levels already, perhaps others."""
    own = x.quantization
    if (own.format, own.scale, own.zero_point) == (
            output.format, output.scale, output.zero_point):
        context.levels[y] = Levels(y, output, x.shape, x.layouts)
    else:
        functions.tabulated(context, y, x, output)


def fused(node: Node, context: Context, target: Target):
    """Append the layer of an operator on real numbers and of the QuantizeLinear behind it."""
    if node.operator not in ("Concat", *RECTIFIERS) and (
            readers := context.readers[node.outputs[0]]) != 1:
        raise Unsupported(f"Result must have one reader, a QuantizeLinear, not {readers}")
    real = context.reals.get(node.inputs[0])
    if real is not None and real.node is not None:
        fused(real.node, context, replace(target, clamp=_cut(node, context, target.quantization)))
        return
    FUSED[node.operator](node, context, target)


def _cut(node: Node, context: Context, output: Quantization) -> tuple[int, int] | None:
    # Levels of a rectifier's ends; None where ONNX Runtime takes the rectifier off, as the levels
    # stand for nothing beyond its ends.
    lo, hi = _ends(node, context)
    zero, step = output.scalar_zero_point(), np.float32(output.scale)
    least, most = ((np.float32(end) - np.float32(zero)) * step
                   for end in (output.format.min, output.format.max))
    epsilon = np.finfo(np.float32).eps
    if (zero == output.format.min if node.operator == "Relu"
            else lo - least <= epsilon and most - hi <= epsilon):
        return None
    # Of crossed ends, the upper one wins.
    first, last = quantize_linear(np.array([min(lo, hi), hi]), step, zero,
                                  output=output.format).tolist()
    return first, last


def _ends(node: Node, context: Context) -> tuple[np.float32, np.float32]:
    least, most = np.float32(-np.inf), np.float32(np.inf)
    if node.operator == "Relu":
        return np.float32(0), most
    names = [*node.inputs, "", ""][1:3]
    ends = [node.attributes.get("min"), node.attributes.get("max")]
    for k, name in enumerate(names):
        if name:
            ends[k] = context.one(name, "End")
    if not all(each is None or isinstance(each, (float, np.floating)) for each in ends):
        raise Unsupported(f"Ends must be float32, not {ends}")
    return (least if ends[0] is None else np.float32(ends[0]),
            most if ends[1] is None else np.float32(ends[1]))


def _clip(node: Node, context: Context, target: Target):
    x = _levels(context, node.inputs[0])
    lo, hi = _ends(node, context)
    _uncut(target)
    functions.tabulated(context, target.name, x, target.quantization,
                        lambda reals: np.minimum(np.maximum(reals, lo), hi))


def _leaky_relu(node: Node, context: Context, target: Target):
    x, _ = operands(node, 1)
    _uncut(target)
    functions.leaky_relu(node, context, target.name, _direct(context, x), target.quantization)


def _sigmoid(node: Node, context: Context, target: Target):
    x, _ = operands(node, 1)
    _uncut(target)
    functions.tabulated(context, target.name, _direct(context, x), target.quantization,
                        logistic if node.operator == "Sigmoid" else tanh)


def _softmax(node: Node, context: Context, target: Target):
    x, _ = operands(node, 1)
    functions.softmax(node, context, target, _direct(context, x))


def _conv(node: Node, context: Context, target: Target):
    x, w, bias, _ = operands(node, 2, 3)
    input, weights = _direct(context, x), _weights(context, w, 0)
    linear.convolution(node, context, target, input, weights,
                       _bias(context, target, bias, input, weights))


def _matmul(node: Node, context: Context, target: Target):
    x, w, _ = operands(node, 2)
    linear.matrix_product(context, target, _direct(context, x), _weights(context, w, 1), (1, 0), "")


def _gemm(node: Node, context: Context, target: Target):
    x, w, bias, _ = operands(node, 2, 3)
    check_attributes(node, {"transA": 0, "alpha": 1.0, "beta": 1.0})
    axes = (0, 1) if attribute(node, "transB", 0) else (1, 0)
    input, weights = _direct(context, x), _weights(context, w, axes[0])
    linear.matrix_product(context, target, input, weights, axes,
                          _bias(context, target, bias, input, weights))


def _elementwise(node: Node, context: Context, target: Target):
    functions.elementwise(context, node.operator, target, _operands(node, context))


def _extreme(node: Node, context: Context, target: Target):
    # The quantization is monotonic: it may come first.
    _uncut(target)
    inputs = _operands(node, context)
    last = prefers_last(inputs)
    names = [moves.requantized(context, each, f":operand{index}", target.quantization, last)
             for index, each in enumerate(inputs)]
    context.made(target.name, target.quantization, Extreme, names=names, last=last,
                 kind="maximum" if node.operator == "Max" else "minimum")


def _operands(node: Node, context: Context) -> list[Levels]:
    # Two operands, of which one may be constant.
    names = operands(node, 2)[:-1]
    rank = functions.rank_of([real.levels for name in names if (
        real := context.reals.get(name)) is not None and real.levels is not None])
    inputs = []
    for name in names:
        real = context.reals.get(name)
        if real is None or real.constant is None:
            inputs.append(_direct(context, name))
            continue
        constant, scale, zero, _ = operands(real.constant, 2, 3)
        inputs.append(context.literal(constant, context.constant(constant, "Operand"),
                                      context.quantization(scale, zero, TYPES), rank))
    return inputs


def _average_pool(node: Node, context: Context, target: Target):
    x, _ = operands(node, 1)
    functions.average_pool(node, context, target, _direct(context, x))


def _global_average_pool(node: Node, context: Context, target: Target):
    x, _ = operands(node, 1)
    functions.global_average_pool(context, target, _direct(context, x))


def _concat(node: Node, context: Context, target: Target):
    names = operands(node, 1, max(len(node.inputs), 1))[:-1]
    _uncut(target)
    moves.joined(node, context, target.name, [_levels(context, name) for name in names],
                 target.quantization)


def _uncut(target: Target):
    if target.clamp is not None:
        raise Unsupported(f"Result must go to a QuantizeLinear, not be cut off before it at "
                          f"{target.clamp}")


FUSED: Mapping[str, Callable[[Node, Context, Target], None]] = {
    "Conv": _conv, "MatMul": _matmul, "Gemm": _gemm, "Add": _elementwise, "Mul": _elementwise,
    "Sub": _elementwise, "Max": _extreme, "Min": _extreme,
    "AveragePool": _average_pool, "GlobalAveragePool": _global_average_pool, "Concat": _concat,
    "Clip": _clip, "LeakyRelu": _leaky_relu, "Sigmoid": _sigmoid, "Tanh": _sigmoid,
    "Softmax": _softmax}
"""Operators that become one layer with the QuantizeLinear behind them."""


def _levels(context: Context, name: str) -> Levels:
    real = context.reals.get(name)
    if real is None or real.levels is None:
        raise Unsupported(f"Input {printable(name)!r} must be what a DequantizeLinear makes of "
                          f"computed levels")
    return real.levels


def _direct(context: Context, name: str) -> Levels:
    levels = _levels(context, name)
    if not context.reals[name].direct:
        raise Unsupported(f"Input {printable(name)!r} must be what a DequantizeLinear makes, "
                          f"not another operator")
    return levels


def _weights(context: Context, name: str, axis: int) -> Weights:
    real = context.reals.get(name)
    if real is None or real.constant is None:
        raise Unsupported(f"Weights {printable(name)!r} must be what a DequantizeLinear makes of a "
                          f"constant")
    constant, scale, zero, _ = operands(real.constant, 2, 3)
    check_attributes(real.constant, {"block_size": 0})
    weights = Weights(context, constant, scale, zero, WEIGHTS)
    if len(weights.scale) > 1 and axis_of(attribute(real.constant, "axis", 1),
                                          weights.array.ndim) != axis:
        raise Unsupported(f"Axis of the scales of weights {printable(name)!r} must be {axis}, "
                          f"not {attribute(real.constant, 'axis', 1)}")
    return weights


def _bias(context: Context, target: Target, name: str, x: Levels, weights: Weights) -> str:
    # Name of the constant of int32, which is added to the sums as it is.
    if not name:
        return ""
    real = context.reals.get(name)
    if real is None or real.constant is None:
        raise Unsupported(f"Bias {printable(name)!r} must be what a DequantizeLinear makes of a "
                          f"constant")
    constant, scale, zero, _ = operands(real.constant, 2, 3)
    if zero and context.constant(zero, "Zero point").any():
        raise Unsupported(f"Zero point of bias {printable(name)!r} must be 0")
    steps, product = context.scale(scale, "Scale").ravel(), x.quantization.scale * weights.scale
    close = _ROUNDED if context.in_float(
        target, x.quantization, weights.quantization(len(weights.scale))) else _CLOSE
    if len(steps) not in (1, len(product)) or (
            np.abs(steps / product.astype(np.float64) - 1) > close).any():
        raise Unsupported(f"Scale of bias {printable(name)!r} must be the product of those of "
                          f"input and weights, {product[:4].tolist()}, not {steps[:4].tolist()}")
    return constant
