"""Tables of the pages against the code: names, defaults, latencies, payloads, files."""
# amaranth: UnusedElaboratable=no

import json
import re
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from exactmac import build, measurement
from exactmac.options import option
from golden.contracts import parse as contract
from golden.formats import parse
from golden.units import Addition, Multiplication, Rescaling
from golden.units import parse as scheme
from hw import units
from hw.flow.components import Breakdown
from hw.flow.mapping import TARGETS
from hw.flow.yosys import Area
from hw.tile.config import TileConfig
from hw.tile.ports import ports

ROOT = Path(__file__).parents[2]
S8 = parse("s8")


def rows(page, heading):
    """Cells of each row of the table with this heading."""
    lines = (ROOT / page).read_text().splitlines()
    start = lines.index(heading)
    for line in lines[start + 2:]:
        if not line.startswith("|"):
            return
        yield [cell.strip() for cell in line.strip("|").split("|")]


def codes(cell):
    return re.findall(r"`([^`]*)`", cell)


def test_defaults_of_the_options():
    told = {}
    for names, _, default in rows("README.md", "| option | what it is | default |"):
        if default != "by `--bits`":
            told |= zip(codes(names), default.replace("`", "").split(", "), strict=True)
    shape = ("rows", "cols", "lanes", "depth", "outputs", "channels")
    assert told == {option(name): str(getattr(TileConfig, name)) for name in (*shape, "target")} | {
        "--requant": TileConfig.contract.name}


UNITS = {
    ("Rescale", 0): units.Rescale(operation=Rescaling(contract("tflite"), S8, S8), lanes=1),
    **{("Multiply", place): units.Multiply(
        operation=Multiplication(contract(name), S8, S8, S8), lanes=1)
       for place, name in enumerate(("tflite", "onnx_zp_inside"))},
    ("Add", 0): units.Add(operation=Addition(scheme("tflite"), S8, S8, S8), lanes=1),
    ("Add", 1): units.Add(
        operation=Addition(scheme("int16", contract=contract("half_up")), S8, S8, S8), lanes=1),
    ("Add", 2): units.Add(operation=Addition(scheme("xnnpack"), S8, S8, S8), lanes=1),
    ("Add", 3): units.Add(operation=Addition(scheme("exact"), S8, S8, S8), lanes=1),
    ("FusedAdd", 0): units.FusedAdd(operation=Addition(scheme("onnx"), S8, S8, S8), lanes=1),
    ("Concat", 0): units.Concat(
        operation=Rescaling(contract("tflite"), S8, S8), tensors=2, lanes=1),
    ("AveragePool", 0): units.AveragePool(values=S8, lanes=1, window=9),
    ("MaxPool", 0): units.MaxPool(values=S8, lanes=1),
}


def test_latencies_of_the_units():
    told = {}
    for names, _, _, latencies in rows("docs/ml.md",
                                       "| unit | formula | contract or scheme | latency |"):
        for latency in re.findall(r"\d+", re.sub(r"`[^`]*`", "", latencies)):
            name = codes(names)[0]
            told[name, sum(each == name for each, _ in told)] = int(latency)
    assert told == {key: unit.latency for key, unit in UNITS.items()}


@pytest.mark.parametrize("more", [{}, {"contract": "stochastic"}, {
    name: "mx_s4" for name in ("weights", "activations", "output")} | {"cols": 32}])
def test_payloads_of_the_ports(more):
    config = TileConfig(**{"weights": "s4n", "activations": "s4", "output": "s4"} | more)
    told = {codes(name)[0]: (payload, last) for name, payload, last in rows(
        "docs/driving.md", "| port | payload | `tlast` |")}
    assert list(told) == [port.name for port in ports(config)]
    for port in ports(config):
        payload, last = told[port.name]
        places = [payload.index(field.name) for field in port.payload.fields]
        assert places == sorted(places)  # from the low bits
        assert last.split(";")[0] == (port.payload.last or "none")


@pytest.mark.slow
def test_files_of_a_build(tmp_path, monkeypatch):
    area = Area("ecp5", (), lut=1, carry=0, ff=1, dsp=0, ram=0, transistors=None, seconds=1.0)

    def synthesize(sources, top, target, *, netlist):
        for suffix in (".json", ".v"):
            netlist.with_suffix(suffix).write_text("")
        return area

    monkeypatch.setattr(measurement, "synthesize", synthesize)
    monkeypatch.setattr(measurement, "break_down", lambda *given: Breakdown("ecp5", {
        "block": {"lut": 1, "carry": 0, "ff": 1, "dsp": 0, "ram": 0}}))
    tiny = ("--bits 4 --target ecp5 --requant none --rows 1 --cols 1 --lanes 1 --depth 4 "
            "--channels 1")
    assert build.main([*tiny.split(), "--no-verify", "--vcd", "--area", "ecp5", "--netlist",
                       "--plot", "--name", "tile", "--out", str(tmp_path)]) == 0
    folder = tmp_path / "tile"
    told = [pattern.replace("NAME", "tile") for files, _ in rows(
        "docs/designer.md", "| file | what |") for pattern in codes(files)]
    patterns = [pattern.replace("TARGET", name) for pattern in told for name in TARGETS]
    written = sorted(path.name for path in folder.iterdir())
    assert written == json.loads((folder / "manifest.json").read_text())["files"]
    for name in written:
        assert any(fnmatchcase(name, pattern) for pattern in patterns), name
    for pattern in told:
        assert any(fnmatchcase(name, pattern.replace("TARGET", "ecp5")) for name in written)
