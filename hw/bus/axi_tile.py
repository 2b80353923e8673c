# amaranth: UnusedElaboratable=no
"""Tile with AXI4-Stream ports: the emitted module."""

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Cat, ClockDomain, Const, Module, ResetSignal, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.tile.config import TileConfig
from hw.tile.ports import CLOCKING, Clocking, StreamPort, ports
from hw.tile.tile import MacTile

__all__ = ["AxiTile", "check_width", "clock", "connect", "port_members"]


class AxiTile(wiring.Component):
    """A :class:`~hw.tile.tile.MacTile` behind AXI4-Stream ports.

    This adds names and packing only: element ``k`` of a payload lies at ``[k*bits, (k+1)*bits)`` of
    ``tdata``, with zeros up to whole bytes; :func:`hw.tile.ports.ports` has the layouts. Latency
    and throughput are the tile's. The tile counts beats; ``tlast`` of the operands is only checked.

    Parameters
    ----------
    config : TileConfig
        Configuration of the tile.
    clocking : Clocking
        Names of clock and reset in waves and in the emitted module.

    Members
    -------
    aclk : In(1)
        Clock of the whole tile.
    aresetn : In(1)
        Reset, active low, synchronous.
    s_axis_*_tdata, _tvalid, _tlast : In; _tready : Out
        Ports ``job``, ``activations``, ``weights``, ``parameters``.
    m_axis_o_tdata, _tvalid, _tlast : Out; _tready : In
        Outputs.
    error : Out(1)
        Set by a job out of range, and by a ``tlast`` of an operand that is not on its job's last
        beat; stays set until a reset.
    """

    aclk: Signal
    aresetn: Signal
    error: Signal

    def __init__(self, config: TileConfig, clocking: Clocking = CLOCKING):
        self.config = config
        self.clocking = clocking
        self.ports = ports(config)
        self.tile = MacTile(config)
        super().__init__(port_members(self.ports) | {"error": Out(1)})
        self.aclk, self.aresetn = Signal(name=clocking.clock), Signal(name=clocking.reset)

    @property
    def design(self) -> TileConfig:
        """Design that a simulation runs: :attr:`sim.backend.Backend.design`."""
        return self.config

    def elaborate(self, platform):
        m = Module()
        m.submodules.tile = self.tile
        clock(m, self)
        for port in self.ports:
            connect(m, self, port, getattr(self.tile, port.stream))
        m.d.comb += self.error.eq(self.tile.error)
        return m


def port_members(ports: Sequence[StreamPort]) -> dict[str, Any]:
    """Members of a component with AXI4-Stream ports, its clock and its reset."""
    members = {"aclk": In(1), "aresetn": In(1)}
    for port in ports:
        forward, backward = (In, Out) if port.is_input else (Out, In)
        members[f"{port.name}_tdata"] = forward(8 * port.bytes)
        members[f"{port.name}_tvalid"] = forward(1)
        members[f"{port.name}_tready"] = backward(1)
        if port.last:
            members[f"{port.name}_tlast"] = forward(1)
    return members


def clock(m: Module, top: Any):
    """Clock and reset the inside of ``m`` by the ports ``aclk`` and ``aresetn``."""
    # The port itself is the domain's clock, so that simulators find one signal to drive.
    m.domains.sync = domain = ClockDomain()
    domain.clk = top.aclk  # pyright: ignore[reportAttributeAccessIssue] - not in the stubs
    m.d.comb += ResetSignal().eq(~top.aresetn)


def check_width(port: StreamPort, payload: Value, bits: int):
    """Raise ``ValueError`` if a port's payload differs in width from the stream behind it."""
    if len(payload) != bits:
        raise ValueError(f"Payload of {port.name} must be as wide as that of {port.stream}, "
                         f"{len(payload)} bits, not {bits}")


def connect(m: Module, top: Any, port: StreamPort, inner: stream.Interface):
    """Connect a port of ``top`` with the stream behind it.

    Raises
    ------
    ValueError
        If their payloads differ in width.
    """
    payload, bits = Value.cast(inner.payload), port.payload.bits
    check_width(port, payload, bits + port.last)
    tdata, valid, ready = (getattr(top, f"{port.name}_{signal}")
                           for signal in ("tdata", "tvalid", "tready"))
    last = [getattr(top, f"{port.name}_tlast")] if port.last else []
    if port.is_input:
        m.d.comb += [
            payload.eq(Cat(tdata[:bits], last)),
            inner.valid.eq(valid),
            ready.eq(inner.ready),
        ]
        return
    m.d.comb += [
        Cat(tdata, last).eq(Cat(payload[:bits], Const(0, 8 * port.bytes - bits),
                                payload[bits:])),
        valid.eq(inner.valid),
    ]
    if not inner.signature.always_ready:
        m.d.comb += inner.ready.eq(ready)
