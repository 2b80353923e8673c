# amaranth: UnusedElaboratable=no

import re

import numpy as np
import pytest
from amaranth.hdl import ResetInserter, Signal, Value

from golden.formats import IntFormat, parse
from hw.accumulate import Accumulator
from sim.streams import hold_monitor, measure_latency, run

S9 = IntFormat(9)


def accumulator(count=4, outputs=1, sums="s5", total=S9):
    return Accumulator(sums=parse(sums), total=total, count=count, outputs=outputs)


def job(rng, dut, beats):
    return rng.integers(dut.sums.min, dut.sums.max + 1, size=(beats, dut.count))


class Driver:
    """Sends jobs as the tile would: a last beat only where the second bank is free by then.

    It is as early as it may be, in the cycle of the emptying transfer, which is counted.
    """

    def __init__(self, dut, jobs, *, ready=lambda: True, offer=lambda: True):
        self.dut, self.ready, self.offer = dut, ready, offer
        self.beats = [(sums.tolist(), k == len(beats) - 1)
                      for beats in jobs for k, sums in enumerate(beats)]
        self.outputs = len(jobs) * dut.count // dut.outputs
        self.received, self.last, self.tight, self.cycles = [], [], 0, 0

    async def __call__(self, ctx, *, until=None):
        i, o = self.dut.i, self.dut.o
        position = 0
        while len(self.last) < self.outputs and self.cycles != until:
            ready = self.ready()
            ctx.set(o.ready, ready)
            pending, last = ctx.get(o.valid), ctx.get(o.p.last)
            offered = position < len(self.beats) and self.offer()
            if offered and self.beats[position][1]:
                offered = not pending or (last and ready)
                self.tight += bool(offered and pending)
            ctx.set(i.valid, bool(offered))
            if offered:
                sums, is_last = self.beats[position]
                ctx.set(i.payload, {"sums": sums, "last": is_last})
                position += 1
            else:
                ctx.set(Value.cast(i.payload), -1)
            _, _, valid, totals, last = await ctx.tick().sample(o.valid, o.p.totals, o.p.last)
            self.cycles += 1
            if valid and ready:
                self.received += [totals[k] for k in range(self.dut.outputs)]
                self.last.append(last)
        ctx.set(i.valid, 0)


def check(driver, jobs):
    np.testing.assert_array_equal(
        np.reshape(driver.received, (-1, driver.dut.count)), [beats.sum(axis=0) for beats in jobs])
    steps = driver.dut.count // driver.dut.outputs
    assert driver.last == ([0] * (steps - 1) + [1]) * len(jobs)


SHAPES = [(1, 1), (2, 2), (4, 1), (4, 2), (4, 4), (6, 3)]


@pytest.mark.parametrize("stall_i", [0, 0.3])
@pytest.mark.parametrize("stall_o", [0, 0.4])
@pytest.mark.parametrize("count, outputs", SHAPES)
def test_totals_of_jobs_of_any_length(rng, count, outputs, stall_o, stall_i):
    dut = accumulator(count, outputs)
    steps = count // outputs
    jobs = [job(rng, dut, beats) for beats in rng.integers(1, 9, size=30)]
    driver = Driver(dut, jobs, ready=lambda: rng.random() >= stall_o,
                    offer=lambda: rng.random() >= stall_i)
    run(dut, driver, monitors=[hold_monitor(dut.o)])
    check(driver, jobs)
    if not stall_i and steps > 1:
        assert driver.tight


@pytest.mark.parametrize("count, outputs", SHAPES)
@pytest.mark.parametrize("extra", [0, 2, -2])
def test_throughput(rng, count, outputs, extra):
    dut = accumulator(count, outputs)
    steps = count // outputs
    beats = max(1, steps + extra)
    jobs = [job(rng, dut, beats) for _ in range(12)]
    driver = Driver(dut, jobs)
    run(dut, driver)
    check(driver, jobs)
    # The longer of the two, the beats or the transfers, sets the pace; nothing is lost between.
    assert driver.cycles == beats + 11 * max(beats, steps) + steps
    if beats <= steps:
        assert driver.tight == 11


@pytest.mark.parametrize("sums, total", [("s5", IntFormat(8)), ("u4", IntFormat(7, signed=False)),
                                         ("s5n", IntFormat(8)), ("s1", IntFormat(4))])
def test_ends_of_the_ranges(sums, total):
    dut = accumulator(3, 1, sums, total)
    beats = 8
    jobs = [np.full((beats, 3), level) for level in (dut.sums.min, dut.sums.max, dut.sums.min)]
    driver = Driver(dut, jobs)
    run(dut, driver)
    check(driver, jobs)


@pytest.mark.parametrize("count, outputs", SHAPES)
def test_latency(rng, count, outputs):
    dut = accumulator(count, outputs)
    assert measure_latency(dut, {"sums": [1] * count, "last": 1}) == dut.latency == 1


@pytest.mark.parametrize("ready", [False, True])
@pytest.mark.parametrize("cycle", range(1, 11))
def test_a_reset_at_any_cycle_leaves_nothing(rng, cycle, ready):
    dut = accumulator(4, 1)
    reset = Signal()
    jobs = [job(rng, dut, beats) for beats in (3, 1, 2)]
    driver = Driver(dut, jobs)

    async def testbench(ctx):
        await Driver(dut, [job(rng, dut, 2) for _ in range(3)], ready=lambda: ready)(
            ctx, until=cycle)
        ctx.set(reset, 1)
        ctx.set(dut.o.ready, 0)
        await ctx.tick()
        ctx.set(reset, 0)
        assert not ctx.get(dut.o.valid)
        await driver(ctx)

    run(ResetInserter(reset)(dut), testbench)
    check(driver, jobs)


@pytest.mark.parametrize("changed, message", [
    (dict(count=0), "Count must be a positive integer, not 0"),
    (dict(count=-2), "Count must be a positive integer, not -2"),
    (dict(outputs=0), "Outputs must be a divisor of the 4 sums, not 0"),
    (dict(outputs=3), "Outputs must be a divisor of the 4 sums, not 3"),
    (dict(outputs=8), "Outputs must be a divisor of the 4 sums, not 8"),
    (dict(total=IntFormat(4)), "Total must be a format that holds the sums of s5, not s4"),
    (dict(sums="u5", total=IntFormat(5)),
     "Total must be a format that holds the sums of u5, not s5"),
    (dict(total=IntFormat(8, signed=False)),
     "Total must be a format that holds the sums of s5, not u8"),
])
def test_bad_parameters(changed, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        accumulator(**changed)
