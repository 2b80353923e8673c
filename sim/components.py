# amaranth: UnusedElaboratable=no
"""Any component with streams, simulated as emitted Verilog or by Amaranth."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from amaranth.hdl import Cat, ClockDomain, Const, Module, ResetSignal, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.data import StructLayout
from amaranth.lib.wiring import In, Out

from hw import emit
from hw.ports import Field, StreamPort
from sim.backend import Backend, Beats
from sim.packing import pack
from sim.pysim import AmaranthSimulation
from sim.simulation import SIMULATORS
from sim.verilator import VerilatorSimulation

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
                bits, last = len(Value.cast(one.payload)), _has_last(one)
                prefix = f"s_axis_{name.removeprefix('i_')}" if member.flow == In \
                    else f"m_axis_{name}"
                port = StreamPort(prefix, name, bits - last, "yes" if last else "", ())
                self._streams[port] = name
            else:
                bits = len(Value.cast(getattr(component, name)))
                field = Field(name, 0, bits)
                self._held[StreamPort(f"s_axis_{name}", name, bits, "", (field,))] = name
        self.ports = (*self._held, *self._streams)
        members = {"aclk": In(1), "aresetn": In(1)}
        for port in self.ports:
            forward, backward = (In, Out) if port.is_input else (Out, In)
            members[f"{port.name}_tdata"] = forward(8 * port.bytes)
            members[f"{port.name}_tvalid"] = forward(1)
            members[f"{port.name}_tready"] = backward(1)
            if port.last:
                members[f"{port.name}_tlast"] = forward(1)
        super().__init__(members)

    def _signals(self, port: StreamPort) -> tuple[Signal, Signal, Signal, list[Signal]]:
        data, valid, ready = (getattr(self, f"{port.name}_{signal}")
                              for signal in ("tdata", "tvalid", "tready"))
        return data, valid, ready, [getattr(self, f"{port.name}_tlast")] if port.last else []

    def elaborate(self, platform):
        m = Module()
        m.submodules.component = self.component
        m.domains.sync = domain = ClockDomain()
        domain.clk = self.aclk  # pyright: ignore[reportAttributeAccessIssue] - not in the stubs
        m.d.comb += ResetSignal().eq(~self.aresetn)
        for port, name in self._held.items():
            data, valid, ready, _ = self._signals(port)
            held = Signal(port.bits, name=f"held_{name}")
            m.d.comb += [ready.eq(1), Value.cast(getattr(self.component, name)).eq(held)]
            with m.If(valid):
                m.d.sync += held.eq(data)
        for port, name in self._streams.items():
            data, valid, ready, last = self._signals(port)
            one = getattr(self.component, name)
            payload = Value.cast(one.payload)
            if port.is_input:
                m.d.comb += [payload.eq(Cat(data[:port.bits], *last)), one.valid.eq(valid),
                             ready.eq(one.ready)]
            else:
                padding = Const(0, 8 * port.bytes - port.bits)
                m.d.comb += [Cat(data, *last).eq(Cat(payload[:port.bits], padding,
                                                     payload[port.bits:])),
                             valid.eq(one.valid)]
                if not one.signature.always_ready:
                    m.d.comb += one.ready.eq(ready)
        return m


def component_simulation(component: wiring.Component, name: str, simulator: str = "verilator", *,
                         cache: Path | None = None) -> Backend:
    """Return a simulated component, behind the ports of an :class:`AxiComponent`.

    Parameters
    ----------
    component : wiring.Component
    name : str
        Of the module.
    simulator : str
        As :func:`sim.simulation.simulation` has it.
    cache : Path or None
        Of compiled models.
    """
    if simulator not in SIMULATORS:
        raise ValueError(f"Simulator must be one of {', '.join(SIMULATORS)}, not {simulator!r}")
    top = AxiComponent(component)
    if simulator == "amaranth":
        return AmaranthSimulation(top, top.ports)
    with tempfile.TemporaryDirectory(prefix="exactmac_") as folder:
        source = Path(folder) / f"{name}.v"
        source.write_text(emit.modules(top, name))
        return VerilatorSimulation([source], name, top.ports, cache=cache)


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


def _has_last(one: stream.Interface) -> bool:
    layout = one.payload.shape()
    return isinstance(layout, StructLayout) and list(layout.members)[-1:] == ["last"]
