"""QONNX files of networks: read back and run by qonnx's executor, every tensor is equal."""

from fractions import Fraction

import numpy as np
import pytest

from golden.affine import quantize
from golden.contracts import CONTRACTS
from golden.floats import FloatDense
from golden.formats import parse
from golden.layers.linear import linear_results, sum_ends
from golden.multipliers import real_scale
from golden.networks import Quantization
from golden.quantize import Weights, quantize_network
from golden.ranges import values_range
from golden.readers import read_model
from golden.run import run
from golden.writers.qonnx import qonnx_model, write_qonnx
from tests.golden.writers.qonnx_files import (
    chain,
    check_equal,
    image,
    levels,
    read_back,
    run_by_qonnx,
)

pytest.importorskip("qonnx", reason="qonnx is not installed")

PAIRS = [*((f"s{n}n", f"s{n}") for n in range(8, 1, -1)), ("s4", "u4"), ("s4n", "s4n"),
         ("ternary", "ternary"), ("binary", "bit"), ("binary", "binary"), ("bit", "u2"),
         ("odd4", "odd4"), ("odd3", "s4"), ("s4n", "odd2"), ("u4", "u8"), ("odd8", "s8n")]
"""Formats of weights and activations."""


def reads_back(network, x, path, tensors):
    """Whether what a file is read as has the network's tensors, formats and weights."""
    read, names = read_back(network, path)
    found = run(read, x)
    check_equal({name: found[own] for name, own in names.items()}, run(network, x), tensors)
    for layer in network.layers:
        own = read.tensors[names[layer.name]].quantization
        assert (own.format, own.zero_point, own.scale) == (
            layer.output.format, layer.output.zero_point, np.float32(layer.output.scale))
        source = read.tensors[names[layer.name]].source
        if hasattr(layer, "weights"):
            assert source.weight.format == layer.weight.format
            np.testing.assert_array_equal(source.weights, layer.weights)
            np.testing.assert_array_equal(source.weight.zero_point, layer.weight.zero_point)
    return read, names


def every_sum(layer, network, ends):
    """Results of all sums between the ends of each channel; beyond them, of the nearest end."""
    sums = np.arange(ends.min(), ends.max() + 1)[:, None]
    return linear_results(layer, np.clip(sums, *ends), values_range(ends))


@pytest.mark.parametrize("weights, activations", PAIRS)
def test_formats(weights, activations, rng, tmp_path):
    network = chain(rng, weights, activations)
    reads_back(network, levels(rng, network), tmp_path / "one.onnx", 3)


@pytest.mark.thinned(2)
@pytest.mark.parametrize("weights, activations", PAIRS)
def test_every_sum(weights, activations, rng, tmp_path):
    """The layer that is read back gives each sum that the weights allow the same level."""
    network = chain(rng, weights, activations, inputs=3, hidden=4)
    read, names = read_back(network, tmp_path / "one.onnx")
    for layer in network.layers:
        own, ends = read.tensors[names[layer.name]].source, sum_ends(layer, network)
        assert (sum_ends(own, read) == ends).all() and np.ptp(ends) < 1 << 19
        np.testing.assert_array_equal(every_sum(own, read, ends), every_sum(layer, network, ends))


@pytest.mark.parametrize("bits", [None, 8, 1])
def test_images(bits, rng, tmp_path):
    """Grouped and dilated convolutions, sums, joins, pools and moves."""
    network = image(rng, bits=bits)
    x = levels(rng, network)
    read, names = read_back(network, tmp_path / "one.onnx")
    found, expected = run(read, x), run(network, x)
    check_equal({name: found[own] for name, own in names.items()}, expected, 10)
    if bits is not None:
        check_equal(run_by_qonnx(network, x[:8]), expected_of(expected, 8), 10)


def expected_of(tensors, count):
    return {name: each[:count] for name, each in tensors.items()}


