"""Measurements: verified first, kept, and continued."""

import json
from dataclasses import replace

import pytest

from exactmac.cache import Cache
from exactmac.density import measure
from exactmac.density.entries import ENTRIES
from exactmac.density.measure import Bench
from exactmac.density.simulation import Emitted
from exactmac.steps import run_steps
from hw.flow.critical_path import CriticalPath
from hw.flow.harness import Harness
from hw.flow.nextpnr import Placement
from hw.flow.tools import ToolFailed
from sim.backend import Mismatch

SEEDS = (1, 2, 3)


class Flow:
    """Stands in for tools, and notes what ran."""

    def __init__(self, monkeypatch, folder):
        self.done, self.wrong, self.broken = [], (), ()
        self.cache = Cache(folder / "cache", self.done.append)
        self.folder = folder
        self.text = {"one": "module one", "two": "module two"}
        monkeypatch.setattr(measure, "synthesize", self.synthesize)
        monkeypatch.setattr(measure, "place", self.place)
        self.entries = [replace(
            ENTRIES[0], subject=subject, emit=lambda subject=subject: Emitted(
                subject, self.text[subject], 3), verify=self.verify) for subject in self.text]

    def verify(self, emitted):
        self.done.append(f"verify {emitted.top}")
        if emitted.top in self.wrong:
            raise Mismatch("total 3 must be 4, not 5")
        return 99

    def synthesize(self, sources, top, target, *, netlist):
        assert sources[0].read_text() == self.text[top]
        netlist.with_suffix(".json").write_text(top)
        self.done.append(f"synthesize {top}")

    def place(self, netlist, *, device, seed, clock):
        assert (device, clock) == ("85k", "clk")
        top = netlist.read_text()
        self.done.append(f"place {top} {seed}")
        if f"{top} {seed}" in self.broken:
            raise ToolFailed("nextpnr-ecp5", "no")
        return Placement(device, 6, seed, 200.0, 160 + seed, 80, 0, 0, 100.0 + seed,
                         CriticalPath(("a", "b", "c"), 9.5, 3.0), Harness(9, 4), 0.1)

    def run(self, seeds=SEEDS):
        self.done.clear()
        bench = Bench(self.entries, seeds, self.cache, self.folder)
        run_steps(bench.steps(), lambda text, total: None)
        return bench.results


@pytest.fixture
def flow(monkeypatch, tmp_path):
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    return Flow(monkeypatch, tmp_path)


ONE = ["verify one", "synthesize one", "place one 1", "place one 2", "place one 3"]
TWO = [each.replace("one", "two") for each in ONE]


def test_everything_is_measured_once(flow):
    first = flow.run()
    assert flow.done == ONE + TWO
    assert flow.run() == first and flow.done == []
    found = first[0].to_json()
    assert json.loads(json.dumps(found)) == found
    assert (found["seed"], found["lut"], found["fmax"], found["verified"]) == (2, 162, 102, 99)
    assert (found["lut_per_unit"], found["ff_per_unit"]) == (162 / 16, 5)
    assert found["path"] == {"from": "a", "to": "c", "delay": 9.5, "routing": 3.0}
    flow.run((2,))
    assert flow.done == []
    flow.run((4,))
    assert flow.done == ["synthesize one", "place one 4", "synthesize two", "place two 4"]


def test_a_folder_that_cannot_be_written_is_said(flow, tmp_path):
    (tmp_path / "cache").write_text("")
    flow.run((1,))
    said = f"{tmp_path / 'cache'} cannot be written (File exists); nothing is kept"
    assert flow.done.count(said) == 4 and "place two 1" in flow.done


def test_an_interrupted_run_goes_on_where_it_was(flow):
    flow.broken = ("one 3",)
    with pytest.raises(ToolFailed, match="^nextpnr-ecp5 failed: one: exactmac on ecp5: no$"):
        flow.run()
    assert flow.done == ONE
    flow.broken = ()
    flow.run()
    assert flow.done == ["synthesize one", "place one 3", *TWO]


def test_nothing_is_measured_that_is_not_exact(flow):
    flow.wrong = ("two",)
    with pytest.raises(Mismatch, match="^two: exactmac on ecp5: total 3 must be 4, not 5$"):
        flow.run()
    assert flow.done == [*ONE, "verify two"]
    flow.wrong = ()
    flow.run()
    assert flow.done == TWO


def test_other_verilog_flags_and_tools_are_measured_again(flow, monkeypatch):
    flow.run()
    flow.text["two"] += " // changed"
    flow.run()
    assert flow.done == TWO
    flow.entries[0] = replace(flow.entries[0], target=ENTRIES[3].target)
    flow.run()
    assert flow.done == ONE[1:]
    monkeypatch.setattr(measure, "versions", lambda: {"verilator": "0", "numpy": "0"})
    flow.run()
    assert flow.done == ONE + TWO
