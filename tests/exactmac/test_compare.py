"""``exactmac compare``: runtimes in processes of their own, the report, and bad input."""

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from exactmac import compare, comparison, oracles
from exactmac.oracles import RUNTIMES, probe
from exactmac.oracles.probe import other_orders
from exactmac.rounding.qonnx import QonnxRounding
from golden.formats import parse
from golden.networks import Add, FloatAveragePool
from golden.readers import read, read_model
from golden.saved import save
from hw.flow.tools import ToolFailed
from tests.commands import outcome
from tests.golden.readers.onnx_files import MICROSOFT, Builder
from tests.golden.readers.qonnx_builder import QonnxBuilder

HELLO = Path(__file__).parents[1] / "data" / "hello_world_int8.tflite"
MICRO = RUNTIMES["tflite-micro"]

installed = pytest.mark.skipif(MICRO.installed is None, reason="tflite-micro is not installed")


def main(capsys, *arguments):
    return outcome(compare.main, capsys, *arguments)


@pytest.mark.parametrize("name", [pytest.param(
    name, marks=pytest.mark.slow if name.startswith("litert-") or name == "onnxruntime-unfused"
    else ()) for name in RUNTIMES])
def test_every_runtime_runs(name, capsys, tmp_path):
    """litert-builtin has no contract here, but it shows its tensors."""
    if RUNTIMES[name].installed is None:
        pytest.skip(f"{name} is not installed")
    if name == "litert-builtin":
        shown = oracles.tensors(RUNTIMES[name], HELLO, [np.zeros((3, 1), np.int8)])
        assert shown[9].shape == (3, 1)
        return
    path, expected = HELLO, (3, 5 * 33)
    if RUNTIMES[name].kind == "onnx":
        path, expected = onnx_file(tmp_path), (2, 5 * (2 * 9 + 18))
    if name == "qonnx":
        path, expected = qonnx_file(tmp_path), (3, 5 * (3 + 4 + 2))
    # All that run such a file by default, once for each kind.
    for arguments in (["--runtimes", name], [])[:1 + (name in (
            "tflite-micro", "onnxruntime", "qonnx"))]:
        status, out, _ = main(capsys, path, *arguments, "--samples", "5", "--json")
        found = {each["runtime"]: each for each in json.loads(out)["comparisons"]}[name]
        assert (status, found["tensors"], found["elements"], found["mismatches"]) == (
            0, *expected, 0)


def onnx_file(folder):
    """A file of a convolution between real numbers, and of a transpose of its image."""
    b = Builder(np.random.default_rng(1))
    names = b.quantization()
    x = b.node("QuantizeLinear", [b.input((None, 2, 3, 3), "float32"), *names])
    made = b.node("QLinearConv", [x, *names, *b.weights((2, 2, 1, 1), 0), *names])
    b.output(b.node("Transpose", [made], perm=[0, 2, 3, 1]))
    (folder / "model.onnx").write_bytes(b.bytes())
    return folder / "model.onnx"


def qonnx_file(folder, powers=True, shift=0.0):
    """A file of a sum and of a product by weights, of 3 inputs."""
    b = QonnxBuilder(np.random.default_rng(1), powers=powers)
    x = b.quant(b.input((1, 3)), 0.5 if powers else 0.3, bits=4)
    x = b.node("MatMul", [x, b.quant(b.rng.uniform(-1, 1, (3, 4)), 0.125, bits=4)])
    x = b.quant(b.node("Add", [x, b.constant(np.float32(shift))]), 0.5 if powers else 0.15)
    x = b.node("MatMul", [x, b.quant(b.rng.uniform(-1, 1, (4, 2)), 0.25, bits=3)])
    (folder / "qonnx.onnx").write_bytes(b.finished(x, 2).SerializeToString())
    return folder / "qonnx.onnx"


