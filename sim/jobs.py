"""Jobs on a simulated tile, and golden's results for them."""

from collections.abc import Mapping, Sequence

import numpy as np

from golden import block_scaled, ops, specials
from golden.block_scaled import Blocks, Levels, parts, requantize_tensor
from golden.formats import BLOCK, EXPONENT_BIAS, BlockScaled
from golden.inner_products import weights_term
from golden.lfsr import leap
from golden.ranges import INT64, levels_range
from golden.tables import lookup
from hw.drive import (
    Phase,
    matmul_phases,
    matmul_results,
    output_levels,
    streams,
)
from hw.drive.exponents import check_bases
from hw.tile.config import TileConfig
from sim.backend import Backend, SimulationError, Trace
from sim.checks import check_tile

__all__ = ["check_error", "expected", "matmul", "run", "sums_of"]


def sums_of(config: TileConfig, phase: Phase) -> np.ndarray:
    """Sums of each job as the tile has them before the bias: ``(jobs, rows, cols)``.

    Weight zero points are subtracted; of an inner product of codes, the weights' term is added.
    """
    c = config
    starts = np.cumsum(phase.beats) - phase.beats
    x, w = phase.activations, phase.weights
    if c.propagates:
        x, w = specials.numbers(x), specials.numbers(w)
    per_beat = ops.matmul(x, w.transpose(0, 2, 1))
    if c.block_scaled:
        base = np.repeat(check_bases(phase.base), phase.beats)
        per_beat = block_scaled.shifted(per_beat, block_scaled.shifts(
            *_exponents(c, phase), base=base, window=c.window))
        per_beat = per_beat if c.sums in INT64 else per_beat.astype(object)
    if c.inner_product != "direct":
        per_beat = per_beat + weights_term(c.inner_product, w, c.weights,
                                           c.activations)[:, None]
    sums = np.add.reduceat(per_beat, starts, axis=0)
    if "weight_zero_point" not in phase.parameters:
        return sums
    rows = np.add.reduceat(x.sum(axis=2), starts, axis=0)
    columns = phase.group[:, None] * c.cols + np.arange(c.cols)
    return sums - rows[:, :, None] * phase.parameters["weight_zero_point"][columns][:, None]


def expected(config: TileConfig, schedule: Sequence[Phase]) -> Levels:
    """Golden's result for every output, those that a driver drops included.

    Returns
    -------
    array of int64, ``(jobs, rows, cols)``
        Levels; for a block-scaled output, ``Blocks`` of levels.
    """
    c = config
    results, scales = [], []
    for phase in schedule:
        if not len(phase.beats):
            continue
        sums = sums_of(c, phase)
        counts = _counts(phase) if c.propagates else None
        output = None if c.output is None else phase.formats["output"]
        # A sum of 63 bits may need more with its bias.
        fits = levels_range(c.sum_format) in INT64
        job_parts = {"levels": np.empty(sums.shape, sums.dtype if fits else object),
                     "exponents": np.empty((*sums.shape[:2], c.cols // BLOCK), dtype=np.int64)}
        for group in np.unique(phase.group):
            members = phase.group == group
            columns = slice(group * c.cols, (group + 1) * c.cols)
            record = {name: values[columns] for name, values in phase.parameters.items()
                      if name != "weight_zero_point"}
            draws = None
            if phase.states is not None:
                draws = leap(phase.states[members][:, :, None], np.arange(c.cols))
            for name, part in parts(requantize_tensor(
                    sums[members], c.contract, output, record, unbiased=c.unbiased,
                    draws=draws, counts=None if counts is None else counts[:, members])).items():
                job_parts[name][members] = part
        levels = job_parts["levels"]
        table = phase.table if c.lut == "loaded" else c.lut
        results.append(levels if table is None else lookup(table, levels, c.output_format))
        scales.append(job_parts["exponents"])
    levels = np.concatenate(results)
    return Blocks(levels, np.concatenate(scales)) if isinstance(c.output, BlockScaled) else levels


def _counts(phase: Phase) -> np.ndarray:
    # Products of each job's sums that are NaN, infinity and minus infinity.
    starts = np.cumsum(phase.beats) - phase.beats
    return np.add.reduceat(specials.count(phase.activations, phase.weights), starts, axis=1)


def _exponents(config: TileConfig, phase: Phase) -> list[np.ndarray]:
    # Exponents of the activations and of the weights, per beat; 127 for an unscaled operand.
    count = int(phase.beats.sum())
    return [phase.exponents.get(name, np.full((count, vectors), EXPONENT_BIAS))
            for name, vectors in (("activations", config.rows), ("weights", config.cols))]


def run(config: TileConfig, backend: Backend, schedule: Sequence[Phase], *, stall: float = 0.0,
        seed: int = 0) -> tuple[Levels, Trace]:
    """Run ``schedule`` on a simulated tile.

    Returns
    -------
    array of int64 ``(jobs, rows, cols)``, or Blocks; Trace
        Results, as from :func:`expected`, and the simulation's trace.

    Raises
    ------
    ValueError
        If the backend simulates another tile.
    SimulationError
        If a stream breaks its rules, the run does not finish, or the tile sets ``error``.
    """
    check_tile(config, backend)
    jobs = sum(len(phase.beats) for phase in schedule)
    trace = backend.run(streams(config, schedule), jobs * config.steps, stall=stall, seed=seed)
    check_error(trace)
    try:
        return output_levels(config, trace.data, schedule), trace
    except ValueError as error:
        raise SimulationError(str(error)) from error


def check_error(trace: Trace):
    """Raise ``SimulationError`` if the tile set ``error`` for jobs that were in range."""
    if trace.error is not None:
        raise SimulationError(f"error is set (cycle {trace.error})")


def matmul(config: TileConfig, backend: Backend, activations: np.ndarray, weights: np.ndarray,
           parameters: Mapping[str, np.ndarray], *, stall: float = 0.0, seed: int = 0, **more
           ) -> tuple[Levels, Trace]:
    """Compute ``requantize(activations @ weights.T)`` on a simulated tile.

    ``backend``, ``stall`` and ``seed`` are as for :func:`run`, all other parameters as for
    :func:`matmul_phases`.

    Returns
    -------
    array of int64 ``(vectors, channels)``, or Blocks; Trace
        Levels, for a block-scaled output with their exponents, and the simulation's trace.
    """
    schedule = list(matmul_phases(config, activations, weights, parameters, **more))
    results, trace = run(config, backend, schedule, stall=stall, seed=seed)
    return matmul_results(schedule, results, len(activations), len(weights)), trace
