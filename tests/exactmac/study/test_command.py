"""The command ``exactmac study``: files, exit status, one line for what is wrong."""

import csv
import io
import json

import pytest
from rich.console import Console

from exactmac.cache import Cache
from exactmac.study import command, measure
from exactmac.study.study import Study
from exactmac.sweep.store import Store
from golden.command import replace_file
from hw.flow.tools import ToolFailed
from tests.exactmac.study import example


class Kept:
    """Stands in for tasks of which three are done."""

    def said(self):
        return "3 of 7 results are kept in F"


@pytest.fixture
def made_up(monkeypatch):
    """A study that finds the made-up results at once, or raises what is put into the list."""
    monkeypatch.setattr(command, "missing", lambda: None)
    failed, raised = {}, []

    def run(self, store, cache, tell):
        tell("networks", None)
        self._gathered = Kept()
        if raised:
            raise raised[0]
        return example.study(targets=["ecp5"]), failed

    monkeypatch.setattr(Study, "run", run)
    return failed, raised


def ended(capsys, *arguments):
    with pytest.raises(SystemExit) as end:
        command.main([*map(str, arguments)])
    return end.value.code, capsys.readouterr().err


def test_it_writes_a_page_and_both_files(made_up, tmp_path, capsys):
    assert command.main(["--quick", "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    found = json.loads((tmp_path / "study.json").read_text())
    assert found["command"] == f"exactmac study --quick --out {tmp_path}"
    assert found["points"] == example.study()["points"]
    rows = list(csv.DictReader((tmp_path / "study.csv").read_text().splitlines()))
    assert len(rows) == 54 and "lut_ecp5" in rows[0]
    assert json.dumps(found["fits"]) in (tmp_path / "study.html").read_text()
    assert "255,744 elements of hardware compared with golden, 0 mismatches" in said
    assert f"{tmp_path}/study.html" in said.replace("\n", "")


def test_levels_of_codebooks_shorten_no_other_column():
    levels = "codebook of 4 levels, codebook:-128/-45/17/89, codebook:-126/-48/15/86"
    point = example.study()["points"][0] | {"weights": levels, "bit_operations": 7_477_248}
    screen = Console(width=command.WIDTH, file=io.StringIO())
    screen.print(command.table({"points": [point]}))
    said = screen.file.getvalue()
    assert "…" not in said
    assert "7,477,248" in said and "accuracy" in said and point["workflow"] in said


def test_json(made_up, tmp_path, capsys):
    assert command.main(["--quick", "--json", "--out", str(tmp_path)]) == 0
    assert json.loads(capsys.readouterr().out)["points"] == example.study()["points"]


def test_a_failed_point_is_named(made_up, tmp_path, capsys):
    made_up[0]["digits-balanced-2-seed0"] = "Layer dense0 differs from golden"
    assert command.main(["--quick", "--out", str(tmp_path)]) == 1
    assert capsys.readouterr().err.splitlines()[-1] == (
        "exactmac study: failed: digits-balanced-2-seed0: Layer dense0 differs from golden")


@pytest.mark.parametrize(("error", "status", "said"), [
    (OSError(28, "No space left on device", "out/results/a.json"), 2,
     "error: Out must be writable, not out/results/a.json (No space left on device); 3 of 7 "
     "results are kept in F"),
    (OSError(28, "No space left on device", "/dev/shm/a"), 2,
     "error: No space left on device: /dev/shm/a; 3 of 7 results are kept in F"),
    (OSError("Verilator is gone"), 2, "error: Verilator is gone; 3 of 7 results are kept in F"),
    (ToolFailed("yosys", "it crashed"), 1, "failed: yosys failed: it crashed")])
def test_what_ends_it_is_one_line(made_up, tmp_path, capsys, monkeypatch, error, status, said):
    monkeypatch.chdir(tmp_path)
    made_up[1].append(error)
    assert ended(capsys, "--quick", "--out", "out") == (status, f"exactmac study: {said}\n")
    assert not (tmp_path / "out" / "study.html").exists()


@pytest.mark.parametrize("name", ["study.json", "study.csv", "study.html"])
def test_a_disk_that_the_files_fill_keeps_the_results(made_up, tmp_path, capsys, monkeypatch, name):
    def full(path, data):
        if path.name == name:
            raise OSError(28, "No space left on device", str(path))
        replace_file(path, data)

    monkeypatch.setattr(command, "replace_file", full)
    assert ended(capsys, "--quick", "--out", tmp_path) == (
        2, f"exactmac study: error: Out must be writable, not {tmp_path / name} (No space left on "
           "device); 3 of 7 results are kept in F\n")


def test_a_disk_that_the_examples_fill_keeps_earlier_results(monkeypatch, tmp_path, capsys):
    """Before it is known how many results the study needs."""
    monkeypatch.setattr(command, "missing", lambda: None)
    monkeypatch.setattr(Study, "members", lambda self: [])
    Store(tmp_path, command.PROG, print).open()
    Cache(tmp_path / "results", print).put({"a": 1}, 2)

    def full(path, data):
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(measure, "replace_file", full)
    assert ended(capsys, "--quick", "--out", tmp_path) == (
        2, f"exactmac study: error: Out must be writable, not {tmp_path}/networks/"
           f"digits-inputs.npy (No space left on device); 1 results are kept in {tmp_path}\n")


def test_an_out_that_is_a_file(capsys, monkeypatch):
    monkeypatch.setattr(command, "missing", lambda: None)
    assert ended(capsys, "--quick", "--out", "/dev/null") == (
        2, "exactmac study: error: Out must be a folder, not the file /dev/null\n")


@pytest.mark.parametrize("mark", ['{"exactmac study": 0}', '{"exactmac sweep": 1}'])
def test_results_of_another_version_or_command(made_up, tmp_path, capsys, mark):
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "version.json").write_text(mark)
    assert ended(capsys, "--out", tmp_path) == (
        2, "exactmac study: error: Out must be a folder with results of exactmac study, version 1, "
           f"or without any, not {tmp_path} ({mark})\n")


def test_a_study_and_a_sweep_have_folders_of_their_own(tmp_path):
    Store(tmp_path, command.PROG, print).open()
    Store(tmp_path, command.PROG, print)
    with pytest.raises(ValueError, match="^Out must be a folder with results of exactmac sweep, "):
        Store(tmp_path, "exactmac sweep", print)


def test_an_empty_folder_name(made_up, capsys):
    assert ended(capsys, "--out", "") == (
        2, "exactmac study: error: Out must name a folder, not ''\n")


def test_plotly_is_missing(made_up, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(command, "PLOTLY", ("no_plotly", *command.PLOTLY[1:]))
    status, said = ended(capsys, "--out", tmp_path)
    assert status == 2 and "pip install 'exactmac[study]'" in said
    assert not list(tmp_path.iterdir())
