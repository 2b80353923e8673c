"""Exact bounds of sums of products, for accumulators that are not a bit too wide."""

from dataclasses import dataclass
from math import prod

import numpy as np

from golden.formats import Format, IntFormat

__all__ = ["Range", "check_ends", "levels_range", "values_range", "dot_range", "weights_ends",
           "INT64"]


@dataclass(frozen=True)
class Range:
    """Integers from ``lo`` to ``hi``, both included. The ends may have any size."""

    lo: int
    hi: int

    def __post_init__(self):
        if self.lo > self.hi:
            raise ValueError(f"Range must not be empty, not [{self.lo}, {self.hi}]")

    def __add__(self, other: "Range") -> "Range":
        return Range(self.lo + other.lo, self.hi + other.hi)

    def __sub__(self, other: "Range") -> "Range":
        return Range(self.lo - other.hi, self.hi - other.lo)

    def __mul__(self, other: "Range") -> "Range":
        corners = [a * b for a in (self.lo, self.hi) for b in (other.lo, other.hi)]
        return Range(min(corners), max(corners))

    def times(self, count: int) -> "Range":
        """Range of the sum of ``count`` independent members."""
        return Range(self.lo * count, self.hi * count)

    def __contains__(self, other: "Range") -> bool:
        return self.lo <= other.lo and other.hi <= self.hi

    @property
    def magnitude(self) -> int:
        """Largest absolute value."""
        return max(abs(self.lo), abs(self.hi))

    @property
    def format(self) -> IntFormat:
        """Narrowest integer format that holds every member; signed where one is negative."""
        if self.lo >= 0:
            return IntFormat(max(1, self.hi.bit_length()), signed=False)
        return IntFormat(1 + max((~self.lo).bit_length(), max(self.hi, 0).bit_length()))

    def __str__(self):
        return f"[{self.lo}, {self.hi}]"


INT64 = Range(-(1 << 63), (1 << 63) - 1)
"""Range of numpy's ``int64``; beyond it numpy wraps without a warning."""


def values_range(values: np.ndarray) -> Range:
    """Range of the integers in an array; [0, 0] if the array is empty."""
    return Range(int(values.min()), int(values.max())) if values.size else Range(0, 0)


def check_ends(name: str, lo, hi):
    """Raise ``ValueError`` if a minimum is above its maximum; both may be arrays."""
    lo, hi = np.broadcast_arrays(lo, hi)
    if (lo > hi).any():
        raise ValueError(f"{name} minimum must be at most the maximum {hi[lo > hi].flat[0]}, "
                         f"not {lo[lo > hi].flat[0]}")


def levels_range(fmt: Format) -> Range:
    """Range of the levels of ``fmt``."""
    return Range(fmt.min, fmt.max)


def dot_range(weights: Format, activations: Format, depth: int) -> Range:
    """Range of a sum of ``depth`` products of any levels of two formats.

    If some pair of levels has the product 0, every partial sum lies in this range too, of any
    subset of the products and in any order.
    """
    return (levels_range(weights) * levels_range(activations)).times(depth)


def weights_ends(weights: np.ndarray, activations: Range) -> np.ndarray:
    """Least and largest ``sum(w * x)`` of each output, for these weights and any activations.

    Parameters
    ----------
    weights : array of integers, ``(outputs, ...)``
        Levels of the weights; every axis but the first is summed over.
    activations : Range
        Range of an activation minus its zero point.

    Returns
    -------
    array of integers, ``(2, outputs)``
        Exact ends: some activations reach them. Python integers if ``int64`` may not suffice.
    """
    rows = np.asarray(weights)
    rows = rows.reshape(len(rows), prod(rows.shape[1:]))
    # Levels shifted by exponents may have 62 bits.
    most = max(1, values_range(rows).magnitude) * max(1, activations.magnitude) * rows.shape[1]
    rows = rows.astype(np.int64 if most < 1 << 63 else object, copy=False)
    positive = np.maximum(rows, 0).sum(axis=1)
    negative = rows.sum(axis=1) - positive
    return np.stack([positive * activations.lo + negative * activations.hi,
                     positive * activations.hi + negative * activations.lo])
