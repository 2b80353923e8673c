"""Ten steps of each workflow, and what they become in golden."""

from dataclasses import replace

import numpy as np
import pytest

from golden import saved
from golden.affine import quantize
from golden.formats import parse
from golden.layers.linear import linear_sums
from golden.run import run

pytest.importorskip("jax")
pytest.importorskip("sklearn")

from golden.train.data import data  # noqa: E402  (these need JAX and scikit-learn)
from golden.train.export import exported, floated  # noqa: E402
from golden.train.loop import Plan, fit  # noqa: E402
from golden.train.models import Scheme, input_estimate, tensors  # noqa: E402
from golden.train.start import linear_layers, start  # noqa: E402

PLAN = Plan(batch=100, rate=1e-2, noise=0.05, shifted=0.5, teach=0.5)
WORKFLOWS = {
    "step": ("step", "s4", "u4"), "odd": ("step", "odd2", "u2"), "dorefa": ("dorefa", "odd4", "u4"),
    "dorefa1": ("dorefa", "binary", "bit"), "binary": ("binary", "binary", "bit"),
    "ternary": ("ternary", "ternary", "u2"), "codebook": ("codebook", "s2", "u2"),
    "e4m3fn": ("step", "e4m3fn", "e4m3fn"), "e5m2": ("step", "e5m2", "e5m2")}


def scheme_of(estimator, weights, activations, input=None):
    return Scheme(estimator=estimator, weights=parse(weights), activations=parse(activations),
                  input=parse(input or activations))


def ten_steps(name, scheme, *, teacher=True):
    first = start(name, 0)
    given = data(name)
    one, two = (fit(first, given, PLAN, 0, scheme=scheme, teacher=start(name, 1) if teacher else
                    None, steps=10) for _ in range(2))
    assert np.mean(one.losses[-3:]) < np.mean(one.losses[:3])
    np.testing.assert_array_equal(one.losses, two.losses)
    for layer, own in one.parameters.items():
        for part, value in own.items():
            np.testing.assert_array_equal(value, two.parameters[layer][part])
    return first, one, given


def near_tie(v, fmt, reach):
    """Whether numbers are within a reach of a place where the nearest level changes."""
    levels = fmt.levels()
    halfway = (levels[:-1] + levels[1:]) / 2
    return np.abs(np.asarray(v)[..., None] - halfway).min(axis=-1) < reach


def check_golden(first, trained, scheme, given):
    """Golden has JAX's levels but for those beside a tie, and JAX's classes but for those rows."""
    network = exported(first, trained, scheme, given.calibration, name="trained")
    x = given.inputs["validation"]
    levels = quantize(x.astype(np.float64), network.input)
    golden = run(network, levels)
    found = tensors(first, trained.parameters, x, scheme)
    linear = linear_layers(first)
    doubtful = np.zeros(len(x), bool)
    for index, layer in enumerate(linear):
        fmt = scheme.activations if index else scheme.input
        tensor = layer.inputs[0]
        own = input_estimate(found[tensor], trained.parameters[layer.name], fmt, scheme)
        differs = np.asarray(own.levels) != golden[tensor]
        if index:
            before = next(each for each in network.layers if each.name == linear[index - 1].name)
            sums = linear_sums(before, golden[before.inputs[0]], network)
            exact = (sums + before.parameters["bias"]) * np.asarray(before.weight.step) * (
                network.quantization(before.inputs[0]).step / before.output.step)
        else:
            exact = x.astype(np.float64) / network.input.step
        # Sums of float32 round relative to their largest products.
        reach = 1e-5 * np.maximum(1, np.abs(exact).max())
        new = differs.reshape(len(x), -1).any(axis=1) & ~doubtful
        assert near_tie(exact.reshape(differs.shape)[new][differs[new]], fmt, reach).all()
        doubtful |= new
    assert doubtful.mean() < 0.02
    real, last = np.asarray(found[first.output]), golden[network.outputs[0]]
    step = network.layers[-1].output.step
    np.testing.assert_allclose(last[~doubtful] * step, real[~doubtful], atol=0.51 * step, rtol=1e-4)
    top = np.sort(real, axis=1)
    clear = ~doubtful & (top[:, -1] - top[:, -2] > 2 * step + 2e-4 * np.abs(top[:, -1]))
    assert clear.mean() > 0.9
    np.testing.assert_array_equal(last.argmax(1)[clear], real.argmax(1)[clear])
    return network


@pytest.mark.parametrize("name", [
    name if name == "step" else pytest.param(name, marks=pytest.mark.slow) for name in WORKFLOWS])
