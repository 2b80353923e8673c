"""Balanced quantization of weights (arXiv 1706.07145): every level is used about equally often.

The weights are partitioned recursively, by means or by medians, into as many bins as the format has
levels, and each bin gets one level, the lowest bin the lowest. This equalizes the histogram of the
codes. The levels are evenly spaced, so the hardware is that of any other integers.
"""

from typing import Literal, get_args

import numpy as np

from golden.affine import symmetric
from golden.floats import FloatLinear
from golden.formats import Format, IntFormat, OddFormat, finite
from golden.networks import Quantization
from golden.quantize.linear import Weights
from golden.quantize.weights import Per, WeightRanges

__all__ = ["By", "balanced_bins", "balanced_weights", "effective_bits"]

By = Literal["mean", "median"]


def effective_bits(levels) -> float:
    """Effective bit width: the entropy of levels or codes, ``-sum(p * log2(p))``.

    At most the binary logarithm of the number of different levels, which is reached where all of
    them occur equally often.

    Parameters
    ----------
    levels : array_like
    """
    _, counts = np.unique(np.asarray(levels), return_counts=True)
    if not counts.size:
        raise ValueError("Levels must be one or more, not none")
    shares = counts / counts.sum()
    return float(-(shares * np.log2(shares)).sum()) + 0.0


def balanced_bins(values, bins: int, *, by: By = "mean") -> np.ndarray:
    """Bin of each number, from 0 for the lowest: the recursive partition of a set.

    A set that has ``n`` bins is divided at a threshold: numbers below it go to the lower
    ``n // 2`` bins, the others to the upper ones. The threshold is

    ``mean``
        The mean of the set, which approximates the median without sorting (the paper's algorithm
        2). The number of bins is a power of two.
    ``median``
        The number with ``count * (n // 2) // n`` numbers of the set below it: the median if ``n``
        is even. Distinct numbers have counts that are equal within one, for any number of bins.

    Equal numbers share a bin.

    Parameters
    ----------
    values : array_like of float
        In any shape.
    bins : int
    by : "mean" or "median"

    Returns
    -------
    array of ``int64``, of the shape of ``values``
    """
    if by not in get_args(By):
        raise ValueError(f"By must be {' or '.join(get_args(By))}, not {by!r}")
    if bins < 1 or by == "mean" and bins & (bins - 1):
        must = "a power of two for means" if by == "mean" else "positive"
        raise ValueError(f"Bins must be {must}, not {bins}")
    values = finite(values, "Values")
    found = np.zeros(values.size, dtype=np.int64)
    # Sorted once: a set is a slice, and a threshold a place in it.
    order = np.argsort(values, axis=None, kind="stable")
    ranked = values.ravel()[order]
    ranks = np.zeros(values.size, dtype=np.int64)
    sets = [(0, values.size, 0, bins)]
    while sets:
        first, last, lowest, count = sets.pop()
        if count == 1 or first == last:
            ranks[first:last] = lowest
            continue
        lower = count // 2
        threshold = (ranked[first:last].mean() if by == "mean"
                     else ranked[first + (last - first) * lower // count])
        place = first + int(np.searchsorted(ranked[first:last], threshold, side="left"))
        sets += [(first, place, lowest, lower), (place, last, lowest + lower, count - lower)]
    found[order] = ranks
    return found.reshape(values.shape)


def balanced_weights(weights, fmt: Format, *, by: By = "mean", ranges: WeightRanges = "max",
                     per: Per = "tensor") -> Weights:
    """Weights of a layer in balanced levels, to be ``given`` to ``quantize_network``.

    ``oddN`` has the paper's levels: its result is ``2 * scale * (bin / (2**N - 1) - 1/2)`` with
    ``scale = max|W|``. (The paper rounds the equalized number ``2**N * W_e - 1/2`` towards 0 at
    ties, so the smallest number of a bin may get the level below; here a number gets its bin's.)
    ``sNn`` and ternary have one level less than a power of two. Medians make as many bins; means
    make one more, and the two bins in the middle share level 0.

    Parameters
    ----------
    weights : array_like of float, ``(outputs, ...)``, or FloatLinear
    fmt : Format
        ``oddN``, ``sNn`` or ternary: levels that are evenly spaced and symmetric about 0.
    by : "mean" or "median"
        Thresholds, as in :func:`balanced_bins`.
    ranges : "max" or "least_error"
        Whether the outermost levels are ``max|W|``, as in the paper, or the scale is that of the
        least squared error, ``sum(W * level) / sum(level**2)``.
    per : "tensor" or "channel"
        What is balanced, and has a scale, alone.

    Raises
    ------
    ValueError
        If the format is another one, or weights without variety would change their sign.
    """
    if isinstance(weights, FloatLinear):
        weights = weights.weights
    if not (isinstance(fmt, OddFormat)
            or isinstance(fmt, IntFormat) and fmt.signed and fmt.narrow):
        raise ValueError(f"Format must be oddN, sNn or ternary to be balanced, not {fmt}")
    if ranges not in get_args(WeightRanges):
        raise ValueError(f"Weight ranges must be max or least_error, not {ranges!r}")
    if per not in get_args(Per):
        raise ValueError(f"Per must be channel or tensor, not {per!r}")
    weights = np.atleast_1d(finite(weights, "Weights"))
    rows = weights.reshape(len(weights) if per == "channel" else 1, -1)
    levels = np.stack([_levels(row, fmt, by) for row in rows])
    # A weight of 0 in a set of zeros is 0, where there is such a level.
    silent = ~rows.any(axis=1)
    levels[silent] = fmt.idle
    if (silent.any() and fmt.idle) or silent.all():
        raise ValueError(f"Weights must not all be 0 in a {per} to be balanced in {fmt}")
    agreement = (rows * levels).sum(axis=1)
    if (bad := (agreement <= 0) & ~silent).any():
        raise ValueError(f"Weights must lie on both sides of 0 to be balanced, not in range "
                         f"[{rows[bad].min()}, {rows[bad].max()}]")
    scale = np.asarray(symmetric(np.abs(rows).max(axis=1), fmt).scale)
    if ranges == "least_error":
        scale = np.divide(agreement, np.square(levels).sum(axis=1), out=np.ones(len(rows)),
                          where=~silent)
    # Any scale keeps zeros; that of the others needs no wider bias.
    scale = np.where(silent, scale[~silent].max(), scale)
    return Weights(levels.reshape(weights.shape),
                   Quantization(fmt, scale if per == "channel" else float(scale[0])))


def _levels(row: np.ndarray, fmt: Format, by: By) -> np.ndarray:
    levels = fmt.levels()
    if by == "mean" and isinstance(fmt, IntFormat):
        levels = np.insert(levels, fmt.max, 0)  # the two bins in the middle
    return levels[balanced_bins(row, len(levels), by=by)]
