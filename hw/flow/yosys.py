"""Synthesis of Verilog to a netlist and its area."""

import json
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from golden.command import replace_file
from hw.flow.mapping import TARGETS, Target
from hw.flow.tools import PYOSYS, ToolFailed, failed, require, run_tool
from hw.folder import scratch

__all__ = ["Area", "mapping_script", "run_script", "synthesize"]

# An error in Yosys ends its process, so it runs in a process of its own.
_RUN = "from pyosys import libyosys as yosys; yosys.run_pass('script run.ys', yosys.Design())"


@dataclass(frozen=True)
class Area:
    """Area of a design on a target, before placement.

    Parameters
    ----------
    target : str
    cells : tuple of (str, int)
        Number of cells of each type, sorted by type.
    lut, carry, ff, dsp, ram : int
        Columns of :mod:`hw.flow.mapping`.
    transistors : int or None
        Yosys's estimate for static CMOS, without memories; ``None`` for FPGAs.
    seconds : float
        Wall time of the synthesis.
    """

    target: str
    cells: tuple[tuple[str, int], ...]
    lut: int
    carry: int
    ff: int
    dsp: int
    ram: int
    transistors: int | None
    seconds: float

    @property
    def total(self) -> int:
        """LUTs, including carry cells that replace LUTs.

        ``lut + 2 * carry`` for ecp5, where a CCU2C is a pair of LUTs in another mode. On ice40 and
        xc7 the carry logic sits beside the LUTs and the number is ``lut``. There a carry whose LUT
        input pins disagree with its neighbour's costs one more LUT, which only placement shows.
        """
        return self.lut + TARGETS[self.target].carry_luts * self.carry

    def to_json(self) -> dict[str, Any]:
        """Return a form for ``json.dump``."""
        fields = {**asdict(self), "cells": dict(self.cells), "total": self.total}
        del fields["seconds"]  # the only part that differs from run to run
        return fields


def synthesize(verilog: list[Path], top: str, target: Target, *,
               netlist: Path | None = None) -> Area:
    """Synthesize a design and count its cells.

    The netlist depends on the text of the sources alone, not on their folder or on the time.
    Nothing is printed.

    Parameters
    ----------
    verilog : list of Path
        Complete sources: included files are not found.
    top : str
        Top module.
    target : Target
    netlist : Path, optional
        Stem of the files to write: ``<netlist>.json`` (for nextpnr) and ``<netlist>.v`` (to
        simulate with ``target.verilator_arguments()``). Neither exists unless complete.

    Raises
    ------
    ToolMissing
        If pyosys is missing.
    ToolFailed
        If Yosys fails; the message is its error.
    """
    require(*PYOSYS)
    start = time.perf_counter()
    with scratch() as work:
        (work / "run.ys").write_text("\n".join(_script(work, verilog, top, target)) + "\n")
        run_script(work)
        cells, transistors, bits = _statistics(work, target)
        try:
            columns = target.count(cells)
        except ValueError as error:
            raise ToolFailed("yosys", str(error)) from error
        columns["ram"] += bits
        if netlist is not None:
            netlist.parent.mkdir(parents=True, exist_ok=True)
            for suffix in (".v", ".json"):
                # An error names this file, not the temporary folder: it may be on another disk.
                replace_file(netlist.with_name(netlist.name + suffix),
                             (work / f"netlist{suffix}").read_bytes())
    return Area(target=target.name, cells=tuple(sorted(cells.items())), **columns,
                transistors=transistors, seconds=time.perf_counter() - start)


def mapping_script(work: Path, verilog: list[Path], top: str, target: Target, *,
                   hierarchy: bool = False) -> list[str]:
    """Return the Yosys commands, to be run in ``work``, from sources to a mapped netlist.

    The sources are copied to ``work``. With ``hierarchy`` modules stay, otherwise all are
    flattened into ``top``.
    """
    # Yosys derives names from file names, so it reads copies named by their place in the list: the
    # netlist does not depend on folders.
    names = []
    for index, path in enumerate(verilog):
        names.append(f"{index}_{path.name}")
        (work / names[-1]).write_bytes(path.read_bytes())
    lines = [f'read_verilog "{name}"' for name in names]
    if hierarchy:
        lines.append("setattr -mod -set keep_hierarchy 1")
    lines += [step.format(top=top) for step in target.passes]
    lines.append("delete t:$scopeinfo")  # only says where flattened instances were
    return lines


def _script(work: Path, verilog: list[Path], top: str, target: Target) -> list[str]:
    lines = [
        *mapping_script(work, verilog, top, target),
        f"tee -q -o stat.json stat -json {'-tech cmos' * target.transistors}",
        "setattr -unset src *",
        "write_json netlist.json",
        "write_verilog -noattr netlist.v",
    ]
    if target.ram_unit == "bits":
        lines += ["memory_unpack", "tee -q -o memory.json stat -json"]
    return lines


def run_script(work: Path):
    """Run the Yosys commands of ``run.ys`` in a folder, in a process of its own."""
    # A fixed hash seed makes the result independent of hashes.
    done = run_tool("yosys", [sys.executable, "-c", _RUN], cwd=work,
                    environment={"PYTHONHASHSEED": "0"})
    if done.returncode:
        raise failed("yosys", done)


def _statistics(work: Path, target: Target) -> tuple[dict[str, int], int | None, int]:
    stat = json.loads((work / "stat.json").read_text())["design"]
    transistors, bits = None, 0
    if target.transistors:
        # "+" marks a number without some cells: the memories, the only cells that are no gates, or
        # else `count` fails.
        transistors = int(stat["estimated_num_transistors"].rstrip("+"))
    if target.ram_unit == "bits":
        bits = json.loads((work / "memory.json").read_text())["design"]["num_memory_bits"]
    return stat["num_cells_by_type"], transistors, bits
