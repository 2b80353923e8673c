"""Inputs from files, and real numbers at the ends of a model as each runtime rounds them."""

import io
import os
import re
import zipfile

import numpy as np
import pytest

from exactmac.comparison import compare, inputs_for
from exactmac.inputs import levels, read_inputs, read_labels
from exactmac.oracles import RUNTIMES
from golden.block_scaled import quantize_blocks
from golden.floats import FloatDense
from golden.quantize import quantize_network
from golden.readers import Model, read_model
from golden.readers.borders import levels_of, reals_of
from tests.golden.readers.onnx_files import Builder
from tests.golden.readers.tflite_model import Node, Value, model


def written(path, kind="int8", scale=0.1, zero=3, size=256):
    """A file that quantizes real numbers and dequantizes the least of two inputs."""
    a, b = Value((1, size), "float32"), Value((1, size), kind, scale, zero)
    x, y = Value((1, size), kind, scale, zero), Value((1, size), kind, scale, zero)
    end = Value((1, size), "float32")
    path.write_bytes(model([
        Node("QUANTIZE", [a], [x]), Node("MINIMUM", [x, b], [y], {}, "MaximumMinimumOptions"),
        Node("DEQUANTIZE", [y], [end])], [a, b], [end]))
    return path


def ties(rng, scale, size=(8, 256), most=130):
    """Multiples of half a scale and their neighbours, to beyond the levels of int8."""
    halves = rng.integers(-2 * most, 2 * most + 1, size).astype(np.float32)
    x = halves * np.float32(scale / 2)
    return np.nextafter(x, x + rng.integers(-1, 2, size)).astype(np.float32)


