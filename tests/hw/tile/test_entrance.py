# amaranth: UnusedElaboratable=no
"""What a tile drops, how soon, and when it says so."""

from dataclasses import replace

import numpy as np
import pytest

from hw import drive
from hw.bus.axi_tile import AxiTile
from sim import jobs
from sim.backend import SimulationError
from tests.hw.tiles import Bench, phase_of, simulation, tile_config

# 5 beats at most in 3 bits, 3 groups in 2.
CONFIG = tile_config(rows=2, cols=2, lanes=2, depth=10, channels=6)


@pytest.fixture(scope="module")
def backend():
    return simulation(CONFIG)


def run(backend, phase, good, flips=()):
    """Trace of these jobs, checked: those that are ``good`` give results, and no others."""
    inputs = drive.streams(CONFIG, [phase])
    for name, beat in flips:
        last = inputs[name].last.copy()
        last[beat] ^= True
        inputs[name] = replace(inputs[name], last=last)
    beats = np.repeat(good, phase.beats)
    kept = replace(phase, group=phase.group[good], beats=phase.beats[good],
                   activations=phase.activations[beats], weights=phase.weights[beats])
    want = drive.output_beats(CONFIG, jobs.expected(CONFIG, [kept]))
    trace = backend.run(inputs, len(want.last))
    np.testing.assert_array_equal(trace.data, want.data)
    np.testing.assert_array_equal(trace.last, want.last)
    return trace


@pytest.mark.parametrize("beats, group", [(6, 0), (7, 2), (5, 3), (1, 3), (6, 3)])
def test_a_job_out_of_range_is_dropped_whole(rng, backend, beats, group):
    phase = phase_of(CONFIG, rng, [beats, 3, beats, beats, 2], groups=[group, 1, group, group, 2])
    trace = run(backend, phase, np.array([False, True, False, False, True]))
    assert trace.error == trace.first["s_axis_job"] + 2
    # Its beats are taken one per cycle, and the next job's follow.
    first, final = trace.first["s_axis_weights"], trace.final["s_axis_weights"]
    assert final - first + 1 == phase.beats.sum()
    assert trace.final["m_axis_o"] == final + backend.component.tile.latency + CONFIG.steps - 1


def test_a_job_of_no_beats_takes_none(rng, backend):
    phase = phase_of(CONFIG, rng, [0, 2, 0, 0, 0, 0, 1], groups=[0, 1, 0, 3, 0, 2, 2])
    trace = run(backend, phase, phase.beats > 0)
    assert trace.error == trace.first["s_axis_job"] + 2
    # It takes no place among the jobs that wait.
    assert trace.final["s_axis_job"] - trace.first["s_axis_job"] == len(phase.beats) - 1


@pytest.mark.parametrize("flips", [
    [("s_axis_weights", 0)], [("s_axis_activations", 1)], [("s_axis_weights", 3)],
    [("s_axis_activations", 3), ("s_axis_weights", 3)], [("s_axis_activations", 12)]])
def test_a_wrong_tlast_moves_no_boundary(rng, backend, flips):
    phase = phase_of(CONFIG, rng, [4, 5, 4])  # a beat in every cycle
    trace = run(backend, phase, np.ones(3, bool), flips)
    assert trace.error == trace.first["s_axis_weights"] + flips[0][1] + 2


def test_no_error_in_good_traffic(rng, backend):
    phase = phase_of(CONFIG, rng, [1, 5, 4, 1, 5], groups=[0, 2, 1, 2, 0])
    assert run(backend, phase, np.ones(5, bool)).error is None


def test_an_error_in_good_traffic_is_a_failure(rng, backend):
    phase = phase_of(CONFIG, rng, [6, 1])
    with pytest.raises(SimulationError, match=r"^error is set \(cycle \d+\)$"):
        # The first of the outputs due are all that come: as many as of one job.
        jobs.check_error(backend.run(drive.streams(CONFIG, [phase]), CONFIG.steps))


@pytest.mark.parametrize("records, group, fits", [
    (5, 2, False), (6, 2, True), (2, 1, False), (3, 1, False), (4, 1, True), (1, 0, False),
    (2, 0, True), (9, 2, True), (9, 3, False)])
def test_a_group_is_of_the_records_of_its_set(rng, backend, records, group, fits):
    # A longer set before it does not count, nor the words beyond the store.
    first = phase_of(CONFIG, rng, [1], groups=[2])
    second = phase_of(CONFIG, rng, [2, 1], groups=[group, group])
    given = {name: np.resize(values, records) for name, values in second.parameters.items()}
    second = replace(second, parameters=given)
    phases = [first, second]
    inputs = drive.streams(CONFIG, phases)
    want = drive.output_beats(CONFIG, jobs.expected(CONFIG, phases[:1 + fits]))
    trace = backend.run(inputs, len(want.last))
    np.testing.assert_array_equal(trace.data, want.data)
    assert (trace.error is None) == fits


def test_error_stays_until_a_reset(rng):
    tile = AxiTile(CONFIG)
    bench = Bench(tile)
    broken = drive.streams(CONFIG, [phase_of(CONFIG, rng, [7])])
    whole = drive.streams(CONFIG, [phase_of(CONFIG, rng, [1, 2])])
    seen = []

    async def testbench(ctx):
        await bench.reset(ctx)
        for inputs in (broken, whole, whole):
            await bench.feed(ctx, inputs, cycles=100)
            seen.append(ctx.get(tile.error))
            if len(seen) == 2:
                await bench.reset(ctx)
                seen.append(ctx.get(tile.error))

    bench.run(testbench)
    assert seen == [1, 1, 0, 0]
