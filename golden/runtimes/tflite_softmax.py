"""TFLite's SOFTMAX in fixed point: int8 by gemmlowp's exponential, int16 by tables.

Equal to tflite-micro's reference kernels (``softmax.h``). LiteRT computes the tables of int16 in
float64 and multiplies the input's scale by beta in float32; 2 of 1026 entries are others. Its
default kernel of int8 is float32 (:func:`float_softmax`, on processors other than 64-bit Arm).
"""

from collections.abc import Mapping
from functools import cache
from math import floor
from typing import Literal

import numpy as np

from golden.formats import Format, IntFormat, integers
from golden.multipliers import quantize_multiplier
from golden.networks import Quantization
from golden.runtimes.gemmlowp import (
    exp_on_negative_values,
    multiply_by_quantized_multiplier,
    one_over_one_plus_x,
    rounding_divide_by_pot,
    srdhm,
)

__all__ = ["MOST_ELEMENTS", "check_output", "float_softmax", "parameters_of", "softmax"]

S8, S16 = IntFormat(8), IntFormat(16)
# Quantization of the output, for each format.
_OUTPUTS: dict[Format, tuple[float, int]] = {S8: (1 / 256, -128), S16: (1 / 32768, 0)}

MOST_ELEMENTS = 4095
"""Most elements of a row: the kernels sum as many exponentials, each at most 2**19, in an int32."""


def parameters_of(input: Quantization, output: Quantization, beta: float = 1.0,
                  product: Literal["float32", "float64"] = "float64") -> dict[str, int]:
    """Return multiplier and shift of the differences from the largest element of a row.

    Parameters
    ----------
    input, output : Quantization
        Both s8, or both s16 with zero point 0; the output has the scale and zero point that TFLite
        prescribes.
    beta : float
        Factor of the exponents, a float32.
    product : "float32" or "float64"
        Float type in which it multiplies the scale.

    Raises
    ------
    ValueError
        Where a format, or the scale or zero point of the output, is another, or the kernel refuses
        the scale of the input.
    """
    check_output(input, output)
    kind = np.dtype(product).type
    real = float(kind(np.float32(input.scale)) * kind(np.float32(beta)))
    if input.format == S16:
        input.scalar_zero_point()
        if input.zero_point:
            raise ValueError(f"Zero point of an int16 softmax must be 0, not {input.zero_point}")
        multiplier, shift = quantize_multiplier(real / (10.0 / 65535.0))
    else:
        multiplier, shift = quantize_multiplier(min(real * 2.0**26, 2.0**31 - 1))
        if shift < 0 or real * 2.0**26 <= 1:
            raise ValueError(f"Scale times beta of an int8 softmax must be more than 2**-26, "
                             f"not {real!r}")
    return {"multiplier": multiplier, "shift": shift}


def check_output(input: Quantization, output: Quantization):
    """Raise ``ValueError`` unless an output has the format, scale and zero point of softmax."""
    if input.format not in _OUTPUTS or output.format != input.format:
        raise ValueError(f"Softmax must have an input and an output of s8, or of s16, "
                         f"not {input.format} and {output.format}")
    scale, zero_point = _OUTPUTS[input.format]
    if (output.scale, output.zero_point) != (scale, zero_point):
        raise ValueError(f"Output of softmax must have scale {scale} and zero point {zero_point}, "
                         f"not {output.scale} and {output.zero_point}")


def float_softmax(x, input: Quantization, beta: float = 1.0) -> np.ndarray:
    """Return the softmax of each row of s8 as LiteRT's kernel for int8 computes it, in float32.

    Each operation is rounded to float32: ``scale * beta``; a table of its exponentials for the 256
    differences from the largest element; their sum from the first element on; ``1 / (sum / 256)``;
    the product of that and each exponential, rounded to an integer, ties away from zero. Source:
    ``Softmax`` and ``PopulateSoftmaxLookupTable`` of LiteRT's ``optimized_ops.h``. The exponentials
    are those of float64, rounded; the C library's may differ where they are nearly ties.

    Parameters
    ----------
    x : array_like of integers, ``(..., elements)``
        Levels of s8.
    input : Quantization
        Quantization of the input.
    beta : float
        Factor of the exponents.
    """
    f, x = np.float32, S8.check(x, "Input")
    scale = f(input.scale) * f(beta)
    table = np.exp((-scale * np.arange(256, dtype=f)).astype(np.float64)).astype(f)
    powers = table[x.max(axis=-1, keepdims=True) - x]
    sums = np.add.accumulate(powers, axis=-1, dtype=f)[..., -1:]
    wide = (powers * (f(1) / (sums * f(1 / 256)))).astype(np.float64)
    return np.clip(np.floor(wide + 0.5) + S8.min, S8.min, S8.max).astype(np.int64)


