"""Lowered layers against golden's sums: gather, multiply, scatter."""

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golden import ops
from golden.contracts import parse as contract
from golden.formats import parse
from golden.networks import (
    Conv2d,
    Dense,
    Quantization,
    Reduce,
    Reshape,
    Tensor,
    TransposeConv2d,
)
from hw.drive import Loops, lower

S8, ODD4 = parse("s8"), parse("odd4")
ONE, TWO, THREE = st.integers(1, 1), st.integers(1, 2), st.integers(1, 3)
WIDTHS = st.integers(0, 2)
pair = st.tuples
EXAMPLES = settings(max_examples=120, derandomize=True, deadline=None, database=None)


def quantization(rng, size=()):
    return Quantization(S8, np.ones(size) if size else 1.0, rng.integers(-128, 128, size))


def fields(rng, channels):
    """Of which only the bias is looked at."""
    return {"bias": rng.integers(-1000, 1000, channels)}


def linear(kind, rng, *sizes, **options):
    return kind(name="layer", inputs=("x",), output=Quantization(S8), contract=contract("half_up"),
                parameters=fields(rng, sizes[0]), weights=rng.integers(-128, 128, sizes),
                weight=quantization(rng, sizes[:1]), **options)


def computed(lowering, x):
    """Sums plus bias, each place of the output written once."""
    output, count = np.zeros(lowering.shape, np.int64), np.zeros(lowering.shape, np.int64)
    padded = lowering.padded(x)
    for product in lowering.products:
        rows = product.gather(padded) - lowering.level
        weights = product.weights - product.weight_zero_points[:, None]
        sums = rows @ weights.T + product.parameters["bias"]
        product.scatter(sums, output)
        product.scatter(count.reshape(-1)[product.results.places().reshape(sums.shape)] + 1, count)
        np.testing.assert_array_equal(
            product.first_places, product.results.places().reshape(sums.shape)[:, 0])
    assert (count == 1).all()
    return output


def check(layer, rng, x, sums, **options):
    input = quantization(rng)
    lowering = lower(layer, x.shape, input, **options)
    np.testing.assert_array_equal(
        computed(lowering, x), sums(x_zero_point=input.zero_point) + layer.parameters["bias"])
    return lowering


@settings(EXAMPLES, max_examples=60)
@given(seed=st.integers(0, 1 << 30), shape=st.lists(THREE, max_size=2), depth=st.integers(1, 9),
       channels=st.integers(1, 9))
def test_dense(seed, shape, depth, channels):
    rng = np.random.default_rng(seed)
    layer = linear(Dense, rng, channels, depth)
    x = rng.integers(-128, 128, (2, *shape, depth))
    lowering = check(layer, rng, x, lambda **zero_point: ops.dense(
        x, layer.weights, w_zero_point=layer.weight.zero_point, **zero_point))
    assert len(lowering.products) == 1


@EXAMPLES
@given(seed=st.integers(0, 1 << 30), kernel=pair(THREE, THREE), stride=pair(THREE, THREE),
       dilation=pair(TWO, THREE), padding=pair(pair(WIDTHS, WIDTHS), pair(WIDTHS, WIDTHS)),
       more=pair(WIDTHS, WIDTHS), groups=st.integers(1, 5), depth=TWO, each=THREE,
       columns=st.integers(1, 9), most=st.integers(1, 40) | st.none())
