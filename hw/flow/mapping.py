"""Targets: their cells, the Yosys passes that map to these, and models to simulate them.

A *target* decides how emitted Verilog is synthesized and into which of five columns each cell of
the netlist falls:

========  ==============================  =========================  ===========================
column    generic                         ice40, ecp5                xc7
========  ==============================  =========================  ===========================
LUT       gates, inverters included       4-input LUTs               LUTs of any size, inverters
carry     none                            SB_CARRY; CCU2C            CARRY4
FF        flip-flops                      flip-flops                 flip-flops
DSP       none                            none; MULT18X18D           DSP48E1
RAM       bits                            4 kbit; 18 kbit blocks     18 kbit blocks
========  ==============================  =========================  ===========================

Memory in LUTs counts as the LUTs it occupies: a TRELLIS_DPR16X4 takes six, four for its bits and
two that its write port blocks in a third slice; a RAM32M four; a shift register one.

Synthesis flattens, so counts are those of the whole design, trimmed. Only
:mod:`hw.flow.components` keeps modules.
"""

import importlib.util
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path

from hw.flow.tools import PYOSYS, ToolMissing

__all__ = ["COLUMNS", "TARGETS", "Target", "parse"]

COLUMNS: tuple[str, ...] = ("lut", "carry", "ff", "dsp", "ram")

_CELLS = Path(__file__).with_name("cells")


@dataclass(frozen=True)
class Target:
    """A kind of device.

    Parameters
    ----------
    name : str
    title : str
        Title for reports.
    passes : tuple of str
        Yosys commands from Verilog just read to a mapped netlist; ``{top}`` is the top module.
    columns : tuple of (str, str, int)
        Pattern of cell types, column, and the column's units per cell. The first pattern that
        matches counts.
    no_dsp : str
        Option of the first pass to use no DSP; empty if it uses none anyway.
    lut_unit, ram_unit : str
        Units of the LUT and the RAM column.
    carry_luts : int
        LUTs that a carry cell replaces; 0 if it sits beside its LUTs.
    transistors : bool
        True if Yosys can estimate CMOS transistors; that number leaves out memories.
    libraries : tuple of str
        Cell models that ship with Yosys, below its share folder.
    defines : tuple of str
        Macros for the libraries.
    sources : tuple of str
        Our own models, in ``hw/flow/cells``, of cells without a body in the libraries.
    """

    name: str
    title: str
    passes: tuple[str, ...]
    columns: tuple[tuple[str, str, int], ...]
    no_dsp: str = ""
    lut_unit: str = "LUTs"
    ram_unit: str = "18 kbit blocks"
    carry_luts: int = 0
    transistors: bool = False
    libraries: tuple[str, ...] = ()
    defines: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()

    def without_dsp(self) -> "Target":
        """Return this target with products in LUTs and carry cells."""
        first, *rest = self.passes
        return replace(self, passes=(f"{first} {self.no_dsp}".rstrip(), *rest))

    def count(self, cells: Mapping[str, int]) -> dict[str, int]:
        """Sum the cell types of a netlist into the columns.

        A type that no pattern matches is refused: without it, a design would look too small.
        """
        totals = dict.fromkeys(COLUMNS, 0)
        for cell, number in cells.items():
            for pattern, column, weight in self.columns:
                if fnmatchcase(cell, pattern):
                    totals[column] += weight * number
                    break
            else:
                raise ValueError(f"Cell type must be one that target {self.name} counts, "
                                 f"not {cell!r}")
        return totals

    def cells(self) -> set[str]:
        """Names of this target's cells, which no module of a design may have."""
        folders = {(yosys_share() / library).parent for library in self.libraries}
        return {name for folder in folders for file in folder.glob("*.v*")
                if not file.stem.endswith("_map")
                for name in re.findall(r"^\s*module\s+(\w+)", file.read_text(), re.MULTILINE)}

    def verilator_arguments(self) -> list[str]:
        """Arguments for Verilator to simulate this target's netlists."""
        share = yosys_share()
        libraries = [share / library for library in self.libraries]
        arguments = [*_WAIVERS, *_LIBRARY_WAIVERS * bool(libraries)]
        # Where the libraries look for their own includes.
        arguments += sorted({f"-I{library.parent}" for library in libraries})
        arguments += [f"-D{macro}" for macro in self.defines]
        # Ours come first: Verilator keeps the first of two modules of one name.
        arguments += [str(_CELLS / source) for source in self.sources]
        for library in libraries:
            arguments += ["-v", str(library)]
        return arguments


def yosys_share() -> Path:
    """Folder of the files that ship with Yosys, found without loading Yosys."""
    spec = importlib.util.find_spec("pyosys")
    if spec is None or spec.origin is None:
        raise ToolMissing(*PYOSYS[1:])
    return Path(spec.origin).parent / "share"


# A netlist needs no style, widths are artefacts of Yosys's Verilog, and UNOPTFLAT only costs
# speed. A parameter that our models refuse stays an error.
_WAIVERS = ("-Wno-style", "-Wno-WIDTH", "-Wno-UNOPTFLAT", "-Werror-USERFATAL")
# Synthesis leaves unused pins open. Yosys's models have timing for ABC, a time scale in some files
# only, and delayed assignments that Verilator treats like immediate ones.
_LIBRARY_WAIVERS = tuple(f"-Wno-{name}" for name in (
    "PINMISSING", "SPECIFYIGN", "TIMESCALEMOD", "INITIALDLY", "COMBDLY"))

