"""ONNX's operators on quantized tensors, as the standard and ONNX Runtime define them.

Floats are rounded where the standard says so, in float32 or float16. ONNX Runtime differs in one
thing: for a float16 scale the standard divides in float16, ONNX Runtime in float32 (``precision``
of :func:`quantize_linear`). Sums are those of :mod:`golden.ops`, levels those of
:mod:`golden.rounding`; QLinearMatMul and QLinearConv are contract ``onnx``. Tensors are levels,
and a format gives their codes.
"""

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from golden import contracts
from golden.casts import cast, to_float
from golden.contracts import S32, Clamped, Rounding
from golden.formats import Format, IntFormat, floats, integers
from golden.multipliers import linear_parameters
from golden.networks import check_scale
from golden.ops import centred, conv2d, matmul
from golden.requantize import requantize
from golden.rounding import fraction, shift_right

__all__ = [
    "dynamic_range", "quantize_linear", "dequantize_linear", "dynamic_quantize_linear",
    "matmul_integer", "conv_integer", "qlinear_matmul", "qlinear_conv",
]

U8 = IntFormat(8, signed=False)


def dynamic_range(minimum, maximum) -> tuple[np.ndarray, np.ndarray]:
    """Scale and zero point that DynamicQuantizeLinear chooses for a tensor, from its ends.

    ``lo = min(0, minimum)``, ``hi = max(0, maximum)``, ``scale = (hi - lo) / 255`` and
    ``zero_point = clamp(rne(-lo / scale), 0, 255)``, each step rounded to float32 (ONNX operator
    DynamicQuantizeLinear, ONNX Runtime). The scale is 1 if both ends are 0.

    The ends of real numbers ``float32(n) * scale`` follow from the ends of the integers ``n``,
    which :class:`hw.units.range_tracker.RangeTracker` finds: with a positive scale the product
    never falls as ``n`` rises.

    Parameters
    ----------
    minimum, maximum : array_like of float32
        Smallest and largest element of each tensor, in arrays of one shape.

    Returns
    -------
    scale : array of float32
    zero_point : array of uint8

    Raises
    ------
    ValueError
        If an end is not finite, a minimum exceeds its maximum, or the ends give no positive and
        finite scale.
    """
    names = "Minimum", "Maximum"
    ends = [floats(value, name).astype(np.float32)
            for name, value in zip(names, (minimum, maximum), strict=True)]
    for name, end in zip(names, ends, strict=True):
        if not np.isfinite(end).all():
            raise ValueError(f"{name} must be finite, not {end[~np.isfinite(end)].flat[0]}")
    lo, hi = np.broadcast_arrays(*ends)
    if (lo > hi).any():
        raise ValueError(f"Minimum must be at most the maximum {hi[lo > hi].flat[0]}, "
                         f"not {lo[lo > hi].flat[0]}")
    lo, hi = np.minimum(lo, np.float32(0)), np.maximum(hi, np.float32(0))
    with np.errstate(over="ignore", under="ignore"):
        scale = np.where(lo == hi, np.float32(1), (hi - lo) / np.float32(255))
    bad = ~np.isfinite(scale) | (scale == 0)
    if bad.any():
        raise ValueError("Range must have a positive and finite scale, not "
                         f"[{lo[bad].flat[0]}, {hi[bad].flat[0]}]")
    zero_point = np.clip(np.rint(np.negative(lo) / scale), 0, 255)
    return scale, zero_point.astype(np.uint8)