@pytest.mark.thinned(2)
@pytest.mark.parametrize("weights, activations", PAIRS)
def test_the_executor(weights, activations, rng):
    """It is equal where factors and sums have few bits."""
    network = chain(rng, weights, activations, bits=1 if parse(activations).bits > 4 else 4)
    for layer in network.layers:
        p = layer.parameters
        for factor, bias, ends in zip(real_scale(layer.contract, p), p["bias"],
                                      sum_ends(layer, network).T, strict=True):
            factor = Fraction(float(factor))
            most = int(np.abs(ends).max()) + abs(int(bias))
            assert factor.numerator * most < 1 << 23
            assert factor.denominator * layer.output.format.max < 1 << 23
    x = levels(rng, network, 20)
    check_equal(run_by_qonnx(network, x), run(network, x), 3)


@pytest.mark.parametrize("activations", ["u4", "u8"])
def test_real_inputs(activations, rng, tmp_path):
    """Unsigned inputs are rounded as golden rounds them, ties too."""
    network = chain(rng, "s4n", activations, bits=4)
    write_qonnx(network, tmp_path / "one.onnx")
    x = (np.arange(-9, 600) * network.input.scale / 2).astype(np.float32)
    [border] = read_model(tmp_path / "one.onnx").borders.values()
    np.testing.assert_array_equal(border(x), quantize(x, network.input))


def test_a_file_means_the_same_real_numbers(rng):
    """Scales of results are the nearest numbers of float32, those of weights near theirs."""
    import onnx

    network = chain(rng, "s4n", "u4")
    arrays = {each.name: onnx.numpy_helper.to_array(each)
              for each in qonnx_model(network).graph.initializer}
    for name in (layer.name for layer in network.layers):
        assert arrays[f"{name}.scale"] == np.float32(network.quantization(name).scale)
    for layer in network.layers:
        np.testing.assert_allclose(arrays[f"{layer.name}.weights.scale"].ravel(),
                                   layer.weight.scale, rtol=1e-6)


@pytest.mark.parametrize("contract", CONTRACTS)
def test_contracts(contract, rng, tmp_path):
    """Those that can be said are the same for each sum; others are refused."""
    layers_of = {"contract": contract, "zero_points": "none"}
    try:
        network = chain(rng, "s3n", "s4", inputs=3, hidden=4, **layers_of)
    except ValueError as error:  # exact sums in the middle
        assert contract == "none" and "Contract must be one that scales" in str(error)
        return
    try:
        read, names = read_back(network, tmp_path / "one.onnx")
    except ValueError as error:
        assert contract in REFUSED and contract in str(error)
        return
    assert contract not in REFUSED
    for layer in network.layers:
        own, ends = read.tensors[names[layer.name]].source, sum_ends(layer, network)
        np.testing.assert_array_equal(every_sum(own, read, ends), every_sum(layer, network, ends))


REFUSED = {"stochastic", "tflite", "q31"}


@pytest.mark.parametrize("fmt", ["s4", "u4", "odd3", "binary"])
@pytest.mark.parametrize("factor", [1, 2, 0.5, 0.375, 1.5])
@pytest.mark.parametrize("step", [0.5, 0.3, 0.7])
def test_ties(fmt, factor, step, tmp_path):
    """Sums in the middle of two levels go up, also where float32 does not hold the middle."""
    output, before = Quantization(parse(fmt), step), 0.5 if step == 0.5 else 0.9
    layers = [FloatDense(np.array([[1.0, 1], [1, -1]]), np.array([0.5, -1]))]
    network = quantize_network(layers, np.ones((1, 2)), weights="s2", activations="s4",
                               contract="half_up", zero_points="none", output=fmt, given={
        "input": Quantization(parse("s4"), before), "dense0": output,
        "dense0.weights": Weights(layers[0].weights.astype(int),
                                  Quantization(parse("s2"), factor * step / before))})
    read, _ = reads_back(network, np.array([[0, 0]]), tmp_path / "one.onnx", 2)
    [layer], [own], ends = network.layers, read.layers, sum_ends(network.layers[0], network)
    np.testing.assert_array_equal(every_sum(own, read, ends), every_sum(layer, network, ends))
