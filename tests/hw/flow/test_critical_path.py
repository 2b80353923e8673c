"""Names of a critical path."""

import pytest

from hw.flow.critical_path import CriticalPath, critical_path
from hw.flow.netlist import Netlist


def register(wire):
    return {"type": "TRELLIS_FF", "connections": {"Q": [wire]}, "port_directions": {"Q": "output"}}


MULTIPLIER = r"$flatten\tile.\results.\requantizer_0.$mul$0_top.v:3223$822.sliceA[0].mul"
CELLS = {
    "$ff$1": register(2), "$ff$12": register(3), "$ff$3": register(9), "harness.a[0]": register(5),
    MULTIPLIER: {"type": "MULT18X18D", "connections": {"P0": [6], "P1": ["x"]},
                 "port_directions": {"P0": "output", "P1": "output"}},
    "$lut$4": {"type": "LUT4", "connections": {"A": [2], "Z": [7]},
               "port_directions": {"A": "input", "Z": "output"}},
    "tile.sums.chain0_2": {"type": "CCU2C", "connections": {}, "port_directions": {}}}
NAMES = {"tile.i__payload": [8, 2], "tile.results.r": [2, "x"], "tile.results.sum.i": [2],
         "tile.results.sum.o$5": [2], "tile.product": ["0", 3], "o": [7]}
NETLIST = Netlist({"modules": {"top": {
    "attributes": {"top": "1"}, "ports": {}, "cells": CELLS,
    "netnames": {name: {"bits": bits} for name, bits in NAMES.items()}}}})


def step(kind, delay, first, then=None):
    return {"type": kind, "delay": delay, "from": {"cell": first}, "to": {"cell": then or first}}


STEPS = [
    step("clk-to-q", 0.5, "$ff$1"), step("routing", 1.5, "$ff$1", MULTIPLIER),
    step("logic", 4.0, MULTIPLIER), step("routing", 1.0, MULTIPLIER, "$lut$4$CCU2_COMB0"),
    step("logic", 0.25, "$lut$4$CCU2_COMB0"),
    step("routing", 0, "$lut$4$CCU2_COMB0", "tile.sums.chain0_2$CCU2_COMB1"),
    step("logic", 0.25, "tile.sums.chain0_2$CCU2_COMB1"),
    step("routing", 0.5, "tile.sums.chain0_2$CCU2_COMB1", "$ff$12"), step("setup", 0, "$ff$12")]


def report(*paths):
    return {"critical_paths": [{"from": first, "to": then, "path": steps}
                               for first, then, steps in paths]}


def test_names_are_those_of_the_source():
    found = critical_path(report(("<async>", "posedge c", STEPS[:2]),
                                 ("posedge c", "posedge c", STEPS)), NETLIST, "c")
    assert found == CriticalPath(
        ("tile.results.r[0]", "tile.results.requantizer_0.mul", "o", "tile.sums.chain0_2",
         "tile.product[1]"), 8.0, 3.0)
    assert found.to_json() == {"places": found.places, "delay": 8.0, "routing": 3.0}


@pytest.mark.parametrize("last, place", [("harness.a[0]", "harness.a[0]"), ("$ff$3", None),
                                         ("$PACKER_VCC", None)])
def test_cells_without_a_name_are_left_out(last, place):
    steps = [step("clk-to-q", 1, "$ff$1"), step("setup", 1, "$ff$1", last)]
    found = critical_path(report(("posedge c", "posedge c", steps)), NETLIST, "c")
    assert found is not None
    assert found.places == ("tile.results.r[0]", *([place] if place else []))


def test_there_may_be_no_path():
    assert critical_path(report(("<async>", "posedge c", STEPS)), NETLIST, "c") is None
    assert critical_path(report(("posedge d", "posedge d", STEPS)), NETLIST, "c") is None
