import io
import json

import pytest
from rich.console import Console

from hw.flow.nextpnr import Placement
from hw.flow.report import area_json, area_table
from hw.flow.yosys import Area

AREAS = [
    Area(target="generic", cells=(("$_NAND_", 900), ("$mem_v2", 1)), lut=900, carry=0, ff=64, dsp=0,
         ram=4096, transistors=4624, seconds=1.0),
    Area(target="ecp5", cells=(("CCU2C", 30), ("LUT4", 100)), lut=100, carry=30, ff=80, dsp=2,
         ram=3, transistors=None, seconds=2.0),
]
PLACED = Placement(device="25k", speed=6, seed=1, lut=172, ff=80, dsp=2, ram=3, fmax=201.4,
                   seconds=3.0)


def test_table():
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(area_table(AREAS, 8, PLACED))
    lines = [line.split() for line in console.export_text().splitlines()]
    assert lines[:5] == [
        ["Area,", "8", "MAC", "per", "cycle"],
        ["target", "LUT", "carry", "FF", "DSP", "RAM", "transistors",
         "LUT/MAC", "FF/MAC", "trans./MAC"],
        ["generic", "900", "-", "64", "-", "4096", "4624", "112.5", "8.0", "578.0"],
        ["ecp5", "100", "30", "80", "2", "3", "-", "20.0", "10.0", "-"],
        ["placed", "201", "MHz", "172", "in", "LUT", "80", "2", "3", "-", "21.5", "10.0", "-"],
    ]
    assert " ".join(sum(lines[5:], [])) == (
        "RAM: bits (generic), 18 kbit blocks (ecp5). LUT: gates (generic). "
        "Placed: ecp5 25k, speed 6.")


def test_json():
    found = json.loads(json.dumps(area_json(AREAS, 8, PLACED)))
    assert found["macs"] == 8
    assert found["areas"]["generic"]["per_mac"] == {"lut": 112.5, "ff": 8, "transistors": 578}
    assert found["areas"]["generic"]["ram_unit"] == "bits"
    assert found["areas"]["ecp5"]["per_mac"] == {"lut": 20, "ff": 10, "transistors": None}
    assert found["areas"]["ecp5"]["cells"] == {"CCU2C": 30, "LUT4": 100}
    assert found["placement"]["per_mac"] == {"lut": 21.5, "ff": 10, "transistors": None}
    assert "placement" not in area_json(AREAS, 8)


@pytest.mark.parametrize("function", [area_table, area_json])
def test_macs(function):
    with pytest.raises(ValueError, match=r"^MACs must be a positive integer, not 0$"):
        function(AREAS, 0)
    with pytest.raises(TypeError):
        function(AREAS, 1.5)
