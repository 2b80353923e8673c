"""Area of a tile's components: counts of each, from a run that keeps hierarchy."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hw.flow.mapping import COLUMNS, Target
from hw.flow.yosys import mapping_script, run_script
from hw.folder import scratch
from hw.tile.components import COMPONENTS, component_of

__all__ = ["Breakdown", "break_down"]


@dataclass(frozen=True)
class Breakdown:
    """Area of each component of a tile on a target, before placement.

    Optimization stops at the borders of modules here. So the sum is not the area of the tile, as
    :func:`hw.flow.yosys.synthesize` has it without borders, but mostly a little larger.

    Parameters
    ----------
    target : str
    components : mapping of str to mapping of str to int
        Counts by the columns of :mod:`hw.flow.mapping`, for each component that the tile has, in
        the order of :data:`hw.tile.components.COMPONENTS`.
    """

    target: str
    components: Mapping[str, Mapping[str, int]]

    @property
    def sum(self) -> dict[str, int]:
        """Counts of all components together."""
        return {column: sum(counts[column] for counts in self.components.values())
                for column in COLUMNS}


def break_down(verilog: Path, top: str, target: Target) -> Breakdown:
    """Synthesize a tile module by module, and count the cells of each component.

    Parameters
    ----------
    verilog : Path
        Verilog of an :class:`~hw.bus.axi_tile.AxiTile`.
    top : str
        Name of its top module.
    target : Target

    Raises
    ------
    ToolFailed
        If Yosys fails; the message is its error.
    """
    with scratch() as work:
        lines = mapping_script(work, [verilog], top, target, hierarchy=True)
        (work / "run.ys").write_text("\n".join([*lines, "write_json netlist.json"]) + "\n")
        run_script(work)
        modules = json.loads((work / "netlist.json").read_text())["modules"]
    counts = {name: dict.fromkeys(COLUMNS, 0) for name in COMPONENTS}
    for path, cells in _instances(modules, top):
        own = counts[component_of(path)]
        for column, number in _columns(target, cells).items():
            own[column] += number
    return Breakdown(target.name, {name: own for name, own in counts.items() if any(own.values())})


def _instances(modules: dict[str, Any], name: str, path: str = ""
               ) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    # Path and cells of each instance of a module that is kept, the top one first.
    cells = modules[name]["cells"]
    inner = {key: cell["type"] for key, cell in cells.items() if _is_module(modules, cell["type"])}
    yield path, [cell for key, cell in cells.items() if key not in inner]
    for key, kind in inner.items():
        yield from _instances(modules, kind, f"{path}.{key}" if path else key)


def _is_module(modules: dict[str, Any], kind: str) -> bool:
    # A netlist has the target's own cells too, as boxes.
    return kind in modules and "blackbox" not in modules[kind]["attributes"]


def _columns(target: Target, cells: list[dict[str, Any]]) -> dict[str, int]:
    columns = target.count(Counter(cell["type"] for cell in cells))
    # Memories that are not mapped are counted in bits.
    columns["ram"] += sum(int(cell["parameters"]["SIZE"], 2) * int(cell["parameters"]["WIDTH"], 2)
                          for cell in cells if cell["type"] == "$mem_v2")
    return columns
