"""Infinities and NaN in sums of products, by the rules of IEEE 754.

Among a tensor's levels they are :data:`golden.formats.NAN` and plus or minus
:data:`golden.formats.INFINITY`. The numbers of products that are NaN, infinity and minus infinity
decide whether a sum is; these counts add up as the sums do.
"""

import numpy as np

from golden import ops
from golden.formats import INFINITY, NAN, Format

__all__ = ["numbers", "as_floats", "count", "resolve"]


def numbers(levels: np.ndarray) -> np.ndarray:
    """Return ``levels`` with 0 in place of infinities and NaN."""
    return np.where(np.abs(levels) >= NAN, 0, levels)


def as_floats(levels: np.ndarray) -> np.ndarray:
    """Return ``levels`` as ``float64``, with its infinities and NaN."""
    levels = np.asarray(levels)
    floats = np.where(levels == NAN, np.nan, levels.astype(np.float64))
    return np.where(np.abs(levels) == INFINITY, np.copysign(np.inf, levels), floats)


def count(x: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Count the products that are NaN, infinity and minus infinity in each sum of a matrix product.

    A product is NaN if a factor is, or if infinity meets 0.

    Parameters
    ----------
    x : array of levels, ``(..., m, k)``
    weights : array of levels, ``(..., n, k)``

    Returns
    -------
    array of int64, ``(3, ..., m, n)``
    """
    def kinds(levels):
        levels = np.asarray(levels)
        nan, infinite = levels == NAN, np.abs(levels) == INFINITY
        return nan, infinite, (levels > 0) & ~nan, levels < 0, levels == 0

    nan_x, infinite_x, positive_x, negative_x, zero_x = kinds(x)
    nan_w, infinite_w, positive_w, negative_w, zero_w = kinds(weights)

    def products(left, right):
        return ops.matmul(left.astype(np.int64), np.swapaxes(right, -1, -2).astype(np.int64))

    def infinite(positive, negative):
        # Infinite products of one sign: factors of these signs, of which one or both are infinite.
        return sum(products(left & infinite_x, right) + products(left, right & infinite_w)
                   for left, right in (positive, negative))

    nan = (products(nan_x, np.ones_like(nan_w)) + products(np.ones_like(nan_x), nan_w)
           + products(infinite_x, zero_w) + products(zero_x, infinite_w))
    return np.stack([nan, infinite((positive_x, positive_w), (negative_x, negative_w)),
                     infinite((positive_x, negative_w), (negative_x, positive_w))])


def resolve(levels: np.ndarray, counts: np.ndarray, output: Format) -> np.ndarray:
    """Put infinities and NaN into results, by the counts of :func:`count`.

    A sum is NaN if a product is, or if infinities of both signs meet. An output without infinities
    has NaN in their place.
    """
    nan, up, down = counts > 0
    infinity = INFINITY if output.contains(INFINITY) else NAN
    results = np.where(up, infinity, np.where(down, -infinity if infinity != NAN else NAN, levels))
    return np.where(nan | (up & down), NAN, results)