def test_convolutions(seed, kernel, stride, dilation, padding, more, groups, depth, each, columns,
                      most):
    rng = np.random.default_rng(seed)
    layer = linear(Conv2d, rng, groups * each, *kernel, depth, stride=stride, padding=padding,
                   dilation=dilation, groups=groups)
    size = [max(1, (taps - 1) * step + 1 - sum(pad)) + plus for taps, step, pad, plus in zip(
        kernel, dilation, padding, more, strict=True)]
    x = rng.integers(-128, 128, (2, *size, depth * groups))
    lowering = check(layer, rng, x, lambda **zero_point: ops.conv2d(
        x, layer.weights, w_zero_point=layer.weight.zero_point, stride=stride, padding=padding,
        dilation=dilation, groups=groups, **zero_point), columns=columns, depth=most)
    shapes = [product.weights.shape for product in lowering.products]
    assert all(channels <= max(each, columns) for channels, _ in shapes)
    own = layer.weights[0].size
    assert all(most is None or factors <= max(own, most) for _, factors in shapes)
    # No more products than these bounds ask for.
    fit = min(columns // each, groups if most is None else most // own)
    assert len(shapes) == -(-groups // max(fit, 1))


@EXAMPLES
@given(seed=st.integers(0, 1 << 30), kernel=pair(THREE, st.integers(1, 4)),
       stride=pair(THREE, THREE), offset=pair(WIDTHS, st.integers(0, 5)),
       size=pair(st.integers(1, 7), st.integers(1, 8)), image=pair(THREE, THREE), depth=TWO,
       channels=TWO)
def test_transposed_convolutions(seed, kernel, stride, offset, size, image, depth, channels):
    rng = np.random.default_rng(seed)
    layer = linear(TransposeConv2d, rng, channels, *kernel, depth, stride=stride, offset=offset,
                   size=size)
    x = rng.integers(-128, 128, (2, *image, depth))
    lowering = check(layer, rng, x, lambda **zero_point: ops.transpose_conv2d(
        x, layer.weights, w_zero_point=layer.weight.zero_point, stride=stride, offset=offset,
        size=size, **zero_point))
    assert len(lowering.products) == min(stride[0], size[0]) * min(stride[1], size[1])
    # Each tap is in as many products as there are outputs of its remainder, not in all.
    factors = sum(product.weights[0].size for product in lowering.products)
    assert factors <= layer.weights[0].size + len(lowering.products)


@settings(EXAMPLES, max_examples=60)
@given(seed=st.integers(0, 1 << 30), shape=st.lists(THREE, min_size=1, max_size=3),
       data=st.data(), keep=st.booleans())
def test_sums_over_axes(seed, shape, data, keep):
    axes = data.draw(st.lists(st.integers(1, len(shape)), min_size=1, unique=True))
    rng = np.random.default_rng(seed)
    layer = reduce(axes=tuple(axes), keep=keep)
    x = rng.integers(-128, 128, (2, *shape))
    input = quantization(rng)
    lowering = lower(layer, x.shape, input)
    assert [set(product.parameters) for product in lowering.products] == [{"bias", "multiplier"}]
    np.testing.assert_array_equal(
        computed(lowering, x),
        (x - input.zero_point).sum(axis=tuple(axes), keepdims=keep))


def reduce(**options):
    # A bias of the layer's own would not count.
    return Reduce(**{"name": "layer", "inputs": ("x",), "output": Quantization(S8), "axes": (1,),
                     "keep": False, "kind": "sum", "contract": contract("half_up"),
                     "parameters": {"bias": 0, "multiplier": 1}, **options})


def test_loops_are_counters():
    loops = Loops(7, (2, 3, 2), (100, 0, -3))
    assert loops.places().shape == loops.counts
    assert loops.places().ravel().tolist() == [
        7 + 100 * i - 3 * k for i in range(2) for _ in range(3) for k in range(2)]


def test_the_loops_of_a_convolution(rng):
    """Literally: 5 x 6 pixels of 2 channels, padded to 8 x 8; a 3 x 2 kernel."""
    layer = linear(Conv2d, rng, 4, 3, 2, 2, stride=(2, 1), dilation=(1, 3),
                   padding=((1, 2), (0, 2)))
    [product] = lower(layer, (3, 5, 6, 2), Quantization(S8)).products
    assert product.activations == Loops(0, (3, 3, 5, 3, 2, 2), (128, 32, 2, 16, 6, 1))
    assert product.results == Loops(0, (3, 3, 5, 4), (60, 20, 4, 1))


def test_the_loops_of_a_transposed_convolution(rng):
    """Rows of even place see kernel rows 1, those of odd place rows 0 and 2, backwards."""
    layer = linear(TransposeConv2d, rng, 1, 3, 1, 1, stride=(2, 1), offset=(1, 0), size=(5, 4))
    lowering = lower(layer, (1, 3, 4, 1), Quantization(S8))
    even, odd = lowering.products
    assert lowering.padding == ((0, 0), (0, 0), (0, 0), (0, 0))
    assert even.activations == Loops(0, (1, 3, 4, 1, 1, 1), (12, 4, 1, -4, -1, 1))
    assert odd.activations == Loops(4, (1, 2, 4, 2, 1, 1), (12, 4, 1, -4, -1, 1))
    assert odd.results == Loops(4, (1, 2, 4, 1), (20, 8, 1, 1))
    np.testing.assert_array_equal(even.weights, layer.weights[:, 1, :, 0])
    np.testing.assert_array_equal(odd.weights, layer.weights[:, ::2, 0, 0])


def test_groups_do_not_share_a_product_without_a_weight_of_0(rng):
    layer = linear(Conv2d, rng, 4, 1, 1, 1, groups=4)
    assert len(lower(layer, (1, 2, 2, 4), Quantization(S8), columns=4).products) == 1
    odd = replace(layer, weights=np.full((4, 1, 1, 1), -15), weight=Quantization(ODD4))
    assert len(lower(odd, (1, 2, 2, 4), Quantization(S8), columns=4).products) == 4


def test_padding_without_a_level_0_is_refused(rng):
    layer = linear(Conv2d, rng, 1, 3, 3, 1, padding=((1, 1), (0, 0)))
    for fmt in (ODD4, parse("binary")):
        with pytest.raises(ValueError, match=(
                rf"^Padding of layer 'layer' must be none where the input has format {fmt}, which "
                rf"has no level 0, not {re.escape('((1, 1), (0, 0))')}$")):
            lower(layer, (1, 4, 4, 1), Quantization(fmt))
    lower(replace(layer, padding=((0, 0), (0, 0))), (1, 4, 4, 1), Quantization(ODD4))
    transposed = linear(TransposeConv2d, rng, 1, 3, 3, 1, stride=(2, 2), offset=(0, 0), size=(9, 9))
    with pytest.raises(ValueError, match=r"^Padding of layer 'layer' must be none where"):
        lower(transposed, (1, 4, 4, 1), Quantization(ODD4))


def test_other_layers_are_refused():
    layer = Reshape(name="flat", inputs=("x",), output=Quantization(S8), target=(4,))
    with pytest.raises(TypeError, match=r"^Layer must be a Dense, a Conv2d, a TransposeConv2d or a "
                                        r"Reduce to be lowered, not Reshape 'flat'$"):
        lower(layer, (1, 2, 2), Tensor("x", Quantization(S8), (2, 2)).quantization)


def test_a_shape_that_does_not_fit_is_refused(rng):
    with pytest.raises(ValueError, match=r"^Tensor 'x' must have shape .*, not \(3,\)$"):
        lower(linear(Dense, rng, 2, 4), (1, 3), Quantization(S8))
