import math

import numpy as np
import pytest

from golden import quantize as q
from golden.affine import dequantize, quantize, symmetric
from golden.contracts import CONTRACTS, ExactSum
from golden.contracts import parse as contract
from golden.floats import FloatDense, run_float
from golden.formats import parse
from golden.networks import Dense, Network, Quantization
from golden.quantize import quantize_network, quantize_weights
from golden.quantize.calibration import FRACTIONS, apart, least_error, least_error_rows
from golden.ranges import levels_range
from golden.run import prove, run

S2N, S4, S4N, S8, S8N, U4, U8, S16 = (
    parse(name) for name in ("s2n", "s4", "s4n", "s8", "s8n", "u4", "u8", "s16"))
HALF_UP = contract("half_up")


def float_layers(rng, *sizes):
    return [FloatDense(rng.normal(size=(b, a)) / a**0.5, rng.normal(size=b) / 4,
                       relu=index < len(sizes) - 2)
            for index, (a, b) in enumerate(zip(sizes, sizes[1:], strict=False))]


def the_error(values, quantization):
    return np.square(dequantize(quantize(values, quantization), quantization) - values).sum()


class TestCalibration:
    @pytest.mark.parametrize("fmt", [S4, U4, S8, U8], ids=str)
    @pytest.mark.parametrize("zero_point", [False, True])
    def test_no_share_has_less_error(self, fmt, zero_point, rng):
        values = np.maximum(rng.normal(size=500), -0.5) ** 3
        chosen = least_error(values, fmt, zero_point=zero_point)
        if zero_point:
            others = [q.asymmetric(s * values.min(), s * values.max(), fmt) for s in FRACTIONS]
        else:
            assert chosen.zero_point == 0
            most = np.abs(values).max() if fmt.signed else values.max()
            others = [symmetric(s * most, fmt) for s in FRACTIONS]
        assert the_error(values, chosen) == min(the_error(values, other) for other in others)

    def test_an_outlier_saturates_where_levels_are_few(self, rng):
        values = np.append(rng.uniform(0, 1, 3000), 3.0)
        assert q.limits(least_error(values, U4, zero_point=True))[1] < 2
        assert q.limits(least_error(values, parse("u16"), zero_point=True))[1] == 3.0

    def test_rows(self, rng):
        rows = rng.normal(size=(5, 40)) * np.array([[1], [2], [3], [0], [5]])
        for zero_point in (False, True):
            together = least_error_rows(rows, S4, zero_point=zero_point)
            for k, row in enumerate(rows):
                alone = least_error_rows(row[None], S4, zero_point=zero_point)
                assert np.asarray(together.scale)[k] == np.asarray(alone.scale)[0]
                assert the_error(row, Quantization(
                    S4, np.asarray(alone.scale)[0],
                    np.broadcast_to(alone.zero_point, 1)[0])) == the_error(row[None], alone)

    def test_apart_has_the_fewest_ties(self):
        # The winners are close together at the top: a range of all values would make them tie.
        values = np.array([[-30, 5.0, 4.0], [4.0, 5.0, -30], [5.0, -30, 4.0]])
        chosen = apart(values, [1, 1, 0], S4, zero_point=True)
        levels = quantize(values, chosen)
        assert levels.argmax(axis=1).tolist() == [1, 1, 0]
        assert ((levels == levels.max(axis=1, keepdims=True)).sum(axis=1) == 1).all()
        wide = quantize(values, q.asymmetric(-30, 5, S4))
        assert ((wide == wide.max(axis=1, keepdims=True)).sum(axis=1) == 2).all()

    def test_apart_prefers_the_widest(self):
        values = np.array([[-1.0, 1.0], [1.0, -1.0]])
        assert q.limits(apart(values, [1, 0], S8, zero_point=False))[1] == 1.0

    def test_apart_without_zero_point(self):
        values = np.array([[-30, 5.0, 4.6], [4.6, 5.0, -30]])
        levels = quantize(values, apart(values, [1, 1], U4, zero_point=False))
        assert (levels[:, 1] > levels[:, [0, 2]].max(axis=1)).all()


