"""Errors of tensors, of numbers that are known."""

import json
from math import inf, log10

import numpy as np
import pytest

from golden.floats import FloatDense, FloatNetwork
from golden.formats import parse
from golden.networks import Quantization
from golden.quantize import quantize_network, tensor_errors
from tests.golden.floats.test_floats import graph
from tests.golden.quantize.test_graphs import exactly

IDENTITY = FloatNetwork.chain([FloatDense(np.eye(2))], (2,))


def identity(**given):
    return quantize_network(IDENTITY, np.ones((1, 2)), weights="s8n", activations="s4",
                            contract="half_up", given=given)


def test_by_hand():
    """Steps of 0.5, levels -8..7; 3.75 is place 7.5, and -4.25 is -8.5: not beyond."""
    network = identity(input=Quantization(parse("s4"), 0.5, 0),
                       dense0=Quantization(parse("s4"), 0.5, 1))
    x = np.array([[0.5, 3.75], [4.0, -4.25], [0.1, -2.0]])
    first, second = tensor_errors(IDENTITY, network, x)
    # 0.5, 3.5, 3.5, -4, 0, -2, of which 4.0 is too large.
    noise = 0.25**2 + 0.5**2 + 0.25**2 + 0.1**2
    signal = float(np.square(x).sum())
    assert (first.name, first.operator, first.saturated) == ("input", "input", 1 / 6)
    assert first.noise_ratio == pytest.approx(10 * log10(signal / noise), abs=1e-12)
    assert first.most_steps == 1.0
    # 0.5, 3, 3, -4, 0, -2: the zero point leaves -4.5 to 3.
    assert (second.name, second.operator, second.saturated) == ("dense0", "Dense", 2 / 6)
    assert second.most_steps == 2.0
    noise = 0.75**2 + 1.0 + 0.25**2 + 0.1**2
    assert second.noise_ratio == pytest.approx(10 * log10(signal / noise), abs=1e-12)


def test_a_graph_without_errors(rng):
    network = graph(rng)
    x = rng.integers(-3, 4, (5, 2, 6, 5)).astype(float)
    made = quantize_network(network, x, weights="s4", activations="s16", contract="half_up",
                            given=exactly(network))
    found = tensor_errors(network, made, x)
    assert [each.name for each in found] == list(network.shapes)
    assert {(each.noise_ratio, each.most_steps, each.saturated) for each in found} == {(inf, 0, 0)}
    plain = found[0].to_json()
    assert (plain["sqnr_db"], plain["format"], plain["scale"]) == (None, "s16", 1.0)
    json.dumps(plain, allow_nan=False)


def test_a_scale_for_each_channel():
    layers = [FloatDense([[1.0, 0.0], [0.0, 1 / 64]])]
    network = FloatNetwork.chain(layers, (2,))
    given = {"input": Quantization(parse("s4"), 1.0, 0)}
    made = quantize_network(network, np.ones((1, 2)), weights="s4n", activations="s4",
                            contract="none", given=given)
    _, found = tensor_errors(network, made, np.array([[3.0, -4.0], [2.0, 7.0]]))
    assert np.shape(found.quantization.scale) == (2,) and found.most_steps < 1e-12


def test_block_scaled_numbers(rng):
    layers = [FloatDense(rng.normal(size=(3, 40)))]
    network = FloatNetwork.chain(layers, (40,))
    x = rng.normal(size=(30, 40))
    made = quantize_network(network, x, weights="s8n", activations="mx_s8", output="mx_s8",
                            contract="half_up")
    first, second = tensor_errors(network, made, x)
    assert first.noise_ratio > 30 and second.noise_ratio > 30
    assert first.saturated == 0
    assert tensor_errors(network, made, 100 * x)[0].saturated > 0.5


def test_nothing_but_noise():
    network = identity(input=Quantization(parse("odd3"), 1.0, 0))
    first, _ = tensor_errors(IDENTITY, network, np.zeros((1, 2)))
    assert (first.noise_ratio, first.to_json()["sqnr_db"]) == (-inf, None)