@pytest.mark.skipif(RUNTIMES["qonnx"].installed is None, reason="qonnx is not installed")
def test_float32_rounds_otherwise_than_exactly(capsys, monkeypatch, tmp_path):
    """Differences by float32 are counted apart; any other is a mismatch."""
    from exactmac.oracles.qonnx import start

    add = 0

    def here(runtime, model, inputs):
        # In this process, which has loaded the executor already.
        invoke = start(model)
        made = [invoke([each[k:k + 1] for each in inputs]) for k in range(len(inputs[0]))]
        shown = {place: np.concatenate([each[place] for each in made]) for place in made[0]}
        shown[max(shown)][0] += add
        return shown

    monkeypatch.setattr(comparison, "tensors", here)
    path = qonnx_file(tmp_path, powers=False, shift=0.075)
    status, out, _ = main(capsys, path, "--samples", "100", "--json")
    [found] = json.loads(out)["comparisons"]
    # Half a scale is added, so that many sums lie next to a border.
    assert (status, found["mismatches"]) == (0, 0) and found["rounded"] > 0
    first = found["first_rounded"]
    assert abs(first["golden"] - first["runtime"]) == 1
    distance = abs(Fraction(first["exact"]) - first["golden"])
    assert distance <= Fraction(1, 2) and distance > Fraction(1, 2) - Fraction(1, 10**5)
    status, out, _ = main(capsys, path, "--samples", "100")
    assert status == 0
    assert "qonnx rounds float32 otherwise than exactly, first in tensor" in out
    add = 1
    status, out, _ = main(capsys, path, "--samples", "3")
    assert status == 1 and "qonnx differs first in tensor" in out
    # Where golden had the executor's level, and not that of the exact number, it would be wrong.
    add = 0
    real = QonnxRounding.explained
    monkeypatch.setattr(QonnxRounding, "explained",
                        lambda self, name, own, theirs: real(self, name, theirs, own))
    status, out, _ = main(capsys, path, "--samples", "100", "--json")
    [again] = json.loads(out)["comparisons"]
    assert (status, again["rounded"], again["mismatches"]) == (1, 0, found["rounded"])


def test_runtimes_of_another_kind(capsys, tmp_path):
    for path, name, message in (
            (HELLO, "onnxruntime", "Runtimes must be some of tflite-micro, litert, "
             "litert-reference for a model of kind tflite, not 'onnxruntime'"),
            (qonnx_file(tmp_path), "onnxruntime", "Runtimes must be some of qonnx for a model of "
             "kind qonnx, not 'onnxruntime'"),
            (onnx_file(tmp_path), "litert", "Runtimes must be some of onnxruntime, "
             "onnxruntime-unfused for a model of kind onnx, not 'litert'")):
        if RUNTIMES[name].installed is None:
            pytest.skip(f"{name} is not installed")
        assert main(capsys, path, "--runtimes", name) == (
            2, "", f"exactmac compare: error: {message}\n")


def test_a_saved_network_is_reported_but_no_runtime_runs_it(capsys, tmp_path):
    save(read(HELLO), path := tmp_path / "hello.npz")
    status, out, _ = main(capsys, path, "--report")
    assert status == 0 and out.startswith("hello_world_int8 as golden computes it")
    message = ("exactmac compare: error: Model must be a TFLite, an ONNX or a QONNX file to be "
               f"compared with a runtime, not a saved network like {path}\n")
    assert main(capsys, path) == (2, "", message)


@installed
def test_a_difference_is_found_and_named(capsys, monkeypatch):
    real = oracles.tensors

    def wrong(*arguments):
        shown = real(*arguments)
        shown[8][2, 4] ^= 1
        return shown

    monkeypatch.setattr(comparison, "tensors", wrong)
    status, out, _ = main(capsys, HELLO, "--runtimes", "tflite-micro", "--samples", "3")
    assert status == 1
    assert "tflite-micro differs first in tensor" in out and "(Dense) at (2, 4): golden" in out


