import io
import json
from dataclasses import replace

import pytest
from rich.console import Console

from hw.flow.compare import Comparison
from hw.flow.components import Breakdown
from hw.flow.critical_path import CriticalPath
from hw.flow.harness import Harness
from hw.flow.nextpnr import Placed, Placement
from hw.flow.report import (
    area_json,
    area_table,
    block_json,
    block_table,
    component_json,
    component_table,
    path_components,
    path_text,
)
from hw.flow.yosys import Area

AREAS = [
    Area(target="generic", cells=(("$_NAND_", 900), ("$mem_v2", 1)), lut=900, carry=0, ff=64, dsp=0,
         ram=4096, transistors=4624, seconds=1.0),
    Area(target="ecp5", cells=(("CCU2C", 30), ("LUT4", 100)), lut=100, carry=30, ff=80, dsp=2,
         ram=3, transistors=None, seconds=2.0),
]
PATH = CriticalPath(("tile.array.sums.total[3]", "tile.array.sums.chain", "tile.results.m.0.0",
                     "harness.o[2]"), 4.96, 1.5)
PLACED = Placed(tuple(
    Placement(device="25k", speed=6, seed=seed, frequency=200.0, lut=172, ff=80, dsp=2, ram=3,
              fmax=fmax, path=PATH, harness=Harness(20, 9), seconds=3.0)
    for seed, fmax in ((1, 199.0), (2, 201.4), (3, 205.0))))
NO_DSP = Placed(tuple(replace(run, dsp=0) for run in PLACED.runs[:1]))


def test_table():
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(area_table(AREAS, 8, PLACED))
    lines = [line.split() for line in console.export_text().splitlines()]
    assert lines[:9] == [
        ["Area,", "8", "MAC", "per", "cycle"],
        ["target", "LUT", "carry", "FF", "DSP", "RAM", "transistors"],
        ["generic", "900", "-", "64", "-", "4,096", "4,624"],
        ["per", "MAC", "112.50", "-", "8.00", "-", "512.00", "578.00"],
        ["ecp5", "100", "30", "80", "2", "3", "-"],
        ["per", "MAC", "12.50", "3.75", "10.00", "0.25", "0.38", "-"],
        ["ecp5", "placed", "172", "-", "80", "2", "3", "-"],
        ["201", "MHz", "outside", "the", "DSP"],
        ["per", "MAC", "21.50", "-", "10.00", "0.25", "0.38", "-"],
    ]
    assert " ".join(sum(lines[9:], [])) == (
        "RAM: bits (generic), 18 kbit blocks (ecp5). LUT: gates (generic). "
        "Placed: ecp5 25k, speed 6, median of seeds 1, 2, 3, 9 LUT of a harness of registers "
        "included.")


def test_a_frequency_without_dsp_is_that_of_all_paths():
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(area_table(AREAS, 8, NO_DSP))
    text = " ".join(console.export_text().split())
    assert "ecp5 placed, 199 MHz 172 - 80 - 3 -" in text
    assert "speed 6, seed 1, 9 LUT" in text


def test_the_critical_path_has_names_of_components():
    assert path_components(PLACED.median) == ["accumulators", "control", "harness"]
    assert path_text(PLACED.median).splitlines() == [
        "Critical path, 5.0 ns, of which wires 1.5: accumulators, control, harness",
        "from tile.array.sums.total[3]", "to harness.o[2]"]
    without = replace(PLACED.median, path=None)
    assert (path_components(without), path_text(without)) == ([], "")


def test_json():
    found = json.loads(json.dumps(area_json(AREAS, 8, PLACED)))
    assert found["macs"] == 8
    assert found["areas"]["generic"]["per_mac"] == {
        "lut": 112.5, "carry": 0, "ff": 8, "dsp": 0, "ram": 512, "transistors": 578,
        "total": 112.5}
    assert found["areas"]["generic"]["ram_unit"] == "bits"
    assert found["areas"]["ecp5"]["per_mac"] == {
        "lut": 12.5, "carry": 3.75, "ff": 10, "dsp": 0.25, "ram": 0.375, "transistors": None,
        "total": 20}
    assert found["areas"]["ecp5"]["cells"] == {"CCU2C": 30, "LUT4": 100}
    assert found["placement"]["per_mac"] == {
        "lut": 21.5, "carry": None, "ff": 10, "dsp": 0.25, "ram": 0.375, "transistors": None}
    assert found["placement"]["fmax_is"] == "201 MHz outside the DSP"
    assert found["placement"]["path_components"] == ["accumulators", "control", "harness"]
    assert [each["fmax"] for each in found["placement"]["seeds"].values()] == [199, 201.4, 205]
    assert "placement" not in area_json(AREAS, 8)


@pytest.mark.parametrize("function", [area_table, area_json])
def test_macs(function):
    with pytest.raises(ValueError, match=r"^MACs must be a positive integer, not 0$"):
        function(AREAS, 0)
    with pytest.raises(TypeError):
        function(AREAS, 1.5)


COMPARED = [Comparison(2, 1, 4, area, replace(area, lut=area.lut + 11)) for area in AREAS]


def test_block_table():
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(block_table("popcount", COMPARED))
    lines = [line.split() for line in console.export_text().splitlines()]
    assert lines == [
        "Block alone, 2x1x4: popcount, beside multipliers".split(),
        ["target", "LUT", "carry", "FF", "DSP", "RAM", "transistors"],
        ["generic", "900", "-", "64", "-", "4,096", "4,624"],
        ["multipliers", "911", "-", "64", "-", "4,096", "4,624"],
        ["ecp5", "100", "30", "80", "2", "3", "-"],
        ["multipliers", "111", "30", "80", "2", "3", "-"],
    ]


def test_block_json():
    found = json.loads(json.dumps(block_json("popcount", COMPARED)))
    assert found["chosen"] == "popcount" and found["plain"] == "multipliers"
    assert found["shape"] == {"rows": 2, "cols": 1, "lanes": 4}
    assert {target: (each["chosen"]["lut"], each["plain"]["lut"])
            for target, each in found["areas"].items()} == {"generic": (900, 911),
                                                            "ecp5": (100, 111)}
    assert block_json("multipliers", []) == {"chosen": "multipliers", "plain": "multipliers"}


BREAKDOWN = Breakdown("ecp5", {
    "block": {"lut": 60, "carry": 20, "ff": 70, "dsp": 2, "ram": 0},
    "parameter store": {"lut": 1045, "carry": 10, "ff": 11, "dsp": 0, "ram": 3}})


def test_component_table():
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(component_table(BREAKDOWN, AREAS[1]))
    assert [line.split() for line in console.export_text().splitlines()] == [
        "Components on ecp5, hierarchy kept".split(),
        ["component", "LUT", "carry", "FF", "DSP", "RAM"],
        ["block", "60", "20", "70", "2", "-"],
        ["parameter", "store", "1,045", "10", "11", "-", "3"],
        ["sum", "1,105", "30", "81", "2", "3"],
        ["flattened", "100", "30", "80", "2", "3"],
    ]


def test_component_json():
    found = component_json([BREAKDOWN], {area.target: area for area in AREAS})
    assert json.loads(json.dumps(found)) == {"ecp5": {
        "components": BREAKDOWN.components,
        "sum": {"lut": 1105, "carry": 30, "ff": 81, "dsp": 2, "ram": 3},
        "flattened": {"lut": 100, "carry": 30, "ff": 80, "dsp": 2, "ram": 3}}}
    assert component_json([], {}) == {}
