"""Report of measured entries."""

import io
import json
from dataclasses import replace

import pytest
from rich.console import Console

from exactmac.density.entries import ENTRIES, LARGE
from exactmac.density.measure import Measured
from exactmac.density.report import files, report_json, report_table
from hw.flow.critical_path import CriticalPath
from hw.flow.harness import Harness
from hw.flow.nextpnr import Placed, Placement

ONE = Placement("85k", 6, 1, 200.0, 1232, 1280, 0, 0, 174.6, CriticalPath(("a", "b"), 5.7, 2.0),
                Harness(258, 26), 20.0)
RESULTS = [
    Measured(ENTRIES[0], 99_992, Placed((ONE, replace(ONE, seed=2, fmax=180.4),
                                         replace(ONE, seed=3, fmax=171.0)))),
    Measured(ENTRIES[2], 99_996, Placed((replace(ONE, lut=3440, dsp=2),))),
    Measured(ENTRIES[6], 99_993, Placed((replace(ONE, lut=384, ff=388, path=None),)))]


@pytest.fixture(scope="module")
def report():
    return report_json(RESULTS, (1, 2, 3), "exactmac bench density --out docs")


def test_table(report):
    console = Console(width=100, file=io.StringIO(), record=True)
    console.print(report_table(report))
    assert [line.split() for line in console.export_text().splitlines()] == [
        ["design", "way", "per", "LUT", "FF", "DSP", "MHz", "of", "seeds"],
        ["int8", "exactmac", "on", "ecp5", "MAC", "77.0", "80.0", "175", "171-180"],
        ["exactmac", "on", "generic", "MAC", "215.0", "80.0", "2", "175", "outside", "the", "DSP"],
        ["int4", "exactmac", "on", "ecp5", "MAC", "24.0", "24.2", "175"]]


def test_files(report):
    found = files(report, plot=True)
    assert list(found) == ["density.json", "density.md", "density.svg"]
    assert json.loads(found["density.json"]) == report
    page = found["density.md"].decode()
    assert "\n| int8 | exactmac on ecp5 | MAC | 77.0 | 80.0 | | 175 | 171-180 |\n" in page
    assert "| 2 | 175 outside the DSP |" in page
    assert "\nexactmac bench density --out docs\n" in page and "99,992 results" in page
    assert f"pyosys {report['tools']['pyosys']}" in " ".join(page.split())
    assert "LFE5U-85F, speed grade 6, the median of seeds 1, 2, 3, with" in page
    assert max(map(len, page.splitlines())) <= 110
    picture = found["density.svg"].decode()
    assert "exactmac on generic" in picture and ">int4<" in picture
    assert found == files(report, plot=True)
    alone = files(report | {"seeds": [7]}, plot=False)
    assert "seed 7 alone" in alone["density.md"].decode() and "density.svg" not in alone


def test_arrays_alone_have_no_picture():
    own = replace(RESULTS[0], entry=LARGE[0])
    found = files(report_json([own], (1,), "exactmac bench density"), plot=True)
    assert list(found) == ["density.json", "density.md"]
    page = found["density.md"].decode()
    assert "int8 array" in page and "An array has 2 rows" in page and "density.svg" not in page
    assert "A requantizer" not in page and "Plain Verilog has" not in page


def test_tiles_by_contract_are_told():
    own = replace(RESULTS[0], entry=LARGE[-1])
    page = files(report_json([own], (1,), "exactmac bench density"), plot=True)[
        "density.md"].decode()
    assert "| tile by contract | none | tile |" in page
    assert "The ways of tile by contract are" in page
    assert "A MAC is" not in page
