"""What QONNX cannot say is refused, by the layer's name; nothing is written."""

import re
import sys
from dataclasses import replace

import numpy as np
import pytest

from golden import contracts, units
from golden.floats import FloatDense, FloatNetwork, FloatPool
from golden.formats import parse
from golden.networks import Add, Dense, Network, Quantization, Tensor
from golden.quantize import quantize_network
from golden.readers import read
from golden.saved import save
from golden.unit_scales import parameters_of
from golden.units import Addition
from golden.writers.qonnx import main, qonnx_model, write_qonnx
from tests.golden.writers.qonnx_files import chain

pytest.importorskip("onnx", reason="onnx is not installed")

SAID = "must be an integer one, ternary, binary, bit or odd to be said in QONNX"


@pytest.mark.parametrize("weights, activations, message", [
    ("codebook:-5/-1/0/2", "s4", f"'dense0': Format of the weights {SAID}, not codebook"),
    ("e4m3fn", "s4", f"'dense0': Format of the weights {SAID}, not e4m3fn"),
    ("s4", "e4m3fn", f"input 'input': Format of the tensor {SAID}, not e4m3fn"),
    ("s4", "mx_e2m1", f"input 'input': Format of the tensor {SAID}, not mx_e2m1"),
    ("mx_s8", "s4", "'dense0': Weights and results must have no exponents and no table")])
def test_formats(weights, activations, message, rng):
    network = chain(rng, weights, activations)
    with pytest.raises(ValueError, match="^Layers must be ones that QONNX can say, not .*"
                       + re.escape(message)):
        qonnx_model(network)


def test_a_loaded_codebook():
    fmt = parse("codebook2:loaded=s8")
    layer = Dense(name="dense", inputs=("input",), output=Quantization(parse("s4")),
                  weights=np.array([[1, 2]]), weight=Quantization(fmt, 1.0),
                  contract=contracts.parse("half_up"), parameters={
                      "bias": np.zeros(1, int), "multiplier": np.ones(1, int),
                      "shift": np.ones(1, int), "zero_point": np.zeros(1, int),
                      "clamp_min": np.full(1, -8), "clamp_max": np.full(1, 7)})
    network = Network(name="n", inputs=(Tensor("input", Quantization(parse("s4")), (2,)),),
                      layers=(layer,))
    with pytest.raises(ValueError, match="'dense': Format of the weights must be .*loaded"):
        qonnx_model(network)


def test_draws(rng):
    network = chain(rng, "s3n", "s4", contract="stochastic")
    said = "Contract must be one that gives each sum one level, not stochastic"
    with pytest.raises(ValueError, match=f"'dense0': {said}; 'dense1': {said}$"):
        qonnx_model(network)


def test_all_problems_are_named(rng):
    network = chain(rng, "s3n", "s4")
    codebook = replace(network.layers[0].weight, format=parse("codebook:-3/-2/-1/0/1/2/3"))
    with pytest.raises(ValueError, match="'dense0': Format of the weights .*; 'dense1': Format"):
        qonnx_model(replace(network, layers=(
            replace(network.layers[0], inputs=("input",), weight=codebook),
            replace(network.layers[0], name="dense1", inputs=("input",), weight=codebook))))


@pytest.mark.parametrize("activations", ["s4", "e4m3fn"])
def test_layers_behind_refused_ones_are_named(rng, activations):
    """Their inputs may be ones that QONNX can say, or not."""
    with pytest.raises(ValueError, match="'dense0': Format of the weights .*; 'dense1': Format of "
                                         "the weights [^;]*$"):
        qonnx_model(chain(rng, "codebook:-5/-1/0/2", activations))


def test_a_layer_behind_a_refused_one_is_judged_with_its_input(rng):
    network = chain(rng, "s3n", "s4")
    first, last = network.layers
    codebook = replace(first.weight, format=parse("codebook:-3/-2/-1/0/1/2/3"))
    clamp = np.resize([-8, -7], 5)
    one = replace(network, layers=(replace(first, weight=codebook), replace(
        last, parameters={**last.parameters, "clamp_min": clamp})))
    with pytest.raises(ValueError, match="'dense0': Format of the weights .*; 'dense1': Clamp must "
                                         "be one for all channels$"):
        qonnx_model(one)
    one = replace(network, layers=(replace(first, weight=codebook), last))
    with pytest.raises(ValueError, match="'dense0': [^;]*$"):
        qonnx_model(one)


