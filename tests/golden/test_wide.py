"""Integers that int64 does not hold, through everything that pads, shifts or adds them up."""

import itertools
from fractions import Fraction

import numpy as np
import pytest

from golden import ops
from golden.block_scaled import matmul
from golden.contracts import parse as contract
from golden.formats import BLOCK, IntFormat, parse
from golden.layers.linear import sum_ends
from golden.networks import Conv2d, Dense, Network, Quantization, Tensor
from golden.ranges import Range, weights_ends
from golden.run import run
from golden.runtimes.onnx_ops import matmul_integer
from tests.golden.definitions import ROUND

CFLOAT = parse("cfloat8_1_5_2")


def wide(shape, bits, rng):
    """Python integers of up to so many bits, of either sign."""
    values = [int(rng.integers(0, 2)) * 2 - 1 for _ in range(int(np.prod(shape)))]
    values = [sign * int.from_bytes(rng.bytes(bits // 8 + 1)) >> int(rng.integers(8, 16))
              for sign in values]
    made = np.empty(len(values), dtype=object)
    made[:] = values
    return made.reshape(shape)


def are_python_integers(values):
    return values.dtype == object and {type(value) for value in values.flat} == {int}


def test_a_sum_that_begins_in_the_padding():
    x, w = np.full((1, 1, 2, 1), 2**31), np.full((1, 1, 3, 1), 2**31)
    assert ops.conv2d(x, w, padding=((0, 0), (1, 0))).tolist() == [[[[2**63]]]]


def taps(x, size, stride, padding):
    """What each window sees of one channel: lists, row by row, without the padding."""
    (top, bottom), (left, right) = padding
    height, width = x.shape
    for row, column in itertools.product(
            range(-top, height + bottom - size[0] + 1, stride[0]),
            range(-left, width + right - size[1] + 1, stride[1])):
        yield {(i, j): x[row + i, column + j] for i, j in np.ndindex(*size)
               if 0 <= row + i < height and 0 <= column + j < width}


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_convolution(groups, rng):
    x, w = wide((1, 4, 5, 4), 64, rng), wide((4, 2, 3, 4 // groups), 40, rng)
    zero_point, padding = 2**66 + 1, ((1, 0), (2, 1))
    got = ops.conv2d(x, w, x_zero_point=zero_point, padding=padding, stride=(1, 2), groups=groups)
    assert are_python_integers(got)
    each = 4 // groups
    for output in range(4):
        inputs = range(output // each * each, output // each * each + each)
        windows = [list(taps(x[0, :, :, k], (2, 3), (1, 2), padding)) for k in inputs]
        wanted = [sum((value - zero_point) * w[output, *tap, place]
                      for place, window in enumerate(same) for tap, value in window.items())
                  for same in zip(*windows, strict=True)]
        assert got[0, :, :, output].ravel().tolist() == wanted


@pytest.mark.parametrize("bits", [48, 62, 64, 80])
def test_pools(bits, rng):
    x = wide((1, 5, 6, 1), bits, rng)
    padding = ((1, 1), (1, 0))
    windows = [list(window.values()) for window in taps(x[0, :, :, 0], (2, 3), (1, 1), padding)]
    shape = {"size": (2, 3), "stride": (1, 1), "padding": padding}
    assert ops.average_pool(x, **shape).ravel().tolist() == [
        ROUND["half_away"](Fraction(sum(window), len(window))) for window in windows]
    got = ops.max_pool(x, **shape)
    assert got.ravel().tolist() == [max(window) for window in windows]
    assert are_python_integers(got)
    # The least of all, which the padding has too.
    least = np.full((1, 2, 2, 1), -2**62, dtype=object)
    assert are_python_integers(ops.max_pool(least, size=(2, 2), stride=(1, 1), padding=padding))


def test_products(rng):
    a, b = wide((3, 7), 70, rng), wide((7, 2), 20, rng)
    wanted = [[sum(a[i, k] * b[k, j] for k in range(7)) for j in range(2)] for i in range(3)]
    assert ops.matmul(a, b).tolist() == wanted
    assert ops.dense(a, b.T).tolist() == wanted
    assert ops.dot(a[:, None], b.T).tolist() == wanted


def test_blocks_that_are_not_full(rng):
    x, w = wide((2, BLOCK + 1), 70, rng), wide((3, BLOCK + 1), 70, rng)
    x_codes, w_codes = np.array([[127, 130], [125, 128]]), np.array([[127, 127]] * 3)
    got = matmul(x, x_codes, w, w_codes, base=250)
    assert are_python_integers(got)
    for i, j in np.ndindex(2, 3):
        assert got[i, j] == sum(
            x[i, k] * w[j, k] * 2**int(x_codes[i, k // BLOCK] + 127 - 250)
            for k in range(BLOCK + 1))


def test_range_of_weights():
    """Each is of 62 bits, as those that exponents have shifted may be; their sum is not."""
    assert weights_ends(np.full((1, 8), 2**61), Range(-1, 3)).tolist() == [[-2**64], [3 * 2**64]]
    assert weights_ends(np.full((1, 8), -2**63), Range(0, 1)).tolist() == [[-2**66], [0]]


def test_range_of_block_scaled_weights():
    fmt = parse("mx_cfloat8_1_5_2")
    layer = Dense(name="dense", inputs=("input",), output=Quantization(parse("s8")),
                  contract=contract("half_up"), parameters={},
                  weights=np.full((1, 2 * BLOCK), 2**32), weight=Quantization(fmt),
                  exponents=np.array([[127, 127 + 29]]))
    network = Network(name="network", inputs=(
        Tensor("input", Quantization(parse("u1")), (2 * BLOCK,)),))
    assert sum_ends(layer, network).tolist() == [[0], [BLOCK * (2**32 + 2**61)]]


def test_differences():
    a, b = np.array([[2**63 - 1]]), np.array([[1]])
    assert ops.centred(a, -1).tolist() == [[2**63]]
    assert ops.centred(-a, 2).tolist() == [[-2**63 - 1]]
    with pytest.raises(ValueError, match=r"^Sum must be in range \[-2147483648, 2147483647\] of "
                                         r"s32, not 9223372036854775808 at index \(0, 0\)$"):
        matmul_integer(a, b, -1)


@pytest.mark.parametrize("width", [63, 64, 65, 80])
@pytest.mark.parametrize("signed", [True, False])
def test_codes(width, signed):
    fmt = IntFormat(width, signed=signed)
    for levels in ([0, 1, 5], [fmt.max, fmt.min, 1]):
        codes = fmt.encode(levels)
        assert codes.tolist() == [level % 2**width for level in levels]
        assert fmt.decode(codes.tolist()).tolist() == levels


@pytest.mark.parametrize("sign", [1, -1])
def test_network_of_floats(sign):
    """The sum, 2**63, begins in the padding."""
    layer = Conv2d(
        name="conv", inputs=("input",), output=Quantization(CFLOAT), contract=contract("half_up"),
        weights=np.full((1, 1, 3, 1), 2**31), weight=Quantization(CFLOAT),
        parameters={"bias": [0], "multiplier": [1], "shift": [33], "clamp_min": [CFLOAT.min],
                    "clamp_max": [CFLOAT.max]}, padding=((0, 0), (1, 0)))
    network = Network(name="network", layers=(layer,), inputs=(
        Tensor("input", Quantization(CFLOAT), (1, 2, 1)),))
    x = np.full((1, 1, 2, 1), sign * 2**31)
    assert run(network, x)["conv"].tolist() == [[[[sign * 2**30]]]]
