# amaranth: UnusedElaboratable=no

import numpy as np
import pytest
from amaranth.hdl import Module, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from golden.formats import IntFormat, parse
from hw.formats import shape_of
from hw.units.range_tracker import RangeTracker
from sim.streams import get_all, put_all, run


class Beside(wiring.Component):
    """A stream with stalls on both sides, and the tracker beside it."""

    def __init__(self, tracker):
        self.tracker = tracker
        layout = tracker.i.payload.shape()
        super().__init__({"i": In(stream.Signature(layout)), "o": Out(stream.Signature(layout))})

    def elaborate(self, platform):
        m = Module()
        m.submodules.tracker = self.tracker
        wiring.connect(m, wiring.flipped(self.i), wiring.flipped(self.o))
        m.d.comb += [
            self.tracker.i.payload.eq(self.o.payload),
            self.tracker.i.valid.eq(self.o.valid & self.o.ready),
        ]
        return m


def ends(fmt, codes, keep):
    """Smallest and largest of what counts; where nothing does, the ends the wrong way round."""
    kept = codes[keep]
    return (int(kept.min()), int(kept.max())) if kept.size else (fmt.max, fmt.min)


def payload(codes, keep):
    return {"codes": codes.tolist(), "keep": int((keep << np.arange(keep.size)).sum())}


@pytest.mark.parametrize("outputs", [1, 2, 3, 8])
@pytest.mark.parametrize("name", ["s8", "u8", "u1", "s20"])
def test_every_cycle(name, outputs, rng):
    """After each cycle, what is tracked is what golden finds in all that came a latency before."""
    fmt = IntFormat(20) if name == "s20" else parse(name)
    dut = RangeTracker(results=fmt, outputs=outputs)
    cycles = 300
    # Results of all sizes, the ends of the format among them.
    codes = np.clip(rng.integers(fmt.min, fmt.max, (cycles, outputs), endpoint=True)
                    // 2 ** rng.integers(0, 12, (cycles, 1)), fmt.min, fmt.max)
    codes[rng.integers(0, 30, codes.shape) == 0] = fmt.min
    codes[rng.integers(0, 30, codes.shape) == 0] = fmt.max
    keep = rng.integers(0, 4, codes.shape) > 0
    valid = rng.integers(0, 3, cycles) > 0
    clear = rng.integers(0, 12, cycles) == 0
    expected, start = [], 0
    for cycle in range(cycles):
        start = cycle if clear[cycle] else start
        span = slice(start, cycle + 1)
        expected.append(ends(fmt, codes[span], keep[span] & valid[span, None]))

    async def testbench(ctx):
        tracked = []
        for cycle in range(cycles):
            ctx.set(dut.i.valid, bool(valid[cycle]))
            ctx.set(dut.i.payload, payload(codes[cycle], keep[cycle]))
            ctx.set(dut.clear, bool(clear[cycle]))
            await ctx.tick()
            tracked.append((ctx.get(dut.minimum), ctx.get(dut.maximum)))
        late = dut.latency - 1
        assert tracked[late:] == expected[:cycles - late]
        assert tracked[:late] == [(fmt.max, fmt.min)] * late

    run(dut, testbench)


@pytest.mark.parametrize("outputs", [1, 4])
def test_beside_a_stream_with_stalls(outputs, rng):
    fmt = parse("s8")
    dut = RangeTracker(results=fmt, outputs=outputs)
    top = Beside(dut)
    codes = rng.integers(-100, 101, (200, outputs))
    keep = np.ones_like(codes, dtype=bool)

    async def source(ctx):
        await put_all(ctx, top.i, [payload(*each) for each in zip(codes, keep, strict=True)],
                      stall=lambda: rng.integers(3) == 0)

    async def sink(ctx):
        for block in range(0, len(codes), 20):
            await get_all(ctx, top.o, 20, stall=lambda: rng.integers(3) == 0)
            for _ in range(dut.latency):
                await ctx.tick()
            part = slice(block, block + 20)
            assert (ctx.get(dut.minimum), ctx.get(dut.maximum)) == ends(
                fmt, codes[part], keep[part])
            ctx.set(dut.clear, 1)
            await ctx.tick()
            ctx.set(dut.clear, 0)

    run(top, sink, source)


@pytest.mark.parametrize("outputs, latency", [(1, 1), (2, 2), (3, 3), (4, 3), (5, 4), (16, 5)])
def test_latency(outputs, latency):
    """From a transfer to the first cycle that shows it; a clear takes as long."""
    dut = RangeTracker(results=parse("s8"), outputs=outputs)
    assert dut.latency == latency

    async def testbench(ctx):
        for step, want in (("transfer", (5, 5)), ("clear", (127, -128))):
            ctx.set(dut.i.valid, step == "transfer")
            ctx.set(dut.i.payload, {"codes": [5] * outputs, "keep": (1 << outputs) - 1})
            ctx.set(dut.clear, step == "clear")
            cycles, before = 0, (ctx.get(dut.minimum), ctx.get(dut.maximum))
            while (ctx.get(dut.minimum), ctx.get(dut.maximum)) == before:
                await ctx.tick()
                ctx.set(dut.i.valid, 0)
                ctx.set(Value.cast(dut.i.payload), 0)
                ctx.set(dut.clear, 0)
                cycles += 1
            assert cycles == latency
            assert (ctx.get(dut.minimum), ctx.get(dut.maximum)) == want

    run(dut, testbench, max_cycles=50)


def test_shapes():
    dut = RangeTracker(results=parse("u5"), outputs=3)
    assert dut.minimum.shape() == dut.maximum.shape() == shape_of(parse("u5"))


@pytest.mark.parametrize("changed, error, message", [
    ({"results": 8}, TypeError, r"^Results must be a Format, not 8$"),
    ({"results": parse("odd4")}, ValueError,
     r"^Results must be of an integer format, not odd4$"),
    ({"outputs": 0}, ValueError, r"^Outputs must be a positive integer, not 0$"),
])
def test_messages(changed, error, message):
    with pytest.raises(error, match=message):
        RangeTracker(**{"results": parse("s8"), "outputs": 1} | changed)
