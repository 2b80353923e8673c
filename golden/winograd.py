"""Winograd's inner product: one product for two, and what a tile's sums have more for it.

For any numbers ``a0 w0 + a1 w1 = (a0 + w1)(a1 + w0) - a0 a1 - w0 w1``. Hardware takes *codes* that
are never negative, ``a' = a + A`` and ``w' = w + W``, with the :func:`offset` of each format. Of
the products of a pair of lanes it then computes ::

    (a0' + w1')(a1' + w0') - a0' a1' - W (a0' + a1')
        = a0 w0 + a1 w1 + w0' w1' + A (w0 + w1)

The two terms that are subtracted have no weight in them; the two that remain, the *weights' term*,
have no activation. A driver subtracts the latter from the bias.
"""

import numpy as np

from golden.formats import Format, IntFormat
from golden.ranges import Range, levels_range

__all__ = ["check_formats", "code_sum", "offset", "pairs_range", "products_range", "weights_term"]


def check_formats(weights: Format, activations: Format, lanes: int):
    """Raise ``ValueError`` unless products of two formats can be paired, lane by lane."""
    for name, fmt in (("weights", weights), ("activations", activations)):
        if not isinstance(fmt, IntFormat):
            raise ValueError(f"Inner product must be direct for {name} of format {fmt}, "
                             "not winograd")
        if fmt.bits < 2:
            raise ValueError(f"Inner product must be direct for {name} of one bit, {fmt}, "
                             "not winograd")
    if lanes % 2:
        raise ValueError(f"Lanes must be even for inner product winograd, not {lanes}")


def offset(fmt: Format) -> int:
    """Return the number that makes each level of integers a code: it inverts a sign's bit."""
    return 1 << fmt.bits - 1 if fmt.min < 0 else 0


def code_sum(weights: Format, activations: Format) -> int:
    """Largest sum of a weight's code and an activation's."""
    return (1 << weights.bits) + (1 << activations.bits) - 2


def products_range(weights: Format, activations: Format, pairs: int) -> Range:
    """Range of the sum of so many products of two such sums, both terms included."""
    return Range(0, code_sum(weights, activations)**2).times(pairs)


def weights_term(levels: np.ndarray, weights: Format, activations: Format) -> np.ndarray:
    """Weights' term of a sum: ``sum(w0' w1') + A sum(w)``.

    Parameters
    ----------
    levels : array ``(..., K)``
        Levels of the weights, those of idle lanes included; lanes ``2 k`` and ``2 k + 1`` are a
        pair.
    weights, activations : Format
        Formats of integers.

    Returns
    -------
    array of int64 ``(...)``
    """
    levels = np.asarray(levels, dtype=np.int64)
    codes = levels + offset(weights)
    return ((codes[..., ::2] * codes[..., 1::2]).sum(axis=-1)
            + offset(activations) * levels.sum(axis=-1))


def pairs_range(weights: Format, activations: Format, pairs: int) -> Range:
    """Range of a tile's sum of so many pairs of products, with the weights' term."""
    products = levels_range(weights), levels_range(activations)
    # The sum is linear in each of its four numbers, so the ends of these suffice.
    ends = [a * w + a1 * w1 + (w + offset(weights)) * (w1 + offset(weights))
            + offset(activations) * (w + w1)
            for w in (products[0].lo, products[0].hi) for w1 in (products[0].lo, products[0].hi)
            for a in (products[1].lo, products[1].hi) for a1 in (products[1].lo, products[1].hi)]
    return Range(min(ends), max(ends)).times(pairs)
