"""Operators of a float ONNX file, as layers of real numbers."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from math import inf, prod

import numpy as np

from golden.floats import (
    FloatAdd,
    FloatConcat,
    FloatConv2d,
    FloatDense,
    FloatPool,
    FloatReshape,
    FloatTranspose,
)
from golden.readers.contents import printable
from golden.readers.model import Unsupported
from golden.readers.onnx.file import Node
from golden.readers.onnx.floats_context import FloatContext, Numbers
from golden.readers.onnx.moves import wanted_shape
from golden.readers.onnx.operands import (
    attribute,
    axis_of,
    check_attributes,
    ints,
    operands,
    window,
)

__all__ = ["FLOATS"]


def _gemm(node: Node, context: FloatContext):
    x, weights, bias, y = operands(node, 2, 3)
    check_attributes(node, {"transA": 0})
    matrix = context.reals_of(weights, "Weights") * attribute(node, "alpha", 1.0)
    if not attribute(node, "transB", 0):
        matrix = matrix.T
    addend = None
    if bias:
        addend = context.reals_of(bias, "Bias") * attribute(node, "beta", 1.0)
        outputs = matrix.shape[:1]
        if addend.shape not in ((), (1,), outputs, (1, 1), (1, *outputs)):
            raise Unsupported(f"Bias {printable(bias)!r} must have {len(matrix)} elements or one, "
                              f"not shape {addend.shape}")
        addend = np.broadcast_to(addend.ravel(), outputs)
    _dense(context, x, y, matrix, addend, rank=1)


def _matmul(node: Node, context: FloatContext):
    x, weights, y = operands(node, 2)
    _dense(context, x, y, context.reals_of(weights, "Weights").T, None)


def _dense(context: FloatContext, x: str, y: str, weights: np.ndarray, bias: np.ndarray | None,
           rank: int | None = None):
    input = context.input(x)
    if len(input.shape) != (rank or max(len(input.shape), 1)):
        raise Unsupported(f"Input {printable(x)!r} must have 2 axes, not {len(input.shape) + 1}")
    context.result(y, FloatDense(weights, bias, name=context.name(y),
                                 inputs=(context.plain(input),)))


def _conv(node: Node, context: FloatContext):
    x, weights, bias, y = operands(node, 2, 3)
    input, taps = _image(context, x), context.reals_of(weights, "Weights")
    if taps.ndim != len(input.shape) + 1:
        raise Unsupported(f"Weights {printable(weights)!r} must have {len(input.shape) + 1} axes, "
                          f"not {taps.ndim}")
    check_attributes(node, {"kernel_shape": list(taps.shape[2:])})
    if taps.ndim == 3:
        node, taps = _of_images(node), taps[:, :, None]
    name = context.image(input)
    stride, dilation, padding = window(node, context.shapes[name][:2], taps.shape[2:])
    context.result(y, FloatConv2d(
        taps.transpose(0, 2, 3, 1), context.reals_of(bias, "Bias") if bias else None,
        name=context.name(y), inputs=(name,), stride=stride, padding=padding, dilation=dilation,
        groups=attribute(node, "group", 1)), rank=len(input.shape))


def _max_pool(node: Node, context: FloatContext):
    check_attributes(node, {"storage_order": 0})
    _pool(node, context, "max")


def _average_pool(node: Node, context: FloatContext):
    _pool(node, context, "average")


def _pool(node: Node, context: FloatContext, kind):
    x, y = operands(node, 1)
    input, rank = _image(context, x), len(context.input(x).shape)
    size = ints(node, "kernel_shape", None, rank - 1)
    if size is None:
        raise Unsupported("Attribute kernel_shape must be given, not left out")
    check_attributes(node, {"dilations": [1] * (rank - 1)})
    if rank == 2:
        node, size = _of_images(node), [1, *size]
    name = context.image(input)
    image = context.shapes[name][:2]
    stride, _, padding = window(node, image, size)
    if attribute(node, "count_include_pad", 0) and any(map(sum, padding)):
        raise Unsupported("Attribute count_include_pad must be 0 where there is padding, not 1")
    if attribute(node, "ceil_mode", 0):
        rows, columns = ((ends[0], _enough(length, taps, step, *ends)) for length, taps, step, ends
                         in zip(image, size, stride, padding, strict=True))
        padding = rows, columns
    context.result(y, FloatPool(name=context.name(y), inputs=(name,), kind=kind,
                                size=(size[0], size[1]), stride=stride, padding=padding),
                   rank=rank)


def _enough(length: int, size: int, stride: int, before: int, after: int) -> int:
    # Padding behind an axis with which its last, ragged window is whole: it begins in the axis or
    # in the padding before.
    count = -(-(length + before + after - size) // stride) + 1
    if (count - 1) * stride >= length + before:
        count -= 1
    return max((count - 1) * stride + size - length - before, after)


def _global_average_pool(node: Node, context: FloatContext):
    x, y = operands(node, 1)
    input = _image(context, x)
    name = context.image(input)
    size = context.shapes[name][0], context.shapes[name][1]
    context.result(y, FloatPool(name=context.name(y), inputs=(name,), kind="average", size=size,
                                stride=size), rank=len(input.shape))


def _image(context: FloatContext, x: str) -> Numbers:
    input = context.input(x)
    if len(input.shape) not in (2, 3):
        raise Unsupported(f"Input {printable(x)!r} must have 3 or 4 axes, "
                          f"not {len(input.shape) + 1}")
    return input


def _of_images(node: Node) -> Node:
    # An operator along one axis as that of images of height 1.
    more = {}
    for name, front in (("strides", [1]), ("dilations", [1]), ("pads", [0])):
        own = ints(node, name, None, 2 if name == "pads" else 1)
        if own is not None:
            more[name] = [each for end in own for each in (*front, end)]
    return replace(node, attributes=dict(node.attributes) | more)


def _batch_normalization(node: Node, context: FloatContext):
    x, *names, y = operands(node, 5)
    check_attributes(node, {"training_mode": 0, "spatial": 1})
    input = context.input(x)
    scale, shift, mean, variance = map(context.reals_of, names,
                                       ("Scale", "Shift", "Mean", "Variance"))
    for array in (scale, shift, mean, variance):
        if array.shape != (input.channels,):
            raise Unsupported(f"Scale, shift, mean and variance must have shape "
                              f"{(input.channels,)}, not {array.shape}")
    spread = variance + attribute(node, "epsilon", 1e-5)
    if (spread <= 0).any():
        raise Unsupported(f"Variance plus epsilon must be positive, not {spread.min()}")
    scale = scale / np.sqrt(spread)
    context.scaled(y, input, scale, shift - mean * scale, axis=0)


def _relu(node: Node, context: FloatContext):
    x, y = operands(node, 1)
    context.clipped(y, context.input(x), 0.0, inf)


def _clip(node: Node, context: FloatContext):
    x, *ends, y = operands(node, 1, 3)
    names = zip(("min", "max"), ends, (-inf, inf), strict=True)
    least, most = (float(context.one(name, f"End {title}")) if name else
                   float(attribute(node, title, default)) for title, name, default in names)
    # float32's own ends are no ends.
    largest = float(np.finfo(np.float32).max)
    context.clipped(y, context.input(x), -inf if least <= -largest else least,
                    inf if most >= largest else most)


def _add(node: Node, context: FloatContext):
    a, b, y = operands(node, 2)
    if (a in context.values) != (b in context.values):
        x, constant = (b, a) if a in context.values else (a, b)
        _biased(context, context.input(x), y, context.reals_of(constant, "Operand"))
        return
    inputs = [context.input(a), context.input(b)]
    _check_same(inputs)
    image = any(True in each.layouts for each in inputs)
    names = tuple(context.image(each) if image else context.plain(each) for each in inputs)
    context.result(y, FloatAdd(name=context.name(y), inputs=names),
                   rank=len(inputs[0].shape) if image else None)


def _check_same(inputs: list[Numbers]):
    if inputs[0].shape != inputs[1].shape:
        raise Unsupported(f"Inputs must have one shape behind the batch, not {inputs[0].shape} "
                          f"and {inputs[1].shape}")


def _biased(context: FloatContext, x: Numbers, y: str, addend: np.ndarray):
    rank = len(x.shape)
    if addend.ndim == rank + 1 and len(addend) == 1:
        addend = addend[0]
    sizes = (1,) * (rank - addend.ndim) + addend.shape
    axes = [axis for axis, size in enumerate(sizes) if size != 1]
    if len(sizes) != rank or len(axes) > 1 or any(sizes[axis] != x.shape[axis] for axis in axes):
        raise Unsupported(f"Operand must have one number or one for each place of an axis of "
                          f"{x.shape}, not shape {addend.shape}")
    context.scaled(y, x, np.ones(1), addend.ravel(), axis=axes[0] if axes else None)


def _concat(node: Node, context: FloatContext):
    *names, y = operands(node, 1, max(len(node.inputs), 1))
    inputs = [context.input(name) for name in names]
    rank = len(inputs[0].shape)
    axis = axis_of(attribute(node, "axis", None if "axis" in node.attributes else 1),
                   rank + 1) - 1
    if axis < 0:
        raise Unsupported("Axis must not be 0, the batch")
    if len({len(each.shape) for each in inputs}) > 1:
        raise Unsupported("Inputs must have as many axes each, not "
                          f"{sorted({len(each.shape) + 1 for each in inputs})}")
    if axis == 0 and rank in (2, 3):
        own = tuple(context.image(each) for each in inputs)
        context.result(y, FloatConcat(name=context.name(y), inputs=own), rank=rank)
        return
    own = tuple(context.plain(each) for each in inputs)
    if axis == rank - 1:
        context.result(y, FloatConcat(name=context.name(y), inputs=own))
        return
    # The axis comes last, and goes back.
    axes = [0, *(other + 1 for other in range(rank) if other != axis), axis + 1]
    last = tuple(context.transposed(each, name, axes, ":axis_last")
                 for each, name in zip(inputs, own, strict=True))
    joined = context.add(FloatConcat(name=context.name(y, ":axis_last"), inputs=last))
    context.result(y, FloatTranspose(name=context.name(y), inputs=(joined,),
                                     axes=tuple(np.argsort(axes).tolist())))


def _flatten(node: Node, context: FloatContext):
    x, y = operands(node, 1)
    input = context.input(x)
    rank = len(input.shape) + 1
    if (axis := attribute(node, "axis", 1)) not in (1, 1 - rank):
        raise Unsupported(f"Attribute axis must be 1, not {axis}")
    _moved(context, input, y, (prod(input.shape),))


def _reshape(node: Node, context: FloatContext):
    x, target, y = operands(node, 1, 2)
    check_attributes(node, {"allowzero": 0})
    input = context.input(x)
    wanted = wanted_shape(node, context, target)
    elements, old = prod(input.shape), (0, *input.shape)
    batch, *sizes = (old[k] if size == 0 and k < len(old) else size
                     for k, size in enumerate(wanted))
    if sizes.count(-1) == 1 and batch != -1 and (others := -prod(sizes)) > 0:
        sizes[sizes.index(-1)] = elements // others
    if batch not in (-1, 0, 1) or not sizes or min(sizes) < 1 or prod(sizes) != elements:
        raise Unsupported(f"Shape must leave the batch first, and have the {elements} elements of "
                          f"a sample behind it, not be {wanted}")
    _moved(context, input, y, tuple(sizes))


def _moved(context: FloatContext, x: Numbers, y: str, shape: tuple[int, ...]):
    if shape == x.shape and context.sole(x):
        context.numbers[y] = replace(x, name=y)
        return
    context.result(y, FloatReshape(name=context.name(y), inputs=(context.in_order(x),),
                                   target=shape))


def _pass(node: Node, context: FloatContext):
    x = node.inputs[0] if node.inputs else ""
    if len(node.inputs) > 2 and node.inputs[2] and context.one(node.inputs[2], "Training mode"):
        raise Unsupported("Training mode must be false, not true")
    *_, y = operands(node, 1, 3)
    if x in context.values:
        context.values[y] = context.values[x]
    else:
        context.numbers[y] = context.input(x)


FLOATS: Mapping[str, Callable[[Node, FloatContext], None]] = {
    "Gemm": _gemm, "MatMul": _matmul, "Conv": _conv,
    "BatchNormalization": _batch_normalization, "Relu": _relu, "Clip": _clip,
    "MaxPool": _max_pool, "AveragePool": _average_pool,
    "GlobalAveragePool": _global_average_pool, "Add": _add, "Concat": _concat,
    "Flatten": _flatten, "Reshape": _reshape, "Identity": _pass, "Dropout": _pass}
"""Operators of the standard by name, each of which appends what it makes to the context."""
