# amaranth: UnusedElaboratable=no
"""docs/network.md is what the command prints."""

import os
import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from exactmac import network
from tests.known_models import MODELS, measured, row

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "network.md").read_text()

needs_tflite = pytest.mark.skipif(find_spec("tflite") is None, reason="tflite is not installed")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@needs_tflite
def test_the_output_is_what_the_command_prints(capsys, monkeypatch):
    """The Verilog takes the same cycles as the design."""
    monkeypatch.chdir(ROOT)
    assert network.main(["tests/data/hello_world_int8.tflite", "--simulator", "amaranth"]) == 0
    assert capsys.readouterr().out == blocks("text")[0]


@needs_tflite
def test_the_example_runs(capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    [example] = blocks("python")
    exec(compile(example, "network.md", "exec"), {})
    rows = [line.rsplit("] ", 1)[1].split() for line in capsys.readouterr().out.splitlines()]
    assert [int(macs) for macs, _, _ in rows] == [3 * 16, 3 * 256, 3 * 16]


@pytest.mark.slow
@needs_tflite
@pytest.mark.parametrize("name", MODELS)
def test_networks_that_people_know(name):
    if "EXACTMAC_MODELS" not in os.environ:
        pytest.skip("EXACTMAC_MODELS names no folder with the models")
    assert row(name, measured(name)) in PAGE.splitlines()
