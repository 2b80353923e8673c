"""Block-scaled (MX) tensors: quantization, exact sums of products, requantization.

A tensor is an array of levels, K last, and an array of exponents' codes, one for each block of 32
levels along K: ``real = level * 2**(unit + code - 127)``. A sum of products is an exact integer in
units of a *base*, a combined exponent:

``sum over blocks b of 2**(x_codes[b] + w_codes[b] - base) * sum(x * w for the products of b)``

Combined exponents must lie in a window, ``0 <= x_codes[b] + w_codes[b] - base < window``. A block
outside is refused, whatever its levels.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from golden import ops
from golden.contracts import Contract, MultiplyShift, Rounding
from golden.formats import BLOCK, EXPONENT, EXPONENT_BIAS, BlockScaled, Format, finite, integers
from golden.ranges import INT64, Range, values_range
from golden.requantize import biased, prepared, requantize
from golden.rounding import fraction, nearest_level
from golden.scaling import product
from golden.specials import as_floats, resolve

__all__ = ["Blocks", "Levels", "check_kind", "parts", "on_levels", "quantize_blocks",
           "dequantize_blocks", "requantize_blocks", "requantize_tensor", "blocks_of",
           "shift_levels", "shifts", "shifted", "matmul"]


class Blocks(NamedTuple):
    """Block-scaled tensor.

    Parameters
    ----------
    levels : array of integers, ``(..., K)``
    exponents : array of integers, ``(..., ceil(K / 32))``
        Codes of the exponents.
    """

    levels: np.ndarray
    exponents: np.ndarray


Levels = np.ndarray | Blocks
"""Levels of a tensor, with their exponents if the format is block-scaled."""


def check_kind(tensor, fmt: Format, name: str):
    """Raise ``TypeError`` unless a tensor is Blocks exactly if ``fmt`` is block-scaled."""
    if isinstance(fmt, BlockScaled) != isinstance(tensor, Blocks):
        kind = "Blocks" if isinstance(fmt, BlockScaled) else "an array of levels"
        raise TypeError(f"{name} must be {kind} for {fmt}, not {type(tensor).__name__}")


def parts(tensor: Levels) -> dict[str, np.ndarray]:
    """Arrays of a tensor by name: ``levels``, and ``exponents`` if it is block-scaled."""
    return tensor._asdict() if isinstance(tensor, Blocks) else {"levels": tensor}


def on_levels(function: Callable[[np.ndarray], np.ndarray], tensor: Levels) -> Levels:
    """Return the tensor with ``function`` applied to its levels."""
    if isinstance(tensor, Blocks):
        return tensor._replace(levels=function(tensor.levels))
    return function(tensor)


def quantize_blocks(values, fmt: BlockScaled, *, window: int | None = None,
                    exponents: Range | None = None) -> Blocks:
    """Convert real numbers to levels and the codes of their blocks' exponents, as OCP MX does.

    The exponent of a block is ``floor(log2(max|v|)) - emax``, clipped to -127 .. 127, where
    ``2**emax`` is the highest power of two among the element's levels. Elements are then rounded
    to the nearest level, ties to the even code, and saturated. A block of zeros gets the least
    exponent of the other blocks. Negative numbers count as 0 if the element has no negative level.

    Parameters
    ----------
    values : array_like of float, ``(..., K)``
    fmt : BlockScaled
    window : int, optional
        Number of exponents, from the largest down. A block below gets the lowest of them, and
        coarser steps.
    exponents : Range, optional
        Codes that blocks may have, in place of a window. A code outside becomes the nearest end;
        a block of zeros gets the least code.

    Raises
    ------
    ValueError
        If a number is not finite, the format has no positive level, or there is no axis of
        numbers; if the window is less than 1, or both window and exponents are given.
    """
    if window is not None and exponents is not None:
        raise ValueError(f"Window must be None where exponents are given, not {window}")
    if window is not None and window < 1:
        raise ValueError(f"Window must be at least 1, not {window}")
    values = finite(values, "Numbers to quantize")
    _check_axes(values.shape, "Numbers to quantize")
    if fmt.max < 1:
        raise ValueError(f"Format must have a positive level to quantize to, not {fmt}")
    sizes = np.abs(values) if fmt.min < 0 else np.maximum(values, 0)
    largest = _grouped(sizes, 0).max(axis=-1)
    # The fraction of frexp is in [1/2, 1): its exponent of a positive number is one too large.
    emax = fmt.max.bit_length() - 1 + fmt.unit
    codes = np.clip(np.frexp(largest)[1] - 1 - emax + EXPONENT_BIAS, EXPONENT.min, EXPONENT.max)
    used = largest > 0
    least, most = (codes[used].min(), codes[used].max()) if used.any() else 2 * (EXPONENT_BIAS,)
    if window is not None:
        least = max(least, most - window + 1)
    if exponents is not None:
        least, most = exponents.lo, exponents.hi
    codes = np.clip(np.where(used, codes, least), least, most).astype(np.int64)

    with np.errstate(over="ignore"):  # infinity saturates too
        scaled = np.ldexp(values, EXPONENT_BIAS - fmt.unit - _each(codes, values.shape[-1]))
    return Blocks(nearest_level(*fraction(scaled), fmt, Rounding.HALF_EVEN), codes)


def dequantize_blocks(levels, codes, fmt: BlockScaled) -> np.ndarray:
    """Real numbers of levels and their blocks' exponents, including infinities and NaN."""
    levels = fmt.check(levels)
    return np.ldexp(as_floats(levels), blocks_of(codes, levels.shape) - EXPONENT_BIAS + fmt.unit)


