"""What is among the phases that a tile is verified with."""

import numpy as np
import pytest

from golden.contracts import parse as contract
from golden.formats import parse
from hw.drive import streams
from hw.tile.config import TileConfig
from sim.jobs import expected
from sim.vectors import malformed, verification_phases


def tile(name="half_up", fmt="s4"):
    return TileConfig(weights=parse(fmt), activations=parse(fmt), output=parse(fmt),
                      contract=contract(name), rows=2, cols=2, lanes=2, depth=64, channels=6)


def records(phases):
    return np.unique(np.concatenate([
        np.array([values.astype(object) for values in phase.parameters.values()]).T
        for phase in phases]).astype(str), axis=0)


def test_sets_and_jobs_come_in_every_order():
    config = tile()
    phases, _ = verification_phases(config)
    assert len(records(phases)) > 300
    # Sets of no job, sets that are shorter or longer than the store, and two alike in a row.
    assert any(len(phase.beats) == 0 for phase in phases)
    sizes = {len(phase.parameters["bias"]) for phase in phases}
    assert {2, 6} <= sizes and max(phase.surplus for phase in phases) > config.words
    beats = streams(config, phases)
    job, words = beats["s_axis_job"], beats["s_axis_parameters"]
    waits = job.after["s_axis_parameters"]
    closes = np.flatnonzero(words.last) + 1
    assert (waits[:len(phases[0].beats)] == 0).all()
    assert np.isin(waits[waits > 0], closes).all()
    # No set closes before the jobs of another one that came before it have been accepted.
    jobs = np.cumsum([len(phase.beats) for phase in phases])
    accepted = words.after["s_axis_job"]
    alike = [index for index in range(1, len(phases))
             if accepted[closes[index] - 1] != jobs[index - 1]]
    assert alike == [3] and phases[3].parameters is phases[2].parameters
    assert not accepted[~words.last].any()


def test_multipliers_of_few_bits_and_results_at_both_ends():
    config = tile(fmt="s8")
    phases, _ = verification_phases(config)
    multipliers = np.concatenate([phase.parameters["multiplier"] for phase in phases])
    bits = np.array([int(each).bit_length() for each in multipliers])
    assert set(range(1, 32)) <= set(bits.tolist())
    powers = multipliers & multipliers - 1 == 0
    assert powers.sum() > 60
    want = np.asarray(expected(config, phases))
    levels, counts = np.unique(want, return_counts=True)
    assert len(levels) > 200 and counts.max() < 0.3 * want.size


def test_thresholds_are_large_of_either_sign_and_beside_totals():
    config = tile("thresholds", fmt="s3")
    phases, _ = verification_phases(config)
    found = np.concatenate([phase.parameters["threshold_4"] for phase in phases])
    limit = config.sum_format.max // 4
    assert (found > limit).sum() > 10 and (found < -limit).sum() > 10
    assert len(np.unique(expected(config, phases))) == 8


@pytest.mark.parametrize("name", ["tflite", "onnx", "pulp", "stochastic", "nvdla"])
def test_every_contract_takes_what_is_aimed(name):
    config = tile(name, fmt="s8")
    phases, _ = verification_phases(config)
    want = expected(config, phases)  # which refuses what the contract does not take
    assert len(np.unique(want)) > 150


def test_records_of_sums_beyond_64_bits():
    """Biases of either side of what int64 holds stand beside one another."""
    fmt = parse("mx_e5m2:specials=propagate")
    config = TileConfig(weights=parse("mx_e4m3fn:specials=propagate"), activations=fmt,
                        output=parse("e5m2:specials=propagate"), rows=2, cols=2, lanes=2,
                        depth=256, channels=16, window=24)
    assert config.record["bias"].bits > 64
    for seed in range(4):
        assert all(len(each.outputs.last) for each in malformed(
            config, np.random.default_rng(seed)))
