"""Carry chains of an ECP5 netlist, with their ends left open where that cannot matter.

Yosys ties the carry input of a chain's first cell to a constant, and connects the carry output of
its last cell to a wire that nobody reads. For each, nextpnr adds a carry cell, two TRELLIS_COMB,
that brings the constant in or the carry out. An open end needs no such cell. Then the first carry
is whatever the device has there, so it must not matter.
"""

from functools import cache
from itertools import product
from typing import Any, NamedTuple

from hw.flow.netlist import Bit, Netlist

__all__ = ["Opened", "carry_matters", "open_ends"]

PINS = tuple(f"{pin}{half}" for half in "01" for pin in "ABCD")
OUTPUTS = ("S0", "S1", "COUT")


class Opened(NamedTuple):
    """Number of first carry inputs and of last carry outputs that were opened."""

    inputs: int
    outputs: int


def open_ends(netlist: Netlist) -> Opened:
    """Open the ends of carry chains in a netlist, where no output that is read depends on them."""
    read, inputs, outputs = netlist.read_wires(), 0, 0
    for cell in netlist.cells.values():
        if cell["type"] != "CCU2C":
            continue
        wires = cell["connections"]
        if wires.get("CIN") in (["0"], ["1"]) and not _carry_matters(cell, read):
            # Undriven: nextpnr leaves out the wire.
            wires["CIN"] = ["x"]
            inputs += 1
        # An empty list ends nextpnr by a signal.
        if wires.get("COUT") != ["x"] and not read.intersection(wires.get("COUT", ())):
            wires["COUT"] = ["x"]
            outputs += 1
    return Opened(inputs, outputs)


def _carry_matters(cell: dict[str, Any], read: set[Bit]) -> bool:
    wires, parameters = cell["connections"], cell["parameters"]
    # Wires by their first pin, so that equal cells have equal arguments. An undriven pin has a
    # value of its own.
    bits = [wires.get(pin, ["x"])[0] for pin in PINS]
    pins = tuple(int(bit) - 2 if bit in ("0", "1") else place if bit in ("x", "z")
                 else bits.index(bit) for place, bit in enumerate(bits))
    tables = int(parameters["INIT0"], 2), int(parameters["INIT1"], 2)
    injects = tuple(parameters[f"INJECT1_{half}"].strip() == "YES" for half in "01")
    return carry_matters(tables, injects, pins, frozenset(
        output for output in OUTPUTS if read.intersection(wires.get(output, ()))))


@cache
def carry_matters(tables: tuple[int, int], injects: tuple[bool, ...], pins: tuple[int, ...],
                  outputs: frozenset[str]) -> bool:
    """Whether the carry input changes an output of a CCU2C, for any values of its wires.

    Parameters
    ----------
    tables : (int, int)
        INIT0 and INIT1.
    injects : (bool, bool)
        INJECT1_0 and INJECT1_1.
    pins : tuple of int
        Wire of each of :data:`PINS`, a number from 0 on; -2 and -1 are the constants 0 and 1.
    outputs : set of str
        Those of :data:`OUTPUTS` that are read.
    """
    wires = sorted({pin for pin in pins if pin >= 0})
    for values in product((0, 1), repeat=len(wires)):
        bits = {-2: 0, -1: 1} | dict(zip(wires, values, strict=True))
        found = [_outputs(tables, injects, [bits[pin] for pin in pins], carry)
                 for carry in (0, 1)]
        if any(found[0][output] != found[1][output] for output in outputs):
            return True
    return False


def _outputs(tables: tuple[int, int], injects: tuple[bool, ...], bits: list[int], carry: int
             ) -> dict[str, int]:
    # Lattice FPGA-TN-02204, and the cell's model in Yosys.
    found = {}
    for half, (table, inject) in enumerate(zip(tables, injects, strict=True)):
        a, b, c, d = bits[4 * half:4 * half + 4]
        function = table >> (a + 2 * b + 4 * c + 8 * d) & 1
        found[f"S{half}"] = function ^ (0 if inject else carry)
        if not function:
            carry = 0 if inject else table >> (a + 2 * b) & 1
    return found | {"COUT": carry}
