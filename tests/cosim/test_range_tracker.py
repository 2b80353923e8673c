"""A range tracker in emitted Verilog, compiled, against golden."""

import numpy as np
import pytest
from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out

from golden.formats import parse
from hw.delay import delay
from hw.drive import Beats
from hw.formats import shape_of
from hw.packing import pack_fields, unpack
from hw.units.range_tracker import RangeTracker
from sim.components import component_simulation
from sim.verilator import available

pytestmark = pytest.mark.skipif(available() is not None, reason=str(available()))

QUEUE = 32


class Tracked(wiring.Component):
    """What is tracked after each transfer, in order; a transfer brings the clear of its cycle."""

    i: stream.Interface
    o: stream.Interface

    def __init__(self, *, results, outputs):
        self.results = results
        self.outputs = outputs
        codes = data.ArrayLayout(shape_of(results), outputs)
        super().__init__({
            "i": In(stream.Signature(data.StructLayout(
                {"codes": codes, "keep": outputs, "clear": 1}))),
            "o": Out(stream.Signature(data.ArrayLayout(shape_of(results), 2))),
        })

    def elaborate(self, platform):
        m = Module()
        dut = m.submodules.dut = RangeTracker(results=self.results, outputs=self.outputs)
        queue = m.submodules.queue = SyncFIFOBuffered(width=self.o.payload.shape().size,
                                                      depth=QUEUE)
        enter = Signal()
        m.d.comb += [
            # What is under way fits the other half of the queue.
            self.i.ready.eq(queue.level < QUEUE // 2),
            enter.eq(self.i.valid & self.i.ready),
            dut.i.valid.eq(enter),
            dut.i.p.codes.eq(self.i.p.codes),
            dut.i.p.keep.eq(self.i.p.keep),
            dut.clear.eq(enter & self.i.p.clear),
            queue.w_en.eq(delay(m, enter, dut.latency, "enter", reset_less=False)),
            queue.w_data.eq(Cat(dut.minimum, dut.maximum)),
            self.o.payload.eq(queue.r_data),
            self.o.valid.eq(queue.r_rdy),
            queue.r_en.eq(self.o.ready),
        ]
        return m


@pytest.mark.parametrize("name, outputs", [
    ("s8", 3), pytest.param("u8", 1, marks=pytest.mark.slow),
    pytest.param("s8", 8, marks=pytest.mark.slow), pytest.param("s5n", 4, marks=pytest.mark.slow)])
def test_every_transfer(name, outputs, rng):
    fmt, count = parse(name), 20_000
    # The ends of the format are rare enough that others are found, too.
    codes = np.clip(rng.integers(fmt.min, fmt.max, (count, outputs), endpoint=True)
                    // 2 ** rng.integers(0, fmt.bits, (count, 1)), fmt.min, fmt.max)
    keep = rng.integers(0, 3, codes.shape) > 0
    clear = rng.integers(0, 6, count) == 0
    low = np.where(keep, codes, fmt.max).min(axis=1)
    high = np.where(keep, codes, fmt.min).max(axis=1)
    want = np.concatenate([
        np.stack([np.minimum.accumulate(low[span]), np.maximum.accumulate(high[span])], axis=1)
        for span in np.split(np.arange(count), np.flatnonzero(clear)) if span.size])
    assert {fmt.min, fmt.max} < set(want.ravel().tolist())
    assert len(np.unique(want)) > (fmt.max - fmt.min) // 2

    data = pack_fields([(fmt.encode(codes), fmt.bits), (keep, 1), (clear[:, None], 1)])
    beats = Beats(data, np.zeros(count, dtype=bool), {})
    backend = component_simulation(Tracked(results=fmt, outputs=outputs), "tracked",
                                   fast=False)
    for stall in (0.0, 0.3):
        trace = backend.run({"s_axis_i": beats}, count, stall=stall, seed=1)
        found = fmt.decode(unpack(trace.data, fmt.bits, 2))
        np.testing.assert_array_equal(found, want)
        assert stall or trace.cycles < count + 20  # a transfer per cycle
