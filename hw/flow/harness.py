"""Scan chain around an ECP5 netlist, so that all of its paths begin and end in registers.

::

    harness_in -> register -> register ... -> register -> register ... -> harness_out
                     |           |               ^           ^
                   input       input          output      output

A register drives each input. Behind each output a LUT adds it to the chain, modulo 2, and a
register takes the result. So a design of any number of ports needs three pins: clock, begin and
end of the chain.

The harness is added to the mapped netlist. Synthesis does not see it, so it changes no cell of the
design and is not changed itself.
"""

from dataclasses import dataclass
from typing import Any

from hw.flow.netlist import Bit, Netlist
from hw.flow.tools import ToolFailed

__all__ = ["HARNESS", "Harness", "enclose"]

HARNESS = "harness"
"""Name of the harness: its cells have this name, a dot, and the bit of a port."""


@dataclass(frozen=True)
class Harness:
    """Cells of a harness.

    Parameters
    ----------
    registers : int
        TRELLIS_FF: one for each bit of an input and of an output, the clock apart.
    luts : int
        LUT4: one for each bit of an output.
    """

    registers: int
    luts: int


def enclose(netlist: Netlist, clock: str) -> Harness:
    """Put the design of a netlist in a harness; its ports become wires.

    A constant bit of an output, and one that is another output too, needs no cells.

    Parameters
    ----------
    netlist : Netlist
    clock : str
        Input port of the clock, of one bit.

    Raises
    ------
    ToolFailed
        If there is no such port, or one is bidirectional.
    """
    ports, cells = netlist.ports, netlist.cells
    clocks = [name for name, port in ports.items()
              if port["direction"] == "input" and len(port["bits"]) == 1]
    if clock not in clocks:
        raise ToolFailed("nextpnr-ecp5", f"no clock named {clock!r} among {', '.join(clocks)}")
    for name, port in ports.items():
        if port["direction"] == "inout":
            raise ToolFailed("nextpnr-ecp5", f"port {name!r} is bidirectional")
    tick = ports.pop(clock)
    bits = {side: {bit: f"{HARNESS}.{name}[{index}]" for name, port in ports.items()
                   if port["direction"] == side for index, bit in enumerate(port["bits"])
                   if isinstance(bit, int)} for side in ("input", "output")}
    begin = last = free = netlist.free_wire()
    for bit, name in bits["input"].items():
        cells[name] = _cell("TRELLIS_FF", _REGISTER,
                            {"CLK": tick["bits"][0], "DI": last, "Q": bit})
        last = bit
    for bit, name in bits["output"].items():
        total, register = free + 1, free + 2
        cells[f"{name}.added"] = _cell("LUT4", {"INIT": f"{0x6666:016b}"},
                                       {"A": bit, "B": last, "Z": total})
        cells[name] = _cell("TRELLIS_FF", _REGISTER,
                            {"CLK": tick["bits"][0], "DI": total, "Q": register})
        last = free = register
    ports.clear()
    ports[clock] = tick
    ports[f"{HARNESS}_in"] = {"direction": "input", "bits": [begin]}
    ports[f"{HARNESS}_out"] = {"direction": "output", "bits": [last]}
    return Harness(registers=sum(map(len, bits.values())), luts=len(bits["output"]))


# A string of digits ends with a space, which tells it from a number.
_REGISTER = {"GSR": "DISABLED", "CEMUX": "1 ", "CLKMUX": "CLK", "LSRMUX": "LSR",
             "REGSET": "RESET"}


def _cell(kind: str, parameters: dict[str, str], pins: dict[str, Bit]) -> dict[str, Any]:
    return {"hide_name": 0, "type": kind, "parameters": dict(parameters), "attributes": {},
            "port_directions": {pin: "output" if pin in ("Q", "Z") else "input" for pin in pins},
            "connections": {pin: [bit] for pin, bit in pins.items()}}
