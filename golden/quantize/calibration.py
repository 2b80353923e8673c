"""Chooses the range of real numbers that a format spans, from examples."""

import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

import numpy as np

from golden.affine import asymmetric, dequantize, quantize, symmetric
from golden.block_scaled import quantize_blocks
from golden.formats import EXPONENT, BlockScaled, Format, finite
from golden.networks import Quantization
from golden.quantize.extremes import average_range, min_max_range
from golden.quantize.histograms import entropy_range, percentile_range
from golden.ranges import Range

__all__ = ["FRACTIONS", "METHODS", "apart", "calibrate", "entropy", "highest_exponents",
           "least_error", "least_error_rows", "method_of", "min_max", "moving_average",
           "percentile"]

FRACTIONS: Sequence[float] = tuple(np.linspace(1.0, 0.2, 33).tolist())
"""Shares of the largest magnitude to try, the widest range first."""


def least_error(values, fmt: Format, *, zero_point: bool) -> Quantization:
    """Quantization that represents ``values`` with the least squared error.

    The ends of the range are tried at shares of the examples' extremes, the same share at both. A
    narrower range has finer steps and saturates the values beyond it.

    Parameters
    ----------
    values : array_like of float
    fmt : Format
    zero_point : bool
        Whether the zero point may differ from 0.
    """
    values = _examples(values)
    lo, hi = min(values.min(), 0.0), max(values.max(), 0.0)
    candidates = ((asymmetric(share * lo, share * hi, fmt) for share in FRACTIONS) if zero_point
                  else _symmetric(lo, hi, fmt))
    return min(candidates, key=lambda candidate: np.square(
        dequantize(quantize(values, candidate), candidate) - values).sum())


def min_max(values, fmt: Format, *, zero_point: bool) -> Quantization:
    """Quantization that spans all of ``values``; arguments as of :func:`least_error`."""
    return _spanning(*min_max_range(values), fmt, zero_point=zero_point)


def moving_average(values, fmt: Format, *, zero_point: bool, batch: int = 1, collect: int = 0,
                   averaging: float = 0.01) -> Quantization:
    """Quantization that spans the average range of batches.

    Parameters
    ----------
    values, fmt, zero_point
        Parameters of :func:`least_error`.
    batch, collect, averaging
        Parameters of :func:`golden.quantize.extremes.average_range`.
    """
    lo, hi = average_range(values, batch=batch, collect=collect, averaging=averaging)
    return _spanning(lo, hi, fmt, zero_point=zero_point)


def percentile(values, fmt: Format, *, zero_point: bool, percentile: float = 99.999,
               bins: int = 2048, collect: int = 0) -> Quantization:
    """Quantization that spans a share of the values; without a zero point, of their magnitudes.

    Parameters
    ----------
    values, fmt, zero_point
        Parameters of :func:`least_error`.
    percentile, bins, collect
        Parameters of :func:`golden.quantize.histograms.percentile_range`.
    """
    if not zero_point and fmt.min >= 0:
        # Negative values saturate at 0.
        values = np.maximum(values, 0)
    lo, hi = percentile_range(values, absolute=not zero_point, percentile=percentile, bins=bins,
                              collect=collect)
    return _spanning(lo, hi, fmt, zero_point=zero_point)


def entropy(values, fmt: Format, *, zero_point: bool, bins: int = 128, quantized_bins: int = 128,
            collect: int = 0) -> Quantization:
    """Quantization that spans the range of the least divergence.

    Parameters
    ----------
    values, fmt, zero_point
        Parameters of :func:`least_error`.
    bins, quantized_bins, collect
        Parameters of :func:`golden.quantize.histograms.entropy_range`.
    """
    lo, hi = entropy_range(values, bins=bins, quantized_bins=quantized_bins, collect=collect)
    return _spanning(lo, hi, fmt, zero_point=zero_point)


METHODS: Mapping[str, Callable[..., Quantization]] = {
    "mse": least_error, "min_max": min_max, "moving_average": moving_average,
    "percentile": percentile, "entropy": entropy}
"""Methods of calibration by name."""


def method_of(text: str) -> Callable[..., Quantization]:
    """Return a method of calibration, with its options, from ``name:option=number,...``.

    Examples: ``mse``, ``percentile:percentile=99.9,bins=512``.

    Parameters
    ----------
    text : str
        A name of :data:`METHODS`, and options: the function's keyword parameters.

    Raises
    ------
    ValueError
        If no method has that name, or the method does not have an option.
    """
    name, colon, rest = text.partition(":") if isinstance(text, str) else (text, "", "")
    if name not in METHODS:
        raise ValueError(f"Method must be one of {', '.join(METHODS)}, not {name!r}")
    known = {option: each.default for option, each
             in inspect.signature(METHODS[name]).parameters.items()
             if each.default is not each.empty}
    must = " or ".join(f"{option}={'INTEGER' if isinstance(default, int) else 'NUMBER'}"
                       for option, default in known.items())
    options: dict[str, int | float] = {}
    for part in rest.split(",") if colon else ():
        match = re.fullmatch(r"([a-z_]+)=([0-9]{1,9}(\.[0-9]*)?)", part)
        option = match[1] if match else ""
        if (not match or option not in known or option in options
                or match[3] and isinstance(known[option], int)):
            raise ValueError(f"Options of method {name} must be "
                             f"{f'{must}, each once, separated by commas' if must else 'none'}, "
                             f"not {rest!r}")
        options[option] = type(known[option])(match[2])
    return partial(METHODS[name], **options)


