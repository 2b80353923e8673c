"""Tensors meet in sums and joins in three ways, each as exact as it says."""

from fractions import Fraction

import numpy as np
import pytest

from golden.affine import dequantize, quantize
from golden.floats import (
    FloatAdd,
    FloatConcat,
    FloatConv2d,
    FloatDense,
    FloatNetwork,
    FloatPool,
    float_tensors,
)
from golden.formats import parse
from golden.networks import Add, Concat, Dense, Quantization
from golden.quantize import Weights, quantize_network
from golden.quantize.calibration import calibrate
from golden.quantize.unify import WAYS, exact_output, powers_apart, tensors_that_meet
from golden.quantize.unify_costs import unify_costs
from golden.run import run
from tests.golden.floats.test_floats import graph


def residual(rng):
    """Two residual sums, the branches of very different sizes."""
    def weights(*shape):
        return rng.normal(size=shape) / shape[-1] ** 0.5
    return FloatNetwork(input_shape=(12,), layers=(
        FloatDense(weights(8, 12), relu=True, name="stem", inputs=("input",)),
        FloatDense(9 * weights(8, 8), weights(8), name="one", inputs=("stem",)),
        FloatAdd(name="first", inputs=("stem", "one"), least=0),
        FloatDense(0.1 * weights(8, 8), name="two", inputs=("first",)),
        FloatAdd(name="second", inputs=("first", "two")),
        FloatConcat(name="join", inputs=("second", "two")),
        FloatDense(weights(3, 16), name="last", inputs=("join",))))


GROUP = ("stem", "one", "first", "two", "second", "join")


@pytest.fixture
def made(rng):
    network, x = residual(rng), rng.normal(size=(60, 12))
    def quantized(unify, activations="s8", **options):
        found = quantize_network(network, x, weights="s8n", activations=activations,
                                 contract="half_up", unify=unify, **options)
        return found, run(found, quantize(x, found.input)), float_tensors(network, x)
    return quantized


def real_numbers(levels, quantization):
    step = Fraction(float(quantization.step))
    return [step * (int(level) - int(quantization.zero_point)) for level in levels.ravel()]


def test_groups(rng):
    assert tensors_that_meet(residual(rng)) == dict.fromkeys(GROUP, GROUP)
    other = graph(rng)
    assert set(tensors_that_meet(other)) == {"conv", "other", "sum", "both", "max", "flat"}
    chain = FloatNetwork.chain([FloatDense(np.ones((2, 3)))], (3,))
    assert tensors_that_meet(chain) == {}
    # A pool alone joins nothing; two sums that share no tensor are two groups.
    two = FloatNetwork(input_shape=(4, 4, 2), layers=(
        FloatAdd(name="a", inputs=("input", "input")),
        FloatPool(name="pool", inputs=("a",), kind="max", size=(2, 2), stride=(2, 2)),
        FloatConv2d(np.ones((2, 1, 1, 2)), name="conv", inputs=("pool",)),
        FloatPool(name="alone", inputs=("conv",), kind="max", size=(2, 2), stride=(2, 2)),
        FloatConv2d(np.ones((2, 1, 1, 2)), name="next", inputs=("alone",)),
        FloatConcat(name="c", inputs=("next", "next"))))
    assert tensors_that_meet(two) == {
        **dict.fromkeys(("input", "a", "pool"), ("input", "a", "pool")),
        **dict.fromkeys(("next", "c"), ("next", "c"))}


@pytest.mark.parametrize("activations, zero_points", [
    ("s8", "none"), ("s8", "activations"), ("u8", "activations"), ("s4n", "none")])
def test_more_bits_round_nothing(made, activations, zero_points):
    network, tensors, _ = made("more_bits", activations, zero_points=zero_points)
    for layer in network.layers:
        inputs = [real_numbers(tensors[name], network.quantization(name)) for name in layer.inputs]
        output = real_numbers(tensors[layer.name], layer.output)
        if isinstance(layer, Add):
            least = 0 if layer.name == "first" else min(map(sum, zip(*inputs, strict=True)))
            assert output == [max(a + b, least) for a, b in zip(*inputs, strict=True)]
        elif isinstance(layer, Concat):
            shape = tensors[layer.name].shape
            parts = [np.reshape(each, (shape[0], -1)) for each in inputs]
            assert output == np.concatenate(parts, axis=1).ravel().tolist()
        else:
            assert layer.output.format == parse(activations)
    assert network.quantization("first").format.width > parse(activations).width
    assert min(map(min, inputs)) < 0


