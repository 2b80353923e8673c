"""Accuracy against the size of the calibration set."""

import numpy as np
import pytest

from golden import digits
from golden.affine import quantize
from golden.floats import FloatConv2d, FloatDense
from golden.quantize import quantize_network
from golden.quantize.sizes import accuracy_by_size, powers_of_two
from golden.run import run

CHOICES = dict(weights="s4n", activations="s4", contract="half_up", method="min_max",
               weight_ranges="least_error")


@pytest.fixture(scope="module")
def data():
    return digits.load()


def by_size(data, **changed):
    given = dict(sizes=[1, 4, 256], seeds=[0, 7]) | CHOICES | changed
    return accuracy_by_size(data.layers, data.calibration, data.images, data.labels, **given)


def test_sizes():
    assert powers_of_two(1) == [1]
    assert powers_of_two(8) == [1, 2, 4, 8]
    assert powers_of_two(11) == [1, 2, 4, 8, 11]


def test_each_accuracy_is_that_of_the_network(data):
    found = by_size(data)
    assert [(each.size, each.seed) for each in found] == [
        (size, seed) for size in (1, 4, 256) for seed in (0, 7)]
    for each in found:
        chosen = sorted(np.random.default_rng(each.seed).permutation(256)[:each.size])
        made = quantize_network(data.layers, data.calibration[chosen], **CHOICES)
        outputs = run(made, quantize(data.images, made.input))["dense1"]
        assert each.accuracy == digits.accuracy(outputs, data.labels)
        assert each.correct == each.accuracy * len(data.labels)
    # All examples make one network, whatever the seed; one example depends on it.
    assert found[-1].accuracy == found[-2].accuracy
    assert found[0].accuracy != found[1].accuracy
    assert found == by_size(data)


def test_other_outputs(data):
    """Exact sums have a scale for each channel, and block-scaled ones exponents."""
    layers = [data.layers[1]]
    x = np.maximum(data.images @ data.layers[0].weights.T + data.layers[0].biases(), 0)
    for changed in (dict(contract="none"), dict(activations="mx_s8", weights="mx_s8")):
        (found,) = accuracy_by_size(layers, x[:50], x, data.labels, sizes=[50], seeds=[0],
                                    **CHOICES | dict(activations="s8") | changed)
        assert found.accuracy > 0.9


@pytest.mark.parametrize("changed, message", [
    (dict(sizes=[0]), "Size must be at least 1, not 0"),
    (dict(sizes=[4, 257]), "Size must be at most the 256 calibration examples, not 257"),
    (dict(method="max"), "Method must be one of mse, min_max, moving_average, percentile, "
                         "entropy, not 'max'")])
def test_what_is_refused(data, changed, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        by_size(data, **changed)


def test_scales_of_channels_count():
    """The sums of channel 0 are the larger integers, those of channel 1 the larger numbers."""
    layer, x = FloatDense(np.diag([1.0, 100.0])), np.array([[1.0, 0.5]])
    (found,) = accuracy_by_size([layer], x, x, [1], seeds=[0], weights="s8n", activations="s8",
                                contract="none")
    assert found.correct == 1


def test_images_are_no_outputs():
    layer = FloatConv2d(np.ones((2, 1, 1, 1)))
    with pytest.raises(ValueError, match=r"^Network must have one axis of outputs, "
                                         r"not shape \(3, 3, 2\)$"):
        accuracy_by_size([layer], np.ones((4, 3, 3, 1)), np.ones((2, 3, 3, 1)), [0, 1], **CHOICES)


def test_labels_that_do_not_fit(data):
    with pytest.raises(ValueError, match=r"^Labels must be one for each of one or more inputs, "
                                         r"not of shape \(3,\) for 540$"):
        accuracy_by_size(data.layers, data.calibration, data.images, [1, 2, 3], **CHOICES)
