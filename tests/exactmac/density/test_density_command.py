"""The command ``exactmac bench``, and its density."""

import json

import pytest

from exactmac import bench
from exactmac.density import command
from hw.flow.tools import ToolFailed, ToolMissing
from sim.verilator import available
from tests.commands import outcome


@pytest.mark.parametrize("arguments, message", [
    ("bench", "What must be one of time, density, not ''"),
    ("bench --bits 4", "What must be one of time, density, not '--bits'"),
    ("bench size", "What must be one of time, density, not 'size'"),
    ("bench density --only int2,int9", "Only must be some of int8, int4, int2, ternary x int8, "
     "binary x binary, binary x bit, odd4, e4m3fn, half_up, half_up 18 bits, q31, q31 18 bits, "
     "tflite, tflite 18 bits, onnx, tile of 4 bits, int8 array, "
     "int4 array, int2 array, tile by contract, not 'int9'"),
    ("bench density --seed -1", "Seed must be in range [0, 2147483647], not -1"),
    ("bench density --seed x", "argument --seed: must be an integer, not 'x'"),
    ("bench density --quick --seed 2", "Seed must be left out for --quick, not 2"),
    ("bench density --quik", "unrecognized arguments: --quik (did you mean --quick?)")])
def test_bad_input(capsys, arguments, message):
    _, *words = arguments.split()
    prog = "exactmac bench density" if "density" in words else "exactmac bench"
    assert outcome(bench.main, capsys, *words) == (2, "", f"{prog}: error: {message}\n")


def test_help(capsys):
    status, out, _ = outcome(bench.main, capsys, "--help")
    assert status == 0 and "exactmac bench density: placed area" in " ".join(out.split())
    for name in bench.BENCHES:
        status, out, _ = outcome(bench.main, capsys, name, "--help")
        assert status == 0 and out.startswith(f"usage: exactmac bench {name} ")


@pytest.mark.parametrize("tool", ["nextpnr-ecp5", "matplotlib"])
def test_a_missing_tool_is_named_before_anything_runs(tmp_path, capsys, monkeypatch, tool):
    def require(module, name, install):
        if name == tool:
            raise ToolMissing(name, install)

    monkeypatch.setattr(command, "require", require)
    monkeypatch.setattr(command, "run_steps", None)
    status, out, err = outcome(command.main, capsys, "--out", tmp_path / "out")
    assert (status, out, len(err.splitlines())) == (2, "", 1)
    assert err.startswith(f"exactmac bench density: error: {tool} is not installed; run: pip ")
    assert ("--no-plot" in err) is (tool == "matplotlib")
    assert not (tmp_path / "out").exists()


def test_a_failure_is_one_line_and_writes_nothing(tmp_path, capsys, monkeypatch):
    def run(steps, report):
        raise ToolFailed("nextpnr-ecp5", "int2: exactmac on ecp5: no route")

    monkeypatch.setattr(command, "run_steps", run)
    monkeypatch.setattr(command, "missing", lambda: None)
    assert outcome(command.main, capsys, "--out", tmp_path, "--json") == (
        1, '{"error": "nextpnr-ecp5 failed: int2: exactmac on ecp5: no route"}\n', "")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.skipif(available() is not None, reason=str(available()))
def test_a_design_is_measured_and_kept(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(command, "cache_folder", lambda name: tmp_path / "cache")
    arguments = ("--quick", "--only", "int2", "--out", tmp_path / "out", "--json")
    status, out, err = outcome(command.main, capsys, *arguments)
    assert (status, err) == (0, "")
    found = json.loads(out)
    entries = {each["way"]: each for each in found["entries"]}
    assert found == json.loads((tmp_path / "out" / "density.json").read_text())
    assert found["seeds"] == [1] and len(entries) == 5
    ours, plain = entries["exactmac on ecp5"], entries["plain, no wide LUTs"]
    assert ours["verified"] > 99_900 and ours["harness"]["luts"] == 14
    assert ours["lut_per_unit"] < plain["lut_per_unit"] < entries["plain Verilog"]["lut_per_unit"]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "density.json", "density.md", "density.svg"}
    # Nothing is left to do.
    monkeypatch.setattr("exactmac.density.measure.place", None)
    monkeypatch.setattr("exactmac.density.measure.synthesize", None)
    again = outcome(command.main, capsys, *arguments)
    assert again[0] == 0 and json.loads(again[1])["entries"] == found["entries"]
