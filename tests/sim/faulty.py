# amaranth: UnusedElaboratable=no
"""A design that breaks the rules of streams when told to, with one output or two."""

import numpy as np
import pytest
from amaranth.hdl import ClockDomain, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.drive import Beats
from hw.emit import modules
from sim import verilator
from sim.pysim import AmaranthSimulation
from sim.verilator import VerilatorSimulation
from tests.plain import plain_port

NO_VERILATOR = verilator.available()
needs_verilator = pytest.mark.skipif(NO_VERILATOR is not None, reason=str(NO_VERILATOR))
SIMULATORS = ["amaranth", pytest.param("verilator", marks=needs_verilator)]

FAULTY = (plain_port("m_axis_o", "o", 16), plain_port("s_axis_fault", "i", 10))
# Two outputs, with the input between them.
FORKED = (plain_port("m_axis_o_low", "o_low", 16), plain_port("s_axis_fault", "i", 16),
          plain_port("m_axis_o_high", "o_high", 24, "bit 9"))
LOW, HIGH = 0, 1 << 15
SIDES = {"m_axis_o_low": LOW, "m_axis_o_high": HIGH}
PASS, DROP, TWICE, CHANGE, WITHDRAW, PEEK, ERROR, FALL = range(8)


class AXI(wiring.Component):
    """Members for ``ports``, and a domain as `AmaranthSimulation` wants it."""

    def __init__(self, ports, **more):
        members = {"aclk": In(1), "aresetn": In(1), **more}
        for port in ports:
            flow, back = (In, Out) if port.is_input else (Out, In)
            members |= {f"{port.name}_tdata": flow(8 * port.bytes), f"{port.name}_tvalid": flow(1),
                        f"{port.name}_tready": back(1)}
            if port.last:
                members[f"{port.name}_tlast"] = flow(1)
        super().__init__(members)

    def module(self):
        m = Module()
        m.domains.sync = sync = ClockDomain()
        sync.clk = self.aclk
        m.d.comb += sync.rst.eq(~self.aresetn)
        return m


class Faulty(AXI):
    """Sends what it received, unless the lowest three bits of it say otherwise.

    Where there are two outputs the highest bit says to which.
    """

    def __init__(self, ports=FAULTY):
        self.outputs = [port for port in ports if not port.is_input]
        super().__init__(ports, error=Out(1))

    def elaborate(self, platform):
        m = self.module()
        given, flips, idle = self.s_axis_fault_tdata, Signal(), Signal(16, reset_less=True)
        blocks = Signal(len(self.outputs))
        m.d.sync += flips.eq(~flips)
        m.d.comb += self.s_axis_fault_tready.eq(blocks == 0)
        with m.If(~self.s_axis_fault_tvalid):
            m.d.sync += idle.eq(given)
        taken = self.s_axis_fault_tvalid & self.s_axis_fault_tready
        with m.If(taken & (given[:3] >= ERROR)):
            m.d.sync += self.error.eq(given[:3] == ERROR)
        for index, port in enumerate(self.outputs):
            payload, full, sent = Signal(16), Signal(), Signal()
            fault = payload[:3]
            tdata, tvalid, tready = (getattr(self, f"{port.name}_{signal}")
                                     for signal in ("tdata", "tvalid", "tready"))
            m.d.comb += [
                blocks[index].eq(full & (given[-1] == index)),
                tvalid.eq(full & ((fault != WITHDRAW) | flips)),
                tdata.eq(payload),
            ]
            if port.last:
                m.d.comb += getattr(self, f"{port.name}_tlast").eq(payload[9])
            with m.Switch(fault):
                with m.Case(PEEK):
                    m.d.comb += tdata.eq(idle)
                with m.Case(CHANGE):
                    m.d.comb += tdata.eq(payload ^ (flips << 9))
            with m.If(tvalid & tready):
                m.d.sync += sent.eq(1)
                m.d.sync += full.eq((fault == TWICE) & ~sent)
            with m.If(taken & (given[-1] == index)):
                m.d.sync += payload.eq(given)
                m.d.sync += full.eq(given[:3] != DROP)
                m.d.sync += sent.eq(0)
        return m


def build(component, ports, folder):
    name = type(component).__name__.lower()
    source = folder / f"{name}.v"
    source.write_text(modules(component, name))
    return VerilatorSimulation([source], name, ports, fast=False)


def simulated(simulator, ports, folder):
    if simulator == "amaranth":
        return AmaranthSimulation(Faulty(ports), ports)
    return build(Faulty(ports), ports, folder)


def beats(data, after=None):
    return Beats(np.asarray(data, np.uint8), np.zeros(len(data), bool), after or {})


def fault_beats(*codes):
    return {"s_axis_fault": beats([[code & 0xff, code >> 8] for code in codes])}


def assert_same(one, other):
    assert list(one.outputs) == list(other.outputs)
    for port, beats in one.outputs.items():
        np.testing.assert_array_equal(beats.data, other.outputs[port].data)
        np.testing.assert_array_equal(beats.last, other.outputs[port].last)
    assert (one.cycles, one.first, one.final, one.total) == (
        other.cycles, other.first, other.final, other.total)
    for each, own in zip(one.before, other.before, strict=True):
        assert_same(each, own)