def test_ten_steps(name, tmp_path):
    scheme = scheme_of(*WORKFLOWS[name])
    network = check_golden(*ten_steps("digits", scheme)[:2], scheme, data("digits"))
    for layer in network.layers:
        assert layer.weight.format.bits == scheme.weights.bits
        assert network.quantization(layer.inputs[0]).format.bits == scheme.activations.bits
    saved.save(network, tmp_path / "net")
    assert saved.digest(saved.load(tmp_path / "net")) == saved.digest(network)


@pytest.mark.slow
def test_ten_steps_of_floats_and_then_of_fine_tuning():
    first, trained, given = ten_steps("digits", None, teacher=False)
    network = floated(first, trained)
    scheme = scheme_of("step", "s4", "u4")
    tuned = fit(network, given, PLAN, 0, scheme=scheme, teacher=network, steps=10)
    check_golden(network, tuned, scheme, given)


@pytest.mark.slow
def test_ten_steps_of_the_convolutions():
    pytest.importorskip("mnist1d")
    scheme = scheme_of("step", "s4", "u4", "odd4")
    check_golden(*ten_steps("mnist1d", scheme)[:2], scheme, data("mnist1d"))


def test_a_layer_that_cannot_be_trained():
    from golden.floats import FloatNetwork, FloatPool

    network = FloatNetwork.chain([FloatPool(kind="max", size=(1, 2), stride=(1, 2))], (1, 4, 1))
    with pytest.raises(ValueError, match="^Layer 'pool0' must be a fully connected one, a reshape, "
                                         "or a convolution without padding, dilation and groups, "
                                         "to be trained, with ReLU or without, not FloatPool$"):
        fit(network, data("digits"), PLAN, 0)


def test_what_is_compiled_is_kept_for_networks_that_compute_the_same():
    from golden.floats import FloatConv2d, FloatNetwork
    from golden.train.loop import _Shape

    for name in ("digits", "mnist1d"):
        assert _Shape(start(name, 0)) == _Shape(start(name, 1))
    one, other = (_Shape(FloatNetwork.chain(  # of equal shapes
        [FloatConv2d(np.ones((1, 1, 1, 1)), stride=(1, stride))], (1, 1, 1))) for stride in (1, 2))
    assert one != other
    layers = start("digits", 0).layers
    for changed in ((replace(layers[0], relu=False, least=-np.inf), layers[1]),
                    (layers[0], replace(layers[1], relu=True, least=0))):
        assert _Shape(start("digits", 0)) != _Shape(
            FloatNetwork.chain(changed, (64,), name="digits"))


@pytest.mark.slow
@pytest.mark.parametrize("other", [
    lambda first, last: (replace(first, relu=False, least=-np.inf), last),
    lambda first, last: (first, replace(last, relu=True, least=0))])
def test_what_is_compiled_is_not_taken_for_another_network(other):
    """Of one name and the same shapes, with ReLU elsewhere: each is trained as if it were first."""
    from golden.floats import FloatNetwork
    from golden.train import loop

    first, given = start("digits", 0), data("digits")
    second = FloatNetwork.chain(other(*first.layers), (64,), name=first.name)

    def losses(network, teacher=None):
        return fit(network, given, PLAN, 0, teacher=teacher, steps=2).losses

    loop._compiled.cache_clear()
    alone = losses(second), losses(first, second)
    loop._compiled.cache_clear()
    assert not np.array_equal(losses(first), alone[0])
    np.testing.assert_array_equal(losses(second), alone[0])
    assert not np.array_equal(losses(first, first), alone[1])
    np.testing.assert_array_equal(losses(first, second), alone[1])
    before = loop._compiled.cache_info().misses
    assert not np.array_equal(losses(start("digits", 1)), losses(first))
    assert loop._compiled.cache_info().misses == before  # seeds share what is compiled


def test_the_parts_of_the_digits_are_apart():
    given = data("digits")
    assert [len(given.labels[part]) for part in ("training", "validation", "test")] == [
        1000, 257, 540]
    from golden import digits

    packaged = digits.load()
    np.testing.assert_array_equal(given.inputs["test"], packaged.images)
    np.testing.assert_array_equal(given.labels["test"], packaged.labels)
    np.testing.assert_array_equal(given.calibration, packaged.calibration)


@pytest.mark.slow
def test_generated_signals_leave_the_generator_of_numpy_alone():
    pytest.importorskip("mnist1d")
    data.cache_clear()
    np.random.seed(5)
    expected = np.random.random()
    np.random.seed(5)
    given = data("mnist1d")
    assert np.random.random() == expected
    assert given.inputs["training"].shape == (3200, 1, 40, 1) and len(given.labels["test"]) == 1000


def test_unknown_data():
    with pytest.raises(ValueError, match=r"^Data must be one of digits, mnist1d, not 'mnist_1d' "
                                         r"\(did you mean mnist1d\?\)$"):
        data("mnist_1d")
