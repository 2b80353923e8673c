"""``exactmac explain``: answers and effects counted by another way, listings, and bad input."""

import json
import os
import re
import signal
import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from exactmac import comparison, explain
from exactmac.explanation import builtin, session
from exactmac.oracles import RUNTIMES, Runtime
from golden import digits
from golden.affine import quantize
from golden.contracts import parse as contract
from golden.formats import parse
from golden.readers import UnsupportedModel, read, read_model
from golden.readers.borders import levels_of
from golden.readers.model import Problem
from golden.recontract import network_with
from golden.run import run
from golden.saved import save
from hw.flow.tools import ToolFailed
from tests.exactmac.test_compare import onnx_file, qonnx_file
from tests.exactmac.test_inputs import ties, written
from tests.processes import LONG, python

HELLO = Path(__file__).parents[1] / "data" / "hello_world_int8.tflite"
X = np.arange(-128, 128).reshape(-1, 1)


def main(capsys, *arguments):
    try:
        status = explain.main([str(each) for each in arguments])
    except SystemExit as stop:
        status = stop.code
    out, err = capsys.readouterr()
    return status, out, err


def explained(capsys, *arguments):
    status, out, err = main(capsys, *arguments, "--json")
    assert status == 0, err
    return json.loads(out)


@pytest.fixture
def golden_runs(monkeypatch):
    """Every runtime is installed, and shows what golden computes with its arithmetic."""
    change = {}

    def shown(runtime, model, inputs):
        if "fails" in change:
            raise ToolFailed(runtime.name, "it crashed")
        own = "litert-reference" if runtime.name == builtin.NAME else runtime.name
        read = read_model(model, change.get(runtime.name, own))
        levels = {name: levels_of(read, name, x) if x.dtype == np.float32 else x.astype(np.int64)
                  for name, x in zip(read.inputs, inputs, strict=True)}
        tensors = run(read.network, levels)
        made = {}
        for name, place in read.tensors.items():
            x = np.moveaxis(tensors[name], -1, 1) if name in read.channels_last else tensors[name]
            made[place] = x + change.get(name, 0)
        return made

    monkeypatch.setattr(comparison, "tensors", shown)
    monkeypatch.setattr(Runtime, "installed", property(lambda own: own.version))
    return change


@pytest.fixture
def saved(tmp_path):
    network = digits.quantized(digits.load(), weights=parse("s4n"), activations=parse("s4"))
    save(network, path := tmp_path / "digits.npz")
    return network, path


@pytest.mark.skipif(RUNTIMES["tflite-micro"].installed is None
                    or RUNTIMES["litert"].installed is None, reason="a runtime is not installed")
def test_runtimes_as_they_are(capsys, tmp_path):
    np.save(tmp_path / "x.npy", X)
    found = explained(capsys, HELLO, "--against", "tflite-micro,litert", "--inputs",
                      tmp_path / "x.npy")
    states = {each["name"]: each for each in found["runtimes"]}
    for name in ("tflite-micro", "litert"):
        assert states[name]["status"] == "compared" and states[name]["mismatches"] == 0
        assert states[name]["checked"] == 256 * 33
    assert found["reference"] == "tflite-micro"
    assert states["qonnx"]["status"] == "reads other files"
    assert found["inputs"] == f"256 inputs of {tmp_path / 'x.npy'}" and found["samples"] == 256
    checked(found, "tflite-micro", "litert")
    assert found["sentence"] == (
        "with contract tflite this network is bit for bit tflite-micro, on these inputs; with "
        "onnx, bit for bit litert, 9.0 % of the outputs differ")


