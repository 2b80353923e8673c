# amaranth: UnusedElaboratable=no

import numpy as np
import pytest
from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.packing import unpack
from hw.payload import Field, Payload
from sim.components import AxiComponent, beats_of, component_simulation
from sim.verilator import available

SIMULATORS = ["amaranth", pytest.param("verilator", marks=pytest.mark.skipif(
    available() is not None, reason=str(available())))]

VECTOR = Payload((Field("values", 5, (3,)),), "last")


class Offset(wiring.Component):
    """Three numbers plus one that is held, of 70 bits, of which the low 5 count."""

    i: In(stream.Signature(VECTOR.layout))
    o: Out(stream.Signature(VECTOR.layout))
    offset: In(70)

    def elaborate(self, platform):
        m = Module()
        m.d.comb += [self.o.valid.eq(self.i.valid), self.i.ready.eq(self.o.ready),
                     self.o.p.last.eq(self.i.p.last)]
        m.d.comb += [self.o.p.values[k].eq(self.i.p.values[k] + self.offset + self.offset[64:])
                     for k in range(3)]
        return m


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_streams_and_held_inputs(simulator, rng):
    codes = rng.integers(32, size=(40, 3))
    last = rng.integers(2, size=40)
    offsets = [7, 30 | 5 << 64]
    backend = component_simulation(Offset(), "offset_top", simulator)
    assert [(port.name, port.payload.bits, port.bytes, port.last) for port in backend.ports] == [
        ("s_axis_offset", 70, 9, False), ("s_axis_i", 15, 2, True), ("m_axis_o", 15, 2, True)]
    payloads = {port.stream: port.payload for port in backend.ports}
    for stall in (0.0, 0.5):
        trace = backend.run({
            "s_axis_offset": beats_of(payloads["offset"], {"offset": np.array(offsets, object)},
                                      after={"m_axis_o": np.array([0, 20])}),
            "s_axis_i": beats_of(VECTOR, {"values": codes}, last=last, after={
                "s_axis_offset": np.repeat([1, 2], 20)}),
        }, 40, stall=stall)
        want = (codes + np.repeat([7, 35], 20)[:, None]) % 32
        np.testing.assert_array_equal(unpack(trace.data, 5, 3), want)
        np.testing.assert_array_equal(trace.last, last.astype(bool))


def test_last_of_the_last_beat_by_default():
    assert beats_of(VECTOR, {"values": np.zeros((3, 3), int)}).last.tolist() == [False, False, True]


class Plain(wiring.Component):
    i_a: In(stream.Signature(8))
    o: Out(stream.Signature(8, always_ready=True))

    def elaborate(self, platform):
        m = Module()
        m.d.comb += [self.o.valid.eq(self.i_a.valid), self.o.payload.eq(~self.i_a.payload),
                     self.i_a.ready.eq(1)]
        return m


def test_streams_of_bare_numbers():
    """Without last, and with an output that is always ready."""
    top = AxiComponent(Plain())
    assert [(port.name, port.stream, port.last) for port in top.ports] == [
        ("s_axis_a", "i_a", False), ("m_axis_o", "o", False)]
    backend = component_simulation(Plain(), "plain", "amaranth")
    trace = backend.run({"s_axis_a": beats_of(
        top.ports[0].payload, {"i_a": np.array([1, 2])})}, 2)
    assert trace.data.tolist() == [[254], [253]]


def test_unknown_simulator():
    with pytest.raises(ValueError, match=r"^Simulator must be one of verilator, amaranth, "
                                         r"not 'icarus'$"):
        component_simulation(Plain(), "plain", "icarus")
