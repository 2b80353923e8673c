"""Rows as CSV, JSON and a table, and the Pareto points among them."""

import csv
import io
import json

import numpy as np
import pytest
from rich.console import Console

from exactmac.sweep.points import points_of
from exactmac.sweep.report import Row, csv_bytes, json_bytes, pareto, rows_json, table


@pytest.mark.parametrize("case", range(20))
def test_pareto_points_by_definition(case):
    rng = np.random.default_rng(case)
    points = [(float(a), int(c)) for a, c in rng.integers(0, 6, (rng.integers(1, 15), 2))]
    better = [[a >= b and c <= d and (a, c) != (b, d) for a, c in points] for b, d in points]
    assert pareto(points) == [not any(each) for each in better]


def test_a_point_without_a_cost_is_on_no_front():
    assert pareto([(0.5, None), (None, 3), (0.4, 4)]) == [False, False, True]


def golden(**more):
    return {"samples": 9, "accuracy": 0.5, "float_accuracy": 0.75, "cycles": 1234,
            "cost": {"macs": 100, "bit_operations": 1600, "stored_bytes": 7, "moved_bytes": 9,
                     "memory": "SRAM", "arithmetic_pj": 1500.0, "sram_pj": 500.0, "dram_pj": 0.0},
            "tiles": ["mac_a"], "blocks": ["multipliers"], "inner_products": ["direct"],
            "golden_alone": {}} | more


AREA = {"total": 500, "lut": 400, "carry": 50, "ff": 30, "dsp": 2, "ram": 1}


@pytest.fixture
def rows():
    a, b, c, d = points_of({"bits": [4], "cols": [4, 2, 6, 8], "outputs": [2]}, workflow="w")
    refused = points_of({"bits": [4], "cols": [6], "outputs": [4]}, workflow="w")[0]
    return [
        Row(a, {"golden": golden(), "verified": {"elements": 5, "cycles": 1234},
                "area ecp5": AREA}),
        Row(b, {"golden": golden(accuracy=0.4)}),
        Row(c, {"golden": {"refused": "Depth must be more"}}),
        Row(d, {"golden": golden()}, "yosys failed: no"),
        Row(refused, {})]


def test_columns(rows):
    plain = rows_json(rows, ["ecp5"])
    assert len({tuple(each) for each in plain}) == 1
    first = plain[0]
    assert {name: first[name] for name in ("workflow", "weights", "activations", "output",
                                           "contract", "cols", "outputs", "inner_product")} == {
        "workflow": "w", "weights": "s4n", "activations": "s4", "output": "s4",
        "contract": "half_up", "cols": 4, "outputs": 2, "inner_product": "direct"}
    assert (first["energy_pj"], first["block"], first["tiles"]) == (2000.0, "multipliers", "mac_a")
    assert (first["lut_ecp5"], first["dsp_ecp5"], first["mhz"]) == (500, 2, None)
    assert [each["verified"] for each in plain] == [
        "Verilog equals golden", "unverified", "refused", "failed", "refused"]
    assert [each["reason"] for each in plain] == [
        None, None, "Depth must be more", "yosys failed: no",
        "Outputs must divide the 6 cols, not be 4"]
    assert [each["pareto_bit_operations"] for each in plain] == [True, False, False, True, False]
    assert [each["pareto_lut_ecp5"] for each in plain] == [True, False, False, False, False]
    assert plain[4]["cols"] == 6


def test_files(rows):
    plain = rows_json(rows, ["ecp5"])
    read = list(csv.DictReader(io.StringIO(csv_bytes(plain).decode())))
    assert [each["verified"] for each in read] == [each["verified"] for each in plain]
    assert (read[0]["cycles"], read[2]["cycles"], read[0]["accuracy"]) == ("1234", "", "0.5")
    assert json.loads(json_bytes({"version": 1}, plain)) == {"version": 1, "points": plain}


def shown(rows, swept, targets=("ecp5",)):
    console = Console(width=150, file=io.StringIO())
    console.print(table(rows_json(rows, targets), swept, targets))
    return [line.split() for line in console.file.getvalue().splitlines()]


def test_the_table_says_what_is_unverified(rows):
    assert shown(rows, ["cols"]) == [
        "cols accuracy cycles BitOps bytes nJ LUT ecp5 Pareto verified".split(),
        "4 50.00% 1,234 1.6k 9 2.0 500 BitOps ecp5 yes".split(),
        "2 40.00% 1,234 1.6k 9 2.0 unverified".split(),
        "6 refused: Depth must be more".split(),
        "8 failed: yosys failed: no".split(),
        "6 refused: Outputs must divide the 6 cols, not be 4".split()]


def test_without_labels_there_is_no_front(rows):
    row = Row(rows[0].point, {"golden": golden(accuracy=None)})
    assert shown([row], [], ()) == ["cycles BitOps bytes nJ verified".split(),
                                    "1,234 1.6k 9 2.0 unverified".split()]


def test_placed(rows):
    placed = {"lut": 600, "ff": 30, "dsp": 0, "ram": 1, "mhz": 123.4, "mhz_is": "123 MHz",
              "devices": ["25k"]}
    row = Row(rows[0].point, {**rows[0].results, "placed": placed})
    assert shown([row], [])[0][-4:] == ["ecp5", "MHz", "Pareto", "verified"]
    assert shown([row], [])[1][-5] == "123" or "123" in shown([row], [])[1]
    assert rows_json([row], [])[0]["placed_lut"] == 600
