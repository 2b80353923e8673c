"""``exactmac quantize``: what it writes and shows, and bad input."""

import json
import os
import signal

import numpy as np
import pytest

import exactmac
from exactmac import build, network, quantize_model
from golden.floats import run_float
from golden.networks import Linear
from golden.quantize import dequantize, equalize, quantize_network, tensor_errors
from golden.quantize.calibration import METHODS
from golden.readers.onnx.floats import read_float
from golden.run import run
from golden.saved import digest, load, save
from tests.commands import outcome
from tests.golden.readers.onnx_files import Builder
from tests.golden.readers.onnx_float_files import FloatBuilder, classifier, saved
from tests.golden.writers.qonnx_files import check_equal, read_file
from tests.processes import python

FORMATS = "--weights", "s4n", "--activations", "s4"


def main(capsys, *arguments):
    return outcome(quantize_model.main, capsys, *arguments)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A fully connected and a convolutional model, with examples and labels."""
    folder, rng = tmp_path_factory.mktemp("models"), np.random.default_rng(1)
    for name in ("dense", "conv"):
        path, x = classifier(rng, folder / f"{name}.onnx", conv=name == "conv")
        np.save(folder / f"{name}.npy", x)
        np.save(folder / f"{name}_labels.npy", np.argmax(run_float(read_float(path), x), axis=1))
    return folder


@pytest.mark.parametrize("name", ["dense", "conv"])
def test_what_it_writes_and_shows(capsys, files, tmp_path, name):
    out = tmp_path / "made.net"
    x, labels = np.load(files / f"{name}.npy"), np.load(files / f"{name}_labels.npy")
    status, said, err = main(
        capsys, files / f"{name}.onnx", "--calibration", files / f"{name}.npy", *FORMATS,
        "--method", "min_max", "--per", "tensor", "--equalize", "--correct-bias", "--inputs",
        files / f"{name}.npy", "--labels", files / f"{name}_labels.npy", "-o", out, "--json")
    assert (status, err) == (0, "")
    real = equalize(read_float(files / f"{name}.onnx"))
    expected = quantize_network(real, x, weights="s4n", activations="s4", contract="half_up",
                                method="min_max", per="tensor", correct_bias=True)
    assert digest(load(out)) == digest(expected)
    shown = json.loads(said)
    assert shown["tensors"] == [each.to_json() for each in tensor_errors(real, expected, x)]
    output = expected.outputs[0]
    numbers = dequantize(run(expected, exactmac.quantize(x, expected.input))[output],
                         expected.quantization(output))
    assert shown["accuracy"] == {"samples": 60, "float": 1.0, "quantized": float(
        (np.argmax(numbers, axis=1) == labels).mean())}
    assert 0.5 < shown["accuracy"]["quantized"] < 1
    assert (shown["network"], shown["out"]) == (name, str(out))
    assert shown["numbers"]["equalize"] is True


def test_the_table(capsys, files, tmp_path):
    out = tmp_path / "made.net"
    arguments = (files / "conv.onnx", "--calibration", files / "conv.npy", *FORMATS)
    status, said, err = main(capsys, *arguments, "--inputs", files / "conv.npy", "--labels",
                             files / "conv_labels.npy", "--out", out)
    assert (status, err) == (0, "")
    lines = said.splitlines()
    assert lines[0] == ("conv: weights s4n per channel, activations s4, zero points activations, "
                        "contract half_up")
    assert lines[2].split() == ["tensor", "made", "by", "format", "scale", "zero", "point",
                                "SQNR", "most", "saturated"]
    assert [line.split()[1] for line in lines[3:9]] == ["input", "Reshape", "Conv2d", "Pool",
                                                        "Reshape", "Dense"]
    assert lines[-2].startswith("accuracy  float 100.00%, quantized ")
    assert lines[-1] == f"written   {out}; try: exactmac network {out}"
    # Without a file to write, nothing is written.
    before = sorted(os.listdir(tmp_path))
    assert main(capsys, *arguments)[0] == 0 and sorted(os.listdir(tmp_path)) == before


@pytest.mark.parametrize("method", METHODS)
def test_every_method(capsys, files, method):
    assert main(capsys, files / "dense.onnx", "--calibration", files / "dense.npy", *FORMATS,
                "--method", method)[0] == 0


@pytest.mark.parametrize("more", [
    "--weights mx_e2m1 --activations mx_e4m3fn --window 12", "--weights ternary --activations u4",
    "--weights s8 --activations u8 --zero-points both --contract tflite",
    "--weights s4n --activations s4 --method percentile:percentile=99 --unify forced_range",
    "--weights binary --activations odd4 --weight-ranges least_error --classifier"])
def test_other_numbers(capsys, files, more):
    status, said, _ = main(capsys, files / "dense.onnx", "--calibration", files / "dense.npy",
                           *more.split(), "--json")
    numbers = json.loads(said)["numbers"]
    assert status == 0 and numbers["weights"] == more.split()[1]


@pytest.mark.parametrize("name", ["dense", "conv"])
def test_the_qonnx_file_reads_back(capsys, files, tmp_path, name):
    """To the codes of the weights, and to the levels of every tensor."""
    out, qonnx = tmp_path / "made.net", tmp_path / "made.onnx"
    arguments = (files / f"{name}.onnx", "--calibration", files / f"{name}.npy", *FORMATS)
    status, said, err = main(capsys, *arguments, "--out", out, "--qonnx", qonnx)
    assert (status, err) == (0, "")
    assert said.splitlines()[-1] == f"written   {qonnx}; try: exactmac compare {qonnx}"
    network, (read, names) = load(out), read_file(qonnx)
    for own, other in zip(*([each.weights for each in given.layers if isinstance(each, Linear)]
                            for given in (network, read)), strict=True):
        np.testing.assert_array_equal(other, own)
    x = exactmac.quantize(np.load(files / f"{name}.npy"), network.input)
    expected, found = run(network, x), run(read, x)
    assert network.outputs[0] in names
    check_equal({each: found[place] for each, place in names.items()}, expected,
                len(names.keys() & expected.keys()))
    # Without a network's file, it is the same.
    other = tmp_path / "other.onnx"
    said = json.loads(main(capsys, *arguments, "--qonnx", other, "--json")[1])
    assert (said["out"], said["qonnx"]) == (None, str(other))
    assert other.read_bytes() == qonnx.read_bytes()


def test_exact_sums(capsys, tmp_path, rng):
    b = FloatBuilder(rng)
    saved(b.finished(b.node("Gemm", [b.input((None, 3), "float32"), b.weights(3, 4)])),
          tmp_path / "m.onnx")
    np.save(tmp_path / "x.npy", rng.integers(-3, 4, (20, 3)))
    np.save(tmp_path / "y.npy", rng.integers(0, 4, 20))
    status, said, _ = main(capsys, tmp_path / "m.onnx", "--calibration", tmp_path / "x.npy",
                           "--weights", "s8n", "--activations", "s4", "--requant", "none",
                           "--inputs", tmp_path / "x.npy", "--labels", tmp_path / "y.npy")
    assert status == 0 and "channels" in said


@pytest.mark.slow
@pytest.mark.parametrize("name", ["dense", "conv"])
def test_the_verilog_equals_golden(capsys, files, tmp_path, name):
    """``exactmac network`` and ``exactmac build`` take what this command writes."""
    out = tmp_path / "made.net"
    assert main(capsys, files / f"{name}.onnx", "--calibration", files / f"{name}.npy", *FORMATS,
                "--out", out)[0] == 0
    np.save(tmp_path / "x.npy", np.load(files / f"{name}.npy")[:4])
    status, said, _ = outcome(network.main, capsys, out, "--inputs", tmp_path / "x.npy", "--json")
    shown = json.loads(said)
    assert (status, shown["all"]["mismatches"], shown["samples"]) == (0, 0, 4)
    assert [each["on"] != "golden" for each in shown["layers"] if each["macs"]] == [True, True]
    status, said, _ = outcome(build.main, capsys, out, "--no-area", "--out", tmp_path / "build",
                              "--require-verilog", "--json")
    assert (status, json.loads(said)["model"]["others"].keys()) == (
        0, set() if name == "dense" else {"pixels:image", "t3_0", "t4_0:channels_last"})


@pytest.fixture(scope="module")
def bad(files, tmp_path_factory):
    """A folder of files that are wrong, with model.onnx and x.npy, which are right."""
    folder = tmp_path_factory.mktemp("bad")
    for own, name in (("dense.onnx", "model.onnx"), ("dense.npy", "x.npy")):
        (folder / name).write_bytes((files / own).read_bytes())
    x = np.load(files / "dense.npy")
    arrays = {"empty": x[:0], "other": x[:, :5], "flat": x.ravel(), "text": np.array(["a"] * 8),
              "nan": np.where(np.arange(60)[:, None] == 3, np.nan, x),
              "huge": x.astype(float) * 1e300, "few": np.zeros(59, int), "seven": np.full(60, 7),
              "halves": np.full(60, 0.5)}
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    np.savez(folder / "many.npz", x)
    (folder / "no.npy").write_text("nothing")
    whole = (files / "dense.onnx").read_bytes()
    (folder / "cut.onnx").write_bytes(whole[:len(whole) // 2])
    b = Builder(np.random.default_rng(1))
    x = b.node("QuantizeLinear", [b.input((None, 3), "float32"), *b.quantization()])
    b.output(x)
    (folder / "levels.onnx").write_bytes(b.bytes())
    b = FloatBuilder(np.random.default_rng(1))
    y = b.node("Softmax", [b.node("Tanh", [b.input((None, 8), "float32")])])
    saved(b.finished(y), folder / "softmax.onnx")
    b = FloatBuilder(np.random.default_rng(1))
    y = b.node("Conv", [b.input((None, 1, 4, 4), "float32"), b.weights(2, 1, 3, 3)],
               pads=[1, 1, 1, 1])
    saved(b.finished(y), folder / "padded.onnx")
    np.save(folder / "padded.npy", np.ones((3, 1, 4, 4)))
    save(quantize_network(read_float(files / "dense.onnx"), np.ones((2, 8)), weights="s4n",
                          activations="s4", contract="half_up"), folder / "saved.net")
    return folder


@pytest.mark.parametrize("kind, message", [
    ("matrix", "Classifier must have an output of one axis, that of the classes, not of shape "
               "(5, 3)"),
    ("average", "Classifier must have no average behind its last sums, as layer ")])
def test_a_classifier_that_is_refused(capsys, tmp_path, rng, kind, message):
    b = FloatBuilder(rng, exact=False)
    if kind == "matrix":
        shape = 5, 8
        y = b.node("MatMul", [b.input((None, *shape), "float32"), b.weights(8, 3)])
    else:
        shape = 1, 4, 4
        y = b.node("Conv", [b.input((None, *shape), "float32"), b.weights(3, 1, 3, 3)])
        y = b.node("Flatten", [b.node("GlobalAveragePool", [y])])
    saved(b.finished(y), tmp_path / "model.onnx")
    np.save(tmp_path / "x.npy", rng.normal(size=(20, *shape)).astype(np.float32))
    status, said, err = main(capsys, tmp_path / "model.onnx", "--calibration", tmp_path / "x.npy",
                             *FORMATS, "--classifier")
    assert (status, said) == (2, "")
    assert err.startswith(f"exactmac quantize: error: {message}") and err.count("\n") == 1


def test_a_qonnx_file_says_which_ties_it_moves(capsys, tmp_path, rng):
    b = FloatBuilder(rng, exact=False)
    y = b.node("MatMul", [b.input((None, 8), "float32"), b.weights(8, 3)])
    saved(b.finished(y), tmp_path / "model.onnx")
    x = np.linspace(-7, 7, 160, dtype=np.float32).reshape(20, 8)
    np.save(tmp_path / "x.npy", x)
    arguments = [tmp_path / "model.onnx", "--calibration", tmp_path / "x.npy", *FORMATS,
                 "--method", "min_max", "--zero-points", "none", "--qonnx", tmp_path / "q.onnx"]
    note = ("note: the QONNX file rounds down, and the network up, numbers in the middle of two "
            "levels: 8 of input 'x0', such as -0.5")
    status, said, _ = main(capsys, *arguments)
    assert status == 0 and note in said.splitlines()
    status, said, _ = main(capsys, *arguments, "--json")
    assert status == 0 and json.loads(said)["note"] == note


@pytest.mark.parametrize("options, message", [
    ("--calibration empty.npy", "Calibration must have one sample at least, not shape (0, 8)"),
    ("--calibration other.npy", "Calibration must have shape (samples, 8), not (60, 5)"),
    ("--calibration flat.npy", "Calibration must have shape (samples, 8), not (480,)"),
    ("--calibration text.npy", "Calibration must be real numbers, not <U1"),
    ("--calibration nan.npy", "Calibration must be finite in float32, not nan at (3, 0)"),
    ("--calibration huge.npy", "Calibration must be finite in float32, not "),
    ("--calibration many.npz", "Calibration must be a .npy file, not many.npz"),
    ("--calibration no.npy", "Calibration must be a .npy or .npz file of numbers, not the "
                             "contents of no.npy"),
    ("--calibration none.npy", "Calibration must be a file that can be read, not none.npy (No "
                               "such file or directory)"),
    ("--inputs nan.npy", "Inputs must be finite in float32, not nan at (3, 0)"),
    ("--inputs x.npy --labels few.npy", "Labels must have shape (60,), one for each sample, not "
                                        "(59,)"),
    ("--inputs x.npy --labels seven.npy", "Labels must be in range [0, 2] of 3 outputs, not 7"),
    ("--inputs x.npy --labels halves.npy", "Labels must be integers, not float64"),
    ("--labels few.npy", "Labels must be given with --inputs, not few.npy alone"),
    ("--model softmax.onnx", "Model softmax.onnx must have operators that can be read, not Tanh 0 "
                             "(t0_0), Softmax 1 (t1_0): Operator must be one of Gemm, "),
    ("--model cut.onnx", "Model cut.onnx must be "),
    ("--model no.npy", "Model no.npy must be an ONNX file, which is a ModelProto with a graph and "
                       "an opset"),
    ("--model none.onnx", "Model must be a file that can be read, not none.onnx (No such file or "
                          "directory)"),
    ("--model levels.onnx", "Model levels.onnx must be of real numbers, not quantized: it has "
                            "operators QuantizeLinear: exactmac network levels.onnx takes it as "
                            "it is"),
    ("--model saved.net", "Model must be a float ONNX file, not a saved network: exactmac network "
                          "saved.net takes it as it is"),
    ("--weights s4q", "Weights: Format must be "),
    ("--weights u4", "Weights must have a format with levels on both sides of 0 where they have "
                     "no zero points, not u4"),
    ("--activations bit", "Activations must have a format with levels below 0, or a zero point, "
                          "for a calibration with numbers down to -"),
    ("--activations u4 --zero-points none", "Activations must have a format with levels below 0, "),
    ("--model padded.onnx --calibration padded.npy --activations odd4",
     "Padding of layer 't0_0' must be 0 where the input has format odd4, which has no level 0, "),
    ("--requant up", "Contract must be one of half_up, "),
    ("--requant none", "Contract must be one that scales if there are hidden layers, not none"),
    ("--scheme none", "Scheme must be one of tflite, "),
    ("--method best", "Method must be one of mse, min_max, "),
    ("--method percentile:bin=3", "Options of method percentile must be percentile=NUMBER or "),
    ("--unify more_bits --scheme tflite", "Scheme must be exact for more_bits, whose sums are "
                                          "exact, not tflite"),
    ("--window 0", "Window must be at least 1, not 0"),
    ("--out none/made.net", "Out must be in a folder that exists, not none/made.net"),
    ("--out .", "Out must be a file, not the folder ."),
    ("--out x.npy", "Out must be another file than the calibration, not x.npy"),
    ("--out model.onnx", "Out must be another file than the model, not model.onnx"),
    ("--qonnx none/made.onnx", "Qonnx must be in a folder that exists, not none/made.onnx"),
    ("--qonnx model.onnx", "Qonnx must be another file than the model, not model.onnx"),
    ("--qonnx ./made.net", "Qonnx must be another file than the network, not made.net"),
    ("--qonnx made.onnx --weights e4m3fn", "Layers must be ones that QONNX can say, not 't1_0': "
     "Format of the weights must be an integer one, ternary, binary, bit or odd to be said in "
     "QONNX, not e4m3fn"),
    ("--qonnx made.onnx --requant tflite", "Layers must be ones that QONNX can say, not 't1_0': "
     "Contract tflite of channel "),
    ("--per row", "argument --per: invalid choice: 'row' (choose from "),
])
def test_bad_input(capsys, bad, monkeypatch, options, message):
    """One line, and nothing is written."""
    monkeypatch.chdir(bad)
    given = dict(zip(*[iter(options.split())] * 2, strict=True))
    model = given.pop("--model", "model.onnx")
    given = {"--calibration": "x.npy", "--weights": "s4n", "--activations": "s4",
             "--out": "made.net"} | given
    before = {path: path.read_bytes() for path in bad.iterdir()}
    arguments = [model, *sum(given.items(), ())]
    status, said, err = main(capsys, *arguments)
    assert (status, said) == (2, "")
    assert err.startswith(f"exactmac quantize: error: {message}") and err.count("\n") == 1
    assert {path: path.read_bytes() for path in bad.iterdir()} == before
    if given["--out"] == "made.net" and "--per" not in given:
        status, said, also = main(capsys, *arguments, "--json")
        assert (status, also) == (2, "")
        assert json.loads(said) == {"error": err.removeprefix("exactmac quantize: error: ")[:-1]}


@pytest.mark.parametrize("option, title", [("--out", "Out"), ("--qonnx", "Qonnx")])
@pytest.mark.parametrize("name", ["weights.bin", "link.bin"])
def test_constants_in_another_file_are_not_overwritten(capsys, tmp_path, option, title, name):
    onnx = pytest.importorskip("onnx")
    path, x = classifier(np.random.default_rng(1), tmp_path / "m.onnx")
    onnx.save(onnx.load(path), path, save_as_external_data=True, location="weights.bin",
              size_threshold=0)
    (tmp_path / "link.bin").symlink_to("weights.bin")
    np.save(tmp_path / "x.npy", x)
    before = (tmp_path / "weights.bin").read_bytes()
    arguments = (path, "--calibration", tmp_path / "x.npy", *FORMATS, option)
    assert main(capsys, *arguments, tmp_path / name) == (
        2, "", f"exactmac quantize: error: {title} must be another file than the model's constants "
               f"weights.bin, not {tmp_path / name}\n")
    assert (tmp_path / "weights.bin").read_bytes() == before
    assert main(capsys, *arguments, tmp_path / "other")[0] == 0


@pytest.mark.parametrize("activations, refused", [
    ("s4", False), ("u4", False), ("ternary", False), ("bit", False), ("odd4", True),
    ("binary", True), ("e4m3fn", True), ("codebook:-8/-3/0/1/4", True)])
@pytest.mark.parametrize("operator", ["Add", "Concat", "AveragePool"])
def test_operators_of_integer_formats_alone(capsys, tmp_path, rng, operator, activations, refused):
    """As docs/quantize.md says."""
    b = FloatBuilder(rng)
    x = b.input((None, 1, 4, 4), "float32")
    y = (b.node(operator, [x], kernel_shape=[2, 2]) if operator == "AveragePool" else
         b.node(operator, [x, b.node("Relu", [x])], **{"axis": 1} if operator == "Concat" else {}))
    saved(b.finished(b.node("Gemm", [b.node("Flatten", [y]), b.weights(
        {"Add": 16, "Concat": 32, "AveragePool": 9}[operator], 3)])), tmp_path / "m.onnx")
    np.save(tmp_path / "x.npy", rng.uniform(0, 1, (9, 1, 4, 4)))
    status, _, err = main(capsys, tmp_path / "m.onnx", "--calibration", tmp_path / "x.npy",
                          "--weights", "s4n", "--activations", activations)
    assert status == 2 * refused and err.count("\n") == refused
    assert ("integer format" in err) == refused


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written(capsys, files, tmp_path):
    (tmp_path / "own").mkdir(mode=0o500)
    status, _, err = main(capsys, files / "dense.onnx", "--calibration", files / "dense.npy",
                          *FORMATS, "--out", tmp_path / "own" / "made.net")
    assert status == 2 and err.startswith("exactmac quantize: error: Out must be writable, not ")


def test_an_interruption(files, tmp_path):
    """Before anything is written."""
    code = ("import time\nfrom exactmac import quantize_model\nfrom golden.command import run\n"
            "def wait(*_):\n    print('ready', flush=True)\n    time.sleep(300)\n"
            "quantize_model.save = wait\nrun('exactmac.quantize_model', 'exactmac quantize')")
    with python("-c", code, str(files / "dense.onnx"), "--calibration", str(files / "dense.npy"),
                *FORMATS, "--out", str(tmp_path / "made.net")) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate()
    assert (process.returncode, err.splitlines()[-1]) == (
        130, "exactmac quantize: interrupted; nothing was written")
    assert not list(tmp_path.iterdir())


def test_without_the_package(capsys, files, monkeypatch):
    def missing(path):
        raise ModuleNotFoundError("onnx is not installed; run: pip install 'exactmac[models]'")
    monkeypatch.setattr(quantize_model, "read_float", missing)
    status, _, err = main(capsys, files / "dense.onnx", "--calibration", files / "dense.npy",
                          *FORMATS)
    assert (status, err) == (2, "exactmac quantize: error: onnx is not installed; run: pip install "
                                "'exactmac[models]'\n")
