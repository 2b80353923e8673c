"""What exactmac.build leaves behind, used as a user would: the testbench, and the netlists."""

import json
import re

import pytest

from exactmac import build
from hw.flow.tools import run_tool
from tests.simulators import icarus, verilator_binary

NAME = "shipped"


@pytest.fixture(scope="module", params=[icarus, verilator_binary])
def bench(request, tmp_path_factory):
    """Folder and command of a tile's testbench."""
    out = tmp_path_factory.mktemp("shipped")
    shape = "--bits 4 --rows 2 --cols 2 --depth 64 --channels 64"
    build.main([*shape.split(), "--no-verify", "--no-area", "--name", NAME, "--out", str(out)])
    return out / NAME, request.param(out / NAME, NAME)


def simulate(folder, command, *arguments):
    done = run_tool("simulator", [*command, *arguments], cwd=folder)
    # Simulators add lines of their own about $finish and $fatal.
    return done.returncode, [line for line in done.stdout.splitlines()
                             if line.startswith(("PASS", "FAIL"))]


@pytest.mark.parametrize("stall", [0, 2, pytest.param(6, marks=pytest.mark.slow)])
def test_the_testbench_passes(bench, stall):
    folder, command = bench
    transfers = len((folder / f"{NAME}_o.hex").read_text().splitlines())
    assert simulate(folder, command, f"+stall={stall}") == (0, [f"PASS {transfers} transfers"])


def test_the_testbench_sees_one_wrong_bit(bench):
    folder, command = bench
    file = folder / f"{NAME}_o.hex"
    text = file.read_text()
    lines = text.splitlines(keepends=True)
    lines[1000] = lines[1000][:-2] + f"{int(lines[1000][-2], 16) ^ 1:x}\n"
    file.write_text("".join(lines))
    try:
        status, [line] = simulate(folder, command)
    finally:
        file.write_text(text)
    assert status != 0
    assert re.match(r"FAIL .*\b1000\b", line), line


@pytest.mark.skipif(build.available() is not None, reason=str(build.available()))
@pytest.mark.parametrize("targets", [
    ("ecp5",), pytest.param(("generic", "ice40", "xc7"), marks=pytest.mark.slow)])
def test_netlists_equal_golden(tmp_path, capsys, targets):
    """Each target's netlist, with the models of its cells, on the vectors of the design."""
    shape = "--rows 1 --cols 1 --lanes 2 --depth 8 --channels 2 --multiplier-bits 4".split()
    assert build.main(["--bits", "2", *shape, "--netlist", "--area", ",".join(targets),
                       "--out", str(tmp_path), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert [each["subject"] for each in said["verified"]] == [
        "Verilog", *(f"{target} netlist" for target in targets)]
    for target in targets:
        for suffix in (".v", ".json"):
            assert (tmp_path / said["name"] / f"{said['name']}_{target}{suffix}").exists()
