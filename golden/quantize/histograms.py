"""Ranges of real numbers by their histogram: percentiles, and the least divergence.

Both are defined by ONNX Runtime's ``HistogramCollector`` (onnxruntime.quantization.calibrate),
and computed in the float type of the numbers, as there.
"""

from dataclasses import dataclass

import numpy as np

from golden.quantize.extremes import collections, examples, least

__all__ = ["MAX_BINS", "entropy_range", "percentile_range"]

MAX_BINS = 1 << 20
"""Largest number of bins that a histogram may have, or grow to."""

SMOOTH = 1e-4
"""Count that an empty bin gets before two distributions are compared."""


@dataclass(frozen=True, eq=False)
class _Histogram:
    # Counts of the bins between the edges, and the ends of all numbers seen.
    counts: np.ndarray
    edges: np.ndarray
    lo: float
    hi: float

    def within(self, lo, hi) -> tuple[float, float]:
        # No range reaches beyond the numbers seen.
        return (self.lo if lo < self.lo else lo), (self.hi if hi > self.hi else hi)


def percentile_range(values, *, absolute: bool = False, percentile: float = 99.999,
                     bins: int = 2048, collect: int = 0) -> tuple[float, float]:
    """Range that holds ``percentile`` percent of the numbers, from a histogram.

    With ``absolute`` it is the range to either side of 0 that holds as many magnitudes; without,
    half of the rest lies below it and half above. An end is the lower edge of the bin in which the
    cumulated share reaches it. ONNX Runtime's ``PercentileCalibrater``, ``symmetric`` or not.

    Parameters
    ----------
    values : array_like of float, ``(examples, ...)``
    absolute : bool
    percentile : float
        Percentage in range [0, 100].
    bins : int
        Number of bins, at most :data:`MAX_BINS`. It grows where a later collection exceeds the
        first.
    collect : int
        Number of examples of a collection; 0 collects all of them at once. The first collection
        decides the width of the bins.

    Returns
    -------
    lo, hi : float
        Of the float type of ``values``; never beyond the smallest and the largest number.
    """
    if not 0 <= percentile <= 100:
        raise ValueError(f"Percentile must be in range [0, 100], not {percentile}")
    histogram = (_magnitudes if absolute else _around_zero)(examples(values), bins, collect)
    cumulated = np.cumsum(histogram.counts / histogram.counts.sum())
    if absolute:
        end = histogram.edges[np.searchsorted(cumulated, percentile / 100.0)]
        return histogram.within(-end, end)
    cut = (100.0 - percentile) / 200.0
    lo, hi = (histogram.edges[np.searchsorted(cumulated, share)] for share in (cut, 1.0 - cut))
    return histogram.within(lo, hi)