def calibrate(values, fmt: Format, *, method: str, zero_point: bool) -> Quantization:
    """Quantization that a method of calibration chooses.

    Parameters
    ----------
    values, fmt, zero_point
        Parameters of :func:`least_error`; the first axis of ``values`` has the examples.
    method : str
        Argument of :func:`method_of`.
    """
    return method_of(method)(values, fmt, zero_point=zero_point)


def least_error_rows(values, fmt: Format, *, zero_point: bool,
                     shares: Sequence[float] = FRACTIONS) -> Quantization:
    """Quantization of each row of ``values``, with the least squared error of that row.

    Parameters
    ----------
    values : array_like of float, ``(rows, ...)``
    fmt, zero_point
        Parameters of :func:`least_error`.
    shares : sequence of float
        Shares of each row's extreme to try; with 1.0 alone nothing saturates.
    """
    rows = np.atleast_1d(_examples(values))
    rows = rows.reshape(len(rows), -1)
    lo, hi, most = rows.min(axis=1), rows.max(axis=1), np.abs(rows).max(axis=1)
    candidates = [asymmetric(share * lo, share * hi, fmt) if zero_point
                  else symmetric(share * most, fmt) for share in shares]
    errors = [np.square(dequantize(quantize(rows, candidate), candidate) - rows).sum(axis=1)
              for candidate in candidates]
    best = np.argmin(errors, axis=0)
    chosen = best, np.arange(len(rows))
    scales = np.stack([candidate.scale for candidate in candidates])
    if not zero_point:
        return Quantization(fmt, scales[chosen], 0)
    zero_points = np.stack([candidate.zero_point for candidate in candidates])
    return Quantization(fmt, scales[chosen], zero_points[chosen])


def apart(values, winners, fmt: Format, *, zero_point: bool) -> Quantization:
    """Quantization that keeps the winner of each row above the others.

    Only the largest of a classifier's outputs matters. With few levels, several outputs of a row
    may share the highest level. The chosen range has the fewest such ties; of equally good ranges
    it is the widest.

    Parameters
    ----------
    values : array_like of float, ``(rows, classes)``
    winners : array_like of int, ``(rows,)``
        Class of each row whose output is to be the largest.
    fmt, zero_point
        Parameters of :func:`least_error`.
    """
    values = _examples(values)
    lo, hi = min(values.min(), 0.0), max(values.max(), 0.0)
    if zero_point:
        low, high = np.meshgrid((*FRACTIONS, 0.0), FRACTIONS, indexing="ij")
        candidates = asymmetric(low.ravel() * lo, high.ravel() * hi, fmt)
    else:
        candidates = symmetric(np.array(FRACTIONS) * _magnitude(lo, hi, fmt), fmt)
    scales = np.asarray(candidates.scale)
    zero_points = np.broadcast_to(candidates.zero_point, scales.shape)
    rows = np.arange(len(values))

    def won(some: slice) -> np.ndarray:
        # A row in which n outputs share the highest level counts as 1 / n.
        levels = np.asarray(quantize(np.broadcast_to(values, (len(scales[some]), *values.shape)),
                                     Quantization(fmt, scales[some], zero_points[some])))
        highest = levels == levels.max(axis=2, keepdims=True)
        shares = highest[:, rows, winners] / highest.sum(axis=2)
        # In one order, whatever the layout: an equal score is an equal float.
        return np.ascontiguousarray(shares).sum(axis=1)

    # As many candidates at a time as a cache holds.
    count = max(1, (1 << 16) // values.size)
    best = int(np.argmax(np.concatenate(  # the first of equals
        [won(slice(first, first + count)) for first in range(0, len(scales), count)])))
    return Quantization(fmt, float(scales[best]), int(zero_points[best]))


def highest_exponents(values, fmt: BlockScaled, binades: int) -> Quantization:
    """Block-scaled quantization whose exponents are the ``binades`` highest for ``values``.

    The scale is 1, as the exponents scale.

    Parameters
    ----------
    values : array_like of float, ``(..., K)``
    fmt : BlockScaled
    binades : int
        Number of exponents, at least 1.
    """
    most = int(quantize_blocks(_examples(values), fmt).exponents.max())
    return Quantization(fmt, exponents=Range(max(most - binades + 1, EXPONENT.min), most))


def _symmetric(lo: float, hi: float, fmt: Format) -> Iterator[Quantization]:
    return (symmetric(share * _magnitude(lo, hi, fmt), fmt) for share in FRACTIONS)


def _spanning(lo: float, hi: float, fmt: Format, *, zero_point: bool) -> Quantization:
    lo, hi = min(float(lo), 0.0), max(float(hi), 0.0)
    return asymmetric(lo, hi, fmt) if zero_point else symmetric(_magnitude(lo, hi, fmt), fmt)


def _magnitude(lo: float, hi: float, fmt: Format) -> float:
    # Negative values saturate at 0 in an unsigned format, whatever its range.
    return max(-lo, hi) if fmt.min < 0 else hi


def _examples(values) -> np.ndarray:
    values = finite(values, "Values")
    if not values.size:
        raise ValueError(f"Values must be one or more, not shape {values.shape}")
    return values
