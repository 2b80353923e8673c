from fractions import Fraction
from itertools import product
from math import ceil, floor

import numpy as np
import pytest

from golden import ops

NONE = ((0, 0), (0, 0))


def naive_conv2d(x, w, zx=0, zw=0, stride=(1, 1), padding=NONE, dilation=(1, 1), groups=1):
    """The definition, one product at a time, in Python integers."""
    n, height, width, _ = x.shape
    outputs, kh, kw, depth = w.shape
    zw = np.broadcast_to(zw, outputs).tolist()
    oh = (height + sum(padding[0]) - (kh - 1) * dilation[0] - 1) // stride[0] + 1
    ow = (width + sum(padding[1]) - (kw - 1) * dilation[1] - 1) // stride[1] + 1
    result = np.zeros((n, oh, ow, outputs), dtype=object)
    for b, r, c, o in product(*map(range, result.shape)):
        first = o // (outputs // groups) * depth
        for i, j, d in product(range(kh), range(kw), range(depth)):
            row = r * stride[0] + i * dilation[0] - padding[0][0]
            column = c * stride[1] + j * dilation[1] - padding[1][0]
            level = zx  # what padding is filled with
            if 0 <= row < height and 0 <= column < width:
                level = int(x[b, row, column, first + d])
            result[b, r, c, o] += (level - zx) * (int(w[o, i, j, d]) - zw[o])
    return result


def naive_transpose_conv2d(x, w, stride, offset, size, zx=0, zw=0):
    """The definition of TransposeConv2d: each input pixel added to the outputs of its taps."""
    result = np.zeros((len(x), *size, len(w)), dtype=object)
    zw = np.broadcast_to(zw, len(w))
    for b, r, c in product(*map(range, x.shape[:3])):
        for o, i, j in product(*map(range, w.shape[:3])):
            row, column = r * stride[0] + i - offset[0], c * stride[1] + j - offset[1]
            if 0 <= row < size[0] and 0 <= column < size[1]:
                result[b, row, column, o] += int((x[b, r, c] - zx) @ (w[o, i, j] - zw[o]))
    return result


def naive_pool(x, kind, size, stride, padding=NONE):
    n, height, width, channels = x.shape
    oh = (height + sum(padding[0]) - size[0]) // stride[0] + 1
    ow = (width + sum(padding[1]) - size[1]) // stride[1] + 1
    result = np.zeros((n, oh, ow, channels), dtype=object)
    for b, r, c, d in product(*map(range, result.shape)):
        taps = [int(x[b, row, column, d])
                for row in range(r * stride[0] - padding[0][0],
                                 r * stride[0] - padding[0][0] + size[0])
                for column in range(c * stride[1] - padding[1][0],
                                    c * stride[1] - padding[1][0] + size[1])
                if 0 <= row < height and 0 <= column < width]
        if kind == "max":
            result[b, r, c, d] = max(taps)
        else:
            mean = Fraction(sum(taps), len(taps))
            half = Fraction(1, 2)
            result[b, r, c, d] = floor(mean + half) if mean > 0 else ceil(mean - half)
    return result


