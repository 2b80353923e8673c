"""Block-scaled (MX) tensors: their quantization, exact sums of products across blocks, results.

A tensor is an array of levels, K last, and an array of exponents' codes in which the last axis is
of blocks of 32: ``real = level * 2**(unit + code - 127)``. A sum of products is exact as an integer
in units of a *base*, a combined exponent:

``sum over blocks b of 2**(x_codes[b] + w_codes[b] - base) * sum(x * w for the products of b)``

Combined exponents must lie in a window, ``0 <= x_codes[b] + w_codes[b] - base < window``; a block
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
from golden.specials import as_floats

__all__ = ["Blocks", "Levels", "check_kind", "parts", "on_levels", "quantize_blocks",
           "dequantize_blocks", "requantize_blocks", "requantize_tensor", "blocks_of",
           "shift_levels", "shifts", "shifted", "matmul"]


class Blocks(NamedTuple):
    """A block-scaled tensor.

    Parameters
    ----------
    levels : array of integers, ``(..., K)``
    exponents : array of integers, ``(..., ceil(K / 32))``
        Codes.
    """

    levels: np.ndarray
    exponents: np.ndarray


Levels = np.ndarray | Blocks
"""Levels; of a block-scaled format with their exponents."""


def check_kind(tensor, fmt: Format, name: str):
    """Raise ``TypeError`` where a tensor of ``fmt`` is not Blocks and should be, or is and not."""
    if isinstance(fmt, BlockScaled) != isinstance(tensor, Blocks):
        kind = "Blocks" if isinstance(fmt, BlockScaled) else "an array of levels"
        raise TypeError(f"{name} must be {kind} for {fmt}, not {type(tensor).__name__}")


def parts(tensor: Levels) -> dict[str, np.ndarray]:
    """Arrays that a tensor is made of: ``levels``, and ``exponents`` where it has some."""
    return tensor._asdict() if isinstance(tensor, Blocks) else {"levels": tensor}


def on_levels(function: Callable[[np.ndarray], np.ndarray], tensor: Levels) -> Levels:
    """Return the tensor with what ``function`` makes of its levels."""
    if isinstance(tensor, Blocks):
        return tensor._replace(levels=function(tensor.levels))
    return function(tensor)


def quantize_blocks(values, fmt: BlockScaled, *, window: int | None = None,
                    exponents: Range | None = None) -> Blocks:
    """Levels of real numbers, and the codes of their blocks' exponents.

    The exponent of a block is ``floor(log2(max|v|)) - emax``, where ``2**emax`` is the highest
    power of two that the element has, and at least -127, at most 127. Elements are then rounded to
    the nearest level, ties to the even code, and saturated: OCP MX's conversion. A block of zeros,
    for which all exponents are as good, has the least one of the others. Negative numbers count as
    0 where the element has none.

    Parameters
    ----------
    values : array_like of float, ``(..., K)``
    fmt : BlockScaled
    window : int, optional
        Blocks whose exponents are ``window`` or more below the largest get one that is
        ``window - 1`` below it, and coarser steps.
    exponents : Range, optional
        In place of a window, codes that blocks may have: one beyond becomes the nearest, that of a
        block of zeros the least.

    Raises
    ------
    ValueError
        Where a number is not finite, or the format has no positive level; where there is no axis of
        numbers; where a window is less than 1, or given beside exponents.
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
    # frexp has its fraction in [1/2, 1): the exponent of what is above 0 is one too many.
    emax = fmt.max.bit_length() - 1 + fmt.unit
    codes = np.clip(np.frexp(largest)[1] - 1 - emax + EXPONENT_BIAS, EXPONENT.min, EXPONENT.max)
    used = largest > 0
    least, most = (codes[used].min(), codes[used].max()) if used.any() else 2 * (EXPONENT_BIAS,)
    if window is not None:
        least = max(least, most - window + 1)
    if exponents is not None:
        least, most = exponents.lo, exponents.hi
    codes = np.clip(np.where(used, codes, least), least, most).astype(np.int64)

    with np.errstate(over="ignore"):  # infinite is what saturates in any case
        scaled = np.ldexp(values, EXPONENT_BIAS - fmt.unit - _each(codes, values.shape[-1]))
    return Blocks(nearest_level(*fraction(scaled), fmt, Rounding.HALF_EVEN), codes)


def dequantize_blocks(levels, codes, fmt: BlockScaled) -> np.ndarray:
    """Real numbers that levels and their blocks' exponents stand for; infinities and NaN too."""
    levels = fmt.check(levels)
    return np.ldexp(as_floats(levels), blocks_of(codes, levels.shape) - EXPONENT_BIAS + fmt.unit)


