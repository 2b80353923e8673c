"""Winograd's inner product: the identity, and the range of the sums."""

from itertools import product

import numpy as np
import pytest

from golden.formats import parse
from golden.ranges import Range
from golden.winograd import check_formats, offset, pairs_range, products_range, weights_term

PAIRS = [("s2", "u2"), ("s4", "s4"), ("u3", "s5"), ("s1", "u4"), ("ternary", "s3"), ("s3n", "bit")]


@pytest.mark.parametrize("weights, activations", PAIRS)
def test_sums_and_their_range_for_all_levels(weights, activations):
    weights, activations = parse(weights), parse(activations)
    w = np.array(list(product(weights.levels().tolist(), repeat=2)))[:, None]
    a = np.array(list(product(activations.levels().tolist(), repeat=2)))[None]
    codes, others = w + offset(weights), a + offset(activations)
    assert codes.min() >= 0 and others.min() >= 0
    products = ((others[..., 0] + codes[..., 1]) * (others[..., 1] + codes[..., 0]))
    term = others.prod(axis=-1) + offset(weights) * others.sum(axis=-1)
    sums = products - term
    np.testing.assert_array_equal(
        sums, (a * w).sum(axis=-1) + weights_term(w, weights, activations))
    assert pairs_range(weights, activations, 1) == Range(int(sums.min()), int(sums.max()))
    assert Range(int(products.min()), int(products.max())) in products_range(
        weights, activations, 1)


def test_more_pairs_add_up(rng):
    s4, u5 = parse("s4"), parse("u5")
    w = rng.integers(-8, 8, (7, 10))
    own = sum(weights_term(w[:, k:k + 2], s4, u5) for k in range(0, 10, 2))
    np.testing.assert_array_equal(weights_term(w, s4, u5), own)
    assert pairs_range(s4, u5, 5) == pairs_range(s4, u5, 1).times(5)


@pytest.mark.parametrize("weights, activations, lanes, message", [
    ("odd4", "s4", 4, "Inner product must be direct for weights of format odd4, not winograd"),
    ("s4", "e2m1", 4, "Inner product must be direct for activations of format e2m1, not winograd"),
    ("s4", "s1", 4, "Inner product must be direct for activations of one bit, s1, not winograd"),
    ("s4", "s4", 3, "Lanes must be even for inner product winograd, not 3")])
def test_what_cannot_be_paired_is_refused(weights, activations, lanes, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        check_formats(parse(weights), parse(activations), lanes)
