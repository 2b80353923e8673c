"""The .core file of a build, as FuseSoC takes it."""

import shutil
import sys

import pytest

from exactmac import build
from golden.formats import parse
from hw import emit
from hw.flow.tools import run_tool
from hw.tile.config import TileConfig
from tests.exactmac.test_build import FILES, NAME, run


@pytest.mark.slow
def test_the_core_runs_in_fusesoc(tmp_path):
    """Its target sim, in Icarus, as a user of FuseSoC would run it."""
    pytest.importorskip("fusesoc.coremanager")
    if shutil.which("iverilog") is None:
        pytest.skip("iverilog is not installed; run: apt-get install iverilog")
    run("--bits", "2", "--no-verify", "--no-area", "--name", "mine", out=tmp_path / "build")
    done = run_tool("fusesoc", [
        sys.executable, "-m", "fusesoc.main", "--cores-root", "build", "run", "--target", "sim",
         "--tool", "icarus", "exactmac:tiles:mine"], cwd=tmp_path)
    assert done.returncode == 0 and "PASS" in done.stdout, done.stdout + done.stderr


def read(folder, name):
    """Return the core of that name in a folder, as FuseSoC has it."""
    core = pytest.importorskip("fusesoc.coremanager")
    config = pytest.importorskip("fusesoc.config")
    librarymanager = pytest.importorskip("fusesoc.librarymanager")
    manager = core.CoreManager(config.Config())
    manager.add_library(librarymanager.Library("tiles", str(folder)), [])
    return manager.get_cores()[f"exactmac:tiles:{name}:{build.VERSION}"]


def test_the_core_file_is_read_by_fusesoc(tmp_path, monkeypatch):
    run("--bits", "4", "--no-verify", "--no-area", out=tmp_path / "build")
    monkeypatch.chdir(tmp_path)
    tile = read(tmp_path / "build", NAME)
    assert tile.get_toplevel({"target": "sim", "is_toplevel": True}) == f"{NAME}_tb"

    def taken(target, **flags):
        return {each["name"]: each["file_type"] for each in tile.get_files(
            {"target": target, "is_toplevel": True} | flags)}

    assert set(taken("default")) == {f"{NAME}.v"}
    simulated = FILES - {"manifest.json", f"{NAME}.core", f"{NAME}.vlt", f"{NAME}_instance.vh"}
    assert set(taken("sim", tool="icarus")) == simulated
    # Waivers are for Verilator, by whichever target.
    assert set(taken("sim", tool="verilator")) == simulated | {f"{NAME}.vlt"}
    for target in ("default", "lint"):
        assert taken(target, tool="verilator") == {f"{NAME}.v": "verilogSource",
                                                   f"{NAME}.vlt": "vlt"}


@pytest.mark.parametrize("name", ["on", "No", "y", "null", "true", "_"])
def test_a_name_that_is_another_word_in_yaml(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    config = TileConfig(weights=parse("s2"), activations=parse("s2"), output=parse("s2"))
    (tmp_path / f"{name}.core").write_text(
        emit.core(config, name, build.VERSION, [f"{name}_o.hex"]))
    tile = read(tmp_path, name)
    assert tile.get_toplevel({"target": "default", "is_toplevel": True}) == name
    assert tile.get_toplevel({"target": "sim", "is_toplevel": True}) == f"{name}_tb"
    assert [f["name"] for f in tile.get_files({"target": "sim", "is_toplevel": True})] == [
        f"{name}.v", f"{name}_tb.sv", f"{name}_o.hex"]
