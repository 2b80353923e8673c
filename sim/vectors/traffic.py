"""Schedule that verifies every tile."""

from dataclasses import replace

import numpy as np

from hw.drive import Phase, resolved
from hw.tile.config import TileConfig
from sim.vectors.aim import aimed
from sim.vectors.corners import corner_phase
from sim.vectors.digits import IMAGES, digits_phases
from sim.vectors.parameters import random_parameters
from sim.vectors.random import (
    any_operands,
    random_codebooks,
    random_exponents,
    random_states,
    random_table,
)

__all__ = ["random_phase", "verification_phases"]

RECORDS, SETS = 1024, 128
"""Least number of records chosen for their own sums, and most sets for these."""

SET_WORDS = 4096
"""Most words of a set among the vectors, unless one group of records has more."""

SUMS = 32
"""Sums of a record that are enough to choose one from."""

SHORT = 5
"""Most beats of a short job; many of these fill the output queue while ``o`` stalls."""


def verification_phases(config: TileConfig, seed: int = 0) -> tuple[list[Phase], str]:
    """Phases that verify a tile in a build, and are shipped with it; and a short description.

    Sets have all sizes and serve many jobs, few or none. Some are longer than the store; some are
    sent twice in a row, with jobs that may meet either.
    """
    rng = np.random.default_rng(seed)
    groups = min(config.groups, max(1, SET_WORDS // (config.cols * config.words)))
    few = min(groups, 4)
    schedule = [replace(_aimed(config, rng, few, jobs=7), surplus=1),
                _aimed(config, rng, 1, jobs=1)]
    twin = _aimed(config, rng, few, jobs=9)
    schedule += [twin, random_phase(config, rng, jobs=24, longest=SHORT, like=twin),
                 random_phase(config, rng, jobs=0, groups=1),
                 random_phase(config, rng, jobs=3, like=twin)]
    try:
        network = digits_phases(config, IMAGES)
    except ValueError as reason:
        network, what = [], f"corners, random (not the digits network: {reason})"
    else:
        what = f"digits network, {IMAGES} images; corners; random"
    sets = min(SETS, max(2, -(-RECORDS // (groups * config.cols))))
    # All rows of a record's jobs give it sums.
    least = min(max(SUMS // config.rows, 2), 8)
    jobs = min(max(3 * groups, least), 96) * (1 if network or sets == SETS else 2)
    schedule += [_aimed(config, rng, groups, jobs=jobs, longest=SHORT) for _ in range(sets)]
    full = replace(random_phase(config, rng, jobs=min(2 * groups, 48), groups=groups),
                   surplus=_surplus(config, groups))
    return [*schedule, full, corner_phase(config, rng), *network], what


def random_phase(config: TileConfig, rng: np.random.Generator, *, jobs: int,
                 groups: int | None = None, longest: int = 16, like: Phase | None = None) -> Phase:
    """Jobs of random lengths on random operands, with random parameters for ``groups`` of records.

    The longest jobs have ``longest`` beats. In every third job most operands are idle, so that its
    sums are small. With ``like``, the parameters and tables are those of that phase.
    """
    c = config
    if like is not None:
        groups = len(like.parameters["bias"]) // c.cols
    groups = min(c.groups, 16) if groups is None else groups
    beats = rng.integers(1, min(c.max_beats, longest) + 1, jobs)
    formats = resolved(c, random_codebooks(c, rng)) if like is None else like.formats
    x, w = formats["activations"], formats["weights"]
    activations = any_operands(rng, x, (beats.sum(), c.rows, c.lanes))
    weights = any_operands(rng, w, (beats.sum(), c.cols, c.lanes))
    quiet = np.repeat(rng.integers(3, size=jobs) == 0, beats)[:, None, None]
    activations[quiet & (rng.integers(8, size=activations.shape) > 0)] = x.idle
    # A sum has at most `depth` products; lanes beyond, in a longest job's last beat, are idle.
    full = np.cumsum(beats)[beats == c.max_beats] - 1
    used = c.depth - (c.max_beats - 1) * c.lanes
    activations[full, :, used:] = x.idle
    weights[full, :, used:] = w.idle
    phase = Phase(formats, random_parameters(c, rng, groups * c.cols, formats) if like is None
                  else like.parameters, rng.integers(groups, size=jobs), beats, activations,
                  weights, random_states(c, rng, jobs),
                  random_table(c, rng) if like is None else like.table,
                  *random_exponents(c, rng, beats))
    return phase if like is None else replace(phase, surplus=like.surplus)


def _aimed(config: TileConfig, rng: np.random.Generator, groups: int, **how) -> Phase:
    return aimed(config, rng, random_phase(config, rng, groups=groups, **how))


def _surplus(config: TileConfig, groups: int) -> int:
    """Words of a set beyond ``groups`` of records, enough for the address to wrap around."""
    records = groups * config.cols
    more = (1 << (records - 1).bit_length()) - records
    return config.words * (more + config.outputs) + 1
