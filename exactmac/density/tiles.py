# amaranth: UnusedElaboratable=no
"""Whole tiles, with everything that a build emits."""

from dataclasses import dataclass
from functools import cached_property

from exactmac.density.simulation import Emitted
from hw import emit
from hw.bus.axi_tile import AxiTile
from hw.folder import scratch
from hw.tile.config import TileConfig
from sim.jobs import expected
from sim.vectors import verification_phases
from sim.verify import verify
from sim.verilator import VerilatorSimulation

__all__ = ["TileDesign"]

NAME = "tile"


@dataclass(frozen=True)
class TileDesign:
    """A tile, verified as ``exactmac build`` verifies it.

    Parameters
    ----------
    config : TileConfig
    """

    config: TileConfig

    @cached_property
    def tile(self) -> AxiTile:
        """Tile with its ports."""
        return AxiTile(self.config)

    def built(self) -> Emitted:
        """Return the tile."""
        return Emitted(NAME, emit.verilog(self.tile, NAME), self.tile.tile.latency,
                       self.config.fabric.models or "", clock=self.tile.clocking.clock)

    def verify(self, emitted: Emitted) -> int:
        """Compare outputs and cycles with golden; return the number of equal outputs.

        Raises
        ------
        Mismatch
            If an output or a cycle differs.
        """
        schedule, _ = verification_phases(self.config)
        with scratch() as folder:
            sources = []
            for suffix, text in ((".v", emitted.verilog), ("_cells.v", emitted.cells)):
                if text:
                    sources.append(folder / f"{NAME}{suffix}")
                    sources[-1].write_text(text)
            backend = VerilatorSimulation(sources, emitted.top, self.tile.ports,
                                          design=self.config)
        return verify(self.config, backend, schedule, expected(self.config, schedule),
                      subject="Verilog", simulator="Verilator").outputs
