"""Simulation of a module that takes a word and gives a word in each cycle."""

from dataclasses import dataclass

import numpy as np

from hw.drive import Beats
from hw.folder import scratch
from hw.payload import Payload
from hw.tile.ports import StreamPort
from sim.backend import Mismatch
from sim.verilator import VerilatorSimulation

__all__ = ["Emitted", "compared", "simulated"]


@dataclass(frozen=True)
class Emitted:
    """Verilog of a module, perhaps with a reset ``rst``.

    Parameters
    ----------
    top : str
        Name of the module.
    verilog : str
    latency : int
        Cycles from an input to its output.
    cells : str
        Models of the cells that it instantiates.
    addends : tuple of (str, int)
        Operands whose vectors have an addend as another input, and its width.
    prepared : bool
        Whether the parameters that it takes are prepared ones.
    clock : str
        Name of the clock.
    resets : bool
        Whether the module has a reset.
    """

    top: str
    verilog: str
    latency: int
    cells: str = ""
    addends: tuple[tuple[str, int], ...] = ()
    prepared: bool = False
    clock: str = "clk"
    resets: bool = False


def simulated(emitted: Emitted, inputs: Payload, output: Payload, words: np.ndarray, *,
              fast: bool = True) -> np.ndarray:
    """Return the word of the output in each cycle, in Verilator; the clock must be ``clk``.

    Parameters
    ----------
    emitted : Emitted
    inputs, output : Payload
        Ports of the module, a field each; any other input is 0.
    words : array of uint8, ``(cycles, bytes)``
        Word of the inputs in each cycle; other cycles have all bits 0.
    fast : bool
        Whether the simulation is optimized; of a large module that takes longer than the cycles.
    """
    ports = (StreamPort("s_axis_i", "i", inputs), StreamPort("m_axis_o", "o", output))
    around = ["module around (input aclk, input aresetn,",
              f"    input [{8 * inputs.bytes - 1}:0] s_axis_i_tdata, input s_axis_i_tvalid,",
              f"    output s_axis_i_tready, output [{8 * output.bytes - 1}:0] m_axis_o_tdata,",
              "    output m_axis_o_tvalid, input m_axis_o_tready);",
              "assign s_axis_i_tready = m_axis_o_tready, m_axis_o_tvalid = s_axis_i_tvalid;",
              f"wire [{8 * inputs.bytes - 1}:0] word = s_axis_i_tvalid ? s_axis_i_tdata : 0;"]
    pins = [".clk(aclk)", *[".rst(!aresetn)"] * emitted.resets]
    pins += [f".{name}(word[{lsb}+:{field.size}])" for name, (field, lsb) in inputs.placed.items()]
    for name, (field, lsb) in output.placed.items():
        around.append(f"wire [{field.size - 1}:0] {name};")
        around.append(f"assign m_axis_o_tdata[{lsb}+:{field.size}] = {name};")
        pins.append(f".{name}({name})")
    if left := 8 * output.bytes - output.bits:
        around.append(f"assign m_axis_o_tdata[{output.bits}+:{left}] = 0;")
    around += [f"{emitted.top} unit ({', '.join(pins)});", "endmodule", ""]
    with scratch() as folder:
        texts = {"around": "\n".join(around), "design": emitted.verilog, "cells": emitted.cells}
        for name, text in texts.items():
            (folder / f"{name}.v").write_text(text)
        sources = [folder / f"{name}.v" for name, text in texts.items() if text]
        backend = VerilatorSimulation(sources, "around", ports,
                                      flags=["-Wno-fatal", "-Wno-WIDTH"], fast=fast)
    count = len(words)
    return backend.run({"s_axis_i": Beats(words, np.zeros(count, bool), {})}, count).data


def compared(what: str, found: np.ndarray, want: np.ndarray) -> int:
    """Return the number of results, all equal; ``Mismatch`` with the first one that is not."""
    differ = np.flatnonzero(found != want)
    if len(differ):
        place = int(differ[0])
        raise Mismatch(f"{what} {place} of {len(want):,} must be {want[place]}, "
                       f"not {found[place]}")
    return len(want)
