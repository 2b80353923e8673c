# amaranth: UnusedElaboratable=no
"""The queue of jobs: what is out of range, in which order and how soon jobs come."""

import pytest

from hw.tile.jobs import DROPPING, JobQueue
from sim.streams import hold_monitor, run
from tests.hw.tiles import tile_config

# 5 beats at most in 3 bits, 3 groups in 2; reads of a group that are a power of two, and three.
CONFIGS = [tile_config(rows=2, cols=cols, lanes=2, depth=10, channels=3 * cols) for cols in (2, 3)]


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("offers, takes", [(1, 1), (0.6, 0.6), (1, 0.3), (0.3, 1)])
def test_jobs_in_order_each_with_its_set(rng, config, offers, takes):
    """The set, of any number of records, changes in any cycle; each job is checked with its own."""
    dut = JobQueue(config=config)
    queued, dropped, seen, drops = [], [], [], []
    reads = config.cols // config.outputs

    async def testbench(ctx):
        offered = False
        for cycle in range(2000):
            if not offered:
                beats, group = int(rng.integers(8)), int(rng.integers(4))
                ctx.set(dut.i.payload, {"beats": beats, "group": group})
                offered = rng.random() < offers
                ctx.set(dut.i.valid, offered)
            set_ = {"ready": int(rng.random() < 0.9), "bank": int(rng.integers(2)),
                    "whole": int(rng.integers(3 * reads + 1))}
            ctx.set(dut.current, set_)
            ctx.set(dut.o.ready, rng.random() < takes)
            # The oldest job is offered from the cycle after its own on.
            assert ctx.get(dut.o.valid) == bool(queued)
            accepts = offered and ctx.get(dut.i.ready)
            assert ctx.get(dut.i.ready) == (len(queued) < 2 and set_["ready"])
            assert ctx.get(dut.accept) == accepts
            if ctx.get(dut.drop.valid):
                drops.append((cycle, ctx.get(dut.drop.bank)))
            if queued and ctx.get(dut.o.ready):
                job = ctx.get(dut.o.payload)
                assert queued.pop(0) == (job.group, job.beats, job.bank, job.dropped)
                seen.append(job.dropped)
            if accepts:
                offered = False
                drop = not 1 <= beats <= config.max_beats or (group + 1) * reads > set_["whole"]
                if drop:
                    dropped.append((cycle + DROPPING, set_["bank"]))
                if beats:
                    queued.append((group, beats, set_["bank"], drop))
            await ctx.tick()

    run(dut, testbench, monitors=[hold_monitor(dut.o)], max_cycles=3000)
    assert drops == [each for each in dropped if each[0] < 2000]
    assert 0 < sum(seen) < len(seen)


def test_a_job_per_cycle():
    dut, taken = JobQueue(config=CONFIGS[0]), []

    async def testbench(ctx):
        ctx.set(dut.current, {"ready": 1, "bank": 0, "whole": 6})
        ctx.set(dut.i.payload, {"beats": 1, "group": 0})
        ctx.set(dut.i.valid, 1)
        ctx.set(dut.o.ready, 1)
        for _ in range(20):
            taken.append((ctx.get(dut.i.ready), ctx.get(dut.o.valid)))
            await ctx.tick()

    run(dut, testbench)
    assert taken == [(1, 0)] + [(1, 1)] * 19
