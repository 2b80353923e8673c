import numpy as np
import pytest

from golden.formats import Codebook
from golden.train.codebooks import codebook_for, k_means


def test_k_means_by_hand():
    np.testing.assert_array_equal(k_means([0, 1, 10, 11, 20, 22], 3), [0.5, 10.5, 21])
    np.testing.assert_array_equal(k_means([3, 1, 2], 3), [1, 2, 3])


def test_k_means_is_a_fixed_point():
    """Each mean is that of the numbers nearest to it, by definition."""
    values = np.random.default_rng(0).normal(size=500)
    means = k_means(values, 8, rounds=1000)
    nearest = np.argmin(np.abs(values[:, None] - means), axis=1)
    for index, mean in enumerate(means):
        assert mean == pytest.approx(values[nearest == index].mean(), rel=1e-12)  # sums round


def test_levels_are_the_means_in_units_of_the_largest():
    book, step = codebook_for([-1, -1, 0.25, 0.25, 0.5], 3, magnitude=8)
    assert book == Codebook([-8, 2, 4]) and step == 1 / 8


def test_means_that_fall_together_are_one_level():
    book, _ = codebook_for([-1, 0.001, 0.002, 1], 4, magnitude=7)
    assert book == Codebook([-7, 0, 7])


@pytest.mark.parametrize("arguments, message", [
    (([1, 2], 17), r"Count must be in range \[2, 16\], not 17"),
    (([1, 2], 1), r"Count must be in range \[2, 16\], not 1"),
    (([0, 0], 2), "Values must be at least two different ones, not all 0"),
    (([1, 1], 2), r"Values must be apart, not all near 1\.0"),
    (([1, np.nan], 2), "Values must be finite, not nan"),
])
def test_bad_values(arguments, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        codebook_for(*arguments)


def test_bad_magnitude():
    with pytest.raises(ValueError, match=r"^Magnitude must be in range \[1, 32767\], not 32768$"):
        codebook_for([1, 2], 2, magnitude=32768)
