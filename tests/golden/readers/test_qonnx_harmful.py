"""QONNX files that are damaged, or would take long or much memory, are refused in one line."""

import numpy as np
import pytest

from golden.readers import DamagedModel, read_model
from golden.readers.qonnx import quantizers, tensors
from tests.golden.readers import onnx_mutants
from tests.golden.readers.fuzz import mutants, survives
from tests.golden.readers.qonnx_builder import DOMAIN, QonnxBuilder
from tests.golden.readers.qonnx_files import CASES, NETWORKS, refused

float32 = np.float32


@pytest.fixture
def b():
    return QonnxBuilder(np.random.default_rng(5))


def test_harmful_files(b, tmp_path, monkeypatch):
    """Small files that would take long, or much memory."""
    x = b.quant(b.input((1, 1 << 10, 1 << 10)), 0.5)
    image = b.quant(b.input((1, 4, 1 << 10, 1 << 10)), 0.5)
    b.output(b.quant(b.node("GlobalAveragePool", [image]), 0.5))
    y = x
    for _ in range(70):
        y = b.node("Flatten", [b.node("Relu", [x]) if y is x else y])
    b.output(b.quant(y, 0.5))
    many = b.constant(np.zeros(1 << 17, float32))
    b.output(b.quant(b.node("Add", [x, many]), 0.5))
    monkeypatch.setattr(quantizers, "MOST_THRESHOLDS", 10)
    b.output(b.node("MultiThreshold", [x, b.constant(np.zeros((1, 11), float32))], DOMAIN))
    text = refused(b, tmp_path)
    for part in ("Windows of all channels must have at most 262144 elements, not 4194304",
                 "Moves without a quantizer must be at most 64",
                 "must have at most 65536 entries, not 131072", "at most 10, not 11 and 11"):
        assert part in text, part


@pytest.mark.parametrize("name", ["MOST_NUMBERS", "MOST_DIGITS"])
def test_exact_numbers(name, tmp_path, monkeypatch):
    b = QonnxBuilder(np.random.default_rng(5))
    x = b.quant(b.input((1, 4)), 0.3, bits=4)
    for _ in range(100):
        x = b.node("Mul", [x, b.constant(float32(0.7))])
    b.output(b.quant(x, 0.3, bits=4))
    (tmp_path / "model.onnx").write_bytes(b.file().SerializeToString())
    read_model(tmp_path / "model.onnx")
    monkeypatch.setattr(tensors, name, 200 if name == "MOST_DIGITS" else -500)
    assert "Model must take at most" in refused(b, tmp_path)


@pytest.mark.parametrize("kind, least", [
    ("moves", 2500), ("table", 2000), ("thresholds", 200), ("digits", 9000), ("functions", 100)])
def test_what_counts_as_several_numbers(kind, least, tmp_path, monkeypatch):
    """What takes longer than a number, or more memory: each step of it counts."""
    b = QonnxBuilder(np.random.default_rng(5))
    x = b.quant(b.input((1, 3, 2, 2)), 0.25, bits=10 if kind == "table" else 2)
    mean = x if kind == "table" else b.node("GlobalAveragePool", [x])
    if kind == "moves":
        for _ in range(40):
            mean = b.node("Transpose", [mean], perm=[0, 1, 2, 3])
        b.output(*(b.quant(mean, 0.5, bits=2) for _ in range(2)))
    elif kind == "table":
        b.output(b.quant(x, 0.5, bits=10))
    elif kind == "thresholds":
        rows = b.constant(np.sort(b.reals((3, 49), -1, 1), axis=1))
        b.output(b.node("MultiThreshold", [x, rows], DOMAIN),
                 b.node("MultiThreshold", [mean, rows], DOMAIN))
    else:
        for _ in range(100 if kind == "digits" else 30):
            mean = b.node("Mul", [mean, b.constant(float32(0.7))])
        b.output(b.quant(mean, 0.5, bits=8 if kind == "digits" else 2))
    monkeypatch.setattr(tensors, "MOST_NUMBERS", least)
    assert "Model must take at most" in refused(b, tmp_path)
    monkeypatch.setattr(tensors, "MOST_NUMBERS", 16 * least)
    read_model(tmp_path / "model.onnx")


def test_damaged_files(b, tmp_path):
    b.output(b.quant(b.input((1, 4)), 0.5))
    model = b.file()
    model.graph.node[0].input[0] = "none"
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(DamagedModel, match="must come after the one that makes its input 'none'"):
        read_model(tmp_path / "model.onnx")
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString()[:-20])
    with pytest.raises(DamagedModel, match="must be a TFLite file"):
        read_model(tmp_path / "model.onnx")


def data(seed=7):
    """Files of all cases by name."""
    files = {}
    for name, case in {**CASES, **NETWORKS}.items():
        b = QonnxBuilder(np.random.default_rng(seed))
        files[name] = case(b).SerializeToString()
    return files


def test_mutants(tmp_path):
    """Mutants of files and of their parts are read, or refused in one line."""
    files = data()
    made = [*mutants(files, 30, seed=1), *onnx_mutants.mutants(files, 100, seed=1)]
    outcomes = [survives(mutant, tmp_path / "mutant") for mutant in made]
    assert {"read", "DamagedModel", "UnsupportedModel"} == set(outcomes)


@pytest.mark.slow
def test_many_mutants(tmp_path):
    files = data()
    for mutant in onnx_mutants.mutants(files, 1000, seed=2):
        survives(mutant, tmp_path / "mutant")
