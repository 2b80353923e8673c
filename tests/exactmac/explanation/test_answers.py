"""Answers and their effects, counted by another way: layer by layer, and with fractions."""

import os
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from exactmac import comparison
from exactmac.explanation import builtin
from exactmac.explanation.readings import UNKNOWN
from exactmac.oracles import RUNTIMES, probe
from golden import digits
from golden.affine import quantize
from golden.block_scaled import shift_levels
from golden.contracts import parse as contract
from golden.formats import parse
from golden.networks import Add
from golden.readers import read, read_model
from golden.readers.borders import levels_of
from golden.recontract import network_with
from golden.run import run
from golden.saved import save
from tests.exactmac.explaining import HELLO, X, explained, main
from tests.exactmac.test_compare import onnx_file, qonnx_file
from tests.exactmac.test_inputs import ties, written
from tests.golden.readers.onnx_files import MICROSOFT, Builder


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
        "onnx, bit for bit litert, 9.0 % of the outputs differ from tflite-micro's")


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


def test_an_onnx_file(capsys, golden_runs, tmp_path):
    found = explained(capsys, onnx_file(tmp_path), "--against", "onnxruntime")
    kinds = [(each["operator"], each["agreement"]) for each in found["operators"]]
    assert kinds == [("Transpose", "alone"), ("Conv2d", "runtimes"), ("Transpose", "alone"),
                     ("Transpose", "alone")]
    assert found["sentence"].startswith("with contract onnx this network is bit for bit "
                                        "onnxruntime, on these inputs; with tflite, ")


def test_float_orders_of_the_processor(capsys, golden_runs, monkeypatch, tmp_path):
    """What a runtime orders otherwise on this processor is no answer; what is behind it is."""
    b = Builder(np.random.default_rng(1))
    names = b.quantization()
    x = b.input((None, 4))
    made = b.node("QLinearAdd", [x, *names, b.node("Identity", [x]), *names, *names], MICROSOFT)
    b.output(b.node("QLinearMul", [made, *names, made, *names, *names], MICROSOFT))
    (tmp_path / "sum.onnx").write_bytes(b.bytes())
    monkeypatch.setattr(probe, "other_orders", lambda runtime: frozenset({Add}))
    found = explained(capsys, tmp_path / "sum.onnx", "--against", "onnxruntime")
    [state] = [each for each in found["runtimes"] if each["status"] == "compared"]
    assert state["checked"] == 32 * 4  # of the Identity
    assert state["reason"] == f"in 2 operators {UNKNOWN}"
    # The runtime had these very inputs, so that its answers are seen: here they are golden's.
    for own in found["operators"][1:]:
        [answer] = [each for each in own["answers"] if each["kind"] == "runtime"]
        assert (answer["group"], answer["reason"]) == (0, "")


def test_the_fields_are_those_of_the_page(capsys, saved):
    """What a page is made of has these names."""
    found = explained(capsys, saved[1], "--samples", 3)
    assert set(found) == {
        "model", "kind", "network", "inputs", "samples", "reference", "runtimes", "contracts",
        "outputs", "accuracy", "operators", "costs", "sentence"}
    assert set(found["runtimes"][0]) == {"name", "version", "status", "reason", "checked",
                                         "mismatches", "rounded"}
    assert set(found["contracts"][0]) == {"name", "layers", "kept", "outputs_differ", "outputs",
                                          "largest", "equal_to", "accuracy", "reason"}
    operator = found["operators"][0]
    assert set(operator) == {
        "name", "operator", "inputs", "place", "shape", "quantization", "arithmetic", "elements",
        "cost", "agreement", "answers"}
    assert set(operator["cost"]) == set(found["costs"]) == {
        "macs", "bit_operations", "stored_bytes", "moved_bytes", "memory", "arithmetic_pj",
        "sram_pj", "dram_pj"}
    answers = operator["answers"]
    assert {frozenset(each) for each in answers} == {frozenset({
        "name", "kind", "group", "differ", "largest", "first", "outputs_differ", "outputs_largest",
        "accuracy", "reason"})}
    assert {frozenset(each["first"]) for each in answers if each["first"]} == {frozenset({
        "index", "exact", "decimal", "level", "reference"})}


def test_block_scaled_outputs(capsys, tmp_path):
    """Levels are those of the least exponent, so that those of two blocks can be compared."""
    network = digits.quantized(digits.load(), weights=parse("mx_e2m1"), activations=parse("mx_s8"))
    save(network, tmp_path / "mx.npz")
    found = explained(capsys, tmp_path / "mx.npz", "--samples", 20)
    x = comparison.inputs_for(network, 20, 0)
    mine = run(network, x)["dense1"]
    theirs = run(network_with(network, contract("floor"))[0], x)["dense1"]
    least = network.quantization("dense1").exponents.lo
    mine, theirs = (shift_levels(*each, least=least) for each in (mine, theirs))
    [whole] = [each for each in found["contracts"] if each["name"] == "floor"]
    assert (whole["outputs_differ"], whole["largest"]) == (
        (mine != theirs).sum(), np.abs(mine - theirs).max())
    [answer] = [each for each in found["operators"][1]["answers"] if each["name"] == "floor"]
    first = answer["first"]
    assert first["exact"] is None and first["reference"] == mine[tuple(first["index"])]


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


FOLDER = os.environ.get("EXACTMAC_MODELS")
SENTENCES = {
    "ad01_int8": "with contract tflite this network is bit for bit tflite-micro, on these inputs; "
    "with onnx, bit for bit litert and litert-reference, 35.3 % of the outputs differ from "
    "tflite-micro's",
    "kws_ref_model": "with contract tflite (and average of levels in Pool and fixed point in "
    "Softmax) this network is bit for bit tflite-micro and litert-reference, on these inputs; "
    "with onnx (and average of levels in Pool and fixed point in Softmax), bit for bit litert, 3.1 "
    "% of the outputs differ from tflite-micro's",
    "pretrainedResnet_quant": "with contract tflite (and average of levels in Pool and fixed "
    "point in Softmax) this network is bit for bit tflite-micro, on these inputs; with onnx (and "
    "average of levels in Pool and fixed point in Softmax), bit for bit litert, 14.4 % of the "
    "outputs differ from tflite-micro's; litert-reference has contract tflite in "
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
