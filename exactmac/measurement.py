# amaranth: UnusedElaboratable=no
"""Area of a tile on each requested target."""

from functools import partial
from pathlib import Path
from typing import Any

from exactmac.request import Request
from exactmac.steps import Step
from hw import emit
from hw.blocks import DotProductGrid
from hw.blocks.folded import FoldedGrid
from hw.bus.axi_tile import AxiTile
from hw.flow.compare import Comparison, compare
from hw.flow.components import Breakdown, break_down
from hw.flow.mapping import Target
from hw.flow.nextpnr import Placed, Placement, place
from hw.flow.report import area_json, block_json, component_json
from hw.flow.yosys import Area, synthesize

__all__ = ["Measurement", "check_name"]


def check_name(request: Request):
    """Raise ``NameTaken`` if a cell of a target has the module's name."""
    for each in request.areas:
        if request.name in each.cells():
            raise emit.NameTaken(f"Name must not be that of a cell of {each.name}, whose area is "
                                 f"estimated, not {request.name!r}")


class Measurement:
    """Verilog of a tile in ``folder``, and its area on the targets of a request."""

    def __init__(self, request: Request, folder: Path):
        self.request = request
        self.config = request.config
        self.folder = folder
        self.tile = AxiTile(request.config, request.clocking)
        self.block = self.tile.tile.block
        self.areas: dict[str, Area] = {}
        self.compared: dict[str, Comparison] = {}
        self.broken_down: dict[str, Breakdown] = {}
        self.placements: dict[int, Placement] = {}

    def path(self, suffix: str) -> Path:
        """Return the file of the tile's name with a suffix."""
        return self.folder / f"{self.request.name}{suffix}"

    def netlist(self, target: Target) -> Path:
        """Return the stem of the files of a netlist."""
        return self.path(f"_{target.name}")

    def emit_verilog(self):
        """Write the Verilog."""
        self.path(".v").write_text(emit.verilog(self.tile, self.request.name))

    def synthesize(self, target: Target):
        """Estimate area; write the netlist if asked for, or if placement needs it."""
        keep = self.request.netlist or (self.request.pnr and target.name == "ecp5")
        self.areas[target.name] = synthesize(
            [self.path(".v")], self.request.name, target,
            netlist=self.netlist(target) if keep else None)

    def compare(self, target: Target):
        """Estimate the area of the block and of the plain one."""
        self.compared[target.name] = compare(self.block, target)

    @property
    def comparisons(self) -> list[Comparison]:
        """Comparisons of blocks, in the order of the targets."""
        return [self.compared[target.name] for target in self.request.areas
                if target.name in self.compared]

    @property
    def shown(self) -> Target | None:
        """Target whose components are shown: ecp5, or else the first."""
        # One target suffices to see where the area goes; ecp5 has all columns, and is the fastest.
        return next((each for each in self.request.areas if each.name == "ecp5"),
                    next(iter(self.request.areas), None))

    def break_down(self, target: Target):
        """Estimate the area of each component."""
        self.broken_down[target.name] = break_down(self.path(".v"), self.request.name, target)

    @property
    def breakdowns(self) -> list[Breakdown]:
        """Areas of components, in the order of the targets."""
        return [self.broken_down[target.name] for target in self.request.areas
                if target.name in self.broken_down]

    def place(self, seed: int):
        """Place and route the netlist of ecp5."""
        netlist = self.path("_ecp5")
        self.placements[seed] = place(netlist.with_suffix(".json"), seed=seed,
                                      clock=self.request.clocking.clock, **self.request.placing)
        if not self.request.netlist and len(self.placements) == len(self.request.seeds):
            for suffix in (".json", ".v"):
                netlist.with_suffix(suffix).unlink(missing_ok=True)

    @property
    def placed(self) -> Placed | None:
        """Placements, in the order of the seeds."""
        runs = tuple(self.placements[seed] for seed in self.request.seeds
                     if seed in self.placements)
        return Placed(runs) if runs else None

    def steps(self) -> list[Step]:
        """Return the steps after the Verilog; all can run at once."""
        def area(target: Target) -> Step:
            def step() -> list[Step]:
                self.synthesize(target)
                seeds = self.request.seeds if self.request.pnr and target.name == "ecp5" else ()
                return [(f"placement with seed {seed}", partial(self.place, seed))
                        for seed in seeds]
            return f"area on {target.name}", step

        # The slowest first: gates; with place and route, the target that it waits for.
        order = ("ecp5", "generic") if self.request.pnr else ("generic", "xc7")
        targets = sorted(self.request.areas, key=lambda each: (each.name not in order, each.name))
        steps = [area(each) for each in targets]
        # A row's term belongs to all of its columns: fewer of them would not compare.
        if not isinstance(self.block, DotProductGrid | FoldedGrid):
            steps += [(f"block on {each.name}", partial(self.compare, each)) for each in targets]
        steps += [(f"components on {each.name}", partial(self.break_down, each))
                  for each in targets if self.request.plot or each is self.shown]
        return steps

    def area_json(self) -> dict[str, Any]:
        """Return the contents of ``area.json``."""
        area = area_json([self.areas[target.name] for target in self.request.areas],
                         self.config.macs, self.placed)
        return {"dsp": self.request.dsp, **area,
                "block": block_json(self.block.title, self.comparisons),
                "components": component_json(self.breakdowns, self.areas)}
