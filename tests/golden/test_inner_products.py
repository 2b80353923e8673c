"""Inner products of codes: the identities, and the range of the sums."""

from itertools import product

import numpy as np
import pytest

from golden.formats import parse
from golden.inner_products import (
    check_formats,
    offset,
    products_range,
    sums_range,
    weights_term,
)
from golden.ranges import Range

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
        sums, (a * w).sum(axis=-1) + weights_term("winograd", w, weights, activations))
    assert sums_range("winograd", weights, activations, 2) == Range(int(sums.min()),
                                                                    int(sums.max()))
    assert Range(int(products.min()), int(products.max())) in products_range(
        "winograd", weights, activations, 2)


@pytest.mark.parametrize("weights, activations", PAIRS)
def test_sums_of_codes_for_all_levels(weights, activations):
    weights, activations = parse(weights), parse(activations)
    w, a = weights.levels()[:, None, None], activations.levels()[None, :, None]
    products = (a + offset(activations)) * (w + offset(weights))
    sums = (products - offset(weights) * (a + offset(activations)))[..., 0]
    np.testing.assert_array_equal(
        sums, (a * w)[..., 0] + weights_term("codes", w, weights, activations))
    assert sums_range("codes", weights, activations, 3) == Range(
        int(sums.min()), int(sums.max())).times(3)
    assert Range(int(products.min()), int(products.max())) in products_range(
        "codes", weights, activations, 1)


def test_more_pairs_add_up(rng):
    s4, u5 = parse("s4"), parse("u5")
    w = rng.integers(-8, 8, (7, 10))
    for kind in ("codes", "winograd"):
        own = sum(weights_term(kind, w[:, k:k + 2], s4, u5) for k in range(0, 10, 2))
        np.testing.assert_array_equal(weights_term(kind, w, s4, u5), own)
        assert sums_range(kind, s4, u5, 10) == sums_range(kind, s4, u5, 2).times(5)


@pytest.mark.parametrize("weights, activations, lanes, message", [
    ("odd4", "s4", 4, "Inner product must be direct for weights of format odd4, not winograd"),
    ("s4", "e2m1", 4, "Inner product must be direct for activations of format e2m1, not winograd"),
    ("s4", "s1", 4, "Inner product must be direct for activations of one bit, s1, not winograd"),
    ("s4", "s4", 3, "Lanes must be even for inner product winograd, not 3")])
def test_what_cannot_be_paired_is_refused(weights, activations, lanes, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        check_formats("winograd", parse(weights), parse(activations), lanes)


@pytest.mark.parametrize("weights, message", [
    ("e2m1", "Inner product must be direct for weights of format e2m1, not codes"),
    ("u4", "Inner product must be direct for weights without a sign, u4, not codes")])
def test_what_has_no_codes_is_refused(weights, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        check_formats("codes", parse(weights), parse("s4"), 3)