class TestWeights:
    @pytest.mark.parametrize("fmt", [S2N, S4, S4N, S8, S8N, S16], ids=str)
    def test_symmetric_per_channel(self, fmt, rng):
        weights = rng.normal(size=(6, 9)) * 10.0 ** np.arange(-3, 3)[:, None]
        levels, chosen = quantize_weights(weights, fmt)
        assert chosen.zero_point == 0
        np.testing.assert_array_equal(chosen.scale, np.abs(weights).max(axis=1) / fmt.max)
        np.testing.assert_array_equal(np.abs(levels).max(axis=1), fmt.max)
        fmt.check(levels)

    def test_asymmetric_per_channel(self, rng):
        weights = rng.uniform(0.5, 1, size=(4, 20))
        levels, chosen = quantize_weights(weights, U4, zero_point=True)
        assert np.asarray(chosen.zero_point).tolist() == [0] * 4
        np.testing.assert_array_equal(levels.max(axis=1), [15] * 4)
        half_step = np.asarray(chosen.scale)[:, None] * (0.5 + 1e-9)
        assert (np.abs(dequantize(levels, chosen) - weights) <= half_step).all()

    @pytest.mark.parametrize("zero_point", [False, True])
    def test_least_error_is_less(self, zero_point, rng):
        weights = rng.normal(size=(4, 200))
        errors = []
        for ranges in ("max", "least_error"):
            levels, chosen = quantize_weights(weights, S2N, zero_point=zero_point, ranges=ranges)
            errors.append(np.square(dequantize(levels, chosen) - weights).sum(axis=1))
        assert (errors[1] < errors[0]).all()

    @pytest.mark.parametrize("fmt", [U4, parse("s1")], ids=str)
    def test_one_sided_formats_are_refused(self, fmt):
        message = (rf"^Weights must have a format with levels on both sides of 0 where they have "
                   rf"no zero points, not {fmt}$")
        with pytest.raises(ValueError, match=message):
            quantize_weights([[1.0]], fmt)
        assert quantize_weights([[-1.0, 1.0]], fmt, zero_point=True)

    def test_bad_ranges(self):
        with pytest.raises(ValueError,
                           match=r"^Weight ranges must be max or least_error, not 'min'$"):
            quantize_weights([[1.0]], S8, ranges="min")


class TestNetwork:
    @pytest.mark.parametrize("name", [name for name in CONTRACTS if name != "none"])
    @pytest.mark.parametrize("zero_points", ["none", "activations", "both"])
    def test_follows_the_float_network(self, name, zero_points, rng):
        layers = float_layers(rng, 12, 9, 5)
        x = rng.normal(size=(300, 12))
        activations = S4 if name == "thresholds" else S8  # no more have thresholds
        network = quantize_network(layers, x, weights=S8N, activations=activations,
                                   contract=contract(name), zero_points=zero_points)
        assert [layer.name for layer in network.layers] == ["dense0", "dense1"]
        tensors = run(network, quantize(x, network.input))
        output = network.layers[-1].output
        error = dequantize(tensors["dense1"], output) - run_float(layers, x)
        # Three roundings to 8 or 4 bits; a floor biases each result by half a step more.
        assert np.sqrt(np.mean(error**2)) < 3 * np.asarray(output.scale).max()
        if zero_points == "none":
            assert network.input.zero_point == output.zero_point == 0
        weight_zeros = [np.any(layer.weight.zero_point) for layer in network.layers
                        if isinstance(layer, Dense)]
        assert weight_zeros == [zero_points == "both"] * 2

    @pytest.mark.parametrize("weights, activations", [
        (S2N, parse("s2")), (S4N, U4), (S8, U4), (S4, U8), (parse("s16n"), S16),
        (parse("s3"), parse("u16")), (S8N, parse("u1")),
    ], ids=str)
    @pytest.mark.parametrize("zero_points", ["none", "activations", "both"])
    def test_any_formats(self, weights, activations, zero_points, rng):
        layers = float_layers(rng, 7, 6, 6, 3)
        network = quantize_network(layers, rng.uniform(-0.2, 1, (50, 7)), weights=weights,
                                   activations=activations, contract=HALF_UP,
                                   zero_points=zero_points, classifier=True)
        tensors = run(network, rng.choice(activations.levels(), (20, 7)))
        for layer in network.layers:
            activations.check(tensors[layer.name])
            assert layer.output.format == activations

    def test_relu_is_a_clamp_at_the_zero_point(self, rng):
        network = quantize_network(float_layers(rng, 5, 4, 3), rng.normal(size=(60, 5)),
                                   weights=S8N, activations=S8, contract=HALF_UP)
        first, last = network.layers
        assert isinstance(first, Dense) and isinstance(last, Dense)
        assert first.output.zero_point == -128
        assert first.parameters["clamp_min"].tolist() == [-128] * 4
        assert last.parameters["clamp_min"].tolist() == [-128] * 3
        assert last.parameters["zero_point"].tolist() == [last.output.zero_point] * 3
        no_zero = quantize_network(float_layers(rng, 5, 4, 3), rng.normal(size=(60, 5)),
                                   weights=S8N, activations=S8, contract=HALF_UP,
                                   zero_points="none").layers[0]
        assert isinstance(no_zero, Dense)
        assert no_zero.parameters["clamp_min"].tolist() == [0] * 4

    def test_one_layer_may_have_another_output(self, rng):
        network = quantize_network(float_layers(rng, 5, 3), rng.normal(size=(60, 5)),
                                   weights=S4N, activations=U8, output=S4, contract=HALF_UP)
        assert network.input.format == U8
        assert network.layers[0].output.format == S4

    def test_exact_sums(self, rng):
        layers = float_layers(rng, 5, 3)
        x = rng.normal(size=(60, 5))
        network = quantize_network(layers, x, weights=S16, activations=S16,
                                   contract=contract("none"))
        (layer,) = network.layers
        assert isinstance(layer, Dense) and isinstance(layer.contract, ExactSum)
        assert set(layer.parameters) == {"bias"}
        result = run(network, quantize(x, network.input))["dense0"]
        real = result * np.asarray(layer.output.scale)
        np.testing.assert_allclose(real, run_float(layers, x), atol=2e-3)
        assert prove(network).sums["dense0"] + levels_range(S8) in levels_range(layer.output.format)

    def test_small_and_absent_weights_keep_their_bias(self, rng):
        weights = rng.normal(size=(4, 5))
        weights[1:3] = 1e-30
        weights[3] = 0
        layers = [FloatDense(weights, np.array([0.1, 0.5, 0.0, -0.7]))]
        x = rng.normal(size=(60, 5))
        network = quantize_network(layers, x, weights=S8N, activations=S16, contract=HALF_UP)
        output = network.layers[0].output
        result = dequantize(run(network, quantize(x, network.input))["dense0"], output)
        step = float(np.asarray(output.scale))
        assert np.abs(result[:, 1:] - [0.5, 0.0, -0.7]).max() <= step * 0.51

    def test_absent_bias(self, rng):
        layer = FloatDense(rng.normal(size=(3, 5)))
        network = quantize_network([layer], rng.normal(size=(60, 5)), weights=S8N, activations=S8,
                                   contract=HALF_UP)
        assert isinstance(network, Network)
        assert isinstance(network.layers[0], Dense)
        assert network.layers[0].parameters["bias"].tolist() == [0, 0, 0]

    def test_classifier_keeps_more_winners(self, rng):
        layers = float_layers(rng, 16, 12, 10)
        x = rng.normal(size=(400, 16))
        won = []
        for classifier in (False, True):
            network = quantize_network(layers, x, weights=S8N, activations=S4, contract=HALF_UP,
                                       classifier=classifier)
            levels = run(network, quantize(x, network.input))["dense1"]
            highest = levels == levels.max(axis=1, keepdims=True)
            winners = run_float(layers, x).argmax(axis=1)
            won.append((highest[np.arange(400), winners] / highest.sum(axis=1)).sum())
        assert won[1] > won[0]