class TestExactness:
    """Sums on either side of 2**53 and 2**63, each with a last bit that a rounding would lose."""

    @pytest.mark.parametrize("limit", [53, 63])
    def test_products(self, limit):
        for offset, sign in product(range(-3, 4), (-1, 1)):
            # Terms of 2**(limit - 2) and an odd rest: the absolute sum is 2**limit + offset.
            a = np.array([2**(limit - 3)] * 7 + [1])
            b = np.array([1] * 7 + [2**(limit - 3) + offset]) * sign
            exact = sum(int(p) * int(q) for p, q in zip(a, b, strict=True))
            assert exact == sign * (2**limit // 8 * 8 + offset)
            assert int(ops.dot(a, b)) == exact
            assert ops.matmul(a[None], b[:, None]).tolist() == [[exact]]
            assert ops.matmul(b[None], a[:, None]).tolist() == [[exact]]
            assert ops.dense(a, b[None]).tolist() == [exact]
            x, w = a.reshape(1, 1, 1, 8), b.reshape(1, 1, 1, 8)
            assert ops.conv2d(x, w).item() == exact
            assert ops.conv2d(x.reshape(1, 2, 4, 1), w.reshape(1, 2, 4, 1)).item() == exact

    @pytest.mark.parametrize("limit", [53, 63])
    def test_the_bound_is_the_sum_itself(self, limit):
        """Where the operands prove no more than what is there: the last sum of each kind."""
        ones = np.ones(3, dtype=np.int64)
        for offset, sign in product(range(-2, 3), (-1, 1)):
            total = 2**limit + offset
            factor = next(n for n in (3, 2, 5, 7, 1) if total % n == 0)
            a, b = (np.array([v], dtype=object) for v in (factor, sign * (total // factor)))
            parts = sign * np.array([2**(limit - 1), 2**(limit - 1) + offset - 1, 1], dtype=object)
            for x, w in ((a, b), (b, a), (ones, parts)):
                x, w = (v if max(map(abs, v.tolist())) >= 2**63 else v.astype(np.int64)
                        for v in (x, w))
                assert int(ops.dot(x, w)) == sign * total
                assert ops.dense(x, w[None]).tolist() == [sign * total]
                for shape in ((1, 1, 1, -1), (1, 1, -1, 1)):
                    assert ops.conv2d(x.reshape(shape), w.reshape(shape)).item() == sign * total

    @pytest.mark.parametrize("limit", [53, 63])
    def test_partial_sums_beyond_the_total(self, limit):
        """Large terms that cancel: the total is small, the partial sums are not."""
        big = 2**(limit - 1)
        a, b = np.array([big - 1, 1, big - 1, 1]), np.array([2, 1, -2, 2])
        assert int(ops.dot(a, b)) == 3
        assert ops.dense(a, b[None]).tolist() == [3]
        assert ops.conv2d(a.reshape(1, 1, 1, 4), b.reshape(1, 1, 1, 4)).item() == 3
        assert ops.conv2d(a.reshape(1, 1, 4, 1), b.reshape(1, 1, 4, 1)).item() == 3

    def test_weights_that_cancel(self):
        """The bound is of absolute products: their odd parts are lost where it is not."""
        x, w = np.array([2**40 + 1, 2**40]), np.array([2**13 + 1, -2**13 - 1])
        assert ops.dense(x, w[None]).tolist() == [2**13 + 1]
        for shape in ((1, 1, 1, 2), (1, 1, 2, 1)):
            assert ops.conv2d(x.reshape(shape), w.reshape(shape)).item() == 2**13 + 1

    @pytest.mark.parametrize("bits", [20, 26, 27, 31, 32, 40, 62, 63, 64, 80])
    def test_random_operands_of_every_size(self, bits, rng):
        def draw(*shape):
            words = rng.integers(0, 2**32, (3, *shape)).astype(object)
            return (words[0] + (words[1] << 32) + (words[2] << 64)) % 2**bits - 2**(bits - 1)

        a, b, zero = draw(3, 5), draw(4, 5), int(draw(1)[0])
        exact = [[sum((p - zero) * q for p, q in zip(row, column, strict=True)) for column in b]
                 for row in a]
        assert ops.dense(a, b, x_zero_point=zero).tolist() == exact
        if bits <= 64:
            small = a.astype(np.int64), b.astype(np.int64)
            assert ops.dense(*small, x_zero_point=zero).tolist() == exact
        x, w = a.reshape(1, 3, 5, 1), b.reshape(4, 1, 5, 1)
        assert ops.conv2d(x, w, x_zero_point=zero).reshape(3, 4).tolist() == exact

    def test_zero_times_anything(self):
        assert ops.dot([2**70, 2**62 + 1], [0, 0]) == 0
        assert ops.dense([2**62 + 1], [[0], [1]]).tolist() == [0, 2**62 + 1]

    def test_extremes_of_int64(self):
        low = -2**63
        assert int(ops.dot([low], [low])) == 2**126
        assert ops.dense([low, low], [[1, 1]]).tolist() == [2 * low]
        assert ops.dense([low], [[1]], x_zero_point=1).tolist() == [low - 1]
        assert ops.dense([1], [[low]], w_zero_point=1).tolist() == [low - 1]

    @pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int16, np.uint64])
    def test_small_dtypes_do_not_wrap(self, kind):
        x = np.full((1, 300), np.iinfo(kind).max, dtype=kind)
        top = int(np.iinfo(kind).max)
        assert ops.dense(x, x).tolist() == [[300 * top**2]]
        assert ops.dense(x, x, x_zero_point=-1, w_zero_point=-1).tolist() == [[300 * (top + 1)**2]]

    def test_result_is_int64_where_it_can_be(self):
        assert ops.dense([1], [[1]]).dtype == np.int64
        assert ops.conv2d(np.ones((1, 1, 1, 1), dtype=np.int8),
                          np.ones((1, 1, 1, 1), dtype=np.int8)).dtype == np.int64


class TestDense:
    def test_zero_points_per_channel(self, rng):
        x, w = rng.integers(-8, 8, (2, 3, 7)), rng.integers(-8, 8, (4, 7))
        zw = rng.integers(-8, 8, 4)
        result = ops.dense(x, w, x_zero_point=-8, w_zero_point=zw)
        for i, j, c in np.ndindex(2, 3, 4):
            assert result[i, j, c] == sum((int(x[i, j, k]) + 8) * (int(w[c, k]) - int(zw[c]))
                                          for k in range(7))

    def test_dot_broadcasts(self, rng):
        a, b = rng.integers(-8, 8, (3, 1, 6)), rng.integers(-8, 8, (4, 6))
        np.testing.assert_array_equal(ops.dot(a, b), (a * b).sum(-1))
        np.testing.assert_array_equal(ops.matmul(b, a[0].T), b @ a[0].T)

    def test_nothing(self):
        assert ops.dense(np.zeros((0, 3), dtype=int), np.ones((2, 3), dtype=int)).shape == (0, 2)
        assert ops.dense(np.zeros((2, 0), dtype=int),
                         np.ones((1, 0), dtype=int)).tolist() == [[0], [0]]


CONVOLUTIONS = [
    dict(),
    dict(stride=(2, 1)),
    dict(stride=(1, 3)),
    dict(padding=((1, 2), (0, 1))),
    dict(padding=((3, 3), (3, 3)), stride=(2, 2)),
    dict(dilation=(2, 1)),
    dict(dilation=(1, 2), padding=((0, 0), (2, 1)), stride=(1, 2)),
    dict(groups=2),
    dict(groups=4, padding=((1, 1), (1, 1))),
    dict(groups=2, stride=(2, 2), padding=((0, 1), (1, 0)), dilation=(2, 2)),
]


@pytest.mark.parametrize("options", CONVOLUTIONS, ids=str)
@pytest.mark.parametrize("kernel", [(1, 1), (2, 3), (3, 2)])
def test_conv2d_is_the_naive_loop(options, kernel, rng):
    groups = options.get("groups", 1)
    x = rng.integers(-128, 128, (2, 6, 7, 4))
    w = rng.integers(-128, 128, (8, *kernel, 4 // groups))
    zw = rng.integers(-128, 128, 8)
    for weight_zero in (0, 3, zw):
        np.testing.assert_array_equal(
            ops.conv2d(x, w, x_zero_point=-100, w_zero_point=weight_zero, **options),
            naive_conv2d(x, w, -100, weight_zero, **options))


@pytest.mark.parametrize("stride, offset, size", [
    ((1, 1), (0, 0), (5, 6)), ((2, 2), (0, 1), (8, 7)), ((3, 2), (1, 0), (9, 12)),
    ((1, 3), (2, 1), (2, 1)), ((2, 1), (0, 9), (4, 3)), ((4, 4), (3, 3), (20, 20))], ids=str)
def test_transpose_conv2d_is_its_definition(stride, offset, size, rng):
    """Also where all of the image is left out, or where no tap reaches an output."""
    x, w = rng.integers(-128, 128, (2, 3, 4, 2)), rng.integers(-128, 128, (3, 3, 2, 2))
    for weight_zero in (3, rng.integers(-128, 128, 3)):
        np.testing.assert_array_equal(
            ops.transpose_conv2d(x, w, stride=stride, offset=offset, size=size, x_zero_point=-100,
                                 w_zero_point=weight_zero),
            naive_transpose_conv2d(x, w, stride, offset, size, -100, weight_zero))


@pytest.mark.parametrize("multiplier", [1, 3])
def test_depthwise_is_the_naive_loop(multiplier, rng):
    x, w = rng.integers(0, 256, (2, 5, 4, 3)), rng.integers(-7, 8, (3 * multiplier, 2, 2, 1))
    options = dict(stride=(2, 1), padding=((1, 0), (0, 1)))
    np.testing.assert_array_equal(ops.depthwise(x, w, x_zero_point=128, **options),
                                  naive_conv2d(x, w, 128, groups=3, **options))


def test_padding_is_worth_nothing(rng):
    """As TFLite's reference, which skips the taps outside: the same sums."""
    x, w = rng.integers(-128, 128, (1, 3, 3, 2)), rng.integers(-128, 128, (2, 3, 3, 2))
    padded = np.full((1, 5, 5, 2), 17)
    padded[:, 1:4, 1:4] = x
    np.testing.assert_array_equal(
        ops.conv2d(x, w, x_zero_point=17, padding=((1, 1), (1, 1))),
        ops.conv2d(padded, w, x_zero_point=17))


@pytest.mark.parametrize("kind, pool", [("average", ops.average_pool), ("max", ops.max_pool)])
@pytest.mark.parametrize("size, stride, padding", [
    ((1, 1), (1, 1), NONE), ((2, 2), (2, 2), NONE), ((3, 2), (1, 2), NONE),
    ((3, 3), (2, 2), ((1, 1), (1, 1))), ((3, 4), (1, 3), ((2, 2), (0, 3))),
    ((6, 7), (1, 1), NONE),
])
def test_pools_are_the_naive_loop(kind, pool, size, stride, padding, rng):
    for low, high in ((-128, 128), (-128, 0), (-3, 4)):
        x = rng.integers(low, high, (2, 6, 7, 3))
        np.testing.assert_array_equal(pool(x, size=size, stride=stride, padding=padding),
                                      naive_pool(x, kind, size, stride, padding))


@pytest.mark.parametrize("levels, mean", [
    ([1, 2], 2), ([-1, -2], -2), ([0, 1], 1), ([0, -1], -1), ([1, 1, 2], 1), ([-1, -1, -2], -1),
    ([127, 127], 127), ([-128, -128], -128), ([2**61, 2**61 + 1], 2**61 + 1),
    ([2**62, 2**62 + 1], 2**62 + 1), ([2**80, 2**80], 2**80), ([-2**63, -2**63], -2**63),
])
def test_average_goes_away_from_zero(levels, mean):
    x = np.array(levels, dtype=object).reshape(1, 1, -1, 1)
    if max(map(abs, levels)) < 2**63:
        x = x.astype(np.int64)
    assert ops.average_pool(x, size=(1, len(levels)), stride=(1, 1)).item() == mean
    assert ops.max_pool(x, size=(1, len(levels)), stride=(1, 1)).item() == max(levels)


def test_same_padding():
    for size, kernel, stride, dilation in product(range(1, 9), (1, 2, 3, 5), (1, 2, 3), (1, 2)):
        case = dict(kernel=(kernel, 2), stride=(stride, 1), dilation=(dilation, 1))
        vertical, horizontal = ops.same_padding((size, 9), **case)
        assert horizontal == (0, 1), (size, case)
        total = max((ceil(size / stride) - 1) * stride + (kernel - 1) * dilation + 1 - size, 0)
        assert vertical == (total // 2, total - total // 2), (size, case)
        sums = ops.conv2d(np.ones((1, size, 9, 1), dtype=int),
                          np.ones((1, *case.pop("kernel"), 1), dtype=int),
                          **case, padding=(vertical, horizontal))
        assert sums.shape == (1, ceil(size / stride), 9, 1), (size, kernel, case)


X, W = np.zeros((1, 4, 4, 2), dtype=int), np.zeros((2, 3, 3, 2), dtype=int)


@pytest.mark.parametrize("call, message", [
    (lambda: ops.dot([1, 2], [1]),
     r"^Operands must have equal last axes, not shapes \(2,\) and \(1,\)$"),
    (lambda: ops.dot(1, [1]), r"^Operands must have equal last axes, not shapes \(\) and \(1,\)$"),
    (lambda: ops.matmul([[1]], [1]), r"^Operands must have shapes \(\.\.\., m, k\) and "
                                     r"\(\.\.\., k, n\), not \(1, 1\) and \(1,\)$"),
    (lambda: ops.dense([1, 2], [[1]]),
     r"^Input must have a last axis of 1 features, not shape \(2,\)$"),
    (lambda: ops.dense([1], [1]), r"^Weights must have 2 axes, not shape \(1,\)$"),
    (lambda: ops.dense([1], [[1], [1]], w_zero_point=[1]),
     r"^Zero point of the weights must be a scalar or have one entry for each of 2 outputs, "
     r"not shape \(1,\)$"),
    (lambda: ops.conv2d(X, W[0]), r"^Weights must have 4 axes, not shape \(3, 3, 2\)$"),
    (lambda: ops.conv2d(X[0], W),
     r"^Input must have shape \(batch, height, width, 2\), not \(4, 4, 2\)$"),
    (lambda: ops.conv2d(X, W, groups=2),
     r"^Input must have shape \(batch, height, width, 4\), not \(1, 4, 4, 2\)$"),
    (lambda: ops.conv2d(X, W, groups=0), r"^Groups must divide the 2 outputs, not 0$"),
    (lambda: ops.conv2d(X, W, groups=3), r"^Groups must divide the 2 outputs, not 3$"),
    (lambda: ops.conv2d(X, W, stride=(0, 1)), r"^Stride must be positive, not \(0, 1\)$"),
    (lambda: ops.conv2d(X, W, dilation=(1, -1)), r"^Dilation must be positive, not \(1, -1\)$"),
    (lambda: ops.conv2d(X, W, padding=((0, -1), (0, 0))),
     r"^Padding must not be negative, not \(\(0, -1\), \(0, 0\)\)$"),
    (lambda: ops.conv2d(X, W, dilation=(2, 1)),
     r"^Input must be at least as large as the kernel \(3, 3\), not \(4, 4\) with padding "
     r"\(\(0, 0\), \(0, 0\)\)$"),
    (lambda: ops.max_pool(X[0], size=(2, 2), stride=(1, 1)),
     r"^Input must have shape \(batch, height, width, channels\), not \(4, 4, 2\)$"),
    (lambda: ops.average_pool(X, size=(0, 2), stride=(1, 1)),
     r"^Kernel must be positive, not \(0, 2\)$"),
    (lambda: ops.average_pool(X, size=(2, 2), stride=(1, 1), padding=((2, 0), (0, 0))),
     r"^Padding must be less than the window \(2, 2\), not \(\(2, 0\), \(0, 0\)\)$"),
])
def test_bad_arguments(call, message):
    with pytest.raises(ValueError, match=message):
        call()