def checked(found, reference, other):
    """Compare what is said with golden on all inputs, layer by layer, and with fractions."""
    mine, theirs = read(HELLO, reference), read(HELLO, other)
    tensors = run(mine, X)
    alone = run(theirs, X, given=tensors)
    [output] = mine.outputs
    for own, layer in zip(found["operators"], mine.layers, strict=True):
        answers = {each["name"]: each for each in own["answers"]}
        assert own["name"] == layer.name and own["elements"] == tensors[layer.name].size
        assert answers[reference]["group"] == answers["tflite"]["group"] == 0
        for name, other_network in ((other, theirs), ("half_up", network_with(
                mine, contract("half_up"))[0])):
            y = alone[layer.name] if name == other else run(
                other_network, X, given=tensors)[layer.name]
            differ = y != tensors[layer.name]
            said = answers[name]
            assert said["differ"] == differ.sum()
            assert said["largest"] == np.abs(y - tensors[layer.name]).max()
            assert (said["group"] == 0) == (not differ.any())
            after = run(mine, X, given={layer.name: y}) | {layer.name: y}
            assert said["outputs_differ"] == (after[output] != tensors[output]).sum()
            if differ.any():
                place = tuple(said["first"]["index"])
                assert place == tuple(np.argwhere(differ)[0].tolist())
                assert (said["first"]["level"], said["first"]["reference"]) == (
                    y[place], tensors[layer.name][place])
                exactly(said["first"], mine, layer, tensors)
    for each in found["contracts"]:
        own, kept = network_with(mine, contract(each["name"]))
        differ = run(own, X)[output] != tensors[output]
        assert (each["layers"], each["kept"], each["outputs_differ"], each["outputs"]) == (
            3, len(kept), differ.sum(), 256)


def exactly(first, network, layer, tensors):
    """The exact number, from the file's levels and scales: one product after the other."""
    sample, channel = first["index"]
    input, output = network.quantization(layer.inputs[0]), layer.output
    total = Fraction(int(np.ravel(layer.parameters["bias"])[channel]))
    for a, w in zip(tensors[layer.inputs[0]][sample].tolist(),
                    layer.weights[channel].tolist(), strict=True):
        total += (a - input.zero_point) * w
    value = total * Fraction(input.scale) * Fraction(float(
        np.broadcast_to(layer.weight.scale, len(layer.weights))[channel])) / Fraction(
            output.scale) + output.zero_point
    assert first["exact"] == f"{value.numerator}/{value.denominator}"
    assert abs(Fraction(first["decimal"]) - value) < Fraction(1, 10**15)
    assert abs(value - first["level"]) < 1 or output.format.min in (
        first["level"], first["reference"])


def test_every_runtime_of_a_kind(capsys, golden_runs):
    found = explained(capsys, HELLO, "--samples", 256)
    assert [each["name"] for each in found["runtimes"] if each["status"] == "compared"] == [
        "tflite-micro", "litert", "litert-reference", "litert-builtin"]
    assert found["inputs"] == ("256 random inputs (seed 0) over the whole range of each input")
    one, two, three = found["operators"]
    assert two["agreement"] == "differ" and two["operator"] == "Dense"
    assert (two["arithmetic"], two["place"]) == ("contract tflite", 8)
    assert two["cost"]["macs"] == 256 and two["cost"]["memory"] == "SRAM"
    assert found["costs"]["macs"] == 288 == sum(
        each["cost"]["macs"] for each in found["operators"])
    for each in (one, two, three):
        groups = {}
        for answer in each["answers"]:
            groups.setdefault(answer["group"], set()).add(answer["differ"])
        assert all(len(counts) == 1 for counts in groups.values()) and groups[0] == {0}
    assert found["accuracy"] is None and found["outputs"] == list(read(HELLO).outputs)


def test_kernels_that_are_told_by_their_results(capsys, golden_runs, monkeypatch):
    """Each operator has the arithmetic that gives every element; of one none does."""
    golden_runs[builtin.NAME] = "litert"
    found = explained(capsys, HELLO, "--against", "tflite-micro,litert-builtin")
    [_, own] = [each for each in found["runtimes"] if each["status"] == "compared"]
    assert (own["name"], own["reason"], own["checked"]) == (builtin.NAME, "", 32 * 33)
    last = read(HELLO).layers[-1].name
    golden_runs[last] = 1
    monkeypatch.setattr(sys, "argv", ["exactmac"])
    status, out, err = main(capsys, HELLO, "--against", builtin.NAME)
    assert status == 0
    assert err == ("exactmac explain: warning: litert-builtin: in 1 operator its rounding depends "
                   "on the processor, and golden does not have it\n")
    assert "answers are compared with those of the arithmetic of tflite-micro, the reference" in out
    assert "litert-builtin             1,024 elements compared with golden, 0 mismatches" in out


