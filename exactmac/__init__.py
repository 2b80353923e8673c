"""Quantized multiply-accumulate datapaths, and the numpy network that they equal bit for bit.

These names are stable; each is imported at its first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from golden.contracts import parse as contract
    from golden.floats import FloatConv2d, FloatDense, FloatNetwork
    from golden.formats import parse
    from golden.multipliers import linear_parameters
    from golden.networks import Network
    from golden.quantize import dequantize, quantize, quantize_network
    from golden.run import check_scales, run
    from golden.saved import digest, load, save
    from hw.bus.axi_tile import AxiTile
    from hw.emit import verilog
    from hw.tile.config import TileConfig
    from sim.layers import run_network
    from sim.simulation import simulation

__all__ = ["AxiTile", "FloatConv2d", "FloatDense", "FloatNetwork", "Network", "TileConfig",
           "check_scales", "contract", "dequantize", "digest", "linear_parameters", "load",
           "parse", "quantize", "quantize_network", "run", "run_network", "save", "simulation",
           "verilog"]

_HOMES = {
    "golden.contracts": ("contract",),
    "golden.floats": ("FloatConv2d", "FloatDense", "FloatNetwork"),
    "golden.formats": ("parse",),
    "golden.multipliers": ("linear_parameters",),
    "golden.networks": ("Network",),
    "golden.quantize": ("dequantize", "quantize", "quantize_network"),
    "golden.run": ("check_scales", "run"),
    "golden.saved": ("digest", "load", "save"),
    "hw.bus.axi_tile": ("AxiTile",),
    "hw.emit": ("verilog",),
    "hw.tile.config": ("TileConfig",),
    "sim.layers": ("run_network",),
    "sim.simulation": ("simulation",),
}
# Names that are others in their modules.
_OWN_NAMES = {"contract": "parse"}


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(home), _OWN_NAMES.get(name, name))
    if name == "__version__":
        return import_module("importlib.metadata").version("exactmac")
    raise AttributeError(f"module 'exactmac' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
