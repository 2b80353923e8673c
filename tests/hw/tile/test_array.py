# amaranth: UnusedElaboratable=no

import numpy as np
import pytest
from amaranth.hdl import Module, ResetInserter, Signal, Value, signed

from golden.contracts import parse as contract
from golden.formats import IntFormat, parse
from hw import emit
from hw.blocks.interface import Cell
from hw.tile.array import MacArray, Part
from hw.tile.config import TileConfig
from sim.streams import hold_monitor, run

S12 = IntFormat(12)


class Plus(Cell):
    """A number of the row and one of the column, added; a register."""

    latency = 1

    def __init__(self):
        super().__init__(
            edges={"activations": signed(6), "weights": signed(6)}, sum_shape=signed(7))

    def body(self, platform):
        m = Module()
        m.d.sync += self.o.eq(self.i.activations + self.i.weights)
        return m


def beats_of(rng, rows, cols, count):
    return rng.integers(-32, 32, (count, rows)), rng.integers(-32, 32, (count, cols))


@pytest.mark.parametrize("rows, cols, outputs", [
    (1, 1, 1), (4, 4, 1), (4, 4, 4), (5, 6, 2), (3, 17, 1), (17, 3, 3), (1, 40, 8), (9, 12, 4),
    (2, 32, 32), (6, 20, 5)])
def test_totals_leave_row_by_row(rng, rows, cols, outputs):
    """Of parts that are leaves, and of even and uneven halves of halves."""
    part = Part(cell=Plus(), total=S12, rows=rows, cols=cols, outputs=outputs)
    top = Module()
    top.submodules.part = part
    top.d.comb += [part.follow[row].eq(part.totals[row + 1]) for row in range(rows - 1)]
    steps = rows * cols // outputs

    async def testbench(ctx):
        for _ in range(4):
            a, w = beats_of(rng, rows, cols, int(rng.integers(1, 6)))
            for beat, (x, y) in enumerate(zip(a.tolist(), w.tolist(), strict=True)):
                ctx.set(part.i, {"activations": x, "weights": y})
                ctx.set(part.valid, 1)
                ctx.set(part.last, beat == len(a) - 1)
                await ctx.tick()
            # Idle beats, with what they carry, change nothing while totals leave.
            ctx.set(part.valid, 0)
            got, taken = [], False
            while len(got) < steps * outputs:
                follows, taken = taken, rng.random() < 0.7
                ctx.set(part.step, taken and len(got) + follows * outputs < steps * outputs)
                _, _, totals = await ctx.tick().sample(part.totals[0])
                got += [totals[k] for k in range(outputs)] if follows else []
            np.testing.assert_array_equal(
                np.reshape(got, (rows, cols)), (a[:, :, None] + w[:, None]).sum(axis=0))

    run(top, testbench)


def array(**changed):
    return MacArray(TileConfig(**dict(
        weights=parse("s4"), activations=parse("u3"), output=None, contract=contract("none"),
        rows=3, cols=4, lanes=2, depth=16, channels=4, outputs=2) | changed))


class Driver:
    """Sends jobs as the tile would: a last beat only where the second bank will be free by then.

    It is as early as it may be, so that its sums arrive with the totals of the emptying step.
    """

    def __init__(self, dut, jobs, *, ready=lambda: True):
        self.dut, self.ready = dut, ready
        self.beats = [(x.tolist(), y.tolist(), k == len(a) - 1)
                      for a, w in jobs for k, (x, y) in enumerate(zip(a, w, strict=True))]
        c = dut.config
        self.steps = c.rows * c.cols // c.outputs
        self.outputs = len(jobs) * self.steps
        self.received, self.last, self.columns, self.cycles = [], [], [], 0

    async def __call__(self, ctx, *, until=None):
        i, o = self.dut.i, self.dut.o
        position, promised, follows = 0, 0, False
        while len(self.received) < self.dut.config.outputs * self.outputs and self.cycles != until:
            ready = self.ready()
            ctx.set(o.ready, ready)
            offered = position < len(self.beats) and not (self.beats[position][2] and promised)
            ctx.set(i.valid, int(offered))
            if offered:
                x, y, last = self.beats[position]
                ctx.set(i.payload, {"activations": x, "weights": y, "last": int(last)})
                promised += last * self.steps
                position += 1
            else:
                ctx.set(Value.cast(i.payload), -1)
            _, _, valid, payload, totals = await ctx.tick().sample(
                o.valid, o.payload, self.dut.totals)
            self.cycles += 1
            if follows:
                self.received += [totals.totals[k] for k in range(self.dut.config.outputs)]
            follows = valid and ready
            if follows:
                promised -= 1
                self.last.append(payload.last)
                self.columns.append(payload.column)
        ctx.set(i.valid, 0)


def jobs_of(rng, dut, lengths):
    c = dut.config
    return [(rng.integers(0, 8, (beats, c.rows, c.lanes)),
             rng.integers(-8, 8, (beats, c.cols, c.lanes))) for beats in lengths]


def check(driver, jobs):
    c = driver.dut.config
    np.testing.assert_array_equal(
        np.reshape(driver.received, (-1, c.rows, c.cols)),
        [np.einsum("brl,bcl->rc", a, w) for a, w in jobs])
    assert driver.last == ([0] * (driver.steps - 1) + [1]) * len(jobs)
    assert driver.columns == [*range(c.cols // c.outputs)] * (c.rows * len(jobs))


@pytest.mark.parametrize("stall", [0, 0.4])
@pytest.mark.parametrize("shape", [{}, dict(rows=1, cols=1, outputs=1, channels=1),
                                   dict(rows=5, cols=6, outputs=3, channels=6, lanes=5)])
def test_totals_of_jobs_of_any_length(rng, shape, stall):
    dut = array(**shape)
    jobs = jobs_of(rng, dut, rng.integers(1, 4, 12))
    driver = Driver(dut, jobs, ready=lambda: rng.random() >= stall)
    run(dut, driver, monitors=[hold_monitor(dut.o)])
    check(driver, jobs)


@pytest.mark.parametrize("lanes, latency", [(1, 1), (2, 2), (5, 3)])
def test_latency(rng, lanes, latency):
    dut = array(lanes=lanes)
    driver = Driver(dut, jobs_of(rng, dut, [1]))
    run(dut, driver)
    assert driver.cycles == dut.latency + driver.steps + 1 == latency + driver.steps + 1


@pytest.mark.parametrize("ready", [False, True])
@pytest.mark.parametrize("cycle", range(1, 12))
def test_a_reset_at_any_cycle_leaves_nothing(rng, cycle, ready):
    dut, reset = array(rows=2, cols=2, outputs=1), Signal()
    jobs = jobs_of(rng, dut, (3, 1, 2))
    driver = Driver(dut, jobs)

    async def testbench(ctx):
        await Driver(dut, jobs_of(rng, dut, [2] * 3), ready=lambda: ready)(ctx, until=cycle)
        ctx.set(reset, 1)
        ctx.set(dut.o.ready, 0)
        await ctx.tick()
        ctx.set(reset, 0)
        assert not ctx.get(dut.o.valid)
        await driver(ctx)

    run(ResetInserter(reset)(dut), testbench)
    check(driver, jobs)


def test_halves_are_made_once():
    """An array four times as large has one size of part more for each time it is halved."""
    small, large = (emit.modules(array(rows=size, cols=size, channels=size, outputs=1), "a")
                    for size in (8, 16))
    parts = [text.count("\nmodule a_part") for text in (small, large)]
    assert parts == [3, 5]
    assert len(large) < 3 * len(small)
