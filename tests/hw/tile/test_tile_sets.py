# amaranth: UnusedElaboratable=no
"""Which parameter set the jobs of a tile use."""

from dataclasses import replace

import numpy as np
import pytest

from hw import drive
from hw.bus.axi_tile import AxiTile
from hw.drive import Beats, Phase
from sim import jobs
from tests.hw.tiles import SHAPES, Bench, check, integers, phase_of, simulation, tile_config


@pytest.mark.parametrize("stall", [0.0, 0.3])
@pytest.mark.parametrize("shape, zero_points", [("1x1x1", "none"), ("2x6x3/3", "both")])
def test_jobs_use_the_set_that_was_closed_before_them(rng, shape, zero_points, stall):
    config = tile_config("floor", zero_points, **SHAPES[shape])
    phases = [phase_of(config, rng, rng.integers(1, config.max_beats + 1, size=size))
              for size in (1, 1, 2, 1, 5, 1, 1, 3, 1, 1)]
    check(config, phases, stalls=(stall,))


@pytest.mark.parametrize("early", range(-3, 4))
def test_sets_close_while_jobs_arrive(rng, early):
    # The second job is offered ``early`` cycles before the cycle in which the second set closes.
    config = tile_config("none", **SHAPES["2x6x3"])
    first, second = (phase_of(config, rng, [2], groups=[0]) for _ in range(2))
    inputs = drive.streams(config, [first, second])
    words, job = inputs["s_axis_parameters"], inputs["s_axis_job"]
    each = len(words.last) // 2
    words = Beats(words.data, words.last, {})  # words come one per cycle, from the first
    extra = max(0, -early)
    if extra:
        # Words of a third set, which stays open, to count the cycles after that.
        words = Beats(np.concatenate([words.data, words.data[:extra]]),
                      np.concatenate([words.last, np.zeros(extra, bool)]), {})
    job = Beats(job.data, job.last, {"s_axis_parameters": np.array([each, 2 * each - 1 - early])})
    run = simulation(config).run(
        inputs | {"s_axis_parameters": words, "s_axis_job": job}, 2 * config.steps)
    closed = 2 * each - 1
    assert run.final["s_axis_parameters"] == closed + extra
    assert run.final["s_axis_job"] == closed - early
    used = first if early >= 0 else second
    want = jobs.expected(config, [first, Phase(
        used.formats, used.parameters, second.group, second.beats, second.activations,
        second.weights)])
    np.testing.assert_array_equal(drive.output_levels(config, run.data), want)


def test_the_first_job_waits_for_the_first_set(rng):
    config = tile_config(**SHAPES["3x2x5"])
    phase = phase_of(config, rng, [2, 1])
    inputs = drive.streams(config, [phase])
    job = inputs["s_axis_job"]
    inputs["s_axis_job"] = Beats(job.data, job.last, {})  # offered from the first cycle
    trace = simulation(config).run(inputs, 2 * config.steps)
    assert trace.first["s_axis_job"] == trace.final["s_axis_parameters"] + 1
    np.testing.assert_array_equal(drive.output_levels(config, trace.data),
                                  jobs.expected(config, [phase]))


def test_writing_waits_for_the_jobs_of_the_set_before_last(rng):
    # The third must not spoil the first, which a long job still uses.
    config = tile_config("none", **SHAPES["2x6x3"])
    first, second = phase_of(config, rng, [6], groups=[2]), phase_of(config, rng, [1, 1])
    third = phase_of(config, rng, [1])
    phases = [first, second, third]
    inputs = drive.streams(config, phases)
    each = len(inputs["s_axis_parameters"].last) // 3
    # Operands wait for the second set, behind which the third would follow at once.
    weights = inputs["s_axis_weights"]
    inputs["s_axis_weights"] = Beats(weights.data, weights.last, {
        "s_axis_parameters": np.full(len(weights.last), 2 * each)})
    trace = simulation(config).run(inputs, 4 * config.steps)
    np.testing.assert_array_equal(drive.output_levels(config, trace.data),
                                  jobs.expected(config, phases))
    assert trace.final["s_axis_parameters"] > trace.first["m_axis_o"]


@pytest.mark.parametrize("rows", [1, 4])
def test_writing_waits_for_the_last_read_of_thresholds(rng, rows):
    # Each requantizer reads its memories after the record, the first threshold last. The third
    # set's first threshold arrives in the third cycle after the first set is free.
    config = tile_config("thresholds", formats=("s4n", "u4", "s5"), rows=rows, cols=1, lanes=1,
                         depth=4, channels=1)
    steps = [f"threshold_{k}" for k in range(1, 32)]
    least, most = (np.array([each]) for each in (config.sum_format.min, config.sum_format.max))
    phases = [replace(phase_of(config, rng, [4]), parameters={
        "bias": np.array([0]), **dict.fromkeys(steps, most), "threshold_1": first})
        for first in (least, least, most)]
    inputs = drive.streams(config, phases)
    each = len(inputs["s_axis_parameters"].last) // 3
    weights = inputs["s_axis_weights"]
    inputs["s_axis_weights"] = Beats(weights.data, weights.last, {
        "s_axis_parameters": np.full(len(weights.last), 2 * each)})
    trace = simulation(config).run(inputs, 3 * config.steps)
    levels = drive.output_levels(config, trace.data)
    np.testing.assert_array_equal(levels, jobs.expected(config, phases))
    assert np.unique(levels).tolist() == [-16, -15]


@pytest.mark.parametrize("words", [0.2, 1])
@pytest.mark.parametrize("shape", ["1x1x1", "1x1x17", "2x2x5/2"])
def test_sets_and_jobs_in_any_order(rng, shape, words):
    # Nothing keeps sets and jobs apart: which set a job is to use follows from what came first.
    # Jobs pile up while the operands pause, which is when most are under way at once.
    shapes = {"1x1x1": SHAPES["1x1x1"], "1x1x17": dict(rows=1, cols=1, lanes=17, channels=1),
              "2x2x5/2": dict(rows=2, cols=2, lanes=5, channels=4, outputs=2)}
    config = tile_config("none", **{"depth": 34} | shapes[shape])
    sets = [phase_of(config, rng, rng.integers(1, 3, size=1)) for _ in range(150)]
    inputs = drive.streams(config, sets)
    bench = Bench(AxiTile(config))
    received = []

    def offer(name, cycle):
        pause = name == "s_axis_weights" and cycle % 40 < 20
        return not pause and (name != "s_axis_parameters" or bool(rng.random() < words))

    async def testbench(ctx):
        await bench.reset(ctx)
        received.extend(await bench.feed(
            ctx, inputs, cycles=3000, outputs=150 * config.steps, offer=offer,
            ready=lambda cycle: cycle % 100 < 80))

    bench.run(testbench)
    closed = [cycle for cycle, name, last in bench.log if name == "s_axis_parameters" and last]
    accepted = [cycle for cycle, name, _ in bench.log if name == "s_axis_job"]
    used = np.searchsorted(closed, accepted) - 1
    assert len(set(used.tolist())) > 10
    want = jobs.expected(config, [
        replace(job, parameters=sets[index].parameters)
        for index, job in zip(used, sets, strict=True)])
    assert [(data, last) for _, data, last in received] == integers(
        drive.output_beats(config, want))