@pytest.mark.slow
def test_float_orders_of_the_processor(capsys, monkeypatch, tmp_path):
    """Sums whose floats the runtime orders otherwise are excluded, with all that they go into."""
    runtime = RUNTIMES["onnxruntime"]
    if runtime.installed is None:
        pytest.skip("onnxruntime is not installed")
    assert other_orders(runtime) <= {Add, FloatAveragePool}
    real = oracles.tensors

    def wrong(*arguments):
        shown = real(*arguments)
        shown[min(shown)] ^= 1  # of the first sum
        return shown

    monkeypatch.setattr(probe, "tensors", wrong)
    other_orders.cache_clear()
    b = Builder(np.random.default_rng(1))
    names = b.quantization()
    x = b.input((None, 4))
    first = b.node("Identity", [x])
    made = b.node("QLinearAdd", [x, *names, first, *names, *names], MICROSOFT)
    b.output(b.node("Identity", [made]))
    (tmp_path / "sum.onnx").write_bytes(b.bytes())
    status, out, _ = main(capsys, tmp_path / "sum.onnx", "--samples", "3")
    other_orders.cache_clear()
    assert status == 0 and " 12 " in out
    assert "orders float32 otherwise than golden on this processor (" in out
    assert out.endswith("not compared: t1_0, t2_0\n")


def test_differences_of_float32_are_counted_apart(capsys, tmp_path):
    """Means whose exact results are ties: golden's are even, those of float32 either."""
    if RUNTIMES["onnxruntime"].installed is None:
        pytest.skip("onnxruntime is not installed")
    b = Builder(np.random.default_rng(1))
    names = b.quantization(scale=0.1)
    x = b.node("DequantizeLinear", [b.input((None, 2, 8, 8)), *names])
    made = b.node("AveragePool", [x], kernel_shape=[2, 2])
    b.output(b.node("QuantizeLinear", [made, *names]))
    (tmp_path / "mean.onnx").write_bytes(b.bytes())
    status, out, _ = main(capsys, tmp_path / "mean.onnx", "--samples", "3", "--runtimes",
                          "onnxruntime-unfused")
    assert status == 0 and out.split()[:6] == [
        "runtime", "version", "tensors", "elements", "mismatches", "float32"]
    assert out.split()[9:12] == ["1", "294", "0"] and 0 < int(out.split()[12]) < 100
    assert "onnxruntime-unfused rounds float32 otherwise than exactly, first in tensor" in out
    assert out.rstrip().endswith(".5")


def test_runtimes_whose_arithmetic_is_not_known_are_left_out(capsys, tmp_path):
    if RUNTIMES["onnxruntime"].installed is None:
        pytest.skip("onnxruntime is not installed")
    b = Builder(np.random.default_rng(1))
    names = b.quantization()
    x = b.node("DequantizeLinear", [b.input((None, 3)), *names])
    b.output(b.node("QuantizeLinear", [b.node("Softmax", [x]), *names]))
    (tmp_path / "model.onnx").write_bytes(b.bytes())
    status, out, err = main(capsys, tmp_path / "model.onnx", "--json")
    assert status == 0
    assert [each["runtime"] for each in json.loads(out)["comparisons"]] == ["onnxruntime"]
    assert err == (
        f"exactmac compare: warning: onnxruntime-unfused is left out: Model "
        f"{tmp_path / 'model.onnx'} must have operators that can be read, not Softmax 1 (t1_0): "
        f"Softmax must be one that the Runtime fuses, not one in float32\n")
    b.output(b.node("Abs", [x]))
    (tmp_path / "model.onnx").write_bytes(b.bytes())
    status, out, err = main(capsys, tmp_path / "model.onnx")
    assert (status, out) == (2, "") and "not Abs" in err and err.count("\n") == 1


