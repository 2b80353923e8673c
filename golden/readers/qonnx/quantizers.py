"""QONNX's quantizers as nodes of a file: their parameters, their steps, constants as levels."""

from collections.abc import Callable
from fractions import Fraction
from math import log2
from typing import NamedTuple

import numpy as np

from golden.formats import MAX_BITS, IntFormat, OddFormat
from golden.networks import Quantization
from golden.ranges import Range
from golden.readers.contents import printable
from golden.readers.model import Unsupported
from golden.readers.onnx.context import Context
from golden.readers.onnx.file import Node
from golden.readers.onnx.operands import attribute, operands
from golden.readers.qonnx.steps import (
    Steps,
    bipolar,
    counted,
    labels,
    rounded,
    rounding,
    truncated,
)
from golden.readers.qonnx.values import Weights, fractions, number
from golden.runtimes import qonnx as floats

__all__ = ["DOMAINS", "QUANTIZERS", "border_of", "channels_of", "constant_weights",
           "quantized_constant", "steps_of"]

DOMAINS = ("qonnx.custom_op.general", "onnx.brevitas")
"""Domains of QONNX's operators, the second that of older files."""

QUANTIZERS = ("Quant", "IntQuant", "BipolarQuant", "Trunc", "MultiThreshold")

_MOST_BITS = 32

MOST_THRESHOLDS = 1 << 18
"""Most thresholds of one operator."""


def _flag(node: Node, name: str, default: bool | None = None) -> bool:
    value = attribute(node, name, None)
    if value is None and default is not None:
        return default
    if value not in (0, 1):
        raise Unsupported(f"Attribute {name} must be 0 or 1, not {value}")
    return bool(value)


def _number(context: Context, name: str, title: str) -> Fraction:
    # The only entry of a constant, exactly.
    array = context.constant(name, title)
    if array.size != 1:
        raise Unsupported(f"{title} {printable(name)!r} must have 1 entry for a tensor that is "
                          f"computed, not {array.size}")
    return fractions(array, title)[0]


def _scale(context: Context, name: str) -> Fraction:
    value = _number(context, name, "Scale")
    if value <= 0:
        raise Unsupported(f"Scale {printable(name)!r} must be positive, not {float(value)}")
    return value


def _bits(context: Context, name: str, most: int = _MOST_BITS) -> int:
    value = _number(context, name, "Bit width")
    if value.denominator != 1 or not 1 <= value <= most:
        raise Unsupported(f"Bit width {printable(name)!r} must be an integer in range [1, {most}], "
                          f"not {float(value):g}")
    return int(value)


def _mode(node: Node, default: str) -> str:
    return attribute(node, "rounding_mode", default)


def steps_of(node: Node, context: Context, values: tuple[Fraction, Fraction] | None) -> Steps:
    """Return the steps of a quantizer of computed real numbers.

    Parameters
    ----------
    node : Node
    context : Context
    values : pair of Fraction or None
        Least and largest of the real numbers, which bound the levels of a Trunc; None for others.
    """
    match node.operator:
        case "Quant" | "IntQuant":
            _, scale, zero, bits, _ = operands(node, 4)
            own = _scale(context, scale), _number(context, zero, "Zero point")
            fmt, mode = _format(node, _bits(context, bits, MAX_BITS)), _mode(node, "ROUND")
            if fmt is None:
                _no_zero(own[1])
                return bipolar(own[0])
            return rounded(*own, fmt, mode)
        case "BipolarQuant":
            _, scale, _ = operands(node, 2)
            return bipolar(_scale(context, scale))
        case "Trunc":
            assert values is not None
            return _trunc(node, context, values)
        case _:
            return _multithreshold(node, context)


def channels_of(node: Node, context: Context, rank: int | None) -> tuple[int, int] | None:
    """Return axis and number of the channels that have thresholds of their own, if they do."""
    if node.operator != "MultiThreshold":
        return None
    _, name, _ = operands(node, 2)
    rows = len(_rows(context, name))
    layout = attribute(node, "data_layout", "") or {
        2: "NC", 3: "NWC", 4: "NCHW"}.get(rank or 0, "NC")
    return (layout.index("C") if "C" in layout else 1, rows) if rows > 1 else None