def test_a_mismatch_is_loud(capsys, golden_runs):
    golden_runs[read(HELLO).layers[1].name] = 1
    status, out, err = main(capsys, HELLO, "--against", "tflite-micro")
    # The layer itself, and what golden makes of its levels behind it.
    assert status == 1
    assert re.search(r"\n  tflite-micro +1,056 elements compared with golden, 5\d\d MISMATCHES\n",
                     out)
    assert err.startswith("exactmac explain: warning: tflite-micro: it differs from golden first "
                          "in tensor '")


def test_runtimes_that_are_left_out(capsys, golden_runs, monkeypatch, saved):
    golden_runs["fails"] = True
    status, out, err = main(capsys, HELLO)
    assert status == 0 and "the arithmetic of tflite-micro, the reference" in out
    assert err.splitlines()[0] == ("exactmac explain: warning: tflite-micro is left out: "
                                   "tflite-micro failed: it crashed")
    assert len(err.splitlines()) == 4
    assert "no runtime was compared; no output differs from the reference, on these inputs, with " \
           "tflite and q31" in " ".join(out.split())
    assert main(capsys, HELLO, "--against", "litert") == (
        2, "", "exactmac explain: error: litert failed: it crashed\n")
    monkeypatch.setattr(Runtime, "installed", property(lambda own: None))
    found = explained(capsys, HELLO)
    assert {each["status"] for each in found["runtimes"]} == {"not installed", "reads other files"}
    assert found["reference"] == "the arithmetic of tflite-micro"
    assert all(each["kind"] == "contract" for own in found["operators"] for each in own["answers"])
    assert main(capsys, HELLO, "--against", "litert") == (
        2, "", "exactmac explain: error: litert is not installed; run: pip install "
               "'exactmac[runtimes]'\n")


def test_a_saved_network_with_labels(capsys, tmp_path, saved):
    network, path = saved
    data = digits.load()
    x, labels = quantize(data.images[:200], network.input), data.labels[:200]
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", labels)
    found = explained(capsys, path, "--inputs", tmp_path / "x.npy", "--labels",
                      tmp_path / "y.npy")
    tensors = run(network, x)
    assert found["kind"] == "saved" and found["reference"] == "the network's own arithmetic"
    assert found["accuracy"] == digits.accuracy(tensors["dense1"], labels)
    for each in found["contracts"]:
        own, _ = network_with(network, contract(each["name"]))
        assert each["accuracy"] == digits.accuracy(run(own, x)["dense1"], labels)
        assert each["equal_to"] == []
    for own, layer in zip(found["operators"], network.layers, strict=True):
        for each in own["answers"]:
            other, _ = network_with(network, contract(each["name"]))
            y = run(other, x, given=tensors)[layer.name]
            after = (run(network, x, given={layer.name: y}) | {layer.name: y})["dense1"]
            assert each["accuracy"] == digits.accuracy(after, labels)
            assert each["outputs_differ"] == (after != tensors["dense1"]).sum()
    assert {each["status"] for each in found["runtimes"]} == {"reads other files"}


def test_the_text_fits_a_terminal(capsys, tmp_path, saved):
    network, path = saved
    np.save(tmp_path / "x.npy", np.zeros((3, 64), int))
    np.save(tmp_path / "y.npy", [0, 1, 2])
    status, out, err = main(capsys, path, "--inputs", tmp_path / "x.npy", "--labels",
                            tmp_path / "y.npy")
    assert (status, err) == (0, "") and max(map(len, out.splitlines())) <= 100
    assert "accuracy of the reference " in out and "contract        operators  others" in out
    status, out, _ = main(capsys, path, "--samples", 4, "--seed", 5)
    assert status == 0 and "4 random inputs (seed 5) over the whole range of each input" in (
        " ".join(out.split()))
    assert re.search(r"\ndense0 +Dense +256 +- +\d+ of 18 +65\.5K ", out)
    assert "accuracy" not in out


