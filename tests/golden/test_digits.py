import re

import numpy as np
import pytest

from golden import digits
from golden.affine import quantize
from golden.contracts import CONTRACTS
from golden.contracts import parse as contract
from golden.floats import run_float
from golden.formats import parse
from golden.run import prove, run


@pytest.fixture(scope="module")
def data():
    return digits.load()


@pytest.fixture(scope="module")
def float_accuracy(data):
    return digits.accuracy(run_float(data.layers, data.images), data.labels)


def quantized_accuracy(data, **options):
    network = digits.quantized(data, **options)
    tensors = run(network, quantize(data.images, network.input))
    return digits.accuracy(tensors[network.layers[-1].name], data.labels)


def bits(width):
    return dict(weights=parse(f"s{width}n"), activations=parse(f"s{width}"))


def test_what_is_packaged(data):
    assert [layer.weights.shape for layer in data.layers] == [(64, 64), (10, 64)]
    assert [layer.relu for layer in data.layers] == [True, False]
    assert data.images.shape == (540, 64) and data.labels.shape == (540,)
    assert data.calibration.shape == (256, 64)
    for images in (data.images, data.calibration):
        assert images.min() == 0 and images.max() == 1
        np.testing.assert_array_equal(images * 16, np.round(images * 16))
    assert sorted(set(data.labels.tolist())) == list(range(10))
    assert re.search("UCI Machine Learning Repository.*CC BY 4.0", data.source)
    assert [version.split()[0] for version in data.versions] == ["python", "numpy", "scikit-learn"]
    assert isinstance(data.seed, int)
    assert digits.PATH.stat().st_size < 200_000


def test_calibration_and_test_images_are_apart(data):
    # A few digits are drawn alike pixel by pixel; the parts as such share none.
    test = {row.tobytes() for row in data.images}
    assert sum(row.tobytes() in test for row in data.calibration) == 0


def test_float_accuracy(float_accuracy):
    assert float_accuracy == pytest.approx(528 / 540)


def test_goals(data, float_accuracy):
    assert quantized_accuracy(data, **bits(8)) >= float_accuracy - 0.003
    assert quantized_accuracy(data, **bits(4)) >= float_accuracy - 0.02


@pytest.mark.parametrize("width", range(2, 17))
def test_every_width(data, width):
    zero_points = ("none", "activations", "both")[width % 3]
    least = {2: 0.6, 3: 0.93, 4: 0.96}.get(width, 0.97)
    assert quantized_accuracy(data, **bits(width), zero_points=zero_points) >= least


@pytest.mark.parametrize("name", [
    name if index % 3 == 0 else pytest.param(name, marks=pytest.mark.slow)
    for index, name in enumerate(sorted(set(CONTRACTS) - {"thresholds", "none"}))])
def test_every_contract(data, name):
    assert quantized_accuracy(data, **bits(8), requantization=contract(name)) >= 0.97


@pytest.mark.parametrize("zero_points", ["none", "activations", "both"])
def test_thresholds_are_half_up(data, zero_points):
    """At 4 bits, the most there are thresholds for: the same output for every image."""
    results = []
    for name in ("half_up", "thresholds"):
        network = digits.quantized(data, **bits(4), requantization=contract(name),
                                   zero_points=zero_points)
        tensors = run(network, quantize(data.images, network.input))
        results.append([tensors[layer.name] for layer in network.layers])
    for half_up, thresholds in zip(*results, strict=True):
        np.testing.assert_array_equal(thresholds, half_up)
    assert digits.accuracy(results[1][-1], data.labels) >= 0.96


@pytest.mark.parametrize("weights, activations, least", [
    ("s4n", "u8", 0.96), ("s8", "s4", 0.96), ("s2n", "s8", 0.85)])
def test_mixed_formats(data, weights, activations, least):
    assert quantized_accuracy(
        data, weights=parse(weights), activations=parse(activations)) >= least


def test_narrow_multipliers(data):
    assert quantized_accuracy(data, **bits(8),
                              requantization=contract("half_up", multiplier_bits=8)) >= 0.97


def test_quantizing_is_repeatable(data):
    one, two = (digits.quantized(data, **bits(4)) for _ in range(2))
    for a, b in zip(one.layers, two.layers, strict=True):
        np.testing.assert_array_equal(a.weights, b.weights)
        for name, value in a.parameters.items():
            np.testing.assert_array_equal(value, b.parameters[name])
    assert prove(one).sums == prove(two).sums


def test_accuracy_takes_the_first_of_equals():
    assert digits.accuracy(np.array([[1, 1], [0, 1], [2, 2]]), np.array([0, 1, 1])) == 2 / 3