class BorderQuantizer(NamedTuple):
    """A quantizer of an input of the graph.

    Parameters
    ----------
    output : Quantization
    function : callable
        Levels of float32 numbers.
    key : tuple
        What two quantizers have in common that make the same levels of every number. Two of one
        ``output`` may differ: in their clamp, if a zero point is none of their integers.
    """

    output: Quantization
    function: Callable[[np.ndarray], np.ndarray]
    key: tuple


def border_of(node: Node, context: Context) -> BorderQuantizer:
    """Return the quantizer of an input, whose numbers are float32."""
    if node.operator == "BipolarQuant":
        output = steps_of(node, context, None).output
        return BorderQuantizer(output, lambda x: floats.bipolar(x, np.float32(1)), (output.scale,))
    _, scale, zero, bits, _ = operands(node, 4)
    own, fmt = _number(context, zero, "Zero point"), _format(node, _bits(context, bits, MAX_BITS))
    step, mode = np.float32(float(_scale(context, scale))), _mode(node, "ROUND")
    rule = rounding(mode)
    if fmt is None:
        return BorderQuantizer(steps_of(node, context, None).output,
                               lambda x: floats.bipolar(x, step), (step, fmt))
    label = labels(Range(fmt.min, fmt.max), own, Fraction(float(step)), fmt)
    return BorderQuantizer(label.output, lambda x: label(
        floats.quant(x, step, np.float32(float(own)), fmt, mode.upper())), (step, own, fmt, rule))


def _format(node: Node, bits: int) -> IntFormat | None:
    # Format of a Quant's integers; None for one signed bit, which is bipolar.
    signed, narrow = _flag(node, "signed"), _flag(node, "narrow")
    return None if signed and bits == 1 else IntFormat(bits, signed=signed, narrow=narrow)


def _no_zero(*zeros: Fraction):
    if any(zeros):
        raise Unsupported(f"Zero point of one signed bit must be 0, "
                          f"not {float(next(filter(None, zeros)))}")


def _trunc(node: Node, context: Context, values: tuple[Fraction, Fraction]) -> Steps:
    second = context.graph.opsets.get(node.domain, 1) >= 2
    _, scale, zero, bits, *rest, _ = operands(node, 6 if second else 5)
    own = _scale(context, scale), _number(context, zero, "Zero point")
    if "rounding_mode" not in node.attributes:
        raise Unsupported("Attribute rounding_mode must be given, not left out")
    mode, clamp, wide = rounding(_mode(node, "FLOOR")), None, _bits(context, bits)
    narrow = _bits(context, rest[-1], MAX_BITS)
    if not second:
        return truncated(*own, wide - narrow, mode, own, None, values, narrow)
    scale_out = _scale(context, rest[0])
    # As the executor has it: the nearest power of two.
    places = round(log2(float(scale_out) / float(own[0])))
    clamp = IntFormat(narrow, signed=_flag(node, "signed", True),
                      narrow=_flag(node, "narrow", False))
    return truncated(*own, places, mode, (scale_out, own[1] / Fraction(2) ** places), clamp, values,
                     narrow)


def _rows(context: Context, name: str) -> np.ndarray:
    array = context.constant(name, "Thresholds")
    if array.ndim != 2 or not array.size:
        raise Unsupported(f"Thresholds {printable(name)!r} must have shape (channels, steps), "
                          f"not {array.shape}")
    return array


def _multithreshold(node: Node, context: Context) -> Steps:
    _, name, _ = operands(node, 2)
    array = _rows(context, name)
    if array.shape[1] >= 1 << MAX_BITS or array.size > MOST_THRESHOLDS:
        raise Unsupported(f"Thresholds must be fewer than {1 << MAX_BITS} for a channel and at "
                          f"most {MOST_THRESHOLDS}, not {array.shape[1]} and {array.size}")
    scale, bias = number(node, "out_scale", 1.0), number(node, "out_bias", 0.0)
    if scale <= 0:
        raise Unsupported(f"Attribute out_scale must be positive, not {float(scale)}")
    fractions(array.ravel()[:1], "Thresholds")
    if not np.isfinite(array).all():
        raise Unsupported(f"Thresholds {printable(name)!r} must be finite")
    return counted(np.sort(array, axis=1), scale, bias)


