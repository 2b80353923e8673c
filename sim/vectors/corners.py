"""Jobs at the ends of every range."""

from collections.abc import Mapping

import numpy as np

from golden.contracts import Clamped, ExactSum, Thresholds
from golden.formats import EXPONENT, BlockScaled, Format, IntFormat
from golden.multipliers import scale_parameters
from golden.ranges import dot_range
from golden.thresholds import threshold_parameters
from hw.drive import Phase, resolved
from hw.tile.config import TileConfig
from sim.vectors.parameters import random_parameters
from sim.vectors.random import (
    any_levels,
    random_codebooks,
    random_exponents,
    random_states,
    random_table,
)

__all__ = ["corner_phase", "deep_phase", "revealing_parameters"]

SHIPPED_BEATS, DEEPEST_BEATS = 256, 1 << 15
"""Most beats of a job, among the shipped vectors and in a verification."""


def deep_phase(config: TileConfig, rng: np.random.Generator) -> Phase | None:
    """Jobs longer than the shipped ones, up to the depth, at the ends of the accumulator's range.

    None if the shipped jobs reach the depth. Jobs have at most ``DEEPEST_BEATS`` beats, and fewer
    in a large tile.
    """
    most = min(DEEPEST_BEATS, (1 << 22) // (config.lanes * max(config.rows, config.cols)))
    if config.depth // config.lanes <= SHIPPED_BEATS:
        return None
    return corner_phase(config, rng, most)


def corner_phase(config: TileConfig, rng: np.random.Generator, most: int = SHIPPED_BEATS) -> Phase:
    """Jobs at the ends of every range: the longest, the shortest, the largest sums of each sign.

    The longest job has as many full beats as ``depth`` products fill, but at most ``most``. The
    largest sums are scaled to just fit the output, so that the loss of a highest bit shows; fixed
    parameters scale as they do.
    """
    c = config
    longest = min(c.depth // c.lanes, most)
    pairs = [(a, w) for a in (c.activations.min, c.activations.max)
             for w in (c.weights.min, c.weights.max)]
    beats = np.array([longest] * len(pairs) + [1] * len(pairs)
                     + [1, min(2, c.max_beats), 1, 1])
    activations, weights = [], []
    formats = resolved(c, random_codebooks(c, rng))
    for job, count in enumerate(beats):
        a = any_levels(rng, formats["activations"], (count, c.rows, c.lanes))
        w = any_levels(rng, formats["weights"], (count, c.cols, c.lanes))
        if job < 2 * len(pairs):
            a[:], w[:] = pairs[job % len(pairs)]
        activations.append(a)
        weights.append(w)
    parameters = random_parameters(c, rng, min(c.groups, 4) * c.cols, formats)
    reveal = revealing_parameters(c, longest * c.lanes, formats)
    for name, value in reveal.items() if c.parameters is None else ():
        parameters[name][:c.cols] = value
    group = np.arange(len(beats)) % min(c.groups, 4)
    group[:len(pairs)] = 0
    largest = np.arange(len(beats)) < 2 * len(pairs)
    return Phase(formats, parameters, group, beats, np.concatenate(activations),
                 np.concatenate(weights), random_states(config, rng, len(beats)),
                 random_table(config, rng), *random_exponents(config, rng, beats, largest))


def revealing_parameters(config: TileConfig, products: int,
                         formats: Mapping[str, Format] | None = None) -> dict[str, int]:
    """Parameters that bring the largest sums of ``products`` to the ends of the output."""
    c = config
    record: dict[str, int] = {"bias": 0}
    if "weight_zero_point" in c.record:
        record["weight_zero_point"] = 0
    if isinstance(c.contract, ExactSum):
        return record
    fmt = (formats or resolved(c))["output"]
    middle = 0 if fmt.min < 0 or not isinstance(fmt, IntFormat) else (fmt.max + 1) // 2
    largest = max(1, dot_range(c.weights, c.activations, products).magnitude)
    largest <<= c.window - 1 if c.block_scaled else 0
    real = max(fmt.max - middle, 1) / largest
    if isinstance(c.contract, Thresholds):
        scaling = threshold_parameters([real], fmt, c.sum_format, zero_point=middle)
        return record | {name: int(value[0]) for name, value in scaling.items()}
    assert isinstance(c.contract, Clamped)
    scaling = _largest_scale(c.contract, real, c.sum_format)
    record |= {name: int(value) for name, value in scaling.items()}
    if "zero_point" in c.record:
        record["zero_point"] = middle
    record |= {"clamp_min": fmt.min, "clamp_max": fmt.max}
    if isinstance(fmt, BlockScaled):
        record |= {"exponent_min": EXPONENT.min, "exponent_max": EXPONENT.max}
    return record


def _largest_scale(contract: Clamped, real: float, sum_format: IntFormat) -> dict[str, np.ndarray]:
    """Parameters of ``real``, or of the first of its halves that the contract can represent.

    A contract of few shifts or narrow multipliers does not reach every output from every sum.
    """
    for half in range(64):
        try:
            return scale_parameters(contract, real * 0.5**half, sum_format)
        except ValueError:
            continue
    return scale_parameters(contract, real, sum_format)