ONE = [FloatDense(np.ones((2, 3)))]
TWO = [FloatDense(np.ones((2, 3)), relu=True), FloatDense(np.ones((2, 2)))]
X = np.ones((4, 3))


@pytest.mark.parametrize("layers, changed, message", [
    (TWO, dict(output=S4, activations=U8),
     r"^Output must be the activations' format u8 if there are hidden layers, not s4$"),
    (TWO, dict(contract=contract("none")),
     r"^Contract must be one that scales if there are hidden layers, not none$"),
    (TWO[:1], dict(contract=contract("none")),
     r"^Contract must be one that clamps if there is a ReLU, not none$"),
    (ONE, dict(contract=contract("none"), output=S8),
     r"^Output must not be given for contract none, whose output is the exact sum, not s8$"),
    (ONE, dict(zero_points="weights"),
     r"^Zero points must be none, activations or both, not 'weights'$"),
    (ONE, dict(weights=U4), r"^Weights must have a format with levels on both sides of 0 where "
                            r"they have no zero points, not u4$"),
    ([], {}, r"^Layers must be one or more, not none$"),
    (ONE * 2, {}, r"^Layer 'dense1': Input 0 must have shape \(3,\), not \(2,\)$"),
    (ONE, dict(calibration=np.ones((4, 2))),
     r"^Calibration must have shape \(examples, 3\), not \(4, 2\)$"),
    (ONE, dict(calibration=np.ones((0, 3))),
     r"^Calibration must have shape \(examples, 3\), not \(0, 3\)$"),
    (ONE, dict(calibration=np.full((4, 3), math.nan)), r"^\w+ must be finite, not nan$"),
    (ONE, dict(contract=contract("tflite"), weights=S16, activations=S16),
     r"^Accumulator must be in range \[-2147483648, 2147483647\] of s32 for contract tflite, "
     r"not \[-?\d+, \d+\] \([su]\d+\): fewer products \(a tile's depth, --depth\) or narrower "
     r"formats are needed$"),
])
def test_bad_requests(layers, changed, message):
    arguments = dict(calibration=X, weights=S8N, activations=S8, contract=HALF_UP) | changed
    with pytest.raises(ValueError, match=message):
        quantize_network(layers, **arguments)