def test_an_onnx_file(capsys, golden_runs, tmp_path):
    found = explained(capsys, onnx_file(tmp_path), "--against", "onnxruntime")
    kinds = [(each["operator"], each["agreement"]) for each in found["operators"]]
    assert kinds == [("Transpose", "alone"), ("Conv2d", "runtimes"), ("Transpose", "alone"),
                     ("Transpose", "alone")]
    assert found["sentence"].startswith("with contract onnx this network is bit for bit "
                                        "onnxruntime, on these inputs; with tflite, ")


def test_a_qonnx_file(capsys, golden_runs, tmp_path):
    """Exact numbers are those of the file's real numbers, not of thresholds."""
    found = explained(capsys, qonnx_file(tmp_path, powers=False, shift=0.08))
    first, sums = found["operators"]
    assert (first["arithmetic"], sums["arithmetic"]) == ("contract thresholds", "contract none")
    assert sums["agreement"] == "alone" and not [
        each for each in sums["answers"] if each["kind"] == "contract"]
    answers = {each["name"]: each for each in first["answers"]}
    assert answers["thresholds"]["group"] == answers["qonnx"]["group"] == 0
    assert answers["half_even"]["group"] == 0
    floor = answers["floor"]["first"]
    exact = Fraction(floor["exact"])
    assert floor["reference"] == round(exact) and floor["level"] == exact // 1
    assert "with contract thresholds (and exact sums in Dense) this network is bit for bit qonnx" \
        in found["sentence"]


def test_real_inputs_are_quantized_by_each_runtime(capsys, golden_runs, tmp_path, rng):
    path = written(tmp_path / "model.tflite")
    model = read_model(path, "tflite-micro")
    real = model.inputs[0]
    x = ties(rng, 0.1)
    np.savez(tmp_path / "x.npz", t0=x, t1=np.full((8, 256), 127))
    assert {each.real for each in model.quantize} == {"t0"}
    found = explained(capsys, path, "--inputs", tmp_path / "x.npz", "--against",
                      "tflite-micro,litert")
    first = found["operators"][0]
    litert = read_model(path, "litert")
    mine, theirs = levels_of(model, real, x), levels_of(litert, real, x)
    answers = {each["name"]: each for each in first["answers"]}
    assert (first["operator"], first["inputs"]) == ("QUANTIZE", ["t0"])
    assert first["agreement"] == "differ"
    assert answers["litert"]["differ"] == answers["litert"]["outputs_differ"] == (
        mine != theirs).sum()
    place = tuple(answers["litert"]["first"]["index"])
    assert Fraction(answers["litert"]["first"]["exact"]) == (
        Fraction(float(x[place])) / Fraction(model.network.quantization(real).scale) + 3)


def test_the_page_is_written(capsys, monkeypatch, saved, tmp_path):
    module = ModuleType("exactmac.explanation.page")
    module.page = lambda explanation: f"<p>{explanation['sentence']}"
    monkeypatch.setitem(sys.modules, module.__name__, module)
    status, out, _ = main(capsys, saved[1], "--samples", 2, "--html", tmp_path / "p.html")
    text = (tmp_path / "p.html").read_text()
    assert status == 0 and text.startswith("<p>no runtime was compared")
    assert text[3:] in " ".join(out.split())
    if os.path.exists("/dev/full"):
        assert main(capsys, saved[1], "--samples", 2, "--html", "/dev/full", "--json") == (
            2, '{"error": "Html must be writable, not /dev/full (No space left on device)"}\n', "")