def softmax(x, fmt: Format, parameters: Mapping[str, int],
            tables: Literal["float32", "float64"] = "float32") -> np.ndarray:
    """Return the softmax of each row.

    Parameters
    ----------
    x : array_like of integers, ``(..., elements)``
        Levels of ``fmt``; at most :data:`MOST_ELEMENTS` in a row.
    fmt : Format
        s8 or s16.
    parameters : mapping of str to int
        As :func:`parameters_of` returns them.
    tables : "float32" or "float64"
        Float type in which the tables for s16 are computed.
    """
    x = integers(x, "Input")
    if not 1 <= x.shape[-1] <= MOST_ELEMENTS:
        raise ValueError(f"Rows of softmax must have 1 to {MOST_ELEMENTS} elements, "
                         f"not {x.shape[-1]}")
    below = x - x.max(axis=-1, keepdims=True)
    multiplier, shift = parameters["multiplier"], parameters["shift"]
    if fmt == S16:
        return _softmax16(below, multiplier, shift, tables)
    return _softmax8(below, multiplier, shift)


def _softmax8(below: np.ndarray, multiplier: int, shift: int) -> np.ndarray:
    # Differences beyond the radius of 5 integer bits have exponential 0.
    used = below >= -floor(31 * 2**26 / 2**shift)
    scaled = multiply_by_quantized_multiplier(np.where(used, below, 0), multiplier, shift)
    powers = exp_on_negative_values(scaled, 26)
    sums = np.where(used, rounding_divide_by_pot(powers, 12), 0).sum(axis=-1, keepdims=True)
    headroom = 32 - _bit_length(sums)
    factors = one_over_one_plus_x((sums << headroom) - (1 << 31))
    y = rounding_divide_by_pot(srdhm(factors, powers), 12 - headroom + 31 - 8) + S8.min
    return np.where(used, np.clip(y, S8.min, S8.max), S8.min)


def _softmax16(below: np.ndarray, multiplier: int, shift: int, tables: str) -> np.ndarray:
    scaled = multiply_by_quantized_multiplier(below, multiplier, shift) + 32767
    powers = _interpolate(_exponentials(tables), np.clip(scaled, S16.min, S16.max))
    sums = powers.sum(axis=-1, keepdims=True)
    headroom = 32 - _bit_length(sums)
    scaled = ((sums << (headroom - 1)) + (1 << 13)) >> 14
    factors = _interpolate(_reciprocals(tables), np.clip(scaled - (1 << 15) - (1 << 16),
                                                         S16.min, S16.max))
    right = 31 - headroom
    y = (powers * factors + (np.int64(1) << right >> 1)) >> right
    return np.clip(y, 0, S16.max)


@cache
def _exponentials(tables: str) -> np.ndarray:
    return _interpolated(np.exp, 10, S16.max, tables)


@cache
def _reciprocals(tables: str) -> np.ndarray:
    return _interpolated(lambda x: x.dtype.type(1) / (x.dtype.type(1) + x), 1, S16.min, tables)


def _interpolated(function, span: float, zero_point: int, tables: str) -> np.ndarray:
    # 513 entries for interpolation (LUTPopulate) of a function of floats. The codes cover a span
    # of real numbers around the zero point; results are scaled by 2 / 65535.
    f = np.dtype(tables).type
    scale_in, scale_out = f(span) / f(65535), f(2) / f(65535)
    least, most = (scale_in * f(end - zero_point) for end in (S16.min, S16.max))
    step = (most - least) / f(512)
    inverse = f(65536) / (scale_out * f(S16.max) - scale_out * f(S16.min))
    places = np.arange(512, dtype=f)
    here, middle, there = (function((least + (places + f(k)) * step + more).astype(f)) * inverse
                           for k, more in ((0, f(0)), (0, step / f(2)), (1, f(0))))
    error = _away((there + _away(here)) / f(2)) - _away(middle)
    entries = np.append(_away(here) - _away(error / f(2)), _away(function(most) * inverse))
    return np.clip(entries, S16.min, S16.max).astype(np.int64)


def _interpolate(entries: np.ndarray, x: np.ndarray) -> np.ndarray:
    # Values between 513 entries for int16 codes (LUTLookup).
    index, offset = 256 + (x >> 7), x & 127
    base = entries[index]
    return base + (((entries[index + 1] - base) * offset + 64) >> 7)


def _away(x: np.ndarray) -> np.ndarray:
    # Rounded, ties away from zero, as C's round.
    return np.trunc(x) + np.trunc((x - np.trunc(x)) * x.dtype.type(2))


def _bit_length(values: np.ndarray) -> np.ndarray:
    # Of positive integers below 2**53.
    return np.frexp(values.astype(np.float64))[1].astype(np.int64)
