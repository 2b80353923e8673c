"""Netlists in the JSON that Yosys writes and nextpnr reads."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hw.flow.tools import ToolFailed

__all__ = ["Bit", "Netlist"]

Bit = int | str
"""A wire's number, or a constant: ``"0"``, ``"1"``, ``"x"``."""


class Netlist:
    """Flat netlist of a design.

    Parameters
    ----------
    contents : dict
        Contents of the JSON; methods and callers change them in place.

    Raises
    ------
    ToolFailed
        If no module is marked as the top one.
    """

    def __init__(self, contents: dict[str, Any]):
        self.contents = contents
        top = [module for module in contents.get("modules", {}).values()
               if "top" in module["attributes"]]
        if not top:
            raise ToolFailed("nextpnr-ecp5", "the netlist has no top module")
        self.ports: dict[str, Any] = top[0]["ports"]
        self.cells: dict[str, Any] = top[0]["cells"]
        self.names: dict[str, Any] = top[0]["netnames"]

    @classmethod
    def read(cls, place: Path) -> "Netlist":
        """Read a file; ``ToolFailed`` if it is damaged."""
        try:
            return cls(json.loads(place.read_text()))
        except ValueError as error:
            raise ToolFailed("nextpnr-ecp5", f"the netlist is damaged, {error}") from error

    def write(self, place: Path):
        """Write the netlist to a file."""
        place.write_text(json.dumps(self.contents, separators=(",", ":")))

    def pins(self, direction: str) -> Iterator[tuple[str, str, list[Bit]]]:
        """Cell, port and bits of each cell's ports of a direction."""
        for name, cell in self.cells.items():
            for port, bits in cell["connections"].items():
                if cell["port_directions"].get(port) == direction:
                    yield name, port, bits

    def read_wires(self) -> set[Bit]:
        """Wires that a cell or an output port reads."""
        read = {bit for _, _, bits in self.pins("input") for bit in bits}
        return read.union(*(port["bits"] for port in self.ports.values()
                            if port["direction"] != "input"))

    def free_wire(self) -> int:
        """Return a number above those of all wires."""
        bits = [bit for each in (self.ports, self.names) for entry in each.values()
                for bit in entry["bits"]]
        bits += [bit for cell in self.cells.values() for pin in cell["connections"].values()
                 for bit in pin]
        return max((bit for bit in bits if isinstance(bit, int)), default=1) + 1