@pytest.mark.parametrize("kind", ["int8", pytest.param("int16", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", ["tflite-micro", pytest.param("litert", marks=pytest.mark.slow),
                                  pytest.param("litert-reference", marks=pytest.mark.slow)])
def test_real_inputs(name, kind, rng, tmp_path):
    """The runtime's own QUANTIZE makes the levels that golden makes, ties too."""
    if RUNTIMES[name].installed is None:
        pytest.skip(f"{name} is not installed")
    for scale in (0.1, 0.3, 2.0**-5) if name != "tflite-micro" else (0.1,):
        path = written(tmp_path / "model.tflite", kind, scale, 3 if kind == "int8" else 0)
        read = read_model(path, name)
        [real, other] = read.inputs
        x = {real: ties(rng, scale), other: np.full((8, 256), 127)}
        result = compare(path, RUNTIMES[name], x)
        assert (result.tensors, result.mismatches) == (2, 0), result
        # The other rounding gives other levels, so that the comparison would show it.
        others = read_model(path, "litert" if name != "litert" else "tflite-micro")
        assert (levels_of(others, real, x[real]) != levels_of(read, real, x[real])).any()


def test_a_runtime_that_rounds_otherwise_is_found(rng, tmp_path, monkeypatch):
    from golden.readers import borders

    if RUNTIMES["tflite-micro"].installed is None:
        pytest.skip("tflite-micro is not installed")
    path = written(tmp_path / "model.tflite")
    [real, other] = read_model(path).inputs
    monkeypatch.setitem(borders._QUANTIZE, "tflite-micro", borders._onnx)
    result = compare(path, RUNTIMES["tflite-micro"], {
        real: ties(rng, 0.1), other: np.full((8, 256), 127)})
    assert result.mismatches and result.first.operator == "QUANTIZE"


def test_real_outputs(rng, tmp_path):
    tflite_micro = pytest.importorskip("tflite_micro", reason="tflite-micro is not installed")
    from exactmac.oracles.tflite_micro import start

    assert tflite_micro
    path = written(tmp_path / "model.tflite")
    read = read_model(path)
    x = ties(rng, 0.1, (1, 256))
    shown = start(path)([x, np.full((1, 256), 127, np.int8)])
    [border] = read.dequantize
    [end] = [each for each in shown.values() if each.dtype == np.float32
             and not np.array_equal(each, x)]
    np.testing.assert_array_equal(
        reals_of(read, border.levels, shown[read.tensors[border.levels]]), end)


def test_files_of_one_and_of_two_inputs(tmp_path):
    read = read_model(written(tmp_path / "model.tflite", size=3))
    a, b = read.inputs
    path = str(tmp_path / "x.npz")
    for real in (np.array([[0.0, 0.05, 100]]), np.array([[[0.0, 0.05, 100]]])):
        np.savez(path, **{read.quantize[0].real: real, b: np.zeros((1, 3), np.int8)})
        given = read_inputs(path, read)
        assert {name: each.dtype.name for name, each in given.items()} == {
            a: "float32", b: "int64"}
        assert levels(read, given)[a].tolist() == [[3, 4, 127]]  # 0.05 / 0.1 is a tie
    np.savez(path, x=np.zeros((2, 3)), **{b: np.zeros((2, 3), int)})
    with pytest.raises(ValueError, match=r"^Inputs must be t0, t1, not x, t1$"):
        read_inputs(path, read)


@pytest.mark.parametrize("arrays, message", [
    ({"t0": np.zeros((2, 3))}, "Inputs must be t0, t1, not t0"),
    ({"t0": np.zeros((2, 3)), "t1": np.zeros((1, 3), int)},
     r"Inputs must have as many samples each, not \[1, 2\]"),
    ({"t0": np.full((2, 3), np.nan), "t1": np.zeros((2, 3), int)},
     r"Input 't2' must be finite and smaller than 2\*\*30 times its scale \S+, not nan at "
     r"\(0, 0\)"),
    ({"t0": np.full((2, 3), 1e30), "t1": np.zeros((2, 3), int)}, "Input 't2' must be finite and"),
    ({"t0": np.zeros((2, 3), complex), "t1": np.zeros((2, 3), int)},
     "Inputs must be levels, integers of s8, or real numbers, not complex128"),
    ({"t0": np.zeros((2, 3)), "t1": np.zeros((2, 3))},
     "Inputs must be levels, integers of s8, where the model quantizes no input itself, "
     "not float64"),
    ({"t0": np.zeros((0, 3)), "t1": np.zeros((2, 3), int)},
     "Inputs must have from 1 to 4096 samples, not 0"),
])
def test_bad_arrays(arrays, message, tmp_path):
    read = read_model(written(tmp_path / "model.tflite", size=3))
    np.savez(tmp_path / "x.npz", **arrays)
    with pytest.raises(ValueError, match=f"^{message}"):
        read_inputs(str(tmp_path / "x.npz"), read)


def header(text):
    """A .npy file with such a header, and no numbers."""
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


def archive(name):
    """A .npz file with a member that is no array."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as members:
        members.writestr(name, "text")
    return file.getvalue()


LARGE = "{'descr': '<f8', 'fortran_order': False, 'shape': (%d, 3), }\n"


@pytest.mark.parametrize("content", [
    b"", b"PK\x03\x04 cut", b"\x93NUMPY cut", b"text", header(LARGE % 10**12),
    header(LARGE % 10**20), header("[[[[\n"), archive("t0.txt"), archive("t0.npy")])
def test_no_file_of_numbers(content, tmp_path):
    read = read_model(written(tmp_path / "model.tflite", size=3))
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(ValueError, match="^Inputs must be a .npy or .npz file of numbers, not "):
        read_inputs(str(tmp_path / "x"), read)


def test_files_that_cannot_be_read(tmp_path):
    read = read_model(written(tmp_path / "model.tflite", size=3))
    os.mkfifo(tmp_path / "pipe")
    for name, reason in (("none", "No such file or directory"), ("", "Is a directory"),
                         ("pipe", "it is no regular file")):
        path = str(tmp_path / name)
        with pytest.raises(OSError, match=rf"^Inputs must be a file that can be read, not {path} "
                                          rf"\({reason}\)$".replace("/ ", " ")):
            read_inputs(path, read)


def test_one_array_for_two_inputs(tmp_path):
    read = read_model(written(tmp_path / "model.tflite", size=3))
    np.save(tmp_path / "x.npy", np.zeros((2, 3)))
    with pytest.raises(ValueError, match="^Inputs must be a .npz file for a model of 2 inputs, "):
        read_inputs(str(tmp_path / "x.npy"), read)


def test_levels_where_nothing_is_quantized(tmp_path):
    read = read_model(written(tmp_path / "model.tflite", size=3))
    with pytest.raises(ValueError, match="must be one that an operator of the model quantizes"):
        levels_of(read, read.inputs[1], np.zeros((1, 3)))
    with pytest.raises(TypeError, match="must be of real numbers, not of int64"):
        levels_of(read, read.inputs[0], np.zeros((1, 3), int))


def test_inputs_of_float32(tmp_path):
    """A network that quantizes at run time takes the numbers as they are."""
    b = Builder(np.random.default_rng(1))
    b.output(b.node("DynamicQuantizeLinear", [b.input((None, 3), "float32")], outputs=3)[0],
             kind="uint8")
    (tmp_path / "model.onnx").write_bytes(b.bytes())
    read, path = read_model(tmp_path / "model.onnx"), str(tmp_path / "x.npy")
    assert inputs_for(read.network, 5, 1)["x0"].dtype == np.float32
    np.save(path, np.float64([[1, -2.5, 3]]))
    assert levels(read, read_inputs(path, read))["x0"].tolist() == [[1, -2.5, 3]]
    for array, message in ((np.ones((1, 3), int), "Inputs must be real numbers, not int64"),
                           (np.float32([[1, 2, np.nan]]), "Inputs must be finite, not nan"),
                           (np.full((1, 3), 1e300), "Inputs must be finite, not inf")):
        np.save(path, array)
        with pytest.raises(ValueError, match=f"^{message}$"):
            read_inputs(path, read)


def blocks(rng):
    """A saved network's model with a block-scaled input."""
    network = quantize_network([FloatDense(rng.normal(size=(5, 40)))], rng.normal(size=(20, 40)),
                               weights="mx_e2m1", activations="mx_s8", contract="half_up")
    return Model(network, "golden", {}, ("input",))


def test_block_scaled_inputs(rng, tmp_path):
    read, path = blocks(rng), str(tmp_path / "x.npy")
    own = read.network.input
    drawn = inputs_for(read.network, 50, 1)["input"]
    assert set(drawn.levels.ravel()) == set(own.format.levels())
    assert set(drawn.exponents.ravel()) == {*range(own.exponents.lo, own.exponents.hi + 1)}
    assert drawn.levels.shape == (50, 40) and drawn.exponents.shape == (50, 2)
    real = rng.normal(size=(7, 40)).astype(np.float32)
    np.save(path, real)
    found = levels(read, read_inputs(path, read))["input"]
    expected = quantize_blocks(real, own.format, exponents=own.exponents)
    assert all(map(np.array_equal, found, expected))
    for array, message in ((np.ones((1, 40), int), "Inputs must be real numbers, not int64"),
                           (np.full((1, 40), np.nan), "Inputs must be finite in float32, not nan")):
        np.save(path, array)
        with pytest.raises(ValueError, match=f"^{message}"):
            read_inputs(path, read)


@pytest.mark.parametrize("array, message", [
    (np.array([0, 9, 4]), None),
    (np.array([0.0, 1, 2]), "Labels must be integers, not float64"),
    (np.array([[0, 1, 2]]), "Labels must have shape (3,), one for each sample, not (1, 3)"),
    (np.array([0, 1]), "Labels must have shape (3,), one for each sample, not (2,)"),
    (np.array([0, 10, 2]), "Labels must be in range [0, 9] of 10 outputs, not 10"),
    (np.array([0, -1, 2], np.int8), "Labels must be in range [0, 9] of 10 outputs, not -1")])
def test_labels(array, message, tmp_path):
    np.save(path := str(tmp_path / "y.npy"), array)
    if message is None:
        assert read_labels(path, 3, 10).tolist() == array.tolist()
        return
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        read_labels(path, 3, 10)


def test_labels_in_no_file(tmp_path):
    np.savez(path := str(tmp_path / "y.npz"), y=np.zeros(3, int))
    with pytest.raises(ValueError, match=f"^Labels must be a .npy file, not {path}$"):
        read_labels(path, 3, 10)
    (tmp_path / "y").write_text("text")
    with pytest.raises(ValueError, match="^Labels must be a .npy or .npz file of numbers, not "):
        read_labels(str(tmp_path / "y"), 3, 10)
    with pytest.raises(OSError, match="^Labels must be a file that can be read, not none "):
        read_labels("none", 3, 10)
