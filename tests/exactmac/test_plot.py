"""Pictures of areas: what is drawn is what was counted."""

import json
import re
from xml.etree import ElementTree

import pytest

from exactmac import build, measurement
from exactmac.networks.digits import Result, plot
from exactmac.plot import area_plot
from hw.flow.components import Breakdown
from hw.flow.yosys import Area

ECP5 = Breakdown("ecp5", {
    "block": {"lut": 60, "carry": 20, "ff": 70, "dsp": 2, "ram": 0},
    "parameter store": {"lut": 1045, "carry": 10, "ff": 11, "dsp": 0, "ram": 3}})
GENERIC = Breakdown("generic", {
    "block": {"lut": 960, "carry": 0, "ff": 64, "dsp": 0, "ram": 0},
    "requantizers": {"lut": 1500, "carry": 0, "ff": 32, "dsp": 0, "ram": 0},
    "parameter store": {"lut": 77, "carry": 0, "ff": 5, "dsp": 0, "ram": 4096}})


BREAKDOWNS = {each.target: each for each in (GENERIC, ECP5)}
AREAS = {each.target: Area(target=each.target, cells=(), **each.sum, transistors=None, seconds=1.0)
         for each in BREAKDOWNS.values()}


@pytest.fixture
def synthesis(monkeypatch):
    """Areas that are the above, whatever is built."""
    monkeypatch.setattr(measurement, "synthesize", lambda *given, **more: AREAS[given[2].name])
    monkeypatch.setattr(measurement, "break_down", lambda *given: BREAKDOWNS[given[2].name])


def build_tile(folder, *arguments):
    assert build.main(["--bits", "2", "--requant", "none", "--rows", "1", "--cols", "1", "--lanes",
                       "1", "--depth", "4", "--channels", "1", "--no-verify", "--name", "mine",
                       "--out", str(folder), *arguments]) == 0
    return folder / "mine"


def texts(svg):
    root = ElementTree.fromstring(svg)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    return [node.text for node in root.iter("{http://www.w3.org/2000/svg}text")]


def test_every_count_is_written():
    found = texts(area_plot("mine", [GENERIC, ECP5]))
    assert "Area of mine by component, hierarchy kept" in found
    assert {"generic: 2,537 gates", "ecp5: 1,165 LUTs"} <= set(found)
    # From top to bottom; each target's LUTs, then its flip-flops.
    labels = [text for text in found if text in {"block", "requantizers", "parameter store"}]
    assert labels == ["block", "requantizers", "parameter store"]
    want = ["960", "1,500", "77, 4,096 RAM bits", "64", "32", "5",
            "100, 2 DSP", "0", "1,065, 3 RAM", "70", "0", "11"]
    starts = [place for place in range(len(found)) if found[place] == "960"]
    assert any(_in_order(found[start:], want) for start in starts)


def _in_order(texts, want):
    rest = iter(texts)
    return all(each in rest for each in want)


def test_bars_are_as_long_as_the_counts():
    svg = area_plot("mine", [ECP5]).decode()
    paths = re.findall(r'<path d="M ([\d.]+) [\d.]+ \nL ([\d.]+) [\d.]+ \n'
                       r'L \2 [\d.]+ \nL \1 [\d.]+ \nz\n" clip-path', svg)
    lengths = [float(end) - float(start) for start, end in paths]
    assert [round(length / lengths[0] * 100) for length in lengths] == [100, 1065, 70, 11]


def test_a_picture_is_the_same_every_time():
    assert area_plot("mine", [ECP5]) == area_plot("mine", [ECP5])


def test_accuracy_is_drawn_against_area_and_bit_operations():
    results = [Result(weights=f"s{bits}n", activations=f"s{bits}", output=f"s{bits}", table="",
                      contract="half_up", float_accuracy=0.9778, golden_accuracy=accuracy,
                      hardware_accuracy=accuracy, compared=1, cycles=1, utilisation=1.0,
                      bit_operations=bits * bits * 1000, target="ecp5", area=area)
               for bits, accuracy, area in ((2, 0.8, 1000), (4, 0.9, 2000), (8, 1.0, 4000))]
    svg = plot(results)
    found = texts(svg)
    for text in ("s2n x s2", "s4n x s4", "s8n x s8", "float: 97.78%"):
        assert found.count(text) == 2
    assert {"LUTs on ecp5", "bit operations of an image", "accuracy, %"} <= set(found)
    lines = re.findall(r'<path d="M ([\d.]+) ([\d.]+) \nL ([\d.]+) ([\d.]+) \n'
                       r'L ([\d.]+) ([\d.]+) \n" clip-path', svg.decode())
    assert len(lines) == 2
    for line in lines:  # of equal steps on both axes, accuracy upwards
        left, low, middle, half, right, high = map(float, line)
        assert round(right - middle, 2) == round(middle - left, 2) > 0
        assert round(half - high, 2) == round(low - half, 2) > 0


@pytest.mark.slow
def test_a_build_draws_every_target(tmp_path, capsys, synthesis):
    folder = build_tile(tmp_path, "--area", "generic,ecp5", "--plot")
    assert (folder / "mine_area.svg").read_bytes() == area_plot("mine", [GENERIC, ECP5])
    assert "mine_area.svg" in json.loads((folder / "manifest.json").read_text())["files"]
    areas = json.loads((folder / "area.json").read_text())["components"]
    assert list(areas) == ["generic", "ecp5"]
    said = capsys.readouterr().out
    assert "Components on ecp5" in said and "Components on generic" not in said


@pytest.mark.parametrize("areas, shown", [
    ("generic", "generic"), pytest.param("generic,ecp5", "ecp5", marks=pytest.mark.slow)])
def test_a_build_without_a_picture_breaks_one_target_down(tmp_path, capsys, synthesis, areas,
                                                          shown):
    folder = build_tile(tmp_path, "--area", areas)
    assert list(json.loads((folder / "area.json").read_text())["components"]) == [shown]
    assert f"Components on {shown}" in capsys.readouterr().out
    assert not (folder / "mine_area.svg").exists()
