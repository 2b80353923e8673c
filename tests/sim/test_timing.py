# amaranth: UnusedElaboratable=no
"""The cycles of a run, in a simulation of the design and from its figures."""

import numpy as np
import pytest

from golden.formats import parse
from hw import drive
from hw.bus.axi_tile import AxiTile
from hw.tile.config import TileConfig
from hw.tile.ports import ports
from sim.backend import Plan
from sim.timing import Timing
from tests.hw.tiles import phase_of, simulation, tile_config


@pytest.mark.parametrize("shape", [
    dict(rows=2, cols=6, lanes=3, depth=17, channels=14, outputs=3),
    dict(rows=1, cols=1, lanes=1, depth=6, channels=3)])
@pytest.mark.parametrize("stall", [0, 0.5])
def test_every_transfer_is_in_its_cycle(rng, shape, stall):
    config = tile_config(zero_points="both", **shape)
    phases = [phase_of(config, rng, rng.integers(1, config.max_beats + 1, size=size))
              for size in (9, 1, 20)]
    inputs, outputs = drive.streams(config, phases), 30 * config.steps
    trace = simulation(config).run(inputs, outputs, stall=stall, seed=3)
    timing, plan = Timing(config), Plan(ports(config), inputs, outputs, stall, 3)
    assert timing.transfers(plan) == {
        "first": trace.first, "final": trace.final, "total": trace.total}
    assert timing.cycles(plan) == trace.cycles


def test_jobs_that_keep_the_block_busy_take_a_cycle_a_beat():
    config = TileConfig(weights=parse("s4"), activations=parse("s4"), output=parse("s4"), rows=2,
                        cols=2, lanes=2, depth=64, channels=4)
    rng, count, beats = np.random.default_rng(0), 7, 9
    phase = phase_of(config, rng, [beats] * count)
    assert beats >= config.steps
    inputs, outputs = drive.streams(config, [phase]), count * config.steps
    first, final, _ = Timing(config).transfers(
        Plan(ports(config), inputs, outputs, 0, 0)).values()
    words = 4 * config.words
    assert final["s_axis_parameters"] == words - 1
    assert first["s_axis_job"] == words and first["s_axis_weights"] == words + 2
    assert final["s_axis_weights"] == words + 2 + count * beats - 1
    assert final["m_axis_o"] == (
        final["s_axis_weights"] + AxiTile(config).tile.latency + config.steps - 1)