def requantize_blocks(sums, contract: Contract, output: BlockScaled, parameters: Mapping, *,
                      unbiased: Range | None = None) -> Blocks:
    """Turn exact sums into levels and their blocks' exponents, 32 channels to a block.

    Some millions of results per second, as far as int64 holds what is shifted.

    A result, ``v = (sum + bias) * multiplier / 2**shift`` in units of a level where the exponent's
    code is 127, asks for the code ``floor(log2(|v|)) - floor(log2(output.max)) + 127``, or for the
    nearest of ``exponent_min`` to ``exponent_max``. One that is 0, or whose sign the clamp takes
    away, asks for ``exponent_min``. A block has the largest code that is asked for, and each level
    is ``clamp(round(v / 2**(code - 127)))``: rounded once, as the contract says, by
    :func:`golden.rounding.nearest_level`.

    Parameters
    ----------
    sums : array_like of integers, ``(..., channels)``
    contract, output, parameters, unbiased
        As for :func:`golden.requantize.requantize`.

    Raises
    ------
    ValueError
        As there.
    """
    sums, values = prepared(np.atleast_1d(sums), contract, output, parameters, unbiased=unbiased)
    if not isinstance(contract, MultiplyShift):
        raise TypeError(f"Contract must be one of multiply and shift, not {contract!r}")
    x, right = product(biased(sums, contract, values), contract, values)
    x, right, lo, hi = np.broadcast_arrays(x, right, values["exponent_min"], values["exponent_max"])
    digits = _bit_length(np.abs(x))
    asked = np.clip(digits - output.max.bit_length() - right + EXPONENT_BIAS, lo, hi)
    asks = np.where(x > 0, values["clamp_max"] > 0, (x < 0) & (values["clamp_min"] < 0))
    codes = _grouped(np.where(asks, asked, lo), EXPONENT.min).max(axis=-1).astype(np.int64)

    shift = right + _each(codes, x.shape[-1]) - EXPONENT_BIAS
    levels = nearest_level(shifted(x, np.maximum(-shift, 0)), np.maximum(shift, 0), output,
                           contract.rounding)
    return Blocks(np.clip(levels, values["clamp_min"], values["clamp_max"]), codes)


def requantize_tensor(sums, contract: Contract, output: Format | None, parameters: Mapping, *,
                      unbiased: Range | None = None, draws=None) -> Levels:
    """Turn exact sums into results of any format.

    By :func:`requantize_blocks` where that is block-scaled, else by
    :func:`golden.requantize.requantize`; see there.
    """
    if isinstance(output, BlockScaled):
        return requantize_blocks(sums, contract, output, parameters, unbiased=unbiased)
    return requantize(sums, contract, output, parameters, unbiased=unbiased, draws=draws)


def blocks_of(codes, shape: tuple[int, ...]) -> np.ndarray:
    """Code of the exponent of each level of a tensor of ``shape``.

    Raises
    ------
    ValueError
        Where a code is not from 0 to 254, or there is not one for each block.
    """
    codes = EXPONENT.check(codes, "Exponent")
    _check_axes(shape, "Levels")
    wanted = (*shape[:-1], -(-shape[-1] // BLOCK))
    if codes.shape != wanted:
        raise ValueError(f"Exponents must have shape {wanted}, one for each {BLOCK} levels, "
                         f"not {codes.shape}")
    return _each(codes, shape[-1])


def shift_levels(levels, codes, *, least: int | None = None) -> np.ndarray:
    """Return levels as integers on one scale, that of the least of the exponents.

    Parameters
    ----------
    levels : array_like of integers, ``(..., K)``
    codes : array_like of int, ``(..., ceil(K / 32))``
    least : int, optional
        Code whose scale to have instead, if not above any.
    """
    levels = integers(levels, "Level")
    each = blocks_of(codes, levels.shape)
    lowest = int(each.min(initial=EXPONENT.max))
    if least is not None and least > lowest:
        raise ValueError(f"Least exponent must be at most the {lowest} that there is, not {least}")
    return shifted(levels, each - (lowest if least is None else least))


def shifts(x_codes, w_codes, *, base, window: int) -> np.ndarray:
    """How far the sums of blocks are shifted: ``x_codes[..., m] + w_codes[..., n] - base``.

    Parameters
    ----------
    x_codes : array_like of int, ``(..., m)``
    w_codes : array_like of int, ``(..., n)``
    base : int or array_like of int, ``(...)``
        Combined code that is not shifted.
    window : int

    Returns
    -------
    array of int64, ``(..., m, n)``

    Raises
    ------
    ValueError
        Naming the first block outside of the window.
    """
    combined = (EXPONENT.check(x_codes, "Exponent")[..., :, None]
                + EXPONENT.check(w_codes, "Exponent")[..., None, :])
    found = combined - integers(base, "Base")[..., None, None]
    bad = np.argwhere((found < 0) | (found >= window))
    if len(bad):
        where = tuple(bad[0].tolist())
        lowest = combined[where] - found[where]
        raise ValueError(f"Combined exponent of block {where} must be in range "
                         f"[{lowest}, {lowest + window - 1}], not {combined[where]}")
    return found


def shifted(sums, by) -> np.ndarray:
    """Compute ``sums << by``; Python integers where the results may not be of 64 bits."""
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
        Levels.
    x_codes : array_like of int, ``(m, ceil(K / 32))``
        Codes of exponents.
    weights : array_like of integers, ``(n, K)``
    w_codes : array_like of int, ``(n, ceil(K / 32))``
    base, window : int
        As above.

    Returns
    -------
    array of integers, ``(m, n)``
        A level of it is ``2**(base - 254)`` times the product of both units.
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
