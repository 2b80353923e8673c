"""Critical path of a placed design, by names that its source has."""

import re
from dataclasses import asdict, dataclass
from typing import Any

from hw.flow.netlist import Netlist

__all__ = ["CriticalPath", "critical_path"]


@dataclass(frozen=True)
class CriticalPath:
    """Path that limits the frequency.

    Parameters
    ----------
    places : tuple of str
        Registers, and wires and cells between them, from the first register to the last: paths of
        instances from the top module down, with dots between them, then a name. What has no name
        in the source is left out.
    delay, routing : float
        Nanoseconds of the path, and of its wires alone.
    """

    places: tuple[str, ...]
    delay: float
    routing: float

    def to_json(self) -> dict[str, Any]:
        """Return a form for ``json.dump``."""
        return asdict(self)


def critical_path(report: dict[str, Any], netlist: Netlist, clock: str) -> CriticalPath | None:
    """Return the slowest path from one edge of a clock to the next, if there is one.

    Parameters
    ----------
    report : dict
        Report of nextpnr.
    netlist : Netlist
        Netlist that it has placed.
    clock : str
        Net of the clock.
    """
    edge = f"posedge {clock}"
    steps = next((path["path"] for path in report["critical_paths"]
                  if path["from"] == path["to"] == edge), None)
    if not steps:
        return None
    names, places = _Names(netlist), []
    for cell in [*(step["from"]["cell"] for step in steps), steps[-1]["to"]["cell"]]:
        place = names.of(cell)
        if place and place not in places:
            places.append(place)
    return CriticalPath(
        places=tuple(places), delay=sum(step["delay"] for step in steps),
        routing=sum(step["delay"] for step in steps if step["type"] == "routing"))


class _Names:
    def __init__(self, netlist: Netlist):
        self.cells = netlist.cells
        self.wires: dict[int, str] = {}
        for name, entry in netlist.names.items():
            if "$" in name:
                continue
            for index, bit in enumerate(entry["bits"]):
                own = name if len(entry["bits"]) == 1 else f"{name}[{index}]"
                if isinstance(bit, int):
                    self.wires[bit] = max(own, self.wires.get(bit, own), key=_rank)

    def of(self, cell: str) -> str:
        """Name of a cell, or of a wire that it drives; empty if the source has none."""
        # nextpnr splits cells in two, and packs some.
        known = next((cell[:end] for end in range(len(cell), 0, -1) if cell[:end] in self.cells),
                     None) if "$" in cell else cell
        if known is None:
            return ""
        if "$" not in known:
            return known
        if known.startswith("$flatten"):
            # The instance, and the kind of a cell without a name: `$flatten\a.\b.$mul$file...`.
            found = re.match(r"\$flatten((?:\\[^\\$]+\.)+)\$(\w+)", known)
            if found:
                return found[1].replace("\\", "") + found[2]
        entry = self.cells[known]
        driven = (bit for pin, bits in entry["connections"].items()
                  if entry["port_directions"].get(pin) == "output" for bit in bits)
        return next((self.wires[bit] for bit in driven if bit in self.wires), "")


def _rank(name: str) -> tuple[bool, int]:
    # A wire has a name in each module that it passes. That of a register is mostly the deepest one
    # that is no port of a stream or of a component.
    last = re.sub(r"\[\d+\]$", "", name.rpartition(".")[2])
    return not ("__" in last or last in ("i", "o")), name.count(".")
