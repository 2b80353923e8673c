"""TFLite's operators that move elements: concatenations, shapes, padding, slices, extremes."""

from typing import Literal

from golden import contracts
from golden.networks import Concat, Extreme, Layer, Pad, Reshape, Slice, Transpose
from golden.readers.model import Unsupported
from golden.readers.tflite.file import Operator, Tensor
from golden.readers.tflite.operands import (
    Context,
    activation_clamp,
    axes_of,
    format_of,
    operands,
    options_of,
    quantization_of,
    same,
)
from golden.unit_scales import parameters_of
from golden.units import Rescaling

__all__ = ["concatenation", "extreme", "pad", "reshape", "slice_of", "split", "strided_slice",
           "transpose"]


def concatenation(op: Operator, context: Context) -> list[Layer]:
    """CONCATENATION of tensors with one quantization."""
    *inputs, y = operands(op, max(len(op.inputs), 1))
    output = same(y, *inputs)
    if activation_clamp(op, output) != (output.format.min, output.format.max):
        raise Unsupported(f"Activation must be NONE, not number "
                          f"{options_of(op)['FusedActivationFunction']}")
    axis, contract = options_of(op)["Axis"], contracts.parse("tflite")
    operation = Rescaling(contract, format_of(y), format_of(y))
    return [Concat(name=y.name, inputs=tuple(x.name for x in inputs), output=output,
                   axis=axis + len(y.shape) if axis < 0 else axis, contract=contract,
                   parameters=tuple(parameters_of(operation, output, output) for _ in inputs))]


def reshape(op: Operator, context: Context) -> list[Layer]:
    """RESHAPE, SQUEEZE and EXPAND_DIMS: the output's shape is in the file."""
    x, _, y = operands(op, 1, 1)
    return [_reshape(y, x.name)]


def pad(op: Operator, context: Context) -> list[Layer]:
    """PAD by the zero point, PADV2 by a level."""
    x, widths, level, y = operands(op, 2, 1)
    output, pairs = same(y, x), context.constant(widths).tolist()
    if not pairs or any(pairs[0]):
        raise Unsupported(f"Padding must leave the batch as it is, not be {pairs[:1]}")
    fill = output.scalar_zero_point() if level is None else int(context.constant(level).ravel()[0])
    return [Pad(name=y.name, inputs=(x.name,), output=output, level=fill,
                widths=tuple(map(tuple, pairs[1:])))]


def transpose(op: Operator, context: Context) -> list[Layer]:
    """TRANSPOSE that leaves the batch first."""
    x, axes, y = operands(op, 2)
    return [Transpose(name=y.name, inputs=(x.name,), output=same(y, x),
                      axes=tuple(context.constant(axes).ravel().tolist()))]


def slice_of(op: Operator, context: Context) -> list[Layer]:
    """SLICE."""
    x, first, count, y = operands(op, 3)
    starts, counts = (context.constant(each).ravel().tolist() for each in (first, count))
    ranges = [range(start, size if length < 0 else start + length)
              for size, start, length in zip(x.shape, starts, counts, strict=True)]
    return [_slice(y, x, ranges)]


def strided_slice(op: Operator, context: Context) -> list[Layer]:
    """STRIDED_SLICE; axes that it shrinks are taken off by a reshape."""
    x, *vectors, y = operands(op, 4)
    options = options_of(op)
    if options["EllipsisMask"] or options["NewAxisMask"]:
        raise Unsupported(f"Ellipsis and new axis masks must be 0, not {options['EllipsisMask']} "
                          f"and {options['NewAxisMask']}")
    ranges = []
    for axis, (size, begin, end, step) in enumerate(zip(
            x.shape, *(context.constant(each).ravel().tolist() for each in vectors), strict=True)):
        if step == 0:
            raise Unsupported("Strides must not be 0")
        if options["ShrinkAxisMask"] >> axis & 1:
            begin += size if begin < 0 else 0
            ranges.append(range(begin, begin + 1))
        else:
            ranges.append(range(size)[slice(None if options["BeginMask"] >> axis & 1 else begin,
                                            None if options["EndMask"] >> axis & 1 else end, step)])
    if not options["ShrinkAxisMask"]:
        return [_slice(y, x, ranges)]
    same(y, x)
    sliced = _slice(x, x, ranges, name=f"{y.name}:input")
    return [sliced, _reshape(y, sliced.name)]


def split(op: Operator, context: Context) -> list[Layer]:
    """SPLIT into equal parts, SPLIT_V into parts of sizes that are given."""
    given = [each for each in op.inputs if each is not None]
    if len(given) != (2 if op.name == "SPLIT" else 3):
        raise Unsupported(f"Inputs must be {2 if op.name == 'SPLIT' else 3}, not {len(given)}")
    axis, x = given if op.name == "SPLIT" else (given[2], given[0])
    [place] = axes_of(axis, len(x.shape), context)
    # The sizes in the file are those of the outputs.
    layers, start = [], 0
    for y in op.outputs:
        same(y, x)
        ranges = [range(size) for size in x.shape]
        end = start + (y.shape[place] if len(y.shape) == len(x.shape) else 0)
        ranges[place] = range(start, end)
        layers.append(_slice(y, x, ranges))
        start = end
    return layers


def extreme(op: Operator, context: Context, kind: Literal["maximum", "minimum"]) -> list[Layer]:
    """MAXIMUM and MINIMUM of tensors with one quantization."""
    a, b, y = operands(op, 2)
    return [Extreme(name=y.name, inputs=(a.name, b.name), output=same(y, a, b), kind=kind)]


def _reshape(y: Tensor, source: str) -> Reshape:
    return Reshape(name=y.name, inputs=(source,), output=quantization_of(y), target=y.shape[1:])


def _slice(y: Tensor, x: Tensor, ranges: list[range], name: str | None = None) -> Slice:
    if ranges[:1] != [range(x.shape[0])]:
        raise Unsupported(f"Slice must leave the batch as it is, not take {ranges[:1]}")
    return Slice(name=name or y.name, inputs=(x.name,), output=same(y, x),
                 first=tuple(each.start for each in ranges[1:]),
                 count=tuple(len(each) for each in ranges[1:]),
                 step=tuple(each.step for each in ranges[1:]))
