import json
import pickle

import pytest

from hw.flow import tools
from hw.flow.mapping import TARGETS
from hw.flow.tools import ToolFailed, ToolMissing
from hw.flow.yosys import Area, synthesize

COUNTER = """
module counter (input clk, input clear, input enable, output reg [12:0] count);
    always @(posedge clk)
        if (clear) count <= 0;
        else if (enable) count <= count + 1;
endmodule
"""
PASS = "module top (input clk, input clear, input enable, output [12:0] count);\n" \
       "counter c (clk, clear, enable, count);\nendmodule\n"


def write(folder, **texts):
    folder.mkdir(exist_ok=True)
    paths = []
    for name, text in texts.items():
        paths.append(folder / f"{name}.v")
        paths[-1].write_text(text)
    return paths


@pytest.mark.parametrize("name", [pytest.param(
    name, marks=pytest.mark.slow if name == "xc7" else ()) for name in TARGETS])
def test_counter(tmp_path, capfd, name):
    area = synthesize(write(tmp_path, counter=COUNTER, top=PASS), "top", TARGETS[name])
    assert capfd.readouterr() == ("", "")
    assert area.target == name
    assert area.ff == 13
    assert area.dsp == area.ram == 0
    assert area.cells == tuple(sorted(area.cells))
    assert area.seconds > 0
    if name == "generic":
        # Thirteen plain flip-flops of 16 transistors each, the rest in gates.
        assert area.transistors is not None and area.transistors > 13 * 16
        assert dict(area.cells)["$_DFF_P_"] == 13
    else:
        assert area.transistors is None
        assert area.carry == {"ice40": 11, "ecp5": 7, "xc7": 4}[name]
    assert area.total == area.lut + (2 * area.carry if name == "ecp5" else 0)
    assert not [path for path in tmp_path.iterdir() if path.suffix != ".v"]


PRODUCT = "module top (input [7:0] a, input [7:0] b, output [15:0] p); assign p = a * b;\n" \
          "endmodule\n"


@pytest.mark.parametrize("name, dsp", [
    ("generic", 0), ("ecp5", 1),
    *(pytest.param(*each, marks=pytest.mark.slow) for each in (("ice40", 0), ("xc7", 1)))])
def test_a_product_without_dsp(tmp_path, name, dsp):
    source, target = write(tmp_path, top=PRODUCT), TARGETS[name]
    usual, without = (synthesize(source, "top", each) for each in (target, target.without_dsp()))
    assert (usual.dsp, without.dsp) == (dsp, 0)
    # Of two of 8 bits there are 64 partial products.
    assert without.lut > 32 and (dsp or without.cells == usual.cells)


def test_result_is_picklable_and_json(tmp_path):
    area = synthesize(write(tmp_path, counter=COUNTER), "counter", TARGETS["ecp5"])
    assert pickle.loads(pickle.dumps(area)) == area
    assert pickle.loads(pickle.dumps(TARGETS["ecp5"])) == TARGETS["ecp5"]
    assert json.loads(json.dumps(area.to_json())) == {
        "target": "ecp5", "cells": dict(area.cells), "lut": area.lut, "carry": 7, "ff": 13,
        "dsp": 0, "ram": 0, "transistors": None, "total": area.total}


@pytest.mark.parametrize("name", ["generic", "ecp5"])
def test_same_text_same_netlist(tmp_path, name):
    texts = []
    for folder in ("first", "second one"):
        sources = write(tmp_path / folder, counter=COUNTER, top=PASS)
        stem = tmp_path / folder / "deep" / "net.list"
        synthesize(sources, "top", TARGETS[name], netlist=stem)
        # Nothing is left of the temporary names.
        assert sorted(path.name for path in stem.parent.iterdir()) == ["net.list.json",
                                                                      "net.list.v"]
        texts.append([path.read_bytes() for path in sorted(stem.parent.iterdir())])
    assert texts[0] == texts[1]
    assert str(tmp_path).encode() not in b"".join(texts[0])
    modules = json.loads(texts[0][0])["modules"]
    assert "aclk" not in modules["top"]["ports"] and "clk" in modules["top"]["ports"]


MEMORY = """
module top (input clk, input we, input [4:0] a, input [9:0] d, output reg [9:0] q);
    reg [9:0] m [0:31];
    always @(posedge clk) begin
        if (we) m[a] <= d;
        q <= m[a];
    end
endmodule
"""


def test_memory_is_bits_and_not_flip_flops_in_generic(tmp_path):
    area = synthesize(write(tmp_path, top=MEMORY), "top", TARGETS["generic"])
    # The read register belongs to the memory, as it does in a block RAM.
    assert (area.ram, area.ff) == (320, 0)


BROKEN = {
    "syntax": ("module top (input a, output b);\nassign b = a +;\nendmodule\n",
               r"^yosys failed: 0_top\.v:2: ERROR: syntax error, unexpected ';'$"),
    "no top": ("module other; endmodule\n", r"^yosys failed: ERROR: Module `top' not found!$"),
    "unknown module": ("module top (input a, output b);\nmissing m (a, b);\nendmodule\n",
                       r"^yosys failed: ERROR: Module `\\missing' .* is not part of the design\.$"),
    "unknown cell": ("(* blackbox *) module box (input a, output b); endmodule\n"
                     "module top (input a, output b);\nbox m (a, b);\nendmodule\n",
                     r"^yosys failed: Cell type must be one that target ecp5 counts, not 'box'$"),
    "latch": ("module top (input e, input a, output reg b);\nalways @* if (e) b = a;\nendmodule\n",
              r"^yosys failed: ERROR: "),
}


@pytest.mark.parametrize("text,message", BROKEN.values(), ids=BROKEN)
def test_broken_design(tmp_path, capfd, text, message):
    with pytest.raises(ToolFailed, match=message):
        synthesize(write(tmp_path, top=text), "top", TARGETS["ecp5"], netlist=tmp_path / "out")
    assert capfd.readouterr() == ("", "")


def test_a_failed_run_leaves_no_netlist(tmp_path):
    with pytest.raises(ToolFailed):
        synthesize(write(tmp_path, top=BROKEN["syntax"][0]), "top", TARGETS["ecp5"],
                   netlist=tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["top.v"]


def test_total_counts_a_carry_cell_as_two_luts_on_ecp5_only():
    parts = dict(cells=(), lut=10, carry=3, ff=0, dsp=0, ram=0, transistors=None, seconds=0.0)
    assert [Area(target=name, **parts).total for name in TARGETS] == [10, 10, 16, 10]


def test_yosys_missing(tmp_path, monkeypatch):
    monkeypatch.setattr(tools.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ToolMissing,
                       match=r"^pyosys is not installed; run: pip install exactmac$"):
        synthesize(write(tmp_path, counter=COUNTER), "counter", TARGETS["ecp5"])
