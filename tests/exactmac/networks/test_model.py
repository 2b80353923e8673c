# amaranth: UnusedElaboratable=no
"""``exactmac network MODEL``: every layer equal, its cycles accounted for, bad input one line."""

import json
import re
import signal
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from exactmac import network
from exactmac.networks import model
from golden import digits, saved
from golden.networks import Softmax
from hw.flow.tools import ToolMissing
from hw.tile.config import TileConfig
from sim.layers import Designs
from sim.vectors import digits_network
from sim.verilator import available
from tests.commands import outcome
from tests.compiled import compiled
from tests.golden.readers.onnx_networks import quantized
from tests.golden.readers.qonnx_builder import QonnxBuilder
from tests.golden.readers.qonnx_files import NETWORKS
from tests.processes import comes, python
from tests.sim.layers.networks import dense, network_of

HELLO = Path(__file__).parents[2] / "data" / "hello_world_int8.tflite"
needs_verilator = pytest.mark.skipif(available() is not None, reason=str(available()))
needs_tflite = pytest.mark.skipif(find_spec("tflite") is None, reason="tflite is not installed")


def main(capsys, *arguments):
    return outcome(network.main, capsys, *arguments)


def quick(capsys, *arguments):
    """Without a compiler."""
    return main(capsys, *arguments, "--simulator", "amaranth")


@pytest.fixture
def net(tmp_path):
    """A saved network with a layer that has no unit."""
    first = dense("a", "x", features=6)
    path = tmp_path / "net.npz"
    saved.save(network_of(first, Softmax(
        name="s", inputs=("a",), output=replace(first.output, scale=1 / 256, zero_point=-128),
        parameters={"multiplier": 1 << 30, "shift": 22})), path)
    return path


class Shared(Designs):
    """Tiles that other tests have compiled, too."""

    def _simulation(self, design):
        return compiled(design) if isinstance(design, TileConfig) else super()._simulation(design)


