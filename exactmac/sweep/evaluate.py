# amaranth: UnusedElaboratable=no
"""Results of one point, part by part, in whatever process runs it."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from exactmac.options import area_of
from exactmac.sweep.cycles import network_cycles
from exactmac.sweep.identity import Identity, identity
from exactmac.sweep.points import Point
from exactmac.sweep.subject import Computed, Subject
from golden.block_scaled import parts
from golden.kept import said
from hw import emit
from hw.bus.axi_tile import AxiTile
from hw.flow.mapping import COLUMNS
from hw.flow.nextpnr import SEEDS, Placed, place
from hw.flow.tools import ToolFailed, ToolMissing
from hw.flow.yosys import synthesize
from hw.folder import FolderError, scratch
from hw.tile.config import TileConfig
from hw.tile.ports import Clocking
from sim.backend import Mismatch, Mistimed, SimulationError
from sim.layers import Designs, Placement, run_placed

__all__ = ["AREA", "GOLDEN", "PLACED", "VERIFIED", "Done", "Task", "evaluate"]

GOLDEN, VERIFIED, AREA, PLACED = "golden", "verified", "area", "placed"
"""Parts of a point's results: what golden and formulas say; the comparison of the Verilog with
golden; the area on a target, whose name follows; placement."""


@dataclass(frozen=True)
class Task:
    """A point to compute, in plain types.

    Parameters
    ----------
    subject : Subject
    point : Point
    parts : tuple of str
        Parts of the results that are wanted, in order.
    identity : Identity
        Sources and tools that the results must be of.
    """

    subject: Subject
    point: Point
    parts: tuple[str, ...]
    identity: Identity

    def of_parts(self, parts: tuple[str, ...]) -> Self:
        """Return the task with other parts."""
        return replace(self, parts=parts)


@dataclass(frozen=True)
class Done:
    """What became of a point.

    Parameters
    ----------
    results : mapping of str to any
        Parts that are complete, in JSON's types.
    failed : str or None
        Why the next part failed: hardware and golden differ, or a tool failed.
    ended : str or None
        Why the sweep cannot go on, such as a full disk.
    """

    results: Mapping[str, Any] = field(default_factory=dict)
    failed: str | None = None
    ended: str | None = None


def evaluate(task: Task) -> Done:
    """Compute a point; every failure is told in the result.

    The process must have the sources and tools of the task, and files of the same contents: a
    result of others would be kept as if it were of these.
    """
    results: dict[str, Any] = {}
    try:
        if (difference := task.identity.difference(identity())) is not None:
            return Done(ended=f"Process {os.getpid()} must have the sources and tools of the "
                              f"sweep, not {difference}")
        if task.subject.changed():
            return Done(ended=f"Files {', '.join(task.subject.files)} must stay as they were when "
                              "the sweep began")
        for part, result in _results(task):
            results[part] = result
    except (Mismatch, SimulationError, ToolFailed, MemoryError) as error:
        return Done(results, failed=str(error) or type(error).__name__)
    except OSError as error:
        return Done(results, ended=said(error))
    except (FolderError, ToolMissing) as error:
        return Done(results, ended=str(error))
    return Done(results)


def _results(task: Task) -> Iterator[tuple[str, Any]]:
    subject, point = task.subject, task.point
    try:
        computed = subject.computed(point)
        placement = subject.placement(point, computed.network)
        cycles, tiles = network_cycles(placement, computed.tensors, computed.samples)
    except (TypeError, ValueError) as error:
        yield GOLDEN, {"refused": str(error)}
        return
    if GOLDEN in task.parts:
        yield GOLDEN, {
            "samples": computed.samples, "accuracy": computed.accuracy,
            "float_accuracy": computed.float_accuracy, "cycles": cycles,
            "cost": asdict(computed.cost), "tiles": [tile.name for tile in tiles],
            "blocks": list(dict.fromkeys(each.block for each in tiles.values())),
            "inner_products": list(dict.fromkeys(tile.inner_product for tile in tiles)),
            "golden_alone": dict(placement.golden)}
    for part in task.parts:
        kind, _, target = part.partition(" ")
        if kind == VERIFIED:
            yield part, _verified(placement, computed, cycles)
        elif kind == AREA:
            yield part, _sums([_area(tile, target, point.no_dsp) for tile in tiles])
        elif kind == PLACED:
            yield part, _placed(list(tiles))


def _verified(placement: Placement, computed: Computed, cycles: int) -> dict[str, int]:
    elements = simulated = 0
    for done in run_placed(placement, computed.x, Designs(), proof=computed.proof):
        if done.trace is not None:
            elements += sum(each.size for each in parts(done.output).values())
            simulated += done.trace.cycles
    if simulated != cycles:
        raise Mistimed(f"Cycles of the simulation must be {cycles}, not {simulated}")
    return {"elements": elements, "cycles": simulated}


def _area(tile: TileConfig, target: str, no_dsp: bool) -> dict[str, int]:
    where = area_of(target, tile.target)
    with scratch() as folder:
        area = synthesize([_emitted(tile, folder)], tile.name,
                          where.without_dsp() if no_dsp else where)
    return {"total": area.total, **{name: getattr(area, name) for name in COLUMNS}}


def _placed(tiles: list[TileConfig]) -> dict[str, Any]:
    placed = []
    for tile in tiles:
        with scratch() as folder:
            synthesize([_emitted(tile, folder)], tile.name, area_of("ecp5", tile.target),
                       netlist=folder / "netlist")
            placed.append(Placed(tuple(
                place(folder / "netlist.json", seed=seed, clock=Clocking.clock)
                for seed in SEEDS)).median)
    slowest = min(placed, key=lambda each: each.fmax or 0)
    return {**_sums([{name: getattr(each, name) for name in ("lut", "ff", "dsp", "ram")}
                     for each in placed]),
            "mhz": slowest.fmax, "mhz_is": slowest.speed_text,
            "devices": [each.device for each in placed]}


def _emitted(tile: TileConfig, folder: Path) -> Path:
    verilog = folder / "tile.v"
    verilog.write_text(emit.verilog(AxiTile(tile), tile.name))
    return verilog


def _sums(each: list[dict[str, int]]) -> dict[str, int]:
    return {name: sum(one[name] for one in each) for name in each[0]} if each else {}