@pytest.mark.parametrize("arguments, message", [
    (["none.tflite"], "Model must be a file that can be read, not none.tflite "
                      "(No such file or directory)"),
    ([HELLO, "--samples", "0"], "Samples must be in range [1, 4096], not 0"),
    ([HELLO, "--seed", "-1"], "Seed must not be negative, not -1"),
    ([HELLO, "--inputs", "{wide}", "--samples", "3"],
     "Samples must be left out with --inputs, not 3"),
    ([HELLO, "--report", "--samples", "3"], "Samples must be left out with --report, not 3"),
    ([HELLO, "--report", "--inputs", "none"], "Inputs must be left out with --report, not none"),
    ([HELLO, "--inputs", "none"], "Inputs must be a file that can be read, not none (No such file"),
    (["/dev/zero"], "Model must be a file that can be read, not /dev/zero (it is no regular file)"),
    ([HELLO, "--runtimes", "tf"], "Runtimes must be some of tflite-micro, litert, "
                                  "litert-reference, onnxruntime, onnxruntime-unfused, qonnx, "
                                  "separated by commas, not 'tf'"),
    ([HELLO, "--inputs", HELLO], "Inputs must be a .npy or .npz file of numbers, "
                                   "not the contents of"),
    ([HELLO, "--inputs", "{float}"], "Inputs must be levels, integers of s8, where the model "
                                    "quantizes no input itself, not float64"),
    ([HELLO, "--inputs", "{wide}"], "Inputs must have shape (samples, 1), not (4, 5)"),
    ([HELLO, "--inputs", "{large}"], "Inputs must be in range [-128, 127] of s8, not 300"),
])
def test_bad_input(arguments, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arrays = {"float": np.zeros((4, 1)), "wide": np.zeros((4, 5), int),
              "large": np.full((1, 1), 300)}
    for name, array in arrays.items():
        np.save(tmp_path / f"{name}.npy", array)
    arguments = [str(tmp_path / f"{each[1:-1]}.npy") if str(each).startswith("{") else each
                 for each in arguments]
    status, out, err = main(capsys, *arguments)
    assert (status, out) == (2, "")
    assert err.startswith(f"exactmac compare: error: {message}") and err.count("\n") == 1


def test_a_runtime_that_is_missing(capsys, monkeypatch):
    monkeypatch.setattr(oracles, "find_spec", lambda name: None)
    for more in ([], ["--runtimes", "litert"]):
        status, _, err = main(capsys, HELLO, *more)
        assert status == 2
        assert err.endswith("is not installed; run: pip install 'exactmac[runtimes]'\n")


@installed
def test_a_runtime_that_refuses_a_model(capsys, tmp_path, monkeypatch):
    """The others are compared; the status says that one was not."""
    def refusing(runtime, *arguments):
        if runtime is MICRO:
            raise ToolFailed("tflite-micro", "RuntimeError: no such kernel")
        return {}

    monkeypatch.setattr(comparison, "tensors", refusing)
    line = "exactmac compare: error: tflite-micro failed: RuntimeError: no such kernel\n"
    assert main(capsys, HELLO, "--runtimes", "tflite-micro") == (2, "", line)
    if RUNTIMES["litert"].installed is None:
        pytest.skip("litert is not installed")
    status, out, err = main(capsys, HELLO, "--runtimes", "tflite-micro, litert")
    assert (status, err) == (2, line) and "litert" in out
    status, out, _ = main(capsys, HELLO, "--runtimes", "litert,tflite-micro", "--json")
    found = json.loads(out)
    assert status == 2 and [each["runtime"] for each in found["comparisons"]] == ["litert"]
    assert found["refused"] == ["tflite-micro failed: RuntimeError: no such kernel"]


@installed
def test_a_runtime_that_fails(tmp_path):
    (tmp_path / "bad.tflite").write_bytes(HELLO.read_bytes()[:2000])
    with pytest.raises(ToolFailed, match="^tflite-micro failed: "):
        oracles.tensors(MICRO, tmp_path / "bad.tflite", [np.zeros((1, 1), np.int8)])
    with pytest.raises(ToolFailed, match="^tflite-micro failed: it took more than 0 s$"):
        oracles.tensors(MICRO, HELLO, [np.zeros((1, 1), np.int8)], seconds=0.01)


def test_random_inputs_have_every_level():
    network = read_model(HELLO).network
    x = comparison.inputs_for(network, 4000, 1)[network.inputs[0].name]
    assert set(x.ravel().tolist()) == set(parse("s8").levels().tolist())
    assert (x != comparison.inputs_for(network, 4000, 2)[network.inputs[0].name]).any()


@installed
def test_another_version_is_a_warning(capsys, monkeypatch):
    monkeypatch.setattr(compare, "RUNTIMES", {**RUNTIMES, MICRO.name: replace(MICRO, version="0")})
    status, out, err = main(capsys, HELLO, "--runtimes", MICRO.name, "--samples", "1", "--json")
    assert (status, err) == (0, f"exactmac compare: warning: tflite-micro {MICRO.version} is "
                                "installed; golden was compared with 0\n")
    assert json.loads(out)
