# amaranth: UnusedElaboratable=no

import numpy as np
import pytest

from golden import ops
from golden.requantize import requantize
from hw import drive
from hw.tile.tile import MacTile
from sim import jobs, streams
from sim.vectors import corner_phase, random_phase
from tests.hw.tiles import (
    CONTRACTS,
    FORMATS,
    SHAPES,
    ZERO_POINTS,
    check,
    phase_of,
    simulation,
    tile_config,
)

# Each contract on each shape, zero points and formats turning beside them; a few are chosen.
EVERY = [(shape, name, ZERO_POINTS[(s + c // 3) % 3])
         for s, shape in enumerate(SHAPES) for c, name in enumerate(CONTRACTS)]
CHOSEN = [case for case in EVERY if case[1] == CONTRACTS[list(SHAPES).index(case[0]) % 8]]


def case_of(shape, name, zero_points):
    formats = FORMATS[(list(SHAPES).index(shape) + CONTRACTS.index(name)) % len(FORMATS)]
    return tile_config(name, zero_points, formats, **SHAPES[shape])


def check_case(rng, config, stalls=(0.0, 0.5)):
    phases = [random_phase(config, rng, jobs=12), corner_phase(config, rng),
              phase_of(config, rng, [1] * 20), random_phase(config, rng, jobs=3)]
    check(config, phases, stalls)


@pytest.mark.parametrize("shape, name, zero_points", CHOSEN)
@pytest.mark.thinned(3)
def test_tile_is_golden(rng, shape, name, zero_points):
    check_case(rng, case_of(shape, name, zero_points))


@pytest.mark.slow
@pytest.mark.parametrize("shape, name, zero_points", [
    case for case in EVERY if case not in CHOSEN])
def test_every_contract_on_every_shape(rng, shape, name, zero_points):
    # Each contract and each shape with stalls and without, by turns.
    turn = list(SHAPES).index(shape) + CONTRACTS.index(name)
    check_case(rng, case_of(shape, name, zero_points), stalls=[(0.0, 0.5)[turn % 2]])


@pytest.mark.parametrize("name, zero_points", [("half_even", "both"), ("tflite", "activations")])
def test_matrices_of_ragged_sizes(rng, name, zero_points):
    config = tile_config(name, zero_points, ("s4", "u4", "s8"), rows=3, cols=4, lanes=5, depth=24,
                         channels=8, outputs=2)
    x, w = rng.integers(16, size=(7, 23)), rng.integers(-8, 8, size=(19, 23))
    zx, zw = 5, rng.integers(-8, 8, size=19) if zero_points == "both" else 0
    multiplier, shift = rng.integers(1 << 30, 1 << 31, 19), 5
    own = {"bias": rng.integers(-500, 500, 19), "multiplier": multiplier,
           "shift": 31 + shift if name == "half_even" else -shift, "zero_point": 3,
           "clamp_min": -100, "clamp_max": 127}
    folded = drive.fold(config, w, own, zero_point=zx, weight_zero_points=zw)
    levels, _ = jobs.matmul(config, simulation(config), x, w, folded, stall=0.2)
    direct = ops.dense(x, w, x_zero_point=zx, w_zero_point=zw)
    np.testing.assert_array_equal(levels, requantize(direct, config.contract, config.output, own))


# Each shape with one of them, which turn.
PATHS = [("half_up", "none"), ("tflite", "both"), ("none", "both"), ("none", "none")]


@pytest.mark.parametrize("shape, name, zero_points", [
    (shape, *PATHS[s % 4]) for s, shape in enumerate(SHAPES)])
def test_latency(rng, shape, name, zero_points):
    config = tile_config(name, zero_points, **SHAPES[shape])
    backend = simulation(config)
    for beats in {1, config.max_beats}:
        phase = phase_of(config, rng, [beats])
        levels, trace = jobs.run(config, backend, [phase])
        np.testing.assert_array_equal(levels, jobs.expected(config, [phase]))
        ends = {trace.final["s_axis_activations"], trace.final["s_axis_weights"]}
        assert ends == {trace.first["m_axis_o"] - backend.component.tile.latency}
        # Once begun, the outputs of a job leave one after another.
        assert trace.final["m_axis_o"] - trace.first["m_axis_o"] == config.steps - 1


LONG_ENOUGH = {
    "1x1x1": dict(rows=1, cols=1, lanes=1, depth=6, channels=3),
    "4x4x2/2": dict(rows=4, cols=4, lanes=2, depth=30, channels=8, outputs=2),
    "3x2x5": dict(rows=3, cols=2, lanes=5, depth=60, channels=6),
    "2x4x1/4": dict(rows=2, cols=4, lanes=1, depth=8, channels=8, outputs=4),
    "1x4x17/4": dict(rows=1, cols=4, lanes=17, depth=100, channels=4, outputs=4),
    "4x4x4": dict(rows=4, cols=4, lanes=4, depth=80, channels=4),
}


@pytest.mark.parametrize("shape, name, zero_points", [
    (shape, *PATHS[s % 4]) for s, shape in enumerate(LONG_ENOUGH)])
def test_utilisation(rng, shape, name, zero_points):
    config = tile_config(name, zero_points, **LONG_ENOUGH[shape])
    backend = simulation(config)
    longer = [config.steps + int(extra) for extra in rng.integers(0, 4, size=20)]
    for beats in ([config.steps] * 20, longer):
        phase = phase_of(config, rng, np.minimum(beats, config.max_beats))
        levels, trace = jobs.run(config, backend, [phase])
        np.testing.assert_array_equal(levels, jobs.expected(config, [phase]))
        busy = trace.final["s_axis_weights"] - trace.first["s_axis_weights"] + 1
        # All of the cycles, and so more than 99 % of them.
        assert busy == phase.beats.sum()


@pytest.mark.parametrize("shape", ["4x4x4", "3x2x5", "2x6x3/2", "1x1x1"])
@pytest.mark.parametrize("name", ["half_up", "tflite"])
def test_an_output_per_cycle_of_short_jobs(rng, shape, name):
    config = tile_config(name, **SHAPES[shape])
    phase = phase_of(config, rng, [1] * 15)
    levels, trace = jobs.run(config, simulation(config), [phase])
    np.testing.assert_array_equal(levels, jobs.expected(config, [phase]))
    busy = trace.final["m_axis_o"] - trace.first["m_axis_o"] + 1
    assert busy == 15 * config.steps


@pytest.mark.parametrize("shape", SHAPES)
def test_attributes(shape):
    config = tile_config("tflite", "both", **SHAPES[shape])
    tile = MacTile(config)
    assert tile.config is config
    assert tile.output_queue == tile.latency
    streams.run(tile, max_cycles=10)
