# amaranth: UnusedElaboratable=no
"""Backends for a tile, by the name of the simulator."""

from collections.abc import Callable
from typing import Any

from hw import emit
from hw.bus.axi_tile import AxiTile
from hw.folder import scratch
from hw.targets.fabric import GENERIC
from hw.tile.config import TileConfig
from sim.backend import Backend
from sim.checks import check_fixed
from sim.pysim import AmaranthSimulation
from sim.verilator import VerilatorSimulation

__all__ = ["SIMULATORS", "simulated", "simulation"]

SIMULATORS = ("verilator", "amaranth")


def simulation(config: TileConfig, simulator: str = "verilator", *, fast: bool = True) -> Backend:
    """Return a simulated tile.

    Parameters
    ----------
    config : TileConfig
    simulator : str
        ``verilator`` emits the tile and compiles its Verilog; ``amaranth`` runs the design, needs
        no compiler and is some 500 times slower.
    fast : bool
        True lets the compiler optimize; worth it from a million cycles or so.

    Raises
    ------
    ToolMissing, ToolFailed
        If there is no Verilator or C++ compiler, or one of them fails.
    ValueError
        If the contract refuses fixed parameters.
    """
    check_fixed(config)
    return simulated(AxiTile(config), config.name, simulator, emit.verilog, fast=fast)


def simulated(top: Any, name: str, simulator: str, emitted: Callable[[Any, str], str], *,
              fast: bool = True) -> Backend:
    """Return a simulation of a component with AXI4-Stream ports.

    Parameters
    ----------
    top : Component
        Component with ``ports`` and ``design``.
    name : str
        Name of its module.
    simulator : str
        Name of the simulator, as for :func:`simulation`.
    emitted : function of top and name
        Function that returns the Verilog.
    fast : bool
        Optimization, as for :func:`simulation`.
    """
    if simulator not in SIMULATORS:
        raise ValueError(f"Simulator must be one of {', '.join(SIMULATORS)}, not {simulator!r}")
    if simulator == "amaranth":
        return AmaranthSimulation(top, top.ports)
    with scratch() as folder:
        sources = [folder / f"{name}.v"]
        sources[0].write_text(emitted(top, name))
        if (models := getattr(top.design, "fabric", GENERIC).models) is not None:
            sources.append(folder / f"{name}_cells.v")
            sources[1].write_text(models)
        return VerilatorSimulation(sources, name, top.ports, fast=fast, design=top.design)