def quantize_linear(x, scale, zero_point: ArrayLike = 0, *, output: Format, axis: int = 1,
                    block_size: int = 0, precision: DTypeLike | None = None,
                    saturate: bool = True) -> np.ndarray:
    """QuantizeLinear: ``clamp(rne(x / scale) + zero_point)``, or ``x / scale`` cast to floats.

    The quotient is one true division. ONNX defines no integer for NaN, so NaN is refused. To a
    float format :func:`golden.casts.cast` converts.

    Parameters
    ----------
    x : array of float16 or float32
        Numbers; a list is float32.
    scale : array_like of float
        Positive scales; a list is float32. A scalar or one entry is for the whole tensor, one axis
        for the entries along ``axis``. With as many axes as ``x``, there is one scale for each
        ``block_size`` elements along ``axis``; the last block may have fewer.
    zero_point : array_like of int
        Zero points in the shape of the scales, or a scalar.
    output : Format
        Format of the levels.
    axis, block_size : int
        Axis of the scales, and elements per scale.
    precision : float16 or float32, optional
        Type of number, scale and quotient, each rounded to it; by default the type of the scale.
        ONNX Runtime always has float32.
    saturate : bool
        Argument of :func:`golden.casts.cast`, for a format that propagates infinities and NaN.

    Returns
    -------
    array of ``int64``
        Levels of ``output``.

    Raises
    ------
    TypeError
        If numbers or scales are of another type.
    ValueError
        If a number is NaN, a scale is not positive or its shape does not fit, the axis does not
        exist, or the format cannot have the zero point.
    """
    x, scale = _floats(x, "Number"), _floats(scale, "Scale")
    kind = scale.dtype if precision is None else np.dtype(precision)
    zero_point = _spread(output.check_zero_point(zero_point), x.shape, axis, block_size,
                         "Zero point")
    with np.errstate(over="ignore", under="ignore"):
        scale = _spread(check_scale(scale.astype(kind)), x.shape, axis, block_size, "Scale")
        quotient = x.astype(kind) / scale
    if not isinstance(output, IntFormat):
        return cast(quotient, output, saturate=saturate)
    rounded = shift_right(*fraction(quotient), Rounding.HALF_EVEN)
    return np.clip(rounded + zero_point, output.min, output.max)


def dequantize_linear(levels, scale, zero_point: ArrayLike = 0, *, source: Format, axis: int = 1,
                      block_size: int = 0) -> np.ndarray:
    """DequantizeLinear: ``(level - zero_point) * scale``, floats of the scale's type.

    Difference and product are float32, then rounded to float16 if the scale is float16. ONNX
    Runtime and ONNX's reference do so, though the standard speaks of a product in float16. The
    parameters are those of :func:`quantize_linear`; ``source`` is the format of the levels.
    """
    levels, scale = source.check(levels), _floats(scale, "Scale")
    zero_point = _spread(source.check_zero_point(zero_point), levels.shape, axis, block_size,
                         "Zero point")
    factor = _spread(check_scale(scale), levels.shape, axis, block_size, "Scale")
    with np.errstate(over="ignore", under="ignore"):
        return (to_float(levels - zero_point, source)
                * factor.astype(np.float32)).astype(scale.dtype)


def dynamic_quantize_linear(x) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """DynamicQuantizeLinear: levels of u8, scale and zero point of a tensor.

    :func:`dynamic_range` chooses scale and zero point, from the smallest and the largest number.
    """
    x = np.asarray(x, dtype=np.float32)
    if not x.size:
        raise ValueError(f"Tensor must have an element, not shape {x.shape}")
    scale, zero_point = dynamic_range(x.min(), x.max())
    return quantize_linear(x, scale, zero_point, output=U8), scale, zero_point


def matmul_integer(a, b, a_zero_point: ArrayLike = 0, b_zero_point: ArrayLike = 0) -> np.ndarray:
    """MatMulInteger: exact sums of levels, ``(..., m, k)`` by ``(..., k, n)``.

    Parameters
    ----------
    a, b : array_like of integers
        Levels of the operands.
    a_zero_point : array_like of int
        Zero point: a scalar, or one for each row of ``a``.
    b_zero_point : array_like of int
        Zero point: a scalar, or one for each column of ``b``.

    Returns
    -------
    array of integers, ``(..., m, n)``

    Raises
    ------
    ValueError
        If a sum is beyond int32, for which ONNX defines no result.
    """
    rows, columns = (integers(each, "Zero point") for each in (a_zero_point, b_zero_point))
    rows = rows[:, np.newaxis] if rows.ndim == 1 else rows
    a, b = centred(integers(a, "Operand"), rows), centred(integers(b, "Operand"), columns)
    return S32.check(matmul(a, b), "Sum")


