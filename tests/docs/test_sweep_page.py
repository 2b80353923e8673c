"""docs/sweep.md is what the command prints."""

import re
import shlex
from pathlib import Path

import pytest

from exactmac.sweep import command
from exactmac.sweep.points import points_of
from exactmac.sweep.report import Row, rows_json
from sim.verilator import available
from tests.commands import outcome

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "sweep.md").read_text()


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.slow
@pytest.mark.parametrize("which", [
    0, 2,
    pytest.param(1, marks=pytest.mark.skipif(available() is not None, reason="no Verilator"))])
def test_the_output_is_what_the_command_prints(which, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    status, out, _ = outcome(command.main, capsys, *shlex.split(blocks("sh")[which])[2:])
    assert status == 0
    assert [line.rstrip() for line in out.splitlines()] == blocks("text")[which].splitlines()


def test_every_column_is_told():
    told = {name.replace("_T", "_ecp5") for line in PAGE.splitlines() if line.startswith("| `")
            for name in re.findall(r"`(\w+)`", line.split(" | ")[0])}
    [row] = rows_json([Row(points_of({"bits": [4]})[0], {})], ["ecp5"])
    assert told <= set(row)
    others = {"reason", "samples", "float_accuracy", "macs", "memory", "mhz_is",
              "arithmetic_pj", "sram_pj", "dram_pj"}
    choices = set(row) - told - others
    assert choices == {"weights", "activations", "output", "contract", "multiplier_bits",
                       "addend_bits", "signed_multiplier", "zero_points", "window", "rows", "cols",
                       "lanes", "depth", "outputs", "channels", "target", "dsp", "optimize",
                       "prepared", "inner_product"}
