"""``exactmac explain``: what it prints, runtimes that are left out, and bad input."""

import json
import os
import re
import signal
import sys
from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest

from exactmac.explanation import Explanation, session
from exactmac.explanation.data import Operator, RuntimeState
from exactmac.explanation.text import costs_lines, notes, operator_lines
from exactmac.oracles import RUNTIMES, Runtime
from golden.costs import Cost
from golden.readers import UnsupportedModel, read
from golden.readers.model import Problem
from golden.saved import save
from tests.exactmac.explaining import HELLO, explained, main
from tests.processes import LONG, python

SUM = Explanation("m", "saved", "n", "", 1, "", (), (), (), None, (), Cost(), "")


def test_a_mismatch_is_loud(capsys, golden_runs):
    golden_runs[read(HELLO).layers[1].name] = 1
    status, out, err = main(capsys, HELLO, "--against", "tflite-micro")
    # The layer itself, and what golden makes of its levels behind it.
    assert status == 1
    assert re.search(r"\n  tflite-micro +1,056 elements compared with golden, 5\d\d MISMATCHES\n",
                     out)
    assert err.startswith("exactmac explain: warning: tflite-micro: it differs from golden first "
                          "in tensor '")


def test_what_golden_does_not_reproduce_is_no_answer(capsys, golden_runs):
    golden_runs[read(HELLO).layers[1].name] = 1
    status, out, _ = main(capsys, HELLO, "--against", "tflite-micro", "--json")
    found = json.loads(out)
    assert status == 1
    assert found["reference"] == ("golden's arithmetic of tflite-micro, which differs from the "
                                  "runtime")
    assert found["sentence"].startswith("golden differs from tflite-micro in ")
    [first, second, third] = [next(each for each in own["answers"] if each["kind"] == "runtime")
                              for own in found["operators"]]
    assert first["group"] == 0 and second["group"] == -1 and second["reason"]


def test_what_is_read_is_not_written_over(capsys, tmp_path, saved):
    path = tmp_path / "copy.npz"
    path.write_bytes(saved[1].read_bytes())
    before = path.read_bytes()
    assert main(capsys, path, "--html", path) == (
        2, "", f"exactmac explain: error: Html must be another file than the model, not {path}\n")
    assert path.read_bytes() == before


def test_names_have_no_control_characters(capsys, tmp_path, saved):
    network, path = saved[0], tmp_path / "evil.npz"
    first, second = network.layers
    save(replace(network, layers=(replace(first, name="a\x1b[31m\nb"),
                                  replace(second, inputs=("a\x1b[31m\nb",)))), path)
    status, out, _ = main(capsys, path, "--samples", "2")
    assert status == 0 and "\x1b" not in out and "\na?[31m?b" in out


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


def test_mismatches_are_named_first():
    states = [RuntimeState("a", "1", "refused", "it crashed"),
              RuntimeState("b", "1", "compared", "fine"), RuntimeState("c", "1", "compared"),
              RuntimeState("d", "1", "compared", "it differs", 9, 2),
              RuntimeState("e", None, "not installed", "pip install")]
    assert list(notes(states)) == ["d: it differs", "a is left out: it crashed", "b: fine"]


def test_what_comes_from_dram_has_a_mark():
    cost = Cost(5, 320, 10**6, 2 * 10**6, "DRAM", 12345.0, 0.0, 3.2e8)
    own = Operator("a/long/path/of/an/operator;fused", "TransposeConv2d", ("x",), 3, (9,), "s8",
                   "contract tflite", 9, cost, "alone", ())
    [line] = operator_lines(own, 9)
    assert line == ("path/of/an/operator  TransposeCon         9        -         -     320   "
                    "1.00M   2.00M   12.3 320000*")
    assert list(costs_lines(replace(SUM, costs=cost)))[-1].startswith("* from DRAM: ")
    assert not any(each.startswith("*") for each in costs_lines(SUM))


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
    (["digits.npz", "--inputs", "float.npy"], "Inputs must be finite in float32, not nan at "
     "(0, 0)"),
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


def blocks(language):
    page = (HELLO.parents[2] / "docs" / "explain.md").read_text()
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


def without_progress(err):
    """Text without the lines that a slow machine sees."""
    return re.sub(r"^exactmac explain: \d+ s, working on .*\n", "", err, flags=re.MULTILINE)


@pytest.mark.slow
@pytest.mark.skipif(RUNTIMES["tflite-micro"].installed is None
                    or RUNTIMES["litert"].installed is None, reason="a runtime is not installed")
def test_the_command_prints_what_the_page_shows(capsys, monkeypatch):
    monkeypatch.chdir(HELLO.parents[2])
    [arguments] = re.findall(r"^exactmac explain (.*)$", blocks("sh")[0], re.MULTILINE)
    status, out, err = main(capsys, *arguments.split())
    assert (status, without_progress(err)) == (0, "")
    assert [line.rstrip() for line in out.splitlines()] == blocks("text")[0].splitlines()


def test_the_example_of_the_page_runs(capsys, golden_runs, monkeypatch):
    monkeypatch.chdir(HELLO.parents[2])
    exec(blocks("python")[0], {})
    assert capsys.readouterr().out.startswith("Dense runtimes ")


@pytest.mark.slow
def test_an_interruption(tmp_path):
    with python("-m", "exactmac", "explain", str(HELLO), "--samples", "4096", "--html",
                str(tmp_path / "p.html")) as process:
        assert process.stdout.readline().startswith(str(HELLO))
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=LONG)
        assert process.returncode == 130
        assert without_progress(err) == "exactmac explain: interrupted; nothing was written\n"
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
