"""Codebooks made of the weights that they are for."""

import numpy as np

from golden.formats import CODEBOOK_RANGE, MAX_LEVELS, Codebook, finite

__all__ = ["MAGNITUDE", "codebook_for", "k_means"]

MAGNITUDE = 127
"""Largest magnitude of a codebook's levels: products are as wide as those of 8 bits."""


def k_means(values, count: int, *, rounds: int = 50) -> np.ndarray:
    """Means of the clusters of numbers, ascending: Lloyd's algorithm in one dimension.

    It starts from quantiles, so that equal numbers give equal means. A number halfway between two
    means is the upper one's. A cluster that loses all its numbers keeps its mean.

    Parameters
    ----------
    values : array_like of float
    count : int
        Number of clusters, at least 1 and at most the different values.
    rounds : int
        Most rounds; it ends early once nothing changes.
    """
    values = np.sort(finite(values, "Values").ravel())
    if not 1 <= count <= len(np.unique(values)):
        raise ValueError(f"Count must be in range [1, {len(np.unique(values))}], the number of "
                         f"different values, not {count}")
    means = np.quantile(values, (np.arange(count) + 0.5) / count)
    for _ in range(rounds):
        ends = np.searchsorted(values, (means[:-1] + means[1:]) / 2, side="left")
        groups = np.split(values, ends)
        moved = np.array([group.mean() if len(group) else mean
                          for group, mean in zip(groups, means, strict=True)])
        if np.array_equal(moved, means):
            break
        means = moved
    return means


def codebook_for(values, count: int, *, magnitude: int = MAGNITUDE) -> tuple[Codebook, float]:
    """Codebook for numbers, and the real number of one of its levels.

    The means of :func:`k_means` are snapped to integers, ties up, in units of the largest mean's
    magnitude over ``magnitude``. Means that fall together are one level; two levels remain at
    least.

    Parameters
    ----------
    values : array_like of float
        Numbers of at least two different values.
    count : int
        Largest number of levels, 2 to :data:`golden.formats.MAX_LEVELS`.
    magnitude : int
        Largest magnitude of a level.
    """
    if not 2 <= count <= MAX_LEVELS:
        raise ValueError(f"Count must be in range [2, {MAX_LEVELS}], not {count}")
    if not 1 <= magnitude <= CODEBOOK_RANGE.max:
        raise ValueError(f"Magnitude must be in range [1, {CODEBOOK_RANGE.max}], not {magnitude}")
    values = finite(values, "Values")
    means = k_means(values, min(count, len(np.unique(values))))
    step = float(np.abs(means).max()) / magnitude
    if step == 0:
        raise ValueError("Values must be at least two different ones, not all 0")
    levels = np.unique(np.floor(means / step + 0.5).astype(np.int64))
    if len(levels) < 2:
        raise ValueError(f"Values must be apart, not all near {means[0]}")
    return Codebook(levels.tolist()), step
