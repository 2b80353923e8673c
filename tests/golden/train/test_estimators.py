"""Forward and gradient against numpy, by definition.

Numbers are multiples of powers of two wherever the operation is exact in float32: equality. Else
the test says what rounds: roots, tanh and long sums, whose order JAX chooses.
"""

import zlib

import numpy as np
import pytest

from golden.affine import quantize
from golden.formats import Codebook, parse
from golden.networks import Quantization

jax = pytest.importorskip("jax")

from golden.train import estimators as made  # noqa: E402  (needs JAX)

FORMATS = ["s4", "s4n", "s2", "u4", "u2", "odd4", "odd2", "ternary", "binary", "bit", "e4m3fn",
           "e5m2", "codebook:-7/-2/0/1/5"]
LEAST = np.float32(2.0**-23)
"""Relative error of one rounding to float32, twice."""


@pytest.fixture
def rng(request):
    return np.random.default_rng(zlib.crc32(request.node.nodeid.encode()))


def gradients(estimate, g, *arguments):
    """Gradients of ``sum(g * estimate.real)`` by each argument."""
    return jax.grad(lambda *own: (g * estimate(*own).real).sum(),
                    argnums=tuple(range(len(arguments))))(*arguments)


def eighths(rng, shape, most=8):
    return (rng.integers(-8 * most, 8 * most, shape) / 8).astype(np.float32)