def conv_integer(x, weights, x_zero_point: ArrayLike = 0, w_zero_point: ArrayLike = 0, *,
                 pads=(0, 0, 0, 0), strides=(1, 1), dilations=(1, 1), group: int = 1) -> np.ndarray:
    """ConvInteger of images: exact sums of levels.

    Parameters
    ----------
    x : array_like of integers, ``(batch, inputs, height, width)``
    weights : array_like of integers, ``(outputs, inputs / group, kernel height, kernel width)``
    x_zero_point : int
        Zero point of ``x``, and level of the padding.
    w_zero_point : array_like of int
        Zero point of the weights: a scalar, or one for each output.
    pads : four int
        Padding at the top, left, bottom and right.
    strides, dilations : pair of int
        Vertical and horizontal step of the windows, and of the taps.
    group : int
        Number of groups.

    Returns
    -------
    array of integers, ``(batch, outputs, height, width)``

    Raises
    ------
    ValueError
        If a sum is beyond int32.
    """
    for name, tensor in (("Input", x), ("Weights", weights)):
        if np.ndim(tensor) != 4:
            raise ValueError(f"{name} must have 4 axes, not shape {np.shape(tensor)}")
    top, left, bottom, right = pads
    w_zero_point = integers(w_zero_point, "Zero point")
    sums = conv2d(
        np.moveaxis(np.asarray(x), 1, -1), np.moveaxis(np.asarray(weights), 1, -1),
        x_zero_point=int(_one(x_zero_point, "Zero point of the input")),
        w_zero_point=w_zero_point.reshape(()) if w_zero_point.size == 1 else w_zero_point,
        padding=((top, bottom), (left, right)), stride=tuple(strides), dilation=tuple(dilations),
        groups=group)
    return np.moveaxis(S32.check(sums, "Sum"), -1, 1)


def qlinear_matmul(a, a_scale, a_zero_point, b, b_scale, b_zero_point, y_scale, y_zero_point, *,
                   output: Format) -> np.ndarray:
    """QLinearMatMul: :func:`matmul_integer`, rescaled by contract ``onnx``.

    The scale of the sums is ``float32(a_scale * b_scale) / y_scale`` in float32, as in ONNX
    Runtime. Scale and zero point of ``b`` may have an entry for each column, the others have one.
    """
    sums = matmul_integer(a, b, _one(a_zero_point, "Zero point of the input"), b_zero_point)
    return _rescaled(sums, 0, (a_scale, b_scale, y_scale), y_zero_point, output)


def qlinear_conv(x, x_scale, x_zero_point, weights, w_scale, w_zero_point, y_scale, y_zero_point,
                 bias: ArrayLike = 0, *, output: Format, **attributes) -> np.ndarray:
    """QLinearConv of images: :func:`conv_integer` and a bias, rescaled by contract ``onnx``.

    The scale of the sums is that of :func:`qlinear_matmul`. The bias, and scale and zero point of
    the weights, may have an entry for each output.
    """
    sums = conv_integer(x, weights, x_zero_point, w_zero_point, **attributes)
    levels = _rescaled(np.moveaxis(sums, 1, -1), bias, (x_scale, w_scale, y_scale), y_zero_point,
                       output)
    return np.moveaxis(levels, -1, 1)


def _rescaled(sums: np.ndarray, bias, scales: tuple, zero_point, output: Format) -> np.ndarray:
    onnx, (first, weights, result) = contracts.parse("onnx"), scales
    assert isinstance(onnx, Clamped)
    scale = linear_parameters(onnx, _one(first, "Scale of the input"), weights,
                              _one(result, "Scale of the output"), S32)
    return requantize(sums, onnx, output, {
        "bias": bias, **scale, "zero_point": _one(zero_point, "Zero point of the output"),
        "clamp_min": output.min, "clamp_max": output.max})


def _spread(values: np.ndarray, shape: tuple[int, ...], axis: int, block_size: int,
            name: str) -> np.ndarray:
    # Values in a shape that broadcasts with a tensor of ``shape``.
    if block_size < 0:
        raise ValueError(f"Block size must not be negative, not {block_size}")
    if values.size == 1:
        return values.reshape(())
    if not -len(shape) <= axis < len(shape):
        raise ValueError(f"Axis must be one of the tensor's {len(shape)}, not {axis}")
    along = axis % len(shape)
    if values.ndim == 1 and not block_size:
        expected = (shape[along],)
        values, actual = values.reshape(-1, *[1] * (len(shape) - along - 1)), values.shape
    else:
        expected = tuple(-(-size // block_size) if place == along and block_size else size
                         for place, size in enumerate(shape))
        actual = values.shape
        if block_size and actual == expected:
            values = np.repeat(values, block_size, axis=along)
            values = values.take(range(shape[along]), axis=along)
    if actual != expected:
        raise ValueError(f"{name} must have 1 entry or shape {expected}, not {actual}")
    return values


def _floats(values, name: str) -> np.ndarray:
    # Python numbers and lists of them become float32.
    if not isinstance(values, np.ndarray | np.generic):
        return floats(values, name).astype(np.float32)
    if values.dtype not in (np.float16, np.float32):
        raise TypeError(f"{name} must be float16 or float32, not {values.dtype}")
    return np.asarray(values)


def _one(value, name: str):
    value = np.asarray(value)
    if value.size != 1:
        raise ValueError(f"{name} must have 1 entry, not {value.size}")
    return value.reshape(())[()]
