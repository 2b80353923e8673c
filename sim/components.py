# amaranth: UnusedElaboratable=no
"""Any component with streams, simulated as emitted Verilog or by Amaranth."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from amaranth.hdl import Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from hw import emit
from hw.bus import clock, connect, has_last, port_members
from hw.ports import Field, StreamPort
from sim.backend import Backend, Beats
from sim.packing import pack
from sim.simulation import simulated

__all__ = ["AxiComponent", "component_simulation", "vector_beats", "record_beats"]


class AxiComponent(wiring.Component):
    """A component's streams as AXI4-Stream ports, its other inputs as registers behind ports.

    A stream ``i_a`` becomes ``s_axis_a``, ``i`` becomes ``s_axis_i``, ``o`` becomes ``m_axis_o``.
    Where its payload ends in a field ``last`` that is ``tlast``. Any other input of the component
    becomes a port that is always ready, and holds what came last, from the cycle after.

    Parameters
    ----------
    component : wiring.Component
        With one output stream, and no other outputs. Built anew for each elaboration.
    """

    aclk: Signal
    aresetn: Signal

    def __init__(self, component: Any):
        self.component = component
        self._streams: dict[StreamPort, str] = {}
        self._held: dict[StreamPort, str] = {}
        for name, member in component.signature.members.items():
            if member.is_signature:
                one = getattr(component, name)
                bits, last = len(Value.cast(one.payload)), has_last(one)
                prefix = f"s_axis_{name.removeprefix('i_')}" if member.flow == In \
                    else f"m_axis_{name}"
                port = StreamPort(prefix, name, bits - last, "yes" if last else "", ())
                self._streams[port] = name
            else:
                bits = len(Value.cast(getattr(component, name)))
                field = Field(name, 0, bits)
                self._held[StreamPort(f"s_axis_{name}", name, bits, "", (field,))] = name
        self.ports = (*self._held, *self._streams)
        super().__init__(port_members(self.ports))

    @property
    def design(self) -> wiring.Component:
        """What a simulation of it simulates: :attr:`sim.backend.Backend.design`."""
        return self.component

    def elaborate(self, platform):
        m = Module()
        m.submodules.component = self.component
        clock(m, self)
        for port, name in self._held.items():
            data, valid, ready = (getattr(self, f"{port.name}_{signal}")
                                  for signal in ("tdata", "tvalid", "tready"))
            held = Signal(port.bits, name=f"held_{name}")
            m.d.comb += [ready.eq(1), Value.cast(getattr(self.component, name)).eq(held)]
            with m.If(valid):
                m.d.sync += held.eq(data)
        for port, name in self._streams.items():
            connect(m, self, port, getattr(self.component, name))
        return m


def component_simulation(component: wiring.Component, name: str, simulator: str = "verilator", *,
                         fast: bool = True, cache: Path | None = None) -> Backend:
    """Return a simulated component, behind the ports of an :class:`AxiComponent`.

    Parameters
    ----------
    component : wiring.Component
    name : str
        Of the module.
    simulator, fast
        As :func:`sim.simulation.simulation` has them.
    cache : Path or None
        Of compiled models.
    """
    return simulated(AxiComponent(component), name, simulator, emit.modules, fast=fast, cache=cache)


def vector_beats(codes, bits: int, *, last=None,
                 after: Mapping[str, np.ndarray] | None = None) -> Beats:
    """Beats of vectors.

    Parameters
    ----------
    codes : array of integers ``(beats, elements)``
    bits : int
        Of each element.
    last : array of bool ``(beats,)``, optional
        By default the last beat's only.
    after : mapping of str to array, optional
        As :class:`~sim.backend.Beats` has it.
    """
    data = pack(np.asarray(codes), bits)
    if last is None:
        last = np.arange(len(data)) == len(data) - 1
    return Beats(data, np.asarray(last, bool), after or {})


def record_beats(records: Sequence[int], bits: int, *,
                 after: Mapping[str, np.ndarray] | None = None) -> Beats:
    """Beats of whole payloads, given as integers of any width."""
    width = -(-bits // 8)
    data = np.frombuffer(b"".join(record.to_bytes(width, "little") for record in records),
                         np.uint8).reshape(len(records), width)
    return Beats(data, np.zeros(len(records), bool), after or {})