@pytest.mark.parametrize("name", FORMATS)
def test_learned_step(rng, name):
    fmt = parse(name)
    # Some numbers beyond either end, ties among them; 64 of them.
    step = np.float32(0.5 if fmt.unit == 0 else 2.0**-4)
    x = eighths(rng, (4, 16), 12) * np.float32(max(1, fmt.max // 8)) * step
    g = eighths(rng, x.shape)
    v = x.astype(np.float64) / step
    levels = np.asarray(quantize(x, Quantization(fmt, float(step) / 2.0**fmt.unit)))
    found = made.learned_step(x, step, fmt)
    np.testing.assert_array_equal(found.levels, levels)
    np.testing.assert_array_equal(found.real, levels * step)
    by_x, by_step = gradients(lambda *own: made.learned_step(*own, fmt), g, x, step)
    inside = (fmt.min < v) & (v < fmt.max)
    assert inside.any() and not inside.all()
    np.testing.assert_array_equal(by_x, g * inside)
    slope = np.where(inside, levels - v, levels) / np.sqrt(x.size * fmt.max)
    if fmt.max == 1:  # the root of 64 * 1 is a power of two: all is exact
        assert by_step == (g * slope).sum()
    else:
        np.testing.assert_allclose(by_step, (g * slope).sum(),
                                   atol=x.size * LEAST * np.abs(g * slope).max())


def test_learned_step_of_channels(rng):
    fmt, step = parse("ternary"), np.float32([[0.5], [0.25], [2], [1]])
    x, g = eighths(rng, (4, 16), 3), eighths(rng, (4, 16))
    found = made.learned_step(x, step, fmt)
    _, by_step = gradients(lambda *own: made.learned_step(*own, fmt), g, x, step)
    for row, own in enumerate(step):
        alone = made.learned_step(x[row], own[0], fmt)
        np.testing.assert_array_equal(found.real[row], alone.real)
        _, by_own = gradients(lambda *each: made.learned_step(*each, fmt), g[row], x[row], own[0])
        assert by_step[row, 0] == by_own


def test_a_margin_lets_more_pass_and_changes_no_level(rng):
    fmt, x, g = parse("bit"), eighths(rng, 64, 2), np.ones(64, np.float32)
    plain, wide = (made.learned_step(x, np.float32(1), fmt, margin=margin) for margin in (0, 0.5))
    np.testing.assert_array_equal(plain.real, wide.real)
    by_x, _ = gradients(lambda *own: made.learned_step(*own, fmt, margin=0.5), g, x, np.float32(1))
    np.testing.assert_array_equal(by_x, (x > -0.5) & (x < 1.5))


@pytest.mark.parametrize("name", FORMATS)
def test_levels_of_any_float32(rng, name):
    """Division and comparison are IEEE's, so that numpy's float32 gives the same levels."""
    fmt = parse(name)
    step = np.float32(rng.uniform(0.01, 2))
    x = (rng.normal(size=1000) * fmt.max * step / 2).astype(np.float32)
    v = x / step
    levels = fmt.levels()
    distance = np.abs(v.astype(np.float64)[:, None] - levels)
    expected = levels[len(levels) - 1 - np.argmin(distance[:, ::-1], axis=1)]  # ties go up
    np.testing.assert_array_equal(made.learned_step(x, step, fmt).levels, expected)


def test_the_largest_number_below_a_tie():
    below = np.nextafter(np.float32(0.5), np.float32(0))
    assert made.nearest(below, parse("s4")) == 0 and made.nearest(np.float32(0.5), parse("s4")) == 1


def test_a_format_without_a_positive_level():
    with pytest.raises(ValueError, match=r"^Format must have a positive level, not s1$"):
        made.learned_step(np.zeros(3, np.float32), np.float32(1), parse("s1"))


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_dorefa_weights(rng, bits):
    """Not equal but near: tanh has no exact value."""
    w, g = (rng.normal(size=(4, 16)).astype(np.float32) for _ in range(2))
    most = 2**bits - 1
    t = np.tanh(w.astype(np.float64))
    largest = np.unravel_index(np.argmax(np.abs(t)), t.shape)
    scaled = most * (t / (2 * np.abs(t[largest])) + 0.5)
    assert np.abs(scaled - np.floor(scaled) - 0.5).min() > 1e-4  # no tie that could be missed
    expected = 2 * np.floor(scaled + 0.5) / most - 1
    found = made.dorefa_weights(w, bits)
    np.testing.assert_array_equal(found.levels, np.round(expected * most))
    np.testing.assert_array_equal(found.real, np.asarray(found.levels) * np.float32(1 / most))
    by_t = g / np.abs(t[largest])
    by_t[largest] -= np.sign(t[largest]) * (g * t).sum() / t[largest]**2
    by_w, = gradients(lambda own: made.dorefa_weights(own, bits), g, w)
    np.testing.assert_allclose(by_w, by_t * (1 - t**2), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_dorefa_activations(rng, bits):
    x, g = eighths(rng, 64, 2), eighths(rng, 64)
    most = 2**bits - 1
    levels = np.floor(np.clip(x, 0, 1) * most + 0.5)
    found = made.dorefa_activations(x, bits)
    np.testing.assert_array_equal(found.levels, levels)
    np.testing.assert_array_equal(found.real, levels.astype(np.float32) * np.float32(1 / most))
    by_x, = gradients(lambda own: made.dorefa_activations(own, bits), g, x)
    np.testing.assert_array_equal(by_x, g * ((x >= 0) & (x <= 1)))


def test_ternary(rng):
    w, g = eighths(rng, (4, 16), 1), eighths(rng, (4, 16))
    w[3] = 0
    found = made.ternary(w)
    for row, own in enumerate(w):
        size = np.abs(own)
        beyond = size > 0.7 * size.mean()
        scale = size[beyond].sum() / np.float32(beyond.sum()) if beyond.any() else 1
        np.testing.assert_array_equal(found.levels[row], np.sign(own) * beyond)
        np.testing.assert_array_equal(found.real[row], np.sign(own) * beyond * np.float32(scale))
    np.testing.assert_array_equal(gradients(made.ternary, g, w)[0], g)


@pytest.mark.parametrize("axes", [(), None])
def test_binary(rng, axes):
    w, g = eighths(rng, (4, 16), 1), eighths(rng, (4, 16))
    w[3] = 0
    mean = np.abs(w).mean(keepdims=True) if axes is None else np.abs(w).mean(1, keepdims=True)
    sign = np.where(w >= 0, 1, -1)
    found = made.binary(w, axes)
    np.testing.assert_array_equal(found.levels, sign)
    np.testing.assert_array_equal(found.real, sign * np.where(mean > 0, mean, 1))
    np.testing.assert_array_equal(gradients(lambda own: made.binary(own, axes), g, w)[0], g)


def test_one_bit_of_dorefa_is_binary(rng):
    w = eighths(rng, (4, 16), 1)
    np.testing.assert_array_equal(made.dorefa_weights(w, 1).real, made.binary(w, None).real)


def test_learned_levels(rng):
    table, step = np.float32([-7.25, -2, 0.375, 0.5, 5]), np.float32(0.5)
    x, g = eighths(rng, (4, 16), 5), eighths(rng, (4, 16))
    book = Codebook([-7, -2, 0, 1, 5])  # 0.5 is a tie, and goes up
    found, same = made.learned_levels(x, step, table), made.learned_step(x, step, book)
    np.testing.assert_array_equal(found.real, same.real)
    by_x, by_step, by_table = gradients(made.learned_levels, g, x, step, table)
    by_own, _ = gradients(lambda *own: made.learned_step(*own, book), g, x, step)
    np.testing.assert_array_equal(by_x, by_own)
    np.testing.assert_array_equal(
        by_table, [step * g[np.asarray(found.levels) == level].sum() for level in book.table])
    v, levels = x / step, np.asarray(found.levels)
    slope = np.where((v > -7) & (v < 5), levels - v, levels) / np.sqrt(64 * 7)
    np.testing.assert_allclose(by_step, (g * slope).sum(),
                               atol=64 * LEAST * np.abs(g * slope).max())


def test_snapped(rng):
    x, g, step = eighths(rng, 64), eighths(rng, 64), np.float32(0.25)
    np.testing.assert_array_equal(made.snapped(x, step), np.floor(x / step + 0.5) * step)
    by_x, by_step = jax.grad(lambda *own: (g * made.snapped(*own)).sum(), (0, 1))(x, step)
    np.testing.assert_array_equal(by_x, g)
    assert by_step == 0


def test_straight_through_is_exact():
    value, carrier = np.float32(0.1), np.float32(1e8)
    assert carrier + (value - carrier) != value
    assert made.straight_through(value, carrier) == value
    assert jax.grad(lambda x: made.straight_through(value, 3 * x))(carrier) == 3