@pytest.mark.parametrize("arguments, message", [
    (["none.tflite"], "Model must be a file that can be read, not none.tflite (No such file or "
     "directory)"),
    ([HELLO, "--against", "litert,tflm"], "Against must be some of tflite-micro, litert, "
     "litert-builtin, litert-reference, onnxruntime, onnxruntime-unfused, qonnx, separated by "
     "commas, not 'tflm'"),
    ([HELLO, "--against", ""], "Against must be some of tflite-micro, litert, litert-builtin, "
     "litert-reference, onnxruntime, onnxruntime-unfused, qonnx, separated by commas, not ''"),
    ([HELLO, "--against", "qonnx"], "Against must be some of tflite-micro, litert, litert-builtin, "
     "litert-reference for a model of kind tflite, not 'qonnx'"),
    (["digits.npz", "--against", "litert"], "Against must be left out for a saved network, which "
     "no runtime runs, not 'litert'"),
    ([HELLO, "--samples", "0"], "Samples must be in range [1, 4096], not 0"),
    ([HELLO, "--seed", "-1"], "Seed must not be negative, not -1"),
    ([HELLO, "--samples", "3", "--inputs", "x.npy"], "Samples must be left out with --inputs, "
     "not 3"),
    ([HELLO, "--labels", "y.npy"], "Labels must be given with --inputs, not y.npy alone"),
    (["digits.npz", "--html", "none/p.html"], "Html must be in a folder that exists, not "
     "none/p.html"),
    (["digits.npz", "--inputs", "float.npy"], "Inputs must be levels, integers of s4, where the "
     "model quantizes no input itself, not float64"),
    (["digits.npz", "--inputs", "wide.npy"], "Inputs must have shape (samples, 64), not (3, 65)"),
    (["digits.npz", "--inputs", "large.npy"], "Inputs must be in range [-8, 7] of s4, not 8 at "
     "index (0, 0)"),
    (["digits.npz", "--inputs", "x.npy", "--labels", "y.npy"], "Labels must have shape (3,), one "
     "for each sample, not (2,)")])
def test_bad_input(arguments, message, capsys, tmp_path, monkeypatch, saved):
    monkeypatch.chdir(tmp_path)
    for name, array in {"x": np.zeros((3, 64), int), "float": np.full((3, 64), np.nan),
                        "wide": np.zeros((3, 65), int), "large": np.full((3, 64), 8),
                        "y": np.zeros(2, int)}.items():
        np.save(f"{name}.npy", array)
    monkeypatch.setattr(Runtime, "installed", property(lambda own: own.version))
    assert main(capsys, *arguments) == (2, "", f"exactmac explain: error: {message}\n")
    status, out, err = main(capsys, *arguments, "--json")
    assert (status, json.loads(out), err) == (2, {"error": message}, "")


