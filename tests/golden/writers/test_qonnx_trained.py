"""Trained results as QONNX files: real images get the same levels, by reader and by executor."""

import numpy as np
import pytest

from golden import train
from golden.affine import quantize
from golden.readers.borders import levels_of
from golden.run import run
from golden.train.data import data
from golden.writers.qonnx import qonnx_model, write_qonnx
from tests.golden.writers.qonnx_files import read_file_model, run_reals_by_qonnx

DEFAULT = "digits-dorefa-w4a4", "digits-post-w4a4"
"""Results of whose pixels some, 0.5, are in the middle of two levels."""

IMAGES = 2
"""Images that the executor runs."""

NAMES = [name for name, result in train.results().items() if result.workflow != "float"]
SAID = [name for name in NAMES if "codebook" not in name and "float8" not in name
        and not str(train.results()[name].weights).startswith("codebook")]


@pytest.mark.parametrize("name", [
    name if name in DEFAULT else pytest.param(name, marks=pytest.mark.slow) for name in SAID])
def test_real_images(name, tmp_path):
    """All test images have the network's input levels, and all outputs are equal."""
    network, path = train.load(name), tmp_path / "trained.onnx"
    x = data(name.split("-")[0]).inputs["test"]
    write_qonnx(network, path)
    model, names = read_file_model(path)
    own = quantize(x, network.input)
    [input], [output] = network.inputs, network.outputs
    np.testing.assert_array_equal(levels_of(model, names[input.name], x), own)
    expected = run(network, own)
    found = run(model.network, own)
    for each in names.keys() & expected.keys():
        np.testing.assert_array_equal(found[names[each]].reshape(expected[each].shape),
                                      expected[each], err_msg=each)
    assert output in names
    by_qonnx = run_reals_by_qonnx(network, path, x[:IMAGES])
    for each in expected:
        np.testing.assert_array_equal(by_qonnx[each], expected[each][:IMAGES], err_msg=each)


@pytest.mark.parametrize("name", sorted(set(NAMES) - set(SAID)))
def test_codebooks_and_floats_are_refused_by_name(name):
    with pytest.raises(ValueError, match="must be an integer one, ternary, binary, bit or odd to "
                                         "be said in QONNX, not (codebook|mx_|e4m3fn|e5m2)"):
        qonnx_model(train.load(name))