@pytest.mark.parametrize("weights, bias, message", [
    (np.ones(3), None, r"^Weights must have 2 axes, of one element at least, not shape \(3,\)$"),
    (np.ones((0, 3)), None, r"^Weights must have 2 axes, of one element at least, "
                            r"not shape \(0, 3\)$"),
    (np.ones((2, 3)), np.ones(3), r"^Bias must have shape \(2,\), not \(3,\)$"),
    (np.array([[1.0, math.nan]]), None, "^Weights must be finite, not nan$"),
    (np.ones((1, 2)), np.array([math.inf]), "^Bias must be finite, not inf$"),
])
def test_bad_layers(weights, bias, message):
    with pytest.raises(ValueError, match=message):
        FloatDense(weights, bias)


def test_calibration_that_is_not_finite_is_refused():
    with pytest.raises(ValueError, match="^Calibration must be finite, not nan$"):
        quantize_network([FloatDense(np.ones((2, 3)))], [[1.0, math.nan, 0.0]], weights=S8N,
                         activations=S8, contract=HALF_UP)


@pytest.mark.parametrize("activations", ["mx_e4m3fn", "s8"])
@pytest.mark.parametrize("weights", ["e4m3fn", "cfloat8_1_5_2", "s8", "mx_e4m3fn"])
@pytest.mark.parametrize("bias", [0.0, 1e-310])
def test_a_channel_whose_sums_are_0_has_multiplier_0(weights, activations, bias):
    given = dict(weights=parse(weights), activations=parse(activations), output=S8,
                 contract=HALF_UP, zero_points="both")
    layer = FloatDense(np.array([np.zeros(32), np.ones(32)]), [bias, 0.0])
    network = quantize_network([layer], np.ones((3, 32)), **given)
    multipliers = network.layers[0].parameters["multiplier"]
    assert multipliers[0] == 0 and multipliers[1] > 0
    y = run(network, quantize(np.ones((3, 32)), network.input))["dense0"]
    assert (y[:, 0] == network.layers[0].output.zero_point).all()
    silent = FloatDense(np.zeros((1, 32)), [bias])
    network = quantize_network([silent], np.ones((3, 32)), **given)
    assert network.layers[0].parameters["multiplier"].tolist() == [0]


@pytest.mark.parametrize("fmt", ["odd4", "mx_odd4"])
def test_weights_that_do_not_vanish_beside_a_bias(rng, fmt):
    """The block-scaled input spans so much that the levels nearest to 0 would exceed the bias."""
    x, weights = rng.normal(size=(8, 64)), rng.normal(0, 1e-3, (4, 64))
    given = dict(weights=parse(fmt), activations=parse("mx_e4m3fn"), output=S8, contract=HALF_UP)
    with pytest.raises(ValueError, match=f"^Weights that are tiny compared with the bias must "
                                         f"have a format with a level 0, not {fmt}$"):
        quantize_network([FloatDense(weights, np.full(4, 5.0))], x, **given)
    for layer, changed in ((FloatDense(weights, np.full(4, 1e-3)), {}),
                           (FloatDense(weights, np.full(4, 5.0)), dict(activations=S8))):
        network = quantize_network([layer], x, **given | changed)
        y = dequantize(run(network, quantize(x, network.input))["dense0"],
                       network.layers[0].output)
        want = run_float([layer], x)
        assert np.abs(y - want).max() < np.abs(want).max() / 4


@pytest.mark.parametrize("fmt", ["odd4", "mx_odd4"])
def test_zero_weights_of_a_format_without_level_0_are_small(rng, fmt):
    x = rng.normal(size=(8, 64))
    network = quantize_network([FloatDense(np.zeros((2, 64)), [5.0, 1.0])], x, weights=parse(fmt),
                               activations=S8, contract=HALF_UP)
    output = network.layers[0].output
    y = dequantize(run(network, quantize(x, network.input))["dense0"], output)
    assert (np.abs(y - [5.0, 1.0]) <= output.step).all()


@pytest.mark.parametrize("fmt", ["s8", "s16n", "e4m3fn", "cfloat8_1_5_2"])
def test_a_channel_without_weights_keeps_its_bias(fmt):
    """Sums of few weights are narrower than the formats', and so are the biases that fit."""
    layer = FloatDense(np.array([[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]]), np.array([0.0, 1.0]))
    network = quantize_network(
        [layer], np.ones((4, 3)), weights=parse(fmt), activations=parse(fmt), output=parse("s8"),
        contract=contract("half_even"), zero_points="none")
    y = run(network, quantize(np.ones((1, 3)), network.input))["dense0"]
    assert y[0, 1] == quantize(1.0, network.layers[0].output)