_GENERIC = Target(
    name="generic",
    title="gates (CMOS estimate)",
    # `synth` up to where it would turn memories into flip-flops; they stay cells of their own.
    # Every flip-flop becomes a plain one, its enable and reset gates, because only of that kind
    # does `stat` know the transistors; without -nodffe and -nosdff `opt` would undo it.
    passes=(
        "synth -flatten -top {top} -run begin:fine",
        "opt -fast -full",
        "opt -full",
        "techmap",
        "opt -fast",
        "dfflegalize -cell $_DFF_P_ 01",
        "opt -fast -nodffe -nosdff",
        # Not abc's default script: its search for equal nodes takes minutes on a wide multiplier,
        # and ends with more transistors.
        "abc -g cmos4 -script +strash;dc2;map,-a",
        "opt -fast -nodffe -nosdff",
        "clean",
    ),
    columns=(
        ("$mem_v2", "ram", 0),  # its bits are added by the synthesis run
        ("$_DFF_P_", "ff", 1),
        *((f"$_{gate}_", "lut", 1) for gate in (
            "NOT", "AND", "NAND", "OR", "NOR", "XOR", "XNOR", "ANDNOT", "ORNOT",
            "MUX", "NMUX", "AOI3", "OAI3", "AOI4", "OAI4")),
    ),
    lut_unit="gates",
    ram_unit="bits",
    transistors=True,
)

# The last label of Yosys's Lattice scripts without its `autoname`, which makes netlists several
# times as long: names of hundreds of characters, each the path from a register.
_CHECK = ("hierarchy -check", "blackbox =A:whitebox")

_ICE40 = Target(
    name="ice40",
    title="Lattice iCE40 HX/LP",
    passes=("synth_ice40 -device hx -top {top} -run begin:check", *_CHECK),
    columns=(
        ("SB_LUT4", "lut", 1),
        ("SB_CARRY", "carry", 1),
        ("SB_DFF*", "ff", 1),
        ("SB_RAM40_4K*", "ram", 1),
    ),
    ram_unit="4 kbit blocks",
    libraries=("ice40/cells_sim.v",),
)

_ECP5 = Target(
    name="ecp5",
    title="Lattice ECP5",
    # Wide multiplexers save delay and cost 12 to 48 % more LUTs.
    passes=("synth_ecp5 -nowidelut -top {top} -run begin:check", *_CHECK),
    no_dsp="-nodsp",
    columns=(
        ("LUT[24]", "lut", 1),
        ("PFUMX", "lut", 0),  # not emitted, but instantiated by hand it sits beside its LUTs
        ("L6MUX21", "lut", 0),
        ("TRELLIS_DPR16X4", "lut", 6),
        ("CCU2C", "carry", 1),
        ("TRELLIS_FF", "ff", 1),
        ("MULT18X18D", "dsp", 1),
        ("DP16KD", "ram", 1),
    ),
    ram_unit="18 kbit blocks",
    carry_luts=2,
    libraries=("ecp5/cells_sim.v",),
    # Without it the file includes the pads and the vendor's names of flip-flops, twice.
    defines=("NO_INCLUDES",),
    sources=("ram.v", "ecp5_dp16kd.v", "ecp5_mult18x18d.v"),
)

_XC7 = Target(
    name="xc7",
    title="AMD 7-series",
    # Without pads and clock buffers only the core is counted; without MUXF7 and MUXF8 the LUTs
    # are all the logic there is.
    passes=("synth_xilinx -family xc7 -flatten -noiopad -noclkbuf -nowidelut -top {top}",),
    no_dsp="-nodsp",
    columns=(
        ("LUT[1-6]", "lut", 1),
        ("INV", "lut", 1),
        ("MUXF[78]", "lut", 0),  # not emitted, but instantiated by hand it sits beside its LUTs
        ("SRL16E", "lut", 1),
        ("SRLC32E", "lut", 1),
        ("RAM32M", "lut", 4),
        ("RAM64M", "lut", 4),
        ("RAM32X1D", "lut", 2),
        ("RAM64X1D", "lut", 2),
        ("RAM128X1D", "lut", 4),
        ("RAM32X1S", "lut", 1),
        ("RAM64X1S", "lut", 1),
        ("RAM128X1S", "lut", 2),
        ("RAM256X1S", "lut", 4),
        ("CARRY4", "carry", 1),
        ("FD[RSCP]E", "ff", 1),
        ("DSP48E1", "dsp", 1),
        ("RAMB18E1", "ram", 1),
        ("RAMB36E1", "ram", 2),
    ),
    ram_unit="18 kbit blocks",
    libraries=("xilinx/cells_sim.v",),
    sources=("ram.v", "xc7_ramb.v"),
)

TARGETS: dict[str, Target] = {each.name: each for each in (_GENERIC, _ICE40, _ECP5, _XC7)}


def parse(name: str) -> Target:
    """Return the target called ``name``."""
    if name not in TARGETS:
        raise ValueError(f"Target must be one of {', '.join(TARGETS)}, not {name!r}")
    return TARGETS[name]
