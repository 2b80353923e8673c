"""Trained results as QONNX files: read back and run by qonnx's executor, levels are equal."""

import numpy as np
import pytest

from golden import train
from golden.run import run
from golden.writers.qonnx import qonnx_model
from tests.golden.writers.qonnx_files import check_equal, levels, read_back, run_by_qonnx

DEFAULT = "digits-odd-w2a2"
NAMES = [name for name, result in train.results().items() if result.workflow != "float"]
SAID = [name for name in NAMES if "codebook" not in name and "float8" not in name
        and not str(train.results()[name].weights).startswith("codebook")]


@pytest.mark.parametrize("name", [
    name if name == DEFAULT else pytest.param(name, marks=pytest.mark.slow) for name in SAID])
def test_a_result_is_written_and_read_back(name, rng, tmp_path):
    network = train.load(name)
    x = levels(rng, network, 20)
    own = run(network, x)
    read, names = read_back(network, tmp_path / "trained.onnx")
    found = run(read, x)
    assert network.outputs[0] in names
    check_equal({each: found[place] for each, place in names.items()}, own,
                len(names.keys() & own.keys()))
    # The executor's float32 may differ at a border of two levels; the classes do not here.
    output = run_by_qonnx(network, x)[network.outputs[0]]
    np.testing.assert_array_equal(output.argmax(axis=1), own[network.outputs[0]].argmax(axis=1))


@pytest.mark.parametrize("name", sorted(set(NAMES) - set(SAID)))
def test_codebooks_and_floats_are_refused_by_name(name):
    with pytest.raises(ValueError, match="must be an integer one, ternary, binary, bit or odd to "
                                         "be said in QONNX, not (codebook|mx_|e4m3fn|e5m2)"):
        qonnx_model(train.load(name))
