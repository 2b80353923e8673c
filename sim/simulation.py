# amaranth: UnusedElaboratable=no
"""A backend for a tile by the name of its simulator."""

import tempfile
from pathlib import Path

from hw import emit
from hw.bus import AxiTile
from hw.config import TileConfig
from sim.backend import Backend
from sim.pysim import AmaranthSimulation
from sim.verilator import VerilatorSimulation

__all__ = ["SIMULATORS", "simulation"]

SIMULATORS = ("verilator", "amaranth")


def simulation(config: TileConfig, simulator: str = "verilator") -> Backend:
    """Return a simulated tile.

    Parameters
    ----------
    config : TileConfig
    simulator : str
        ``verilator`` emits the tile and compiles its Verilog; ``amaranth`` runs the design, needs
        no compiler and is some 500 times slower.

    Raises
    ------
    ToolMissing, ToolFailed
        Where there is no Verilator or C++ compiler, or one of them fails.
    """
    if simulator not in SIMULATORS:
        raise ValueError(f"Simulator must be one of {', '.join(SIMULATORS)}, not {simulator!r}")
    tile = AxiTile(config)
    if simulator == "amaranth":
        return AmaranthSimulation(tile, tile.ports)
    with tempfile.TemporaryDirectory(prefix="exactmac_") as folder:
        source = Path(folder) / f"{config.name}.v"
        source.write_text(emit.verilog(tile, config.name))
        return VerilatorSimulation([source], config.name, tile.ports)
