# amaranth: UnusedElaboratable=no

import re
from fractions import Fraction

import numpy as np
import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from sim.streams import (
    get_all,
    hold_monitor,
    measure_latency,
    measure_throughput,
    put_all,
    run,
    transform,
)

WIDE = 100
PAIR = data.StructLayout({"code": 8, "last": 1})


class Register(wiring.Component):
    """Adds one, with ``latency`` registers that move together."""

    def __init__(self, *, shape=WIDE, latency=1, fault=""):
        super().__init__({"i": In(stream.Signature(shape)), "o": Out(stream.Signature(shape))})
        self.latency = latency
        self.fault = fault

    def elaborate(self, platform):
        m = Module()
        advance = Signal()
        flips = Signal()
        m.d.sync += flips.eq(~flips)
        m.d.comb += self.i.ready.eq(advance & (flips if self.fault == "half rate" else 1))
        payload, valid = self.i.payload, self.i.valid & self.i.ready
        for stage in range(self.latency):
            next_payload, next_valid = Signal(WIDE, name=f"p{stage}"), Signal(name=f"v{stage}")
            with m.If(advance):
                m.d.sync += next_payload.eq(payload + (stage == 0))
                m.d.sync += next_valid.eq(valid)
            payload, valid = next_payload, next_valid
        m.d.comb += self.o.payload.eq(payload ^ (flips if self.fault == "changes" else 0))
        m.d.comb += advance.eq(~valid | (self.o.valid & self.o.ready))
        m.d.comb += self.o.valid.eq(valid & (flips if self.fault == "withdraws" else 1))
        return m


class Flow(wiring.Component):
    """Never stalls: the payload, or ones where the stream is idle, a cycle later."""

    i: In(stream.Signature(PAIR, always_ready=True))
    o: Out(stream.Signature(PAIR, always_ready=True))

    def elaborate(self, platform):
        m = Module()
        m.d.sync += self.o.payload.eq(self.i.payload)
        m.d.sync += self.o.valid.eq(self.i.valid)
        return m


class Wire(wiring.Component):
    i: In(stream.Signature(8))
    o: Out(stream.Signature(8))

    def elaborate(self, platform):
        m = Module()
        wiring.connect(m, wiring.flipped(self.i), wiring.flipped(self.o))
        return m


def stalls(rng):
    return lambda: bool(rng.integers(2))


def payloads(rng, count):
    return [int.from_bytes(rng.bytes(12), "little") for _ in range(count)]


@pytest.mark.parametrize("stall_i", [False, True])
@pytest.mark.parametrize("stall_o", [False, True])
def test_transform_keeps_order(rng, stall_i, stall_o):
    sent = payloads(rng, 50)
    received = transform(Register(latency=2), sent, 50,
                         stall_i=stalls(rng) if stall_i else None,
                         stall_o=stalls(rng) if stall_o else None)
    assert received == [payload + 1 for payload in sent]


def test_numpy_payloads():
    sent = np.arange(5, dtype=np.int32)
    assert transform(Register(), sent, 5) == [1, 2, 3, 4, 5]


def test_always_ready_structs(rng):
    sent = [{"code": int(code), "last": int(code) & 1} for code in rng.integers(256, size=20)]
    received = transform(Flow(), sent, 20, stall_i=stalls(rng))
    assert [{"code": int(each.code), "last": int(each.last)} for each in received] == sent


def test_idle_stream_carries_ones():
    dut = Flow()
    seen = []

    async def source(ctx):
        pause = iter([False, True, False])
        await put_all(ctx, dut.i, [{"code": 3, "last": 0}] * 2, stall=lambda: next(pause))

    async def watch(ctx):
        for _ in range(4):
            _, _, valid, payload = await ctx.tick().sample(dut.o.valid, dut.o.payload)
            seen.append((valid, payload.as_value().value))

    run(dut, source, watch)
    assert seen == [(0, 0), (1, 3), (0, 0x1ff), (1, 3)]


def test_always_ready_cannot_stall(rng):
    with pytest.raises(ValueError, match="^Stall must be None where the stream is always ready$"):
        transform(Flow(), [{"code": 0, "last": 0}], 1, stall_o=stalls(rng))


@pytest.mark.parametrize("fault", ["changes", "withdraws"])
def test_hold_monitor_fails(rng, fault):
    with pytest.raises(AssertionError, match="^Payload .* before its transfer$"):
        transform(Register(fault=fault), payloads(rng, 50), 50, stall_o=stalls(rng))


def test_hold_monitor_alone_sees_what_drivers_do_not(rng):
    dut = Register(fault="withdraws")
    received = []

    async def source(ctx):
        await put_all(ctx, dut.i, [1, 2, 3])

    async def sink(ctx):
        received.extend(await get_all(ctx, dut.o, 3, stall=stalls(rng)))

    run(dut, source, sink)
    assert received == [2, 3, 4]
    received.clear()
    with pytest.raises(AssertionError, match=r"^Payload \d became \d \(valid=0\)"):
        run(dut, source, sink, monitors=[hold_monitor(dut.o)])


def test_watchdog():
    message = re.escape("Simulation did not finish in 50 cycles")
    with pytest.raises(TimeoutError, match=f"^{message}$"):
        transform(Register(), [1, 2], 3, max_cycles=50)


@pytest.mark.parametrize("latency", [1, 2, 5])
def test_measure_latency(latency):
    assert measure_latency(Register(latency=latency), 7) == latency


def test_measure_latency_of_wires_and_flows():
    assert measure_latency(Wire(), 7) == 0
    # Its input is not ready at once.
    assert measure_latency(Register(fault="half rate", latency=3), 7) == 3
    assert measure_latency(Flow(), {"code": 1, "last": 1}) == 1


def test_measure_throughput():
    assert measure_throughput(Register(), range(20), 20) == 1
    assert measure_throughput(Register(fault="half rate"), range(20), 20) == Fraction(1, 2)
    assert measure_throughput(Flow(), [{"code": 0, "last": 0}] * 9, 9) == 1


def test_waves(tmp_path):
    transform(Register(), [1], 1, vcd=str(tmp_path / "waves.vcd"))
    assert "$enddefinitions" in (tmp_path / "waves.vcd").read_text()
