# amaranth: UnusedElaboratable=no
"""Simulation of any component with streams, as emitted Verilog or by Amaranth."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from amaranth.hdl import Module, Signal, Value
from amaranth.lib import data, wiring

from hw import emit
from hw.bus.axi_tile import check_width, clock, connect, port_members
from hw.drive import Beats
from hw.payload import Field, Payload
from hw.tile.ports import port_of
from sim.backend import Backend
from sim.simulation import simulated

__all__ = ["AxiComponent", "component_simulation", "beats_of"]


class AxiComponent(wiring.Component):
    """A component's streams as AXI4-Stream ports, its other inputs as registers behind ports.

    A stream ``i_a`` becomes ``s_axis_a``, ``i`` becomes ``s_axis_i``, ``o`` becomes ``m_axis_o``.
    A last field ``last`` of its payload is ``tlast``. Any other input of the component becomes a
    port that is always ready; from the next cycle on, the input has the transferred value.

    Parameters
    ----------
    component : wiring.Component
        Component with output streams, and no other outputs. It is built anew for each elaboration.
    """

    aclk: Signal
    aresetn: Signal

    def __init__(self, component: Any):
        self.component = component
        members = component.signature.members
        known = getattr(component, "payloads", {})
        ports = [port_of(name, known.get(name) or _payload(name, getattr(component, name)))
                 for name in members]
        self._streams = [port for port in ports if members[port.stream].is_signature]
        self._held = [port for port in ports if port not in self._streams]
        self.ports = (*self._held, *self._streams)
        super().__init__(port_members(self.ports))

    @property
    def design(self) -> wiring.Component:
        """Design that a simulation runs: :attr:`sim.backend.Backend.design`."""
        return self.component

    def elaborate(self, platform):
        m = Module()
        m.submodules.component = self.component
        clock(m, self)
        for port in self._held:
            name = port.stream
            data, valid, ready = (getattr(self, f"{port.name}_{signal}")
                                  for signal in ("tdata", "tvalid", "tready"))
            held = Signal(port.payload.bits, name=f"held_{name}")
            inner = Value.cast(getattr(self.component, name))
            check_width(port, inner, len(held))
            m.d.comb += [ready.eq(1), inner.eq(held)]
            with m.If(valid):
                m.d.sync += held.eq(data)
        for port in self._streams:
            connect(m, self, port, getattr(self.component, port.stream))
        return m


def _payload(name: str, member: Any) -> Payload:
    # Only the width and ``last``, since a layout has no formats.
    value = getattr(member, "payload", member)
    shape = value.shape()
    last = isinstance(shape, data.StructLayout) and list(shape.members)[-1:] == ["last"]
    return Payload((Field(name, len(Value.cast(value)) - last),), "yes" if last else "")


def component_simulation(component: wiring.Component, name: str, simulator: str = "verilator", *,
                         fast: bool = True) -> Backend:
    """Return a simulated component, behind the ports of an :class:`AxiComponent`.

    Parameters
    ----------
    component : wiring.Component
    name : str
        Name of the module.
    simulator, fast
        Parameters of :func:`sim.simulation.simulation`.
    """
    return simulated(AxiComponent(component), name, simulator, emit.modules, fast=fast)


def beats_of(payload: Payload, codes: Mapping[str, np.ndarray], *, last=None,
             after: Mapping[str, np.ndarray] | None = None) -> Beats:
    """Beats of a port from the codes of its fields.

    Parameters
    ----------
    payload : Payload
    codes : mapping of str to array of integers
        Codes of each field, as for :meth:`~hw.payload.Payload.pack`.
    last : array of bool ``(transfers,)``, optional
        ``tlast``; by default set in the last transfer only.
    after : mapping of str to array, optional
        Transfers to wait for, as in :class:`~hw.drive.Beats`.
    """
    data = payload.pack(codes)
    if last is None:
        last = np.arange(len(data)) == len(data) - 1
    return Beats(data, np.asarray(last, bool), after or {})
