# amaranth: UnusedElaboratable=no
"""Report on a tile's faults."""

import os
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

from rich.table import Table

from hw import emit
from hw.bus.axi_tile import AxiTile
from hw.tile.config import TileConfig
from sim.mutants.equal import Prover
from sim.mutants.faults import Fault, mutate
from sim.mutants.trial import KINDS, Bench

__all__ = ["TILES", "Report", "summary", "survey"]

SECONDS = 10
"""Seconds of each attempt to prove that a fault changes nothing."""

_SMALL = "--rows 2 --cols 2 --lanes 2 --channels 6 --depth"

TILES = {
    "int4": f"--bits 4 {_SMALL} 64",
    "tflite": f"--bits 8 --requant tflite --zero-points both {_SMALL} 64",
    "thresholds": f"--bits 4 --requant thresholds {_SMALL} 64",
    "odd4": f"--weights odd4 --activations odd4 --output odd4 {_SMALL} 64",
    "loaded table": f"--bits 8 --lut loaded {_SMALL} 64",
    "binary": f"--bits 1 {_SMALL} 64",
    "stochastic": f"--bits 4 --requant stochastic {_SMALL} 64",
    "loaded codebook":
        f"--weights codebook4:loaded=s8 --activations s8 --output s8 {_SMALL} 64",
    "e4m3fn": f"--weights e4m3fn --activations e4m3fn --output e4m3fn {_SMALL} 64",
    "onnx": f"--bits 8 --requant onnx {_SMALL} 64",
    "block-scaled": "--weights mx_s8 --activations e4m3fn:specials=propagate "
                    f"--output e4m3fn:specials=propagate --window 4 {_SMALL} 32",
}
"""Build options of small tiles that together have every kind of part."""


@dataclass(frozen=True)
class Report:
    """Results of a tile's faults.

    Parameters
    ----------
    name : str
        Name of the tile.
    killed : mapping of str to int
        Number of faults found, by kind of :data:`sim.mutants.trial.KINDS`.
    equal, living : tuple of Fault
        Faults not found: those proven to change nothing, and the rest.
    """

    name: str
    killed: dict[str, int]
    equal: tuple[Fault, ...]
    living: tuple[Fault, ...]

    @property
    def coverage(self) -> float:
        """Share of faults found, among all that are not proven equal."""
        killed = sum(self.killed.values())
        return killed / (killed + len(self.living)) if self.living else 1.0

    def lines(self) -> list[str]:
        """Text of every living fault, with its line of Verilog."""
        return [f"{self.name}.v:{fault.line}: {fault}: {fault.source}" for fault in self.living]

    def to_json(self) -> dict[str, Any]:
        """Return a form for ``json.dump``."""
        return {"coverage": round(self.coverage, 4), **asdict(self)}


def summary(reports: Sequence[tuple[str, Report]]) -> Table:
    """Table of counts, a row for each tile, by its title."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("tile")
    for column in (*(f"by {kind}" for kind in KINDS), "equal", "live", "coverage"):
        table.add_column(column, justify="right")
    for title, report in reports:
        table.add_row(title, *(str(report.killed[kind]) for kind in KINDS),
                      str(len(report.equal)), str(len(report.living)), f"{report.coverage:.1%}")
    return table


def survey(config: TileConfig, name: str, count: int, track: Callable) -> Report:
    """Put ``count`` faults into a tile, verify it with each, and compare those not found.

    Parameters
    ----------
    config : TileConfig
    name : str
        Name of its module.
    count : int
    track : function of an iterable, ``total`` and ``description``
        Function that yields the iterable's items, and shows the progress.

    Raises
    ------
    Mismatch
        If the tile fails without a fault.
    ToolMissing, ToolFailed
        If a tool is missing or fails.
    """
    tile = AxiTile(config)
    mutated = mutate(emit.verilog(tile, name), name, count)
    bench = Bench(config, tile.ports, mutated)
    killed: Counter[str] = Counter(dict.fromkeys(KINDS, 0))
    undetected = []
    for fault, kind in track(bench.trials(), total=len(mutated.faults), description="verifying"):
        if kind is None:
            undetected.append(fault)
        else:
            killed[kind] += 1
    same: set[Fault] = set()
    if undetected:
        prover = Prover(tile.ports, mutated)
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            proven = pool.map(lambda fault: prover.equal(fault, SECONDS), undetected)
            same.update(fault for fault, equal in zip(undetected, track(
                proven, total=len(undetected), description="comparing"), strict=True) if equal)
    undetected.sort(key=lambda fault: (fault.line, fault.number))
    return Report(name, dict(killed), tuple(fault for fault in undetected if fault in same),
                  tuple(fault for fault in undetected if fault not in same))
