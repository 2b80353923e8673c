# amaranth: UnusedElaboratable=no
"""The tile with AXI4-Stream ports: the module that is emitted."""

from amaranth.hdl import Cat, ClockDomain, Const, Module, ResetSignal, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.config import TileConfig
from hw.ports import ports
from hw.tile import MacTile

__all__ = ["AxiTile"]


class AxiTile(wiring.Component):
    """A :class:`~hw.tile.MacTile` behind AXI4-Stream ports.

    Only names and packing: element ``k`` of a payload lies at ``[k*bits, (k+1)*bits)`` of
    ``tdata``, which zeros fill up to whole bytes; :func:`hw.ports.ports` has the layouts. Latency
    and throughput are the tile's. ``tlast`` of the operands is not used: the tile counts beats.

    Parameters
    ----------
    config : TileConfig
        What the tile is.

    Members
    -------
    aclk : In(1)
        Clock of everything.
    aresetn : In(1)
        Reset, active low, synchronous.
    s_axis_*_tdata, _tvalid, _tlast : In; _tready : Out
        Ports ``job``, ``activations``, ``weights``, ``parameters``.
    m_axis_o_tdata, _tvalid, _tlast : Out; _tready : In
        Outputs.
    """

    aclk: Signal
    aresetn: Signal

    def __init__(self, config: TileConfig):
        self.config = config
        self.ports = ports(config)
        self.tile = MacTile(config)
        members = {"aclk": In(1), "aresetn": In(1)}
        for port in self.ports:
            forward, backward = (In, Out) if port.is_input else (Out, In)
            members[f"{port.name}_tdata"] = forward(8 * port.bytes)
            members[f"{port.name}_tvalid"] = forward(1)
            members[f"{port.name}_tready"] = backward(1)
            if port.last:
                members[f"{port.name}_tlast"] = forward(1)
        super().__init__(members)

    def elaborate(self, platform):
        m = Module()
        m.submodules.tile = self.tile

        # The port itself is the domain's clock, so that simulators find one signal to drive.
        m.domains.sync = domain = ClockDomain()
        domain.clk = self.aclk  # pyright: ignore[reportAttributeAccessIssue] - not in the stubs
        m.d.comb += ResetSignal().eq(~self.aresetn)

        for port in self.ports:
            inner = getattr(self.tile, port.stream)
            payload = inner.payload.as_value()
            data, valid, ready = (getattr(self, f"{port.name}_{signal}")
                                  for signal in ("tdata", "tvalid", "tready"))
            # Only these two payloads end in `last`; the tile does not take the operands'.
            last = ([getattr(self, f"{port.name}_tlast")]
                    if port.stream in ("i_parameters", "o") else [])
            if port.is_input:
                m.d.comb += [
                    payload.eq(Cat(data[:port.bits], last)),
                    inner.valid.eq(valid),
                    ready.eq(inner.ready),
                ]
            else:
                m.d.comb += [
                    Cat(data, last).eq(Cat(payload[:port.bits],
                                           Const(0, 8 * port.bytes - port.bits),
                                           payload[port.bits])),
                    valid.eq(inner.valid),
                    inner.ready.eq(ready),
                ]
        return m
