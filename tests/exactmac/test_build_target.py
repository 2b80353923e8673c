"""``exactmac build --target ecp5``: files with the cells, and area on that target alone."""

import json
import shutil
import subprocess

import pytest

from hw.targets.fabric import ECP5
from tests.exactmac.test_build import TINY, run
from tests.exactmac.test_build_core import read
from tests.hw.test_lint import said

NAME = "mac_s2n_s2_s2_1x1x1_d4_c1_ecp5"
CELLS = f"{NAME}_cells.v"


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    out = tmp_path_factory.mktemp("build")
    assert run(*TINY, "--target", "ecp5", "--json", out=out) == 0
    return out


def test_the_cells_are_beside_the_verilog(built, capsys):
    folder = built / NAME
    assert (folder / CELLS).read_text() == ECP5.models
    assert "CCU2C" in (folder / f"{NAME}.v").read_text()
    manifest = json.loads((folder / "manifest.json").read_text())
    assert CELLS in manifest["files"] and manifest["config"]["target"] == "ecp5"
    assert manifest["verification"] == "Verilog equals golden"
    area = json.loads((folder / "area.json").read_text())
    assert list(area["areas"]) == ["ecp5"]


def test_the_core_has_the_cells_for_simulation_alone(built, monkeypatch):
    monkeypatch.chdir(built)
    tile = read(built, NAME)

    def taken(target, **flags):
        return {each["name"] for each in tile.get_files(
            {"target": target, "is_toplevel": True} | flags)}

    assert CELLS not in taken("default")
    assert CELLS in taken("sim", tool="icarus") and CELLS in taken("lint", tool="verilator")


def test_both_files_pass_lint(built, monkeypatch):
    monkeypatch.chdir(built / NAME)
    assert said("-Wall", "--top-module", NAME, f"{NAME}.v", CELLS, f"{NAME}.vlt") == ""


@pytest.mark.slow
def test_the_testbench_passes_in_icarus(built):
    if shutil.which("iverilog") is None:
        pytest.skip("iverilog is not installed; run: apt-get install iverilog")
    folder = built / NAME
    subprocess.run(["iverilog", "-g2012", "-o", "tb", f"{NAME}_tb.sv", f"{NAME}.v", CELLS],
                   cwd=folder, check=True)
    done = subprocess.run(["vvp", "tb"], cwd=folder, capture_output=True, text=True)
    assert "PASS" in done.stdout


@pytest.mark.parametrize("verify", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_driver_is_told_to_fold_the_weights_term(tmp_path, capsys, verify):
    assert run(*TINY, "--lanes", "2", "--target", "ecp5", "--dsp", "0", "--inner-product",
               "winograd", "--no-area", *["--no-verify"] * (not verify), out=tmp_path) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert ("inner product Winograd's: the driver folds a term of the weights into each bias "
            "(parameters.weights_term in manifest.json)") in text
    # Simulated or not.
    assert "proven the bit heaps of a sum, 8 + " in text
    manifest = json.loads(next(tmp_path.glob("*/manifest.json")).read_text())
    assert manifest["parameters"]["weights_term"] == {
        "formula": "sum((w[2k] + 2) * (w[2k+1] + 2)) + 2 * sum(w)",
        "over": "weights w of a channel, with zeros up to a multiple of 2 lanes",
        "driver": "subtracts it from the channel's bias, for the tile's sums have it"}
    assert manifest["requantization"]["x"] == "sum + weights_term + bias, s33"
    assert manifest["verification"] == ("Verilog equals golden" if verify else "not verified")


@pytest.mark.parametrize("arguments, message", [
    ("--inner-product winograd", "Inner product must be direct for target generic, which has no "
                                 "carry cells, not winograd"),
    ("--target ecp5 --inner-product winograd",
     "Lanes must be even for inner product winograd, not 1"),
    ("--target ecp5 --inner-product foo",
     "Inner product must be one of direct, codes, winograd, smallest, not 'foo'"),
    ("--target ecp5 --area ice40", "Area must be ecp5 for --target ecp5, not 'ice40'"),
    ("--target asic", "Target must be one of generic, ecp5, not 'asic'")])
def test_bad_input(tmp_path, capsys, arguments, message):
    with pytest.raises(SystemExit) as end:
        run(*TINY, *arguments.split(), out=tmp_path)
    assert (end.value.code, capsys.readouterr().err) == (
        2, f"exactmac build: error: {message}\n")
    assert not list(tmp_path.iterdir())
