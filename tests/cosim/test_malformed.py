# amaranth: UnusedElaboratable=no
"""An adversary: jobs out of range and wrong ``tlast`` among good traffic, stalls, and resets in it.

What should come of them is found here without the tile: a job is dropped by what the sender knows
of it, and of the others golden has the results.
"""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from golden.formats import EXPONENT, LoadedCodebook
from hw.drive import Beats, Phase, output_beats, resolved, streams
from sim.backend import Cut
from sim.jobs import expected
from sim.simulation import simulation
from sim.vectors import (
    among,
    random_codebooks,
    random_parameters,
    random_states,
    random_table,
)
from sim.vectors.random import random_exponents
from sim.verilator import available
from tests.gallery import SMALL

pytestmark = pytest.mark.skipif(available() is not None, reason=str(available()))


DEFAULT = ("1x1x1", "fixed")


@dataclass
class Attack:
    """Traffic, the jobs of it that are in range, and whether something in it was wrong."""

    inputs: dict[str, Beats]
    good: list[Phase]
    wrong: bool


def fields(rng, bits, most, jobs):
    """Values of a field, mostly up to ``most``, else any that its bits can have, its ends often."""
    anything = rng.choice([0, most, min(most + 1, (1 << bits) - 1), (1 << bits) - 1,
                           int(rng.integers(1 << bits))], size=jobs)
    return np.where(rng.random(jobs) < 0.3, anything, rng.integers(0, most + 1, size=jobs))