@pytest.mark.parametrize("zero_points", ["none", "activations"])
@pytest.mark.parametrize("activations", ["s8", "u8", "s4n"])
def test_a_forced_range_adds_levels_as_they_are(made, activations, zero_points):
    network, tensors, real = made("forced_range", activations, zero_points=zero_points)
    found = {(network.quantization(name).scale, network.quantization(name).zero_point)
             for name in GROUP}
    assert len(found) == 1
    zero = network.quantization("first").zero_point
    fmt = parse(activations)
    # A ReLU's clamp is at the zero point.
    first = np.clip(tensors["stem"] + tensors["one"] - zero, zero, fmt.max)
    np.testing.assert_array_equal(tensors["first"], first)
    np.testing.assert_array_equal(tensors["second"], np.clip(
        tensors["first"] + tensors["two"] - zero, fmt.min, fmt.max))
    np.testing.assert_array_equal(
        tensors["join"], np.concatenate([tensors["second"], tensors["two"]], axis=1))
    common = np.concatenate([real[name] for name in GROUP], axis=1)
    expected = calibrate(common, fmt, method="mse", zero_point=zero_points != "none")
    assert found == {(expected.scale, expected.zero_point)}


def test_requantize_is_the_default_and_has_a_range_for_each(made):
    network, tensors, _ = made("requantize")
    default, same, _ = made("requantize")
    np.testing.assert_array_equal(tensors["last"], same["last"])
    assert len({float(network.quantization(name).scale) for name in GROUP}) == len(GROUP)
    assert isinstance(default.layers[0], Dense)


def test_each_way_is_near_the_float_network(made):
    errors = {}
    for way in WAYS:
        network, tensors, real = made(way)
        found = dequantize(tensors["last"], network.quantization("last"))
        errors[way] = np.square(found - real["last"]).mean() / np.square(real["last"]).mean()
    assert max(errors.values()) < 1e-2
    # The small branch has few levels of the common range.
    assert errors["forced_range"] > errors["requantize"]


def test_a_given_quantization_is_that_of_the_group(made):
    own = Quantization(parse("s8"), 0.125, 3)
    network, _, _ = made("forced_range", given={"two": own})
    assert all(network.quantization(name) is own for name in GROUP)
    network, _, _ = made("more_bits", given={"stem": own})
    ratio = network.quantization("one").scale / 0.125
    assert np.log2(ratio) == np.rint(np.log2(ratio))


@pytest.mark.parametrize("scale", [1.0, 0.3, 0.30000000000000004, 2.0, 2.1, 1e-3, 7.0])
@pytest.mark.parametrize("zero_point", [0, -100, 17, 127])
def test_powers_apart(scale, zero_point):
    fmt = parse("s8")
    own = Quantization(fmt, scale, zero_point)
    found = powers_apart(own, Quantization(fmt, 0.3, 5))
    ratio = Fraction(found.scale) / Fraction(0.3)
    assert ratio.numerator == 1 or ratio.denominator == 1
    assert (ratio.numerator * ratio.denominator).bit_count() == 1
    assert scale <= found.scale < 2 * scale
    if zero_point == 0:
        assert found.zero_point == 0
    else:
        lowest, before = ((fmt.min - each.zero_point) * each.scale for each in (found, own))
        assert abs(lowest - before) <= found.scale * 0.500001
    if scale == 0.3:
        assert (found.scale, found.zero_point) == (scale, zero_point)


def test_costs_of_numbers_that_are_levels():
    """Nothing is lost but where a range is forced: levels of 1 and of 1/16 in one of 1."""
    a, b = np.arange(-128.0, 128)[:, None], np.arange(-128.0, 128)[::-1, None] / 16
    costs = {each.way: each for each in unify_costs([a, b], parse("s8"), method="min_max")}
    more = costs["more_bits"]
    assert (more.error, more.operands, more.joining) == (0, 0, 0)
    # -128 * 16 - 128 .. 127 * 16 + 127
    assert (more.bits, more.output_bits, more.multipliers) == (13, 13, 0)
    forced = costs["forced_range"]
    assert (forced.bits, forced.output_bits, forced.multipliers) == (9, 8, 0)
    assert forced.operands > 0.25
    both = costs["requantize"]
    assert both.operands == 0 and both.error == both.joining > 0
    assert both.output_bits == 8 and both.multipliers == 2 and both.bits > 30