@needs_tflite
@needs_verilator
def test_hello_world_on_the_verilog(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(model, "Designs", Shared)
    status, out, _ = main(capsys, HELLO, "--samples", "5", "--json", "--rows", "2")
    found = json.loads(out)
    assert status == 0 and found["all"]["mismatches"] == 0
    assert found["all"]["elements"] == 5 * (16 + 16 + 1)
    assert found["all"]["macs"] == 5 * (16 + 256 + 16)
    assert found["all"]["bit_operations"] == 64 * (16 + 256 + 16)
    assert found["all"]["cycles"] == sum(each["usage"]["cycles"] for each in found["layers"])
    assert list(found["tiles"]) == ["mac_s8_s8_s8_2x4x4_tflite_d16_o4"]
    for layer in found["layers"]:
        usage = layer["usage"]
        assert usage["beats"] + sum(usage[name] for name in (
            "parameters", "weights", "results", "latency")) == usage["cycles"]
        assert usage["utilization"] == usage["macs"] / (usage["cycles"] * 32)


@pytest.mark.slow
@needs_tflite
@needs_verilator
def test_winograds_inner_product_on_the_verilog(capsys):
    """The driver folds the weights' term, so that every tensor is golden's."""
    status, out, _ = main(capsys, HELLO, "--samples", "5", "--json", "--rows", "2", "--target",
                          "ecp5", "--inner-product", "winograd", "--dsp", "3")
    found = json.loads(out)
    assert status == 0 and found["all"]["mismatches"] == 0
    assert found["all"]["elements"] == 5 * (16 + 16 + 1)
    assert list(found["tiles"]) == ["mac_s8_s8_s8_2x4x4_tflite_d16_o4_ecp5_dsp3_winograd"]


@pytest.mark.slow
@needs_verilator
@pytest.mark.parametrize("name", ["onnx", "qonnx"])
def test_networks_of_convolutions_on_the_verilog(name, capsys, tmp_path, rng):
    """QDQ with u8 activations; 4-, 2- and 1-bit weights: several tiles, and golden's moves."""
    pytest.importorskip("onnx", reason="onnx is not installed")
    path = tmp_path / "model.onnx"
    if name == "onnx":
        quantized("convolutions", path, form="QDQ", activations="QUInt8", per_channel=True)
    else:
        b = QonnxBuilder(rng)
        NETWORKS["convolutions"](b)
        path.write_bytes(b.file().SerializeToString())
    status, out, _ = main(capsys, path, "--json", "--samples", "2")
    found = json.loads(out)
    assert status == 0 and found["all"]["elements"] > 1000
    if name == "qonnx":
        assert {"s4n", "s2n", "binary"} <= {tile["weights"] for tile in found["tiles"].values()}
    assert all(reason == "its kind has no unit" or "of at most 8 bits" in reason
               for reason in found["golden"].values())


@pytest.mark.parametrize("weights, activations, shape", [
    ("mx_e2m1", "s8", ()), ("e4m3fn", "e4m3fn", ()),
    pytest.param("mx_e2m1", "mx_s8", ("--cols", "32"), marks=pytest.mark.slow)])
def test_saved_networks(weights, activations, shape, capsys, tmp_path):
    """Of real numbers, too."""
    data, path, images = digits.load(), tmp_path / "net.npz", tmp_path / "x.npy"
    config = TileConfig.of(weights=weights, activations=activations, output=activations,
                           cols=32, depth=64)
    saved.save(digits_network(config, data), path)
    np.save(images, data.images[:2].astype(np.float32))
    status, out, _ = quick(capsys, path, "--inputs", images, "--json", *shape)
    assert status == 0 and json.loads(out)["samples"] == 2


def test_what_is_printed(net, capsys, tmp_path, monkeypatch):
    """What runs where comes before anything is built."""
    said = []

    class Watched(Designs):
        def __call__(self, design):
            said.append(capsys.readouterr().out)
            return super().__call__(design)

    monkeypatch.setattr(model, "Designs", Watched)
    picture = tmp_path / "cycles.svg"
    status, out, _ = quick(capsys, net, "--rows", "2", "--plot", picture)
    assert status == 0 and said[0].splitlines() == [
        "n, as it was saved, 1 random input (seed 0)",
        "tile    mac_s8_s8_s8_2x4x4_d6_o4: 1 layer, 32 products a cycle",
        "golden  Softmax 's': its kind has no unit"]
    rows = out.splitlines()
    assert rows[0].split() == ["layer", "operator", "on", "MACs", "cycles", "used", "rows", "cols",
                               "lanes", "params", "weights", "results", "latency", "bytes",
                               "BitOps"]
    assert [row.split()[0] for row in rows[1:5]] == ["a", "s", "tiles", "all"]
    shares = [float(each) for each in rows[1].split()[6:14]]
    assert abs(sum(shares) - 100) < 1  # rounded to a tenth each
    assert rows[5] == "3 elements of 1 tensor compared with golden, 0 mismatches"
    assert b"Cycles of n" in picture.read_bytes()


def test_names_are_no_markup(capsys, tmp_path):
    """Neither rich's nor matplotlib's, and of one line."""
    names = ["[red]a", "b[/bold]", "$c_{$", "d\ne"]
    path, picture = tmp_path / "net.npz", tmp_path / "a.svg"
    saved.save(replace(network_of(*(dense(name, "x", features=6) for name in names)),
                       name="[link=x]n\n"), path)
    status, out, err = quick(capsys, path, "--plot", picture)
    assert (status, err) == (0, "") and out.startswith("[link=x]n?, as it was saved")
    assert [line.split()[0] for line in out.splitlines()[3:7]] == ["[red]a", "b[/bold]", "$c_{$",
                                                                  "d?e"]
    ElementTree.parse(picture)
    status, out, err = quick(capsys, path, "--plot", tmp_path, "--json")
    assert status == 2 and list(json.loads(out)) == ["error"]


def test_many_samples_run_in_parts(net, capsys, monkeypatch):
    _, whole, _ = quick(capsys, net, "--samples", "7", "--json")
    monkeypatch.setattr(model, "MOST_BYTES", 1)
    status, parts, _ = quick(capsys, net, "--samples", "7", "--json")
    whole, parts = json.loads(whole), json.loads(parts)
    for name in ("elements", "macs", "bit_operations"):
        assert parts["all"][name] == whole["all"][name]
    assert status == 0 and parts["all"]["cycles"] > whole["all"]["cycles"]


def test_a_difference_is_named(net, capsys, monkeypatch):
    class Wrong(Designs):
        def _simulation(self, design):
            return Faulty(super()._simulation(design))

    class Faulty:
        def __init__(self, backend):
            self.backend, self.ports, self.design = backend, backend.ports, backend.design

        def run(self, *args, **kwargs):
            trace = self.backend.run(*args, **kwargs)
            data = trace.data.copy()
            data[0, 1] ^= 1
            [(name, only)] = trace.outputs.items()
            return replace(trace, outputs={name: replace(only, data=data)})

    monkeypatch.setattr(model, "Designs", Wrong)
    status, _, err = quick(capsys, net)
    assert status == 1 and re.fullmatch(
        r"exactmac network: failed: Layer a differs from golden at index \(0, 1\): (-?\d+) instead "
        r"of (?!\1\b)-?\d+\n", err)


def test_another_contract(net, capsys, tmp_path):
    status, out, err = quick(capsys, net, "--requant", "half_even", "--json")
    found = json.loads(out)
    assert status == 0 and found["arithmetic"] == "with contract half_even"
    assert "half_even" in next(iter(found["tiles"]))
    assert re.match(r"exactmac network: warning: contract half_even is not that of the saved "
                    r"network: \d+ of 96 output elements differ on 32 random inputs\n", err)
    assert len(found["warnings"]) == len(err.splitlines()) == 2
    assert found["warnings"][1].startswith("layers 's' keep their arithmetic, which contract "
                                           "half_even does not have: ")


@needs_tflite
def test_the_nearest_runtime(capsys):
    for contract, warned in (("tflite", 0), ("onnx", 0), ("floor", 1)):
        status, out, err = quick(capsys, HELLO, "--requant", contract, "--json")
        assert status == 0 and len(json.loads(out)["warnings"]) == warned
        assert err.count("nearest is") == warned


@pytest.mark.parametrize("arguments, message", [
    ("--require-hardware", "Layers must have hardware for --require-hardware, not Softmax 's': its "
                           "kind has no unit"),
    ("--depth 5", "Depth must be at least the 6 products of a sum of layer 'a', not 5"),
    ("--outputs 3", "Layer 'a': Outputs must divide the 4 cols, not be 3"),
    ("--bits 4", "--bits must be left out for {net}, which decides it, not [4]"),
    ("--dsp 4", "Layer 'a': Dsp must be left out for target generic, not 4"),
    ("--weights s4", "--weights must be left out for {net}, which decides it, not s4"),
    ("--area ecp5", "--area must be left out for a model: it is of the digits network, not ecp5"),
    ("--requant none", "Contract must be one that a layer of {net} can have, not none: "),
    ("--plot {net}", "Plot must be another file than the model, not {net}"),
    ("--requant best", "Contract must be one of"),
    ("--runtime litert", "Runtime must be"),
    ("--samples 0", "Samples must be in range [1, 4096], not 0"),
    ("--seed -1", "Seed must not be negative, not -1"),
    ("--inputs {nan}", "Inputs must be finite in float32, not nan at (0, 0)"),
    ("--inputs {empty}", "Inputs must have from 1 to 4096 samples, not 0"),
    ("--inputs {wide}", "Inputs must have shape (samples, 6), not (2, 7)"),
    ("--inputs {net}", "Inputs must be x, not "),
    ("--inputs nowhere.npy", "Inputs must be a file that can be read, not nowhere.npy"),
    ("--inputs {wide} --samples 2", "Samples must be left out with --inputs, not 2"),
    ("--plot /nowhere/a.svg", "Plot must be in a folder that exists, not /nowhere/a.svg"),
])
def test_bad_input(net, tmp_path, capsys, arguments, message):
    names = {"net": net, "nan": tmp_path / "nan.npy", "wide": tmp_path / "wide.npy",
             "empty": tmp_path / "empty.npy"}
    np.save(names["nan"], np.full((2, 6), np.nan))
    np.save(names["empty"], np.zeros((0, 6), int))
    np.save(names["wide"], np.zeros((2, 7), int))
    before = sorted(tmp_path.iterdir())
    status, out, err = quick(capsys, net, *arguments.format(**names).split())
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"exactmac network: error: {message.format(**names)}")
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("arguments, message", [
    ("--inputs x.npy", "--inputs must be left out of the digits network, which has no MODEL, not "
                       "x.npy"),
    ("--runtime litert", "--runtime must be left out of the digits network, which has no MODEL, "
                         "not litert")])
def test_options_of_models_alone(capsys, arguments, message):
    status, _, err = quick(capsys, "--bits", "4", *arguments.split())
    assert (status, err) == (2, f"exactmac network: error: {message}\n")


def test_no_compiler(net, capsys, monkeypatch):
    monkeypatch.setattr(model, "missing", lambda: ToolMissing("g++", "apt-get install g++"))
    status, out, err = main(capsys, net)
    assert (status, out) == (2, "")
    assert err == "exactmac network: error: g++ is not installed; run: apt-get install g++\n"


@pytest.mark.slow
@needs_verilator
def test_an_interruption_is_one_line(net):
    with python("-m", "exactmac", "network", str(net), env={"PYTHONUNBUFFERED": "1"}) as process:
        assert comes(process.stdout) and process.stdout.readline().startswith("n, ")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (
        130, "exactmac network: interrupted; nothing was written\n")