def entropy_range(values, *, bins: int = 128, quantized_bins: int = 128, collect: int = 0
                  ) -> tuple[float, float]:
    """Range about 0 in which coarse bins tell least of the distribution away.

    Candidates are the middle ``2 * i + 1`` bins of the histogram, from about ``quantized_bins`` of
    them to all. The reference is the candidate's counts, numbers beyond it added to its outermost
    bins; the other distribution has the candidate's counts spread evenly in each of
    ``quantized_bins`` groups. The range is the first candidate with the least Kullback-Leibler
    divergence between the two, both smoothed. ONNX Runtime's ``EntropyCalibrater``, after
    TensorRT's; its default of 128 bins has only one candidate until a second collection adds bins.

    Parameters
    ----------
    values, bins, collect
        Parameters of :func:`percentile_range`.
    quantized_bins : int
        Number of groups, at most ``bins``.

    Returns
    -------
    lo, hi : float
        As of :func:`percentile_range`.
    """
    least("Quantized bins", quantized_bins, 1)
    if quantized_bins > bins:
        raise ValueError(f"Quantized bins must be at most the {bins} bins, not {quantized_bins}")
    histogram = _around_zero(examples(values), bins, collect)
    counts, middle = histogram.counts, len(histogram.counts) // 2
    spans = [(middle - i, min(middle + i + 1, len(counts)))
             for i in range(quantized_bins // 2, middle + 1)]
    first, last = spans[int(np.argmin([
        _divergence(counts, start, end, quantized_bins) for start, end in spans]))]
    return histogram.within(histogram.edges[first], histogram.edges[last])


def _divergence(counts: np.ndarray, first: int, last: int, groups: int) -> float:
    inside = counts[first:last]
    reference = inside.copy()
    reference[0] += counts[:first].sum()
    reference[-1] += counts[last:].sum()
    # Bins beyond the last whole group are counted in it, but have nothing spread over them.
    size = len(inside) // groups
    whole = size * groups
    totals = inside[:whole].reshape(groups, size).sum(axis=1)
    totals[-1] += inside[whole:].sum()
    used = (reference[:whole] != 0).reshape(groups, size).sum(axis=1)
    spread = np.zeros_like(inside)
    spread[:whole] = np.repeat(np.where(used > 0, totals // np.maximum(used, 1), 0), size)
    p, q = _smoothed(reference), _smoothed(spread)
    if p is None or q is None:
        return np.inf
    p, q = p / p.sum(), q / q.sum()
    return (p * np.log(p / q)).sum()


def _smoothed(counts: np.ndarray) -> np.ndarray | None:
    # In float32. The count that empty bins get is taken from the others; None if they lack it.
    empty = counts == 0
    zeros = np.count_nonzero(empty)
    if zeros == len(counts) or (taken := SMOOTH * zeros / (len(counts) - zeros)) >= 1:
        return None
    return np.where(empty, np.float32(SMOOTH), counts.astype(np.float32) - np.float32(taken))


def _around_zero(values: np.ndarray, bins: int, collect: int) -> _Histogram:
    # Bins of equal width about 0; for larger numbers, bins are added at both ends.
    counts = np.zeros(0, dtype=np.int64)
    edges, reach = np.zeros(0, values.dtype), values.dtype.type(0)
    for index, each in enumerate(collections(values, collect)):
        most = max(abs(each.min()), abs(each.max()))
        if index == 0 or most > reach == 0:
            old, count, reach, added = counts, bins, most, 0
        elif most > reach:
            width = 2 * reach / len(counts)
            added = int((most - reach) // width + 1)
            old, count, reach = counts, len(counts) + 2 * added, added * width + reach
        else:
            old, count, added = counts, len(counts), 0
        counts, edges = _counted(each, count, (-reach, reach))
        counts[added:added + len(old)] += old
    return _Histogram(counts, edges, values.min(), values.max())


def _magnitudes(values: np.ndarray, bins: int, collect: int) -> _Histogram:
    # Bins from the smallest to the largest magnitude of the first collection; for larger numbers,
    # bins are added above.
    counts = np.zeros(0, dtype=np.int64)
    edges = np.zeros(0, values.dtype)
    for index, each in enumerate(collections(np.abs(values), collect)):
        if index == 0:
            counts, edges = _counted(each, bins, (each.min(), each.max()))
            continue
        most = each.max()
        if most > edges[-1]:
            width = edges[1] - edges[0]
            _check_bins(len(counts) + (most - edges[-1]) / width)
            edges = np.hstack((edges, np.arange(edges[-1] + width, most + width, width)))
        old = counts
        counts, _ = np.histogram(each, bins=edges)
        counts[:len(old)] += old
        # Numbers are counted between edges of float64, as arange makes them.
        edges = edges.astype(values.dtype)
    return _Histogram(counts, edges, values.min(), values.max())


def _counted(values: np.ndarray, bins: int, ends: tuple) -> tuple[np.ndarray, np.ndarray]:
    least("Bins", bins, 1)
    _check_bins(bins)
    try:
        return np.histogram(values, bins, range=ends)
    except ValueError:
        # Edges closer than the float type can tell apart.
        raise ValueError(f"Bins must be so few that {values.dtype} tells their edges in range "
                         f"[{ends[0]:g}, {ends[1]:g}] apart, not {bins}") from None


def _check_bins(bins):
    if bins > MAX_BINS:
        raise ValueError(f"Bins must be at most {MAX_BINS}, not the {bins:.4g} that the largest "
                         f"number needs")