def test_costs_of_a_join():
    a, b = np.arange(-128.0, 128)[:, None], np.arange(-128.0, 128)[:, None] * 2.5
    costs = {each.way: each for each in unify_costs(
        [np.hstack([a, a, a]), b], parse("s8"), join=True, method="min_max")}
    # The second operand's range is that of the result.
    assert costs["requantize"].multipliers == 0.75
    assert costs["forced_range"].joining == costs["more_bits"].joining == 0
    assert (costs["forced_range"].bits, costs["forced_range"].multipliers) == (8, 0)
    # 2.5 becomes 4 times the first scale: 10 bits.
    assert (costs["more_bits"].output_bits, costs["more_bits"].multipliers) == (10, 0)


def test_costs_are_those_of_networks(rng):
    """The operands are two halves of an input that s16 holds exactly."""
    x = rng.integers(-3000, 3000, (80, 12)) / 1024.0
    x[:, 6:] *= 5
    halves = np.eye(12)[:6], np.eye(12)[6:]
    network = FloatNetwork(input_shape=(12,), layers=(
        *(FloatDense(half, name=name, inputs=("input",))
          for name, half in zip("ab", halves, strict=True)),
        FloatAdd(name="sum", inputs=("a", "b"))))
    given = {"input": Quantization(parse("s16"), 1 / 1024)} | {
        f"{name}.weights": Weights(half.astype(int), Quantization(parse("s2n")))
        for name, half in zip("ab", halves, strict=True)}
    for cost in unify_costs([x[:, :6], x[:, 6:]], parse("s8")):
        made = quantize_network(network, x, weights="s2n", activations="s8", contract="half_up",
                                unify=cost.way, given=given)
        found = run(made, quantize(x, made.input))
        error = dequantize(found["sum"], made.quantization("sum")) - (x[:, :6] + x[:, 6:])
        np.testing.assert_allclose(np.sqrt(np.square(error).mean()), cost.error, rtol=1e-12)
        assert made.quantization("sum").format.bits == cost.output_bits


@pytest.mark.parametrize("call, kind, message", [
    (lambda made: made("both"), ValueError,
     "Unify must be one of requantize, more_bits, forced_range, not 'both'"),
    (lambda made: made("more_bits", scheme="xnnpack"), ValueError,
     "Scheme must be exact for more_bits, whose sums are exact, not xnnpack"),
    (lambda made: made("more_bits", "s16"), ValueError,
     "Result of layer 'first' must have at most 16 bits for more_bits, not 20"),
    (lambda made: made("more_bits", given={"stem": Quantization(parse("s8"), 1.0),
                                           "one": Quantization(parse("s8"), 3.0)}), ValueError,
     "Scales of the inputs of layer 'first' must be powers of two apart for more_bits, not 3.0"),
    (lambda made: made("forced_range", "e4m3fn"), ValueError,
     "Tensors of layer 'first' must have integer formats to be added or joined, not e4m3fn"),
    (lambda made: made("more_bits", "odd4"), ValueError,
     "Tensors of layer 'first' must have integer formats to be added or joined, not odd4"),
    (lambda made: unify_costs([[1.0]], parse("s8")), ValueError, "Operands must be 2, not 1"),
    (lambda made: unify_costs([[1.0]] * 9, parse("s8"), join=True), ValueError,
     "Operands must be 1 to 8, not 9"),
    (lambda made: unify_costs([[1.0], [2.0]], parse("odd4")), TypeError,
     "Format must be an integer one to be added or joined, not odd4"),
    (lambda made: unify_costs([[[1.0]], [[2.0, 3.0]]], parse("s4")), ValueError,
     r"Input 1 must have shape \(1,\), not \(2,\)")])
def test_what_is_refused(made, call, kind, message):
    with pytest.raises(kind, match=f"^{message}$"):
        call(made)


def test_an_exact_output_with_a_relu_is_unsigned():
    inputs = [Quantization(parse("s8"), 1.0, -128), Quantization(parse("s8"), 0.25)]
    layer = FloatAdd(name="sum", inputs=("a", "b"), least=0)
    found = exact_output(layer, inputs)
    # 255 * 4 + 127
    assert (found.format, found.scale, found.zero_point) == (parse("u11"), 0.25, 0)
