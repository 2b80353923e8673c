"""What a study says: columns of the files, fronts, and what runs at which width."""

import csv
import io
import json

from exactmac.study import report
from exactmac.study.workflows import (
    BALANCED,
    DYNAMIC,
    POST,
    SCRATCH,
    TUNED,
    WIDTHS,
    WORKFLOWS,
    workflow_table,
)
from tests.exactmac.study.example import study


def test_a_row_for_each_seed():
    found = study()
    rows = list(csv.DictReader(io.StringIO(
        report.csv_bytes(found["points"], ["ecp5", "xc7"]).decode())))
    assert list(rows[0]) == [*report.COLUMNS, "lut_ecp5", "lut_xc7"]
    assert len(rows) == 3 * len(found["points"])
    point = found["points"][0]
    assert [rows[1][name] for name in ("data", "workflow", "width", "weights", "seed")] == [
        "digits", POST, "8", "s8n", "1"]
    assert float(rows[1]["accuracy"]) == point["runs"][1]["accuracy"]
    assert float(rows[1]["loss"]) == point["runs"][1]["loss"]
    assert rows[1]["lut_ecp5"] == str(point["area"]["ecp5"]["total"])
    assert (rows[1]["verified"], rows[1]["vectors"], rows[1]["mismatches"]) == (
        "Verilog equals golden", "64", "0")


def test_a_run_without_hardware_is_marked():
    found = study()
    point = found["points"][0]
    point["runs"][1] |= {"verified": None, "file": None}
    point["runs"][2]["verified"] = None
    rows = list(csv.DictReader(io.StringIO(report.csv_bytes([point], []).decode())))
    assert [row["verified"] for row in rows] == [
        "Verilog equals golden", "accuracy alone", "unverified"]
    assert rows[2]["vectors"] == rows[2]["mismatches"] == ""


def test_json_has_the_whole_study():
    assert json.loads(report.json_bytes(study())) == study()


def test_equal_accuracies_lose_nothing():
    """A loss of 1e-15 points would have a logarithm, and a place in plot and fit."""
    gained = [report.lost(base / 360, accuracy / 360)
              for base, accuracy in ((359, 357), (357, 359), (353, 353))]
    assert gained == [0.555555556, -0.555555556, 0]
    assert 0.1 + 0.2 != 0.3 and report.lost(0.1 + 0.2, 0.3) == 0
    assert str(report.lost(0.3, 0.1 + 0.2)) == "0.0"
    runs = [{"accuracy": 0.5, "float_accuracy": 0.5, "loss": loss, "file": None, "verified": None}
            for loss in (0.1, 0.2, -0.3)]
    assert sum(each["loss"] for each in runs) != 0 == report.summary(runs)["loss"]


def test_means_and_ends_of_runs():
    runs = [{"accuracy": accuracy, "float_accuracy": 1.0, "loss": 100 * (1 - accuracy),
             "file": "a.npz", "verified": {"vectors": vectors, "elements": 10, "mismatches": 0}}
            for accuracy, vectors in ((0.5, 64), (0.75, 32), (1.0, 64))]
    assert report.summary(runs) == {
        "accuracy": 0.75, "accuracy_min": 0.5, "accuracy_max": 1.0, "float_accuracy": 1.0,
        "loss": 25.0, "verified": True, "vectors": 32, "elements": 30, "mismatches": 0}
    runs[0]["verified"] = None
    assert report.summary(runs)["verified"] is False
    runs[0]["file"] = None
    assert report.summary(runs)["verified"] is True


def test_fronts_are_of_one_data_set():
    points = [{"data": data, "accuracy": accuracy, "bit_operations": cost, "energy_pj": 5.0,
               "area": {"ecp5": {"total": 10 - cost}}}
              for data, accuracy, cost in (("a", 0.9, 1), ("a", 0.8, 2), ("a", 0.95, 3),
                                           ("b", 0.1, 4))]
    report.mark_fronts(points, ["ecp5"])
    assert [each["pareto"] for each in points] == [
        ["bit_operations"], [], ["bit_operations", "energy_pj", "lut_ecp5"],
        ["bit_operations", "energy_pj", "lut_ecp5"]]


def test_every_workflow_has_a_cell_for_every_width():
    rows = workflow_table(study()["points"], left_out={(TUNED, "8"): "no", (SCRATCH, "4"): "late"})
    assert [row["workflow"] for row in rows] == [DYNAMIC, POST, BALANCED, SCRATCH, TUNED]
    assert [each.name for each in WORKFLOWS] == [row["workflow"] for row in rows]
    assert all(tuple(row["widths"]) == WIDTHS for row in rows)
    cells = {row["workflow"]: row["widths"] for row in rows}
    assert cells[POST]["ternary"] == {"runs": ["ternary × s2"]}
    # What runs needs no reason.
    assert cells[TUNED]["8"] == {"runs": ["s8n × s8"]}
    assert cells[SCRATCH]["4"] == {"reason": "late"}
    assert "8 bits" in cells[DYNAMIC]["2"]["reason"]
    assert cells[SCRATCH]["2"] == {"reason": (
        "no network of that kind is in the results of golden.train")}


def test_commands_name_the_networks_file(tmp_path):
    found = report.commands(tmp_path, "digits-post-training-4-seed0", "digits-simulated.npy")
    path = tmp_path / "networks" / "digits-post-training-4-seed0.npz"
    assert found["build"] == (f"exactmac build {path} --rows 2 --cols 2 --lanes 8 --outputs 1 "
                              "--area ecp5 --dsp 0")
    assert found["compare"] == (
        f"exactmac network {path} --inputs {path.parent}/digits-simulated.npy "
        "--rows 2 --cols 2 --lanes 8 --outputs 1")