def attack(config, rng, *, clean=False):
    c = config
    phases, kept, dropped = [], [], []
    # More sets than banks, so that one that stays in use would be missed.
    for final in [False] * int(rng.integers(3, 7)) + [True]:
        jobs = int(rng.integers(1, 7))
        beats = fields(rng, c.max_beats.bit_length(), c.max_beats, jobs)
        group = fields(rng, (c.groups - 1).bit_length(), c.groups - 1, jobs)
        head = sum(c.head.values())
        words = head + c.words * c.groups * c.cols
        if clean:
            beats = beats.clip(1, c.max_beats)
            group = group.clip(0, c.groups - 1)
        elif not final:
            words = int(rng.integers(1, 2 * words) if rng.random() < 0.5 else
                        head + c.words * c.cols * rng.integers(1, c.groups + 1)
                        + rng.integers(-1, 2))
        if final:
            # The last output is of the very last job: what is wrong comes before it.
            beats[-1], group[-1] = c.max_beats, c.groups - 1
        if c.parameters is not None:
            records = c.groups * c.cols
        else:
            records = min(max(0, words - head) // c.words, c.groups * c.cols)
        out = (beats < 1) | (beats > c.max_beats) | (group * c.cols + c.cols > records)
        phases.append(phase_of(c, rng, beats, group, out, -(-max(1, words - head) // c.words)))
        kept.append(words)
        dropped.append(out)

    inputs = streams(c, phases)
    if c.parameters is None:
        shorten(c, inputs, phases, kept)
    flips = False
    for name in ("s_axis_activations", "s_axis_weights"):
        flip = rng.random(len(inputs[name].last)) < (0 if clean or rng.random() < 0.5 else 0.1)
        flips |= flip.any()
        inputs[name] = replace(inputs[name], last=inputs[name].last ^ flip)
    good = [among(phase, ~out) for phase, out in zip(phases, dropped, strict=True) if not out.all()]
    return Attack(inputs, good, bool(flips) or any(out.any() for out in dropped))


def phase_of(config, rng, beats, group, out, records):
    c = config
    total = int(beats.sum())
    formats = resolved(c, random_codebooks(c, rng))
    exponents, base = random_exponents(c, rng, beats)
    for name, each in exponents.items():  # what is dropped may be far outside of the window
        anything = rng.integers(EXPONENT.max + 1, size=each.shape)
        exponents[name] = np.where(np.repeat(out, beats)[:, None], anything, each)
    parameters = random_parameters(c, rng, records if c.parameters is None else c.channels, formats)
    return Phase(
        formats, parameters, group, beats,
        rng.choice(formats["activations"].levels(), size=(total, c.rows, c.lanes)),
        rng.choice(formats["weights"].levels(), size=(total, c.cols, c.lanes)),
        random_states(c, rng, len(beats)), random_table(c, rng), exponents, base)


def shorten(config, inputs, phases, kept):
    """Close each set after so many words, wherever that is."""
    c, name = config, "s_axis_parameters"
    each = [sum(c.head.values()) + c.words * len(phase.parameters["bias"]) for phase in phases]
    starts = np.cumsum(each) - each
    chosen = np.concatenate([start + np.arange(count)
                             for start, count in zip(starts, kept, strict=True)])
    last, after = np.zeros(len(chosen), bool), np.zeros(len(chosen), np.int64)
    ends = np.cumsum(kept)
    last[ends - 1] = True
    jobs = np.array([len(phase.beats) for phase in phases])
    after[ends[1:] - 1] = np.cumsum(jobs)[:-1]
    inputs[name] = Beats(inputs[name].data[chosen], last, {"s_axis_job": after})
    inputs["s_axis_job"] = replace(inputs["s_axis_job"], after={name: np.repeat(ends, jobs)})


def want_of(config, given):
    return output_beats(config, expected(config, given.good), given.good)


@pytest.mark.parametrize("name", [
    name if name in DEFAULT else pytest.param(name, marks=pytest.mark.slow) for name in SMALL])
@pytest.mark.thinned(2)
def test_malformed_jobs(rng, name):
    config = SMALL[name]
    backend = simulation(config)
    seen = set()
    for seed in range(24):
        clean = seed % 4 == 3
        given = attack(config, rng, clean=clean)
        want = want_of(config, given)
        broken = [attack(config, rng) for _ in range(int(rng.integers(4)))]
        # Anywhere, or soon.
        cycles = [int(rng.integers(rng.choice([20, 2 * sum(
            len(each.last) for each in cut.inputs.values())]))) for cut in broken]
        trace = backend.run(given.inputs, len(want.last), stall=(0.0, 0.3, 0.6)[seed % 3],
                            seed=seed, before=[Cut(cut.inputs, count) for cut, count in zip(
                                broken, cycles, strict=True)])
        np.testing.assert_array_equal(trace.data, want.data)
        np.testing.assert_array_equal(trace.last, want.last)
        assert (trace.error is not None) == given.wrong
        assert not (clean and given.wrong)
        for cut, found in zip(broken, trace.before, strict=True):
            beats = want_of(config, cut)
            count = len(found.last)
            np.testing.assert_array_equal(found.data, beats.data[:count])
            np.testing.assert_array_equal(found.last, beats.last[:count])
            seen.add(("cut", count > 0, found.error is not None))
        seen.add(("whole", given.wrong))
    # Good and bad traffic, and resets before and after the first output and the first fault.
    assert seen >= {("whole", False), ("whole", True), ("cut", True, True), ("cut", False, False)}


def test_the_adversary_meets_every_kind_of_fault(rng):
    config = SMALL["mixed"]
    assert isinstance(config.activations, LoadedCodebook)
    kinds = dict.fromkeys(["none", "many", "group", "flip"], 0)
    for _ in range(10):
        given = attack(config, rng)
        jobs = given.inputs["s_axis_job"].data
        beats, good = jobs[:, 0] & 7, sum(len(phase.beats) for phase in given.good)
        kinds["none"] += (beats == 0).sum()
        kinds["many"] += (beats > config.max_beats).sum()
        kinds["group"] += ((beats > 0) & (beats <= config.max_beats)).sum() - good
        ends = np.zeros(int(beats.astype(int).sum()), bool)
        ends[np.cumsum(beats.astype(int)) - 1] = True
        kinds["flip"] += (given.inputs["s_axis_weights"].last != ends).sum()
    assert all(count > 5 for count in kinds.values()), kinds