def requantize_blocks(sums, contract: Contract, output: BlockScaled, parameters: Mapping, *,
                      unbiased: Range | None = None, counts=None) -> Blocks:
    """Turn exact sums into levels and their blocks' exponents, 32 channels to a block.

    A result is ``v = (sum + bias) * multiplier / 2**shift``, in units of a level with exponent code
    127. It prefers the code ``floor(log2(|v|)) - floor(log2(output.max)) + 127``, clipped to
    ``exponent_min .. exponent_max``. A result of 0, or of a sign that the clamp excludes, prefers
    ``exponent_min``; so does one that is infinity or NaN. A block has the largest preferred code.
    Each level is ``clamp(round(v / 2**(code - 127)))``, rounded once, as the contract says, by
    :func:`golden.rounding.nearest_level`. The speed is some millions of results per second, if
    int64 holds the shifted numbers.

    Parameters
    ----------
    sums : array_like of integers, ``(..., channels)``
    contract, output, parameters, unbiased
        Parameters of :func:`golden.requantize.requantize`.
    counts : array of int, ``(3, ..., channels)``, optional
        Products of each sum that are NaN, infinity and minus infinity; see
        :func:`golden.specials.count`. They count as 0 in the sum.

    Raises
    ------
    ValueError
        If :func:`golden.requantize.requantize` would raise it.
    """
    sums, values = prepared(np.atleast_1d(sums), contract, output, parameters, unbiased=unbiased)
    if not isinstance(contract, MultiplyShift):
        raise TypeError(f"Contract must be one of multiply and shift, not {contract!r}")
    x, right = product(biased(sums, contract, values), contract, values)
    x, right, lo, hi = np.broadcast_arrays(x, right, values["exponent_min"], values["exponent_max"])
    digits = _bit_length(np.abs(x))
    preferred = np.clip(digits - output.max.bit_length() - right + EXPONENT_BIAS, lo, hi)
    asks = np.where(x > 0, values["clamp_max"] > 0, (x < 0) & (values["clamp_min"] < 0))
    if counts is not None:
        asks &= ~np.any(counts, axis=0)
    codes = _grouped(np.where(asks, preferred, lo), EXPONENT.min).max(axis=-1).astype(np.int64)

    shift = right + _each(codes, x.shape[-1]) - EXPONENT_BIAS
    levels = nearest_level(shifted(x, np.maximum(-shift, 0)), np.maximum(shift, 0), output,
                           contract.rounding)
    levels = np.clip(levels, values["clamp_min"], values["clamp_max"])
    return Blocks(levels if counts is None else resolve(levels, counts, output), codes)


def requantize_tensor(sums, contract: Contract, output: Format | None, parameters: Mapping, *,
                      unbiased: Range | None = None, draws=None, counts=None) -> Levels:
    """Turn exact sums into results of any format.

    Calls :func:`requantize_blocks` if the output is block-scaled, else
    :func:`golden.requantize.requantize`. Results are infinity or NaN where ``counts``, as of
    :func:`requantize_blocks`, say so.
    """
    if isinstance(output, BlockScaled):
        return requantize_blocks(sums, contract, output, parameters, unbiased=unbiased,
                                 counts=counts)
    levels = requantize(sums, contract, output, parameters, unbiased=unbiased, draws=draws)
    if counts is None:
        return levels
    assert output is not None  # an exact sum has no infinity
    return resolve(levels, counts, output)