def quantized_constant(node: Node, context: Context) -> Weights:
    """Return what a Quant or a BipolarQuant makes of a constant, rounded in float32 as it does."""
    if node.operator == "BipolarQuant":
        x, scale, _ = operands(node, 2)
        array, steps = _constant(context, x, "Constant"), _constant(context, scale, "Scale")
        _broadcasts(array, steps)
        return Weights(floats.bipolar(array, np.float32(1)), OddFormat(1),
                       _positive(steps), np.zeros((), int))
    if node.operator not in ("Quant", "IntQuant"):
        raise Unsupported(f"Input must be computed, not constant, for {node.operator}")
    x, scale, zero, bits, _ = operands(node, 4)
    array, steps, zeros = (_constant(context, name, title) for name, title in (
        (x, "Constant"), (scale, "Scale"), (zero, "Zero point")))
    _broadcasts(array, steps, zeros)
    fmt, exact = _format(node, _bits(context, bits)), fractions(zeros, "Zero point")
    mode, step = _mode(node, "ROUND"), _positive(steps)
    rounding(mode)
    if fmt is None:
        _no_zero(*exact)
        return Weights(floats.bipolar(array, steps), OddFormat(1), step, np.zeros((), int))
    integers, every = floats.quant(array, steps, zeros, fmt, mode.upper()), Range(fmt.min, fmt.max)
    if len(set(exact)) == 1:
        label = labels(every, exact[0], Fraction(1), fmt)
        return Weights(label(integers), label.output.format, step / label.factor,
                       np.array(int(label.output.zero_point)))
    if all(each.denominator == 1 and fmt.contains(int(each)) for each in exact):
        return Weights(integers, fmt, step, zeros.astype(np.int64))
    # One format for all channels, which holds the levels of each.
    relabelled = [labels(every, each, Fraction(1)) for each in exact]
    factor = max(each.factor for each in relabelled)
    shifts = (zeros.astype(np.float64) * factor).astype(np.int64)
    ends = Range(factor * every.lo - int(shifts.max()), factor * every.hi - int(shifts.min()))
    return Weights(factor * integers - shifts, ends.format, step / factor, np.zeros((), int))


def constant_weights(array: np.ndarray, name: str) -> Weights:
    """Return a constant of whole numbers, which no quantizer has made, as its own levels."""
    whole = array.astype(np.int64) if array.dtype.kind in "iu" or (
        array.dtype.kind == "f" and np.abs(array).max(initial=0) < 1 << 53) else None
    if whole is None or (whole != array).any():
        raise Unsupported(f"Weights {printable(name)!r} must be what a quantizer makes, or whole "
                          f"numbers")
    ends = Range(int(whole.min(initial=0)), int(whole.max(initial=0)))
    fmt = ends.format if ends.lo < 0 or ends.hi else IntFormat(1, signed=False)
    return Weights(whole, fmt, np.ones(()), np.zeros((), int))


def _constant(context: Context, name: str, title: str) -> np.ndarray:
    array = context.constant(name, title)
    fractions(array.ravel()[:1], title)
    if not np.isfinite(array).all():
        raise Unsupported(f"{title} {printable(name)!r} must be finite")
    return array if array.dtype.kind == "f" else array.astype(np.float32)


def _positive(scale: np.ndarray) -> np.ndarray:
    if not (scale > 0).all():
        raise Unsupported(f"Scale must be positive, not {scale[~(scale > 0)][0]}")
    return scale.astype(np.float64)


def _broadcasts(array: np.ndarray, *others: np.ndarray):
    try:
        shape = np.broadcast_shapes(array.shape, *(each.shape for each in others))
    except ValueError:
        shape = None
    if shape != array.shape:
        raise Unsupported(f"Scale and zero point must broadcast to shape {array.shape}, "
                          f"not {', '.join(str(each.shape) for each in others)}")
