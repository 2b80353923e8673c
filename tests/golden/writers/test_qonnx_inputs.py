"""Inputs of QONNX files: real numbers in the middle of two levels become the network's level."""

import numpy as np
import pytest

from golden.affine import quantize
from golden.floats import FloatDense
from golden.formats import OddFormat, parse
from golden.networks import Quantization
from golden.quantize import quantize_network
from golden.readers import read_model
from golden.saved import save
from golden.writers.inputs import input_quantizer
from golden.writers.qonnx import main, missed_ties, qonnx_model, ties_note, write_qonnx
from tests.golden.writers.qonnx_files import run_reals_by_qonnx

pytest.importorskip("qonnx", reason="qonnx is not installed")

HELD = [("u4", 1 / 15, 0), ("u3", 1 / 7, 0), ("u8", 1 / 255, 0), ("u8", 1 / 16, 0), ("u2", 0.5, 0),
        ("bit", 0.5, 0), ("bit", 1 / 3, 0), ("u8", 0.25, 7), ("u7", 2 / 255, 0), ("s8", 0.25, -100),
        ("s8", 1 / 255, -128),
        ("s4", 1 / 15, -8), ("s4", 0.5, -8), ("s2", 1 / 3, -2), ("binary", 0.3, 0)]
"""Formats, scales and zero points with which all ties are held, those of pixels among them."""

OTHERS = [("s4", 0.5, 0), ("s4n", 1 / 7, 0), ("s8n", 1 / 127, 0), ("ternary", 1.0, 0),
          ("odd4", 1 / 15, 0), ("odd3", 0.25, 0), ("s4", 1 / 15, 3), ("s16", 1 / 128, 0),
          ("u8", 2 / 255, 128)]
"""Those with other numbers at or near the middles, below 0."""


def network_of(fmt, scale, zero_point):
    """Three inputs and a layer that copies them."""
    fmt = parse(fmt)
    layers = [FloatDense(np.eye(3))]
    return quantize_network(layers, np.ones((1, 3)), weights="ternary", activations=fmt,
                            contract="half_up", given={
                                "input": Quantization(fmt, scale, zero_point)})


def grid(quantization):
    """Multiples of fractions that images and fixed-point signals have, beyond the format's ends."""
    fmt = quantization.format
    ends = (np.array([fmt.min - 2, fmt.max + 2]) - quantization.zero_point) * quantization.scale
    return np.unique(np.concatenate([np.arange(*np.rint(ends * n)) / n for n in (
        1, 2, 7, 15, 16, 30, 255, 256, 510)])).astype(np.float32)


def is_tie(x, quantization):
    """Whether numbers are in the middle of two levels."""
    y, fmt = x.astype(np.float64) / quantization.scale, quantization.format
    if isinstance(fmt, OddFormat):
        return (y % 2 == 0) & (np.abs(y) < fmt.max)
    y = y + quantization.zero_point
    return (y % 1 == 0.5) & (y > fmt.min) & (y < fmt.max)


def by_file(network, x, folder):
    """Levels that the network's QONNX file makes of numbers."""
    write_qonnx(network, folder / "one.onnx")
    [border] = read_model(folder / "one.onnx").borders.values()
    return border(x)


@pytest.mark.parametrize("fmt, scale, zero_point", HELD)
def test_all_ties_are_held(fmt, scale, zero_point, tmp_path):
    network = network_of(fmt, scale, zero_point)
    x = grid(network.input)
    own = quantize(x, network.input)
    np.testing.assert_array_equal(by_file(network, x, tmp_path), own)
    assert missed_ties(network) == {} and ties_note(network) == ""


@pytest.mark.parametrize("fmt, scale, zero_point", OTHERS)
def test_ties_above_0_are_held(fmt, scale, zero_point, tmp_path):
    """Below 0 those that the file moves are the ones that are named, and they go one level down."""
    network = network_of(fmt, scale, zero_point)
    x = grid(network.input)
    own = quantize(x, network.input)
    found = by_file(network, x, tmp_path)
    wrong, ties = found != own, is_tie(x, network.input)
    assert ties.any() and not (wrong & ties & (x >= 0)).any()
    missed = missed_ties(network).get("input", np.array([]))
    assert (missed < 0).all() and set(x[wrong & ties]) == set(missed)
    assert (found <= own)[ties].all()
    if missed.size:
        note = ties_note(network)
        assert note == (f"note: the QONNX file rounds down, and the network up, numbers in the "
                        f"middle of two levels: {len(missed)} of input 'input', such as "
                        f"{missed[-1]:g}")


@pytest.mark.parametrize("fmt, scale, zero_point", [
    ("u4", 1 / 15, 0), ("s8", 1 / 255, -128), ("s4", 1 / 15, -8)])
def test_the_executor(fmt, scale, zero_point):
    network = network_of(fmt, scale, zero_point)
    x = grid(network.input)
    x = x[np.concatenate([np.flatnonzero(is_tie(x, network.input))[:6],
                          np.arange(0, len(x), len(x) // 24)])]
    x = np.resize(x, (-(-len(x) // 3), 3))
    np.testing.assert_array_equal(run_reals_by_qonnx(network, qonnx_model(network), x)["input"],
                                  quantize(x, network.input))


def test_a_scale_that_float32_has_stays():
    """Of positive numbers; sums in float32 stay exact."""
    for fmt in ("u4", "u8", "bit", "s4", "s8n", "ternary"):
        assert float(input_quantizer(Quantization(parse(fmt), 0.125), "the input").step) == 0.125


@pytest.mark.parametrize("scale", [2.0**-126, 2.0**-126 * 1.1, 3e38])
def test_scales_at_the_ends_of_float32(scale):
    assert float(input_quantizer(Quantization(parse("s8"), scale), "the input").step) == np.float32(
        scale)


def test_what_is_not_held_is_said(tmp_path, capsys):
    network = network_of("s4", 0.5, 0)
    save(network, tmp_path / "net.npz")
    assert main([str(tmp_path / "net.npz"), "-o", str(tmp_path / "one.onnx")]) == 0
    assert capsys.readouterr().err == (
        "note: the QONNX file rounds down, and the network up, numbers in the middle of two "
        "levels: 8 of input 'input', such as -0.25\n")


def test_a_path_may_be_a_string(tmp_path):
    write_qonnx(network_of("u4", 1 / 15, 0), str(tmp_path / "one.onnx"))
    assert read_model(tmp_path / "one.onnx").network.inputs