def blocks_of(codes, shape: tuple[int, ...]) -> np.ndarray:
    """Code of the exponent of each level of a tensor of ``shape``.

    Raises
    ------
    ValueError
        If a code is not in 0 to 254, or there is not one code for each block.
    """
    codes = EXPONENT.check(codes, "Exponent")
    _check_axes(shape, "Levels")
    expected = (*shape[:-1], -(-shape[-1] // BLOCK))
    if codes.shape != expected:
        raise ValueError(f"Exponents must have shape {expected}, one for each {BLOCK} levels, "
                         f"not {codes.shape}")
    return _each(codes, shape[-1])


def shift_levels(levels, codes, *, least: int | None = None) -> np.ndarray:
    """Return levels as integers on one scale, that of the least exponent.

    Parameters
    ----------
    levels : array_like of integers, ``(..., K)``
    codes : array_like of int, ``(..., ceil(K / 32))``
    least : int, optional
        Code of the scale instead; at most the least of ``codes``.
    """
    levels = integers(levels, "Level")
    each = blocks_of(codes, levels.shape)
    lowest = int(each.min(initial=EXPONENT.max))
    if least is not None and least > lowest:
        raise ValueError(f"Least exponent must be at most {lowest}, the lowest code, not {least}")
    return shifted(levels, each - (lowest if least is None else least))


def shifts(x_codes, w_codes, *, base, window: int) -> np.ndarray:
    """Left shift of each block's sum: ``x_codes[..., m] + w_codes[..., n] - base``.

    Parameters
    ----------
    x_codes : array_like of int, ``(..., m)``
    w_codes : array_like of int, ``(..., n)``
    base : int or array_like of int, ``(...)``
        Combined code whose shift is 0.
    window : int
        Number of allowed shifts, from 0.

    Returns
    -------
    array of int64, ``(..., m, n)``

    Raises
    ------
    ValueError
        The message names the first block outside the window.
    """
    combined = (EXPONENT.check(x_codes, "Exponent")[..., :, None]
                + EXPONENT.check(w_codes, "Exponent")[..., None, :])
    shift = combined - integers(base, "Base")[..., None, None]
    bad = np.argwhere((shift < 0) | (shift >= window))
    if len(bad):
        block = tuple(bad[0].tolist())
        lowest = combined[block] - shift[block]
        raise ValueError(f"Combined exponent of block {block} must be in range "
                         f"[{lowest}, {lowest + window - 1}], not {combined[block]}")
    return shift


def shifted(sums, by) -> np.ndarray:
    """Compute ``sums << by``; in Python integers if a result may need more than 64 bits."""
    sums, by = integers(sums, "Sum"), integers(by, "Shift")
    most = values_range(sums).magnitude << int(by.max(initial=0))
    if Range(-most, most) not in INT64:
        sums = sums.astype(object)
    return np.asarray(sums << by, dtype=sums.dtype)


def matmul(x, x_codes, weights, w_codes, *, base: int, window: int = 16) -> np.ndarray:
    """Exact ``x @ weights.T`` of block-scaled operands, in units of the base.

    Parameters
    ----------
    x : array_like of integers, ``(m, K)``
        Levels of the input.
    x_codes : array_like of int, ``(m, ceil(K / 32))``
        Codes of its exponents.
    weights : array_like of integers, ``(n, K)``
        Levels of the weights.
    w_codes : array_like of int, ``(n, ceil(K / 32))``
        Codes of their exponents.
    base, window : int
        Parameters of :func:`shifts`.

    Returns
    -------
    array of integers, ``(m, n)``
        Sums in units of ``2**(base - 254)`` times the product of both units.
    """
    x, weights = integers(x, "Operand"), integers(weights, "Operand")
    for operand, codes in ((x, x_codes), (weights, w_codes)):
        if operand.ndim != 2:
            raise ValueError(f"Operand must have 2 axes, not shape {operand.shape}")
        blocks_of(codes, operand.shape)
    if x.shape[1] != weights.shape[1]:
        raise ValueError(f"Operands must have equal last axes, not shapes {x.shape} and "
                         f"{weights.shape}")
    by = shifts(np.asarray(x_codes).T, np.asarray(w_codes).T, base=base, window=window)
    left, right = (ops.padded(each, ((0, 0), (0, -x.shape[1] % BLOCK)))
                   .reshape(len(each), -(-each.shape[1] // BLOCK), BLOCK).swapaxes(0, 1)
                   for each in (x, weights))
    parts = shifted(ops.matmul(left, right.swapaxes(1, 2)), by)
    bound = values_range(parts).magnitude * len(parts)
    if Range(-bound, bound) not in INT64:
        parts = parts.astype(object)
    return np.asarray(parts.sum(axis=0), dtype=parts.dtype)


def _check_axes(shape: tuple[int, ...], name: str):
    if not shape:
        raise ValueError(f"{name} must have an axis of blocks, not shape {shape}")


def _bit_length(sizes: np.ndarray) -> np.ndarray:
    # float64 has 53 digits: below, it is exact.
    if values_range(sizes).hi < 1 << 53:
        return np.frexp(sizes.astype(np.float64))[1]
    return np.vectorize(int.bit_length, otypes=[np.int64])(sizes.astype(object))


def _each(codes: np.ndarray, depth: int) -> np.ndarray:
    return np.repeat(codes, BLOCK, axis=-1)[..., :depth]


def _grouped(values: np.ndarray, fill: int) -> np.ndarray:
    # (..., blocks, 32)
    count = -(-values.shape[-1] // BLOCK)
    surplus = count * BLOCK - values.shape[-1]
    padded = np.pad(values, [(0, 0)] * (values.ndim - 1) + [(0, surplus)], constant_values=fill)
    return padded.reshape(*values.shape[:-1], count, BLOCK)
