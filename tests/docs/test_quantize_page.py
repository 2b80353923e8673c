"""docs/quantize.md: the script, the commands and the example run, and print what the page shows."""

import re
import shlex
from pathlib import Path

import pytest

from exactmac import build, network, quantize_model
from exactmac.request import request_of
from golden.readers.onnx.floats_operators import FLOATS
from tests.commands import outcome

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "quantize.md").read_text()


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


COMMANDS = [shlex.split(line) for line in blocks("sh")[1].replace("\\\n", "").splitlines()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What the script of the page writes, and its names."""
    pytest.importorskip("onnx", reason="onnx is not installed")
    folder, names = tmp_path_factory.mktemp("page"), {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        exec(compile(blocks("python")[0], "quantize.md", "exec"), names)
    return folder, names


@pytest.fixture
def names(folder, monkeypatch):
    monkeypatch.chdir(folder[0])
    return folder[1]


def test_the_first_command_prints_what_the_page_shows(names, capsys):
    status, said, err = outcome(quantize_model.main, capsys, *COMMANDS[0][2:])
    assert (status, err) == (0, "")
    assert [line.rstrip() for line in said.splitlines()] == blocks("text")[0].splitlines()
    # The others understand what it has written.
    assert network.parser().parse_args(COMMANDS[1][2:]).model == "digits.net"
    request = request_of(build.parser().parse_args(COMMANDS[2][2:]), COMMANDS[2][2:])
    assert request.model is not None and list(request.model.layers) == ["hidden0", "sums1"]


@pytest.mark.slow
def test_the_other_commands_run(names, capsys):
    assert outcome(quantize_model.main, capsys, *COMMANDS[0][2:])[0] == 0
    status, said, _ = outcome(network.main, capsys, *COMMANDS[1][2:])
    assert status == 0 and f"{540 * 74:,} elements of 2 tensors compared with golden, 0 mis" in said
    assert outcome(build.main, capsys, *COMMANDS[2][2:])[0] == 0


def test_the_table_of_accuracies(names, capsys):
    [start] = re.findall(r"^\| `(--weights \S+ --activations \S+)` and", PAGE, re.MULTILINE)
    rows = re.findall(r"^\| `(--per .*?)` \| (\S+) % \|$", PAGE, re.MULTILINE)
    assert len(rows) == 6
    for options, accuracy in rows:
        _, said, _ = outcome(quantize_model.main, capsys, "digits.onnx", "--calibration",
                             "calibration.npy", "--inputs", "images.npy", "--labels", "labels.npy",
                             *start.split(), *options.split())
        assert f"quantized {accuracy}%, of 540 samples" in said, options


def test_the_example_runs(names, capsys):
    exec(compile(blocks("python")[1], "quantize.md", "exec"), {})
    assert [line.split(": ")[0] for line in capsys.readouterr().out.splitlines()] == [
        "pixels", "hidden0", "sums1"]


def test_every_option_and_operator_is_there():
    said = quantize_model.parser().format_help_all()
    for name in re.findall(r"^\| `(--[a-z-]+)`", PAGE, re.MULTILINE):
        assert f" {name} " in said
    text = PAGE.split("## What a file may have")[1]
    assert all(name in text for name in FLOATS)