def test_exact_sums(rng):
    network = quantize_network([FloatDense(rng.normal(size=(3, 4)))], rng.normal(size=(9, 4)),
                               weights="s4", activations="s4", contract="none")
    with pytest.raises(ValueError, match="'dense0': Contract must be one that gives each sum one "
                                         "level, not none"):
        qonnx_model(network)


def test_a_padded_average(rng):
    network = FloatNetwork(input_shape=(4, 4, 1), layers=(FloatPool(
        name="mean", inputs=("input",), kind="average", size=(2, 2), stride=(2, 2),
        padding=((1, 1), (0, 0))),))
    network = quantize_network(network, rng.normal(size=(5, 4, 4, 1)), weights="s4",
                               activations="s4", contract="half_up")
    with pytest.raises(ValueError, match="'mean': Padding of an average must be 0"):
        qonnx_model(network)


@pytest.mark.parametrize("scales, message", [
    ((0.25, 0.25, 0.5), r"'sum': Levels must be those of exact sums of the tensors' scales, "
                       r"rounded FLOOR, not others for \d+ of 256 inputs"),
    ((1.0, 2.0**-60, 1.0), "'sum': Scales of the inputs must be to each other as integers")])
def test_sums_that_round_otherwise(scales, message):
    """TFLite takes ties away from 0."""
    fmt = parse("s4")
    a, b, y = (Quantization(fmt, scale) for scale in scales)
    scheme = units.parse("tflite")
    operation = Addition(scheme, fmt, fmt, fmt)
    network = Network(name="n", inputs=(Tensor("a", a, (2,)), Tensor("b", b, (2,))), layers=(
        Add(name="sum", inputs=("a", "b"), output=y, scheme=scheme,
            parameters=parameters_of(operation, a, b, y)),))
    with pytest.raises(ValueError, match=message):
        qonnx_model(network)


def test_nothing_is_written(rng, tmp_path):
    path = tmp_path / "one.onnx"
    with pytest.raises(ValueError, match="codebook"):
        write_qonnx(chain(rng, "codebook:-5/-1/0/2", "s4"), path)
    assert not list(tmp_path.iterdir())
    with pytest.raises(OSError, match=f"^--qonnx must be writable, not {tmp_path} "):
        write_qonnx(chain(rng, "s4", "s4"), tmp_path, "--qonnx")
    assert not list(tmp_path.iterdir())


def test_without_onnx(rng, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ModuleNotFoundError, match=r"run: pip install 'exactmac\[models\]'$"):
        qonnx_model(chain(rng, "s4", "s4"))


def test_the_command(rng, tmp_path, capsys):
    net, path = tmp_path / "net.npz", tmp_path / "one.onnx"
    save(chain(rng, "s4n", "u4"), net)
    assert main([str(net), "-o", str(path)]) == 0
    assert read(path).layers[-1].name == "dense1"
    save(chain(rng, "e4m3fn", "s4"), net)
    saved, link = net.read_bytes(), tmp_path / "link.onnx"
    link.symlink_to(net)
    for arguments, message in (
            ([str(net), "-o", str(tmp_path / "two.onnx")], "Layers must be ones that QONNX can"),
            ([str(tmp_path / "none"), "-o", str(tmp_path / "two.onnx")],
             f"Network must be a file that can be read, not {tmp_path / 'none'} (No such file or"),
            ([str(net), "-o", str(net)],
             f"--output must be another file than the network, not {net}"),
            ([str(net), "-o", str(link)],
             f"--output must be another file than the network, not {link}"),
            ([str(net), "-o", str(tmp_path)], "--output must be a file, not the folder")):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == 2
        error = capsys.readouterr().err
        assert error.startswith("python -m golden.writers.qonnx: error: ") and message in error
        assert error.count("\n") == 1
    assert net.read_bytes() == saved
    assert sorted(each.name for each in tmp_path.iterdir()) == ["link.onnx", "net.npz", "one.onnx"]
