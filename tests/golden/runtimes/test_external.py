"""Against vectors that nobody here computed: CMSIS-NN's unit tests, and tflite-micro's layers.

Both are TFLite's arithmetic with double rounding. The folder is not part of the repository;
``EXACTMAC_MODELS`` names it.
"""

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from golden import ops
from golden.elementwise import compute
from golden.formats import parse
from golden.networks import Quantization
from golden.unit_scales import parameters_of
from golden.units import Addition
from golden.units import parse as scheme
from tests.golden.runtimes.cmsis_nn import CASES, main, result

FOLDER = os.environ.get("EXACTMAC_MODELS")

pytestmark = pytest.mark.skipif(not FOLDER, reason="EXACTMAC_MODELS names no folder of models")

@pytest.mark.parametrize("name", CASES)
def test_cmsis_nn(name):
    path = Path(str(FOLDER)) / "cmsis_nn" / f"{name}.npz"
    if not path.exists():
        pytest.skip(f"{path} is not there")
    own, theirs = result(path)
    assert own.shape == theirs.shape and theirs.size
    np.testing.assert_array_equal(own, theirs)


def test_the_command(capsys, monkeypatch):
    """The page of models has its last line."""
    if set(CASES) != {path.stem for path in (Path(str(FOLDER)) / "cmsis_nn").glob("*.npz")}:
        pytest.skip("the folder does not have all tests")
    monkeypatch.setattr(sys, "argv", ["cmsis_nn"])
    assert main() == 0
    page = Path(__file__).parents[3] / "docs" / "models.md"
    assert f"`{capsys.readouterr().out.splitlines()[-1]}`" in page.read_text()


@pytest.mark.parametrize("model, before, after, size", [
    ("kws_ref_model", "t30", "t31", (25, 5)),
    ("pretrainedResnet_quant", "t33", "t34", (8, 8)),
])
def test_average_pool_of_a_network(model, before, after, size):
    path = Path(str(FOLDER)) / f"{model}.vectors.npz"
    if not path.exists():
        pytest.skip(f"{path} is not there")
    with np.load(path) as data:
        for x, y in zip(data[before], data[after], strict=True):
            np.testing.assert_array_equal(ops.average_pool(x, size=size, stride=size), y)


def test_sums_of_a_network():
    """Every ADD of the image classifier, with the scales that its file has; relu among them."""
    path = Path(str(FOLDER)) / "pretrainedResnet_quant.vectors.npz"
    if not path.exists():
        pytest.skip(f"{path} is not there")
    s8, count = parse("s8"), 0
    operation = Addition(scheme("tflite"), s8, s8, s8)
    with np.load(path) as data:
        meta = json.loads(bytes(data["meta_json"]))
        for node in meta["op_io"]:
            if node["op"] != "ADD":
                continue
            a, b, y = (str(index) for index in (*node["inputs"], *node["outputs"]))
            known = [meta["tensors"][name] for name in (a, b, y)]
            p = parameters_of(operation, *(
                Quantization(s8, tensor["scales"][0], tensor["zps"][0]) for tensor in known))
            np.testing.assert_array_equal(
                compute(operation, [data[f"t{a}"], data[f"t{b}"]], p), data[f"t{y}"])
            count += data[f"t{y}"].size
    assert count == 5 * (32 * 32 * 16 + 16 * 16 * 32 + 8 * 8 * 64)
