# amaranth: UnusedElaboratable=no
"""Ends of carry chains: open only where no output that is read depends on the carry."""

import re

import pytest

from golden.formats import parse
from hw import emit
from hw.flow.chain_ends import Opened, carry_matters, open_ends
from hw.flow.mapping import TARGETS
from hw.flow.netlist import Netlist
from hw.flow.yosys import run_script, synthesize
from hw.heap import HeapSum, program_of
from sim.verilator import available
from tests.hw.flow.test_netlists import ARITHMETIC, mismatches

ALL = frozenset({"S0", "S1", "COUT"})
NO = False, False
ZERO, ONE = -2, -1
XOR, KILL = 0x6666, 0x0666  # KILL: a ^ b unless both c and d are set


@pytest.mark.parametrize("tables, injects, pins, outputs, matters", [
    # f = 0: the carry is INIT[b, a], the sum is the carry.
    ((KILL, XOR), NO, (0, 1, ONE, ONE, 2, 3, ZERO, ZERO), {"S1", "COUT"}, False),
    ((KILL, XOR), NO, (0, 1, ONE, ONE, 2, 3, ZERO, ZERO), ALL, True),
    ((KILL, XOR), (True, False), (0, 1, ONE, ONE, 2, 3, ZERO, ZERO), ALL, False),
    # One pin is open: f may be 1.
    ((KILL, XOR), NO, (0, 1, ONE, 4, 2, 3, ZERO, ZERO), {"S1", "COUT"}, True),
    # Both pins have one wire: a ^ a.
    ((XOR, XOR), NO, (5, 5, ZERO, ZERO, 2, 3, ZERO, ZERO), {"S1", "COUT"}, False),
    ((XOR, XOR), NO, (0, 1, ZERO, ZERO, 2, 3, ZERO, ZERO), {"S1", "COUT"}, True),
    # The second half keeps it out.
    ((XOR, KILL), NO, (0, 1, ZERO, ZERO, 2, 3, ONE, ONE), {"COUT"}, False),
    ((XOR, XOR), NO, (0, 1, ZERO, ZERO, 2, 3, ZERO, ZERO), set(), False)])
def test_where_the_carry_matters(tables, injects, pins, outputs, matters):
    assert carry_matters(tables, injects, pins, frozenset(outputs)) is matters


def cell(wires, kind="CCU2C", **parameters):
    return {"type": kind, "parameters": parameters, "connections": wires,
            "port_directions": {pin: "output" if pin in (*ALL, "Q") else "input" for pin in wires}}


def netlist(cells, ports=None):
    return Netlist({"modules": {"dut": {"attributes": {"top": "1"}, "cells": cells, "netnames": {},
                                        "ports": ports or {}}}})


@pytest.mark.parametrize("pins, carry, read, left", [
    ({"C0": ["1"], "D0": ["1"]}, ["0"], 20, ["x"]),
    ({"C0": ["1"], "D0": ["1"]}, ["1"], 20, ["x"]),
    ({"C0": ["1"], "D0": ["1"]}, [9], 20, [9]),          # a chain's next cell
    ({"C0": ["1"], "D0": ["x"]}, ["0"], 20, ["0"]),      # open, it may be 0
    ({"C0": [9], "D0": [9]}, ["0"], 20, ["0"]),
    ({"A0": [9], "B0": [9], "C0": ["0"]}, ["0"], 20, ["x"]),  # 9 ^ 9
    ({"C0": ["1"], "D0": ["1"]}, ["0"], 21, ["0"])])     # its sum is the carry
def test_which_ends_are_opened(pins, carry, read, left):
    wires = {**{f"{pin}{half}": [index] for index, pin in enumerate("ABCD", 2) for half in "01"},
             **pins, "CIN": carry, "S0": [21], "S1": [20], "COUT": [22]}
    own = netlist({"chain": cell(wires, INIT0=f"{KILL:016b}", INIT1=f"{XOR:016b}",
                                 INJECT1_0="NO", INJECT1_1="NO")},
                  {"o": {"direction": "output", "bits": [read]}})
    assert open_ends(own) == Opened(left == ["x"] != carry, 1)
    assert wires["CIN"] == left and wires["COUT"] == ["x"]
    assert open_ends(own) == Opened(0, 0)


def test_carry_outputs_that_are_read_stay():
    wires = {"CIN": [5], "COUT": [6]}
    chain = cell(wires, INIT0="0", INIT1="0", INJECT1_0="NO", INJECT1_1="NO")
    assert open_ends(netlist({"a": chain, "b": cell({"CIN": [6], "COUT": []})})) == Opened(0, 1)
    assert wires["COUT"] == [6]
    own = netlist({"a": chain}, {"o": {"direction": "output", "bits": [6]}})
    assert open_ends(own) == Opened(0, 0)


def noisy(text, width):
    """The module with a further input of noise, at the carry inputs that are open."""
    text = re.sub(r"module dut\(", "module dut(noise, ", text, count=1)
    text = text.replace(";\n", f";\n  input [{width - 1}:0] noise;\n", 1)
    text = re.sub(r"\.COUT\(1'hx\)", ".COUT()", text)
    places = iter(range(width))
    return re.sub(r"\.CIN\(1'hx\)", lambda _: f".CIN(noise[{next(places)}])", text)


@pytest.fixture(scope="module")
def heap(tmp_path_factory):
    """Folder of a compiled heap as Verilog and netlist, and its ports."""
    folder = tmp_path_factory.mktemp("heap")
    dut = HeapSum(program=program_of(parse("s4n"), parse("s4"), 4))
    (folder / "dut.v").write_text(emit.modules(dut, "dut"))
    synthesize([folder / "dut.v"], "dut", TARGETS["ecp5"], netlist=folder / "out")
    return folder, {"rst": 1, "i": len(dut.i), "o": -len(dut.o)}


def written(folder, own):
    own.write(folder / "opened.json")
    (folder / "run.ys").write_text("read_json opened.json\nwrite_verilog -noattr opened.v\n")
    run_script(folder)
    return (folder / "opened.v").read_text()


@pytest.mark.skipif(available() is not None, reason=str(available()))
@pytest.mark.parametrize("every", [False, True])
def test_the_carry_that_a_chain_begins_with_does_not_matter(tmp_path, heap, every):
    """It would in the middle of a chain."""
    folder, ports = heap
    own = Netlist.read(folder / "out.json")
    assert open_ends(own).inputs >= 2
    if every:
        for each in own.cells.values():
            if each["type"] == "CCU2C":
                each["connections"]["CIN"] = ["x"]
    text = written(tmp_path, own)
    width = text.count(".CIN(1'hx)")
    different = mismatches(tmp_path / "sim", TARGETS["ecp5"], {**ports, "noise": width},
                           noisy((folder / "dut.v").read_text(), width), noisy(text, width))
    assert (different > 0) is every


def test_chains_of_plain_verilog_begin_with_a_constant(tmp_path):
    (tmp_path / "dut.v").write_text(ARITHMETIC)
    area = synthesize([tmp_path / "dut.v"], "dut", TARGETS["ecp5"], netlist=tmp_path / "out")
    own = Netlist.read(tmp_path / "out.json")
    opened = open_ends(own)
    assert opened.inputs == 0 < opened.outputs < area.carry