def test_labels_of_several_outputs(capsys, tmp_path, saved, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save(replace(saved[0], outputs=("dense0", "dense1")), tmp_path / "two.npz")
    np.save("x.npy", np.zeros((3, 64), int))
    np.save("y.npy", np.zeros(3, int))
    assert main(capsys, "two.npz", "--inputs", "x.npy", "--labels", "y.npy") == (
        2, "", "exactmac explain: error: Labels must be left out for a model of 2 outputs, "
               "not y.npy\n")


def test_a_package_that_is_missing(capsys, monkeypatch):
    monkeypatch.setattr(Runtime, "installed", property(lambda own: None))
    monkeypatch.setitem(sys.modules, "tflite", None)
    assert main(capsys, HELLO) == (2, "", "exactmac explain: error: tflite is not installed; run: "
                                          "pip install 'exactmac[models]'\n")


def test_another_version_is_a_warning(capsys, golden_runs, monkeypatch):
    monkeypatch.setattr(Runtime, "installed", property(lambda own: "0"))
    status, _, err = main(capsys, HELLO, "--against", "litert", "--samples", 2)
    assert (status, err) == (0, "exactmac explain: warning: litert 0 is installed; golden was "
                                "compared with 2.3.0\n")


def test_what_golden_cannot_read_as_a_runtime_is_left_out(capsys, golden_runs, monkeypatch):
    real = session.read_model

    def refusing(path, name=None):
        if name == "tflite-micro":
            raise UnsupportedModel(str(path), [Problem("0", "ADD", "It must not")])
        return real(path, name)

    monkeypatch.setattr(session, "read_model", refusing)
    status, out, err = main(capsys, HELLO, "--samples", 2)
    assert status == 0 and "those of litert, the reference" in out
    assert err.startswith("exactmac explain: warning: tflite-micro is left out: Model ")
    monkeypatch.setattr(Runtime, "installed", property(lambda own: None))
    status, out, _ = main(capsys, HELLO, "--samples", 2)
    assert status == 0 and "those of the arithmetic of litert, the reference" in out


FOLDER = os.environ.get("EXACTMAC_MODELS")
SENTENCES = {
    "ad01_int8": "with contract tflite this network is bit for bit tflite-micro, on these inputs; "
    "with onnx, bit for bit litert and litert-reference, 35.3 % of the outputs differ",
    "kws_ref_model": "with contract tflite (and average of levels in Pool and fixed point in "
    "Softmax) this network is bit for bit tflite-micro and litert-reference, on these inputs; "
    "with onnx, bit for bit litert, 3.1 % of the outputs differ",
    "pretrainedResnet_quant": "with contract tflite (and average of levels in Pool and fixed "
    "point in Softmax) this network is bit for bit tflite-micro, on these inputs; with onnx, bit "
    "for bit litert, 14.4 % of the outputs differ; litert-reference has contract tflite in "
    "Conv2d, scheme tflite in Add, average of levels in Pool, contract half_away in Dense and "
    "fixed point in Softmax"}


@pytest.mark.slow
@pytest.mark.skipif(not FOLDER, reason="EXACTMAC_MODELS names no folder of models")
@pytest.mark.parametrize("name", SENTENCES)
def test_models_of_mlperf_tiny(name, capsys):
    path = Path(str(FOLDER)) / f"{name}.tflite"
    if not path.exists() or any(RUNTIMES[each].installed is None
                                for each in ("tflite-micro", "litert")):
        pytest.skip(f"{path} is not there, or a runtime is not installed")
    found = explained(capsys, path, "--against", "tflite-micro,litert,litert-reference")
    assert found["sentence"] == SENTENCES[name]
    assert all(each["mismatches"] == 0 for each in found["runtimes"])
    mine, theirs = read(path, "tflite-micro"), read(path, "litert")
    x = comparison.inputs_for(mine, 32, 0)
    tensors = run(mine, x)
    alone = run(theirs, x, given=tensors)
    for own, layer in zip(found["operators"], mine.layers, strict=True):
        [answer] = [each for each in own["answers"] if each["name"] == "litert"]
        differ = alone[layer.name] != tensors[layer.name]
        assert answer["differ"] == differ.sum()
        if differ.any():
            after = run(mine, x, given={layer.name: alone[layer.name]}) | {
                layer.name: alone[layer.name]}
            assert answer["outputs_differ"] == sum(
                (after[each] != tensors[each]).sum() for each in mine.outputs)
            exact = Fraction(answer["first"]["exact"])
            levels = {answer["first"]["level"], answer["first"]["reference"]}
            assert max(levels) - min(levels) == 1 and min(levels) <= exact <= max(levels)


@pytest.mark.slow
def test_an_interruption(tmp_path):
    with python("-m", "exactmac", "explain", str(HELLO), "--samples", "4096", "--html",
                str(tmp_path / "p.html")) as process:
        assert process.stdout.readline().startswith(str(HELLO))
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=LONG)
        assert process.returncode == 130
        assert err == "exactmac explain: interrupted; nothing was written\n"
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no full device")
def test_a_full_disk(saved):
    with open("/dev/full", "w") as full, python(
            "-m", "exactmac", "explain", str(saved[1]), "--samples", "2", "--json",
            stdout=full) as process:
        _, err = process.communicate(timeout=LONG)
        assert process.returncode == 2
        assert err == ("exactmac explain: error: Standard output must be writable (No space left "
                       "on device)\n")
