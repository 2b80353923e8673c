"""ONNX's operators that move elements: concatenations, shapes, padding, slices."""

from math import prod

from golden.networks import Concat, Lookup, Pad, Reshape, Slice, Transpose
from golden.networks import Quantization as Quantized
from golden.readers.contents import printable
from golden.readers.model import Unsupported
from golden.readers.onnx.context import ONNX, Context
from golden.readers.onnx.file import Node
from golden.readers.onnx.functions import table_of
from golden.readers.onnx.operands import attribute, axis_of, check_attributes, ints, operands
from golden.readers.onnx.tensors import Levels, prefers_last, same_format
from golden.unit_scales import parameters_of
from golden.units import Rescaling

__all__ = ["concat", "flatten", "identity", "joined", "pad", "qlinear_concat", "requantized",
           "reshape", "slice_of", "split", "squeeze", "transpose", "unsqueeze",
           "wanted_shape"]


def qlinear_concat(node: Node, context: Context):
    """com.microsoft QLinearConcat: a table for each input, and then the join."""
    y_scale, y_zero, *rest = operands(node, 5, 2 + 3 * (len(node.inputs) // 3))[:-1]
    if len(node.inputs) % 3 != 2:
        raise Unsupported(f"Inputs must be 2 and 3 for each tensor, not {len(node.inputs)}")
    inputs = [context.reads(context.tensor(x), context.quantization(scale, zero))
              for x, scale, zero in zip(*[iter(rest)] * 3, strict=True)]
    joined(node, context, node.outputs[0], inputs, context.quantization(y_scale, y_zero))


def joined(node: Node, context: Context, y: str, inputs: list[Levels], output: Quantized):
    """Append a join of tensors, each with another quantization by a table where it differs."""
    rank = len(inputs[0].shape) + 1
    axis = axis_of(attribute(node, "axis", None if "axis" in node.attributes else 1), rank)
    fmt = same_format(*(x.quantization for x in inputs), output)
    last, names = prefers_last(inputs), []
    for index, x in enumerate(inputs):
        names.append(requantized(context, x, f":joined{index}", output, last))
    one = parameters_of(Rescaling(ONNX, fmt, fmt), output, output)
    context.made(y, output, Concat, names=names, last=last,
                 axis=(0, 3, 1, 2)[axis] if last else axis, contract=ONNX,
                 parameters=tuple(one for _ in names))


def requantized(context: Context, x: Levels, suffix: str, output: Quantized, last: bool) -> str:
    """Return the tensor of the network that has other levels of the same real numbers."""
    own = x.quantization
    if (own.format, own.scale, own.zero_point) == (
            output.format, output.scale, output.zero_point):
        return context.layout(x, last)
    return context.between(x, suffix, output, Lookup, last, table=table_of(own, output))


def concat(node: Node, context: Context):
    """Concat of levels, as they are."""
    *names, y = operands(node, 1, max(len(node.inputs), 1))
    first = context.tensor(names[0])
    inputs = [context.reads(context.tensor(name), first.quantization) for name in names]
    joined(node, context, y, inputs, first.quantization)


def wanted_shape(node: Node, context: Context, target: str) -> list[int]:
    """Shape that a Reshape names, by its second input or, in older files, by an attribute."""
    wanted = ints(node, "shape", None) if not target else context.integers(
        target, "Shape").ravel().tolist()
    if not wanted:
        raise Unsupported("Shape must be given, not left out")
    return wanted


def reshape(node: Node, context: Context):
    """Reshape that leaves the batch first."""
    x, target, y = operands(node, 1, 2)
    check_attributes(node, {"allowzero": 0})
    input = context.tensor(x)
    wanted = wanted_shape(node, context, target)
    old = (1, *input.shape)
    sizes = [old[k] if size == 0 and k < len(old) else size for k, size in enumerate(wanted)]
    if sizes.count(-1) == 1:
        others = prod(size for size in sizes if size != -1)
        sizes[sizes.index(-1)] = prod(old) // others if others > 0 else -1
    _reshaped(context, y, input, sizes)


def flatten(node: Node, context: Context):
    """Flatten behind the batch."""
    x, y = operands(node, 1)
    input = context.tensor(x)
    rank = len(input.shape) + 1
    if (axis := attribute(node, "axis", 1)) % rank not in (0, 1) or not -rank <= axis <= rank:
        raise Unsupported(f"Attribute axis must be 1, not {axis}")
    _reshaped(context, y, input, [1, prod(input.shape)])


def squeeze(node: Node, context: Context):
    """Squeeze of axes behind the batch."""
    x, axes, y = operands(node, 1, 2)
    input = context.tensor(x)
    shape = [1, *input.shape]
    places = _axes(node, context, axes, len(shape))
    if not places or any(shape[place] != 1 for place in places):
        raise Unsupported(f"Axes must be given, and of one element, not {places} of {shape}")
    _reshaped(context, y, input, [size for k, size in enumerate(shape) if k not in places])


def unsqueeze(node: Node, context: Context):
    """Unsqueeze behind the batch."""
    x, axes, y = operands(node, 1, 2)
    input = context.tensor(x)
    count = len(ints(node, "axes", None) or context.integers(axes, "Axes").ravel())
    places = _axes(node, context, axes, len(input.shape) + 1 + count)
    sizes = iter([1, *input.shape])
    rank = len(input.shape) + 1 + len(places)
    _reshaped(context, y, input, [1 if k in places else next(sizes) for k in range(rank)])


def identity(node: Node, context: Context):
    """Identity."""
    x, y = operands(node, 1)
    input = context.tensor(x)
    context.made(y, input.quantization, Reshape, inputs=[input], last=None,
                 target=context.shapes[context.layout(input, prefers_last([input]))])


def transpose(node: Node, context: Context):
    """Transpose that leaves the batch first."""
    x, y = operands(node, 1)
    input = context.tensor(x)
    rank = len(input.shape) + 1
    axes = ints(node, "perm", range(rank)[::-1], rank)
    context.made(y, input.quantization, Transpose, inputs=[input], axes=tuple(axes or ()))


def pad(node: Node, context: Context, default: int = 0):
    """Pad by a constant level."""
    x, widths, level, axes, y = operands(node, 1, 4)
    if (mode := attribute(node, "mode", "constant")) != "constant":
        raise Unsupported(f"Attribute mode must be constant, not {printable(mode)!r}")
    check_attributes(node, {"value": 0.0})
    input = context.tensor(x)
    rank = len(input.shape) + 1
    pads = ints(node, "pads", None) if not widths else context.integers(
        widths, "Pads").ravel().tolist()
    places = _axes(node, context, axes, rank) if axes else list(range(rank))
    if not pads or len(pads) != 2 * len(places):
        raise Unsupported(f"Pads must be 2 for each of {len(places)} axes, not {pads}")
    own = [(0, 0)] * rank
    for place, front, behind in zip(places, pads, pads[len(places):], strict=False):
        own[place] = front, behind
    if any(own[0]):
        raise Unsupported(f"Pads must leave the batch as it is, not be {own[0]}")
    fill = int(context.one(level, "Level")) if level else default
    context.made(y, input.quantization, Pad, inputs=[input], level=fill, widths=tuple(own[1:]))


def slice_of(node: Node, context: Context):
    """Slice of axes behind the batch."""
    x, *names, y = operands(node, 1, 5)
    input = context.tensor(x)
    shape = [1, *input.shape]
    titles = "starts", "ends", "axes", "steps"
    given = [ints(node, title, None) if not name else context.integers(
        name, title.capitalize()).ravel().tolist() for title, name in zip(titles, names,
                                                                          strict=True)]
    starts, ends, axes, steps = given
    if not starts or not ends or len(starts) != len(ends):
        raise Unsupported(f"Starts and ends must be given, as many of each, not {starts} "
                          f"and {ends}")
    places = [axis_of(axis, len(shape)) for axis in axes or range(len(starts))]
    steps = steps or [1] * len(starts)
    if len(places) != len(starts) or len(steps) != len(starts) or 0 in steps:
        raise Unsupported(f"Axes and steps must be {len(starts)}, and no step 0, not {places} "
                          f"and {steps}")
    ranges = [range(size) for size in shape]
    for place, start, end, step in zip(places, starts, ends, steps, strict=True):
        ranges[place] = range(shape[place])[start:_end(end, shape[place], step):step]
    _sliced(context, y, input, ranges)


def _end(end: int, size: int, step: int) -> int | None:
    # An end before the first element, which Python counts from the last.
    return None if step < 0 and end < -size else end


def split(node: Node, context: Context):
    """Split along an axis behind the batch."""
    names = list(node.inputs) + [""] * (2 - len(node.inputs))
    outputs = [name for name in node.outputs]
    if not names[0] or len(names) > 2 or not all(outputs):
        raise Unsupported(f"Inputs must be 1 to 2 and all outputs named, not {len(names)} "
                          f"and {outputs.count('')} without a name")
    input = context.tensor(names[0])
    shape = [1, *input.shape]
    axis = axis_of(attribute(node, "axis", 0), len(shape))
    sizes = ints(node, "split", None) if not names[1] else context.integers(
        names[1], "Sizes").ravel().tolist()
    if sizes is None:
        most = -(-shape[axis] // len(outputs))
        sizes = [most] * (len(outputs) - 1) + [shape[axis] - most * (len(outputs) - 1)]
    if len(sizes) != len(outputs) or sum(sizes) != shape[axis] or min(sizes) < 1:
        raise Unsupported(f"Sizes must be {len(outputs)} of sum {shape[axis]}, not {sizes}")
    start = 0
    for y, size in zip(outputs, sizes, strict=True):
        ranges = [range(each) for each in shape]
        ranges[axis] = range(start, start + size)
        _sliced(context, y, input, ranges)
        start += size


def _axes(node: Node, context: Context, name: str, rank: int) -> list[int]:
    # Axes of an attribute or, later, of an input.
    axes = ints(node, "axes", None) if not name else context.integers(
        name, "Axes").ravel().tolist()
    places = [axis_of(axis, rank) for axis in axes or []]
    if len(set(places)) != len(places):
        raise Unsupported(f"Axes must be different ones, not {axes}")
    return places


def _reshaped(context: Context, y: str, x: Levels, sizes: list[int]):
    if sizes[:1] != [1] or min(sizes) < 1:
        raise Unsupported(f"Shape must leave the batch first, not be {sizes}")
    context.made(y, x.quantization, Reshape, inputs=[x], target=tuple(sizes[1:]))


def _sliced(context: Context, y: str, x: Levels, ranges: list[range]):
    if ranges[0] != range(1):
        raise Unsupported(f"Slice must leave the batch as it is, not take {ranges[0]}")
    context.made(y, x.quantization, Slice, inputs=[x],
                 first=tuple(each.start for each in ranges[1:]),
                 count=tuple(len(each) for each in ranges[1:]),
                 step=tuple(each.step for each in ranges[1:]))
