"""Inner products whose sums have a term of the weights more, for which products are smaller.

Hardware takes *codes* that are never negative, ``a' = a + A`` and ``w' = w + W``, with the
:func:`offset` of each format. By the name of the inner product it then computes, for one lane or
for two ::

    codes      a' w' - W a' = a w + A w
    winograd   (a0' + w1')(a1' + w0') - a0' a1' - W (a0' + a1')
                   = a0 w0 + a1 w1 + w0' w1' + A (w0 + w1)

What is subtracted has no weight in it. What remains beside the products, the *weights' term*, has
no activation: a driver subtracts it from the bias. Winograd's identity holds for any numbers:
``a0 w0 + a1 w1 = (a0 + w1)(a1 + w0) - a0 a1 - w0 w1``.
"""

from itertools import product
from typing import Literal

import numpy as np

from golden.formats import Format, IntFormat
from golden.ranges import Range, levels_range

__all__ = ["Folded", "INNER_PRODUCTS", "InnerProduct", "check_formats", "code_sum", "offset",
           "products_range", "sums_range", "weights_term"]

Folded = Literal["codes", "winograd"]

InnerProduct = Literal["direct"] | Folded

INNER_PRODUCTS = ("direct", "codes", "winograd")
"""Names of inner products: products as they are, and those with a term of the weights."""


def check_formats(kind: Folded, weights: Format, activations: Format, lanes: int):
    """Raise ``ValueError`` unless an inner product can be that of two formats."""
    for name, fmt in (("weights", weights), ("activations", activations)):
        if not isinstance(fmt, IntFormat):
            raise ValueError(f"Inner product must be direct for {name} of format {fmt}, "
                             f"not {kind}")
        if fmt.bits < 2:
            raise ValueError(f"Inner product must be direct for {name} of one bit, {fmt}, "
                             f"not {kind}")
    if kind == "codes" and not offset(weights):
        raise ValueError(f"Inner product must be direct for weights without a sign, {weights}, "
                         f"not {kind}")
    if kind == "winograd" and lanes % 2:
        raise ValueError(f"Lanes must be even for inner product winograd, not {lanes}")


def offset(fmt: Format) -> int:
    """Return the number that makes each level of integers a code: it inverts a sign's bit."""
    return 1 << fmt.bits - 1 if fmt.min < 0 else 0


def code_sum(weights: Format, activations: Format) -> int:
    """Largest sum of a weight's code and an activation's."""
    return (1 << weights.bits) + (1 << activations.bits) - 2


def products_range(kind: Folded, weights: Format, activations: Format, lanes: int) -> Range:
    """Range of the sum of products before anything is subtracted."""
    if kind == "winograd":
        return Range(0, code_sum(weights, activations)**2).times(lanes // 2)
    return Range(0, ((1 << weights.bits) - 1) * ((1 << activations.bits) - 1)).times(lanes)


def weights_term(kind: Folded, levels: np.ndarray, weights: Format, activations: Format
                 ) -> np.ndarray:
    """Weights' term of a sum: ``A sum(w)``, and for ``winograd`` also ``sum(w0' w1')``.

    Parameters
    ----------
    kind : str
        Inner product.
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
    term = offset(activations) * levels.sum(axis=-1)
    if kind == "winograd":
        codes = levels + offset(weights)
        term = term + (codes[..., ::2] * codes[..., 1::2]).sum(axis=-1)
    return term


def sums_range(kind: Folded, weights: Format, activations: Format, lanes: int) -> Range:
    """Range of a tile's sum of so many products, with the weights' term."""
    pair = 2 if kind == "winograd" else 1
    # The sum is linear in each of its numbers, so the ends of these suffice.
    ends = [[own.lo, own.hi] for own in (levels_range(weights), levels_range(activations))]
    sums = [sum(x * y for x, y in zip(w, a, strict=True))
            + int(weights_term(kind, np.array(w), weights, activations))
            for w in product(ends[0], repeat=pair) for a in product(ends[1], repeat=pair)]
    return Range(min(sums), max(sums)).times(lanes // pair)
