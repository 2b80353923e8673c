# amaranth: UnusedElaboratable=no
"""A reset of a tile, at any cycle."""

import pytest

from hw import drive
from hw.bus.axi_tile import AxiTile
from sim import jobs
from tests.hw.tiles import SHAPES, Bench, integers, phase_of, tile_config

RESET_SHAPES = {
    "1x1x1": SHAPES["1x1x1"],
    "4x2x2": dict(rows=4, cols=2, lanes=2, depth=4, channels=2),
    "2x2x2": dict(rows=2, cols=2, lanes=2, depth=4, channels=2),
    "1x32x2/8": dict(rows=1, cols=32, lanes=2, depth=4, channels=32, outputs=8),
}


@pytest.mark.parametrize("ready", [False, True])
@pytest.mark.parametrize("shape, name, zero_points, output, every", [
    pytest.param("1x1x1", "half_up", "none", "s8", 1, marks=pytest.mark.slow),
    ("4x2x2", "none", "none", "s8", 1),  # few words, many outputs: it meets the drain's whole count
    ("2x2x2", "tflite", "both", "s8", 1),
    pytest.param("1x32x2/8", "half_up", "none", "mx_e2m1", 5, marks=pytest.mark.slow),
])
@pytest.mark.thinned(2)
def test_reset_at_every_cycle(rng, shape, name, zero_points, output, every, ready):
    config = tile_config(name, zero_points, ("s4n", "u4", output), **RESET_SHAPES[shape])
    broken = drive.streams(config, [phase_of(config, rng, [2, 1, 2])])
    phases = [phase_of(config, rng, [2, 1, 1, 2])]
    whole = drive.streams(config, phases)
    beats = drive.output_beats(config, jobs.expected(config, phases))
    want = integers(beats)
    tile = AxiTile(config)
    bench = Bench(tile)
    # From the first word to well after the last output; of a large tile, a cycle of several.
    cycles = len(broken["s_axis_parameters"].last) + 5 + 3 * config.steps + tile.tile.latency + 6
    tried = range(cycles % every, cycles + 1, every)
    done, times = [], []

    async def testbench(ctx):
        for cycle in tried:
            await bench.reset(ctx)
            got = await bench.feed(ctx, broken, cycles=cycle, ready=lambda cycle: ready)
            await bench.reset(ctx)
            received = await bench.feed(ctx, whole, outputs=len(want))
            assert [(data, last) for _, data, last in received] == want, f"cycle {cycle}"
            # In the same cycles as ever, too.
            times.append([time for time, *_ in received])
            assert times[-1] == times[0], f"cycle {cycle}"
            done.append(len(got))

    bench.run(testbench)
    assert len(done) == len(tried)
    assert done[-1] == (3 * config.steps if ready else 0)
