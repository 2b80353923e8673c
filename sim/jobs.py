"""From jobs to stream beats, and back: all that a driver of a tile does.

What becomes jobs of matrices is in :mod:`sim.phases`, and can be had from here. Everything here is
a pure function of the operands and the tile's configuration.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from golden import block_scaled, ops, specials
from golden.block_scaled import Blocks, Tensor, parts, requantize_tensor
from golden.contracts import S32, WORD_BITS, title_of
from golden.formats import BLOCK, EXPONENT, EXPONENT_BIAS, BlockScaled, Format, LoadedCodebook
from golden.lfsr import check_states, leap
from golden.ranges import INT64
from golden.tables import check_table, lookup
from hw.config import TileConfig
from hw.parameters import WORDS
from hw.payload import Payload
from hw.ports import payloads, ports
from sim.backend import Backend, Beats, SimulationError, Trace
from sim.checks import check_tile
from sim.exponents import check_bases, scaled_operands
from sim.phases import Phase, fold, format_of, matmul_phases, record_of

__all__ = ["Phase", "format_of", "record_of", "fold", "matmul_phases", "streams", "expected",
           "sums_of", "output_beats", "output_levels", "run", "check_error", "matmul"]


def streams(config: TileConfig, phases: Sequence[Phase]) -> dict[str, Beats]:
    """Beats of every input port that make a tile compute ``phases``, by port name.

    A phase's jobs are offered only once its parameter set is closed, and a set is closed only once
    the jobs of the phase before have been accepted: so every job meets its own parameters. Nothing
    else waits: those of the first phase are held back by the tile, which has no set yet, and where
    sets that follow one another are the same, a job may meet any of them. A tile whose parameters
    are fixed has no sets.
    """
    c = config
    named = {port.stream: port for port in ports(c)}
    job, activations, weights = (
        named[name] for name in ("i_job", "i_activations", "i_weights"))
    words = named.get("i_parameters")
    beats = np.concatenate([phase.beats for phase in phases])
    ends = np.zeros(int(beats.sum()), dtype=bool)
    ends[np.cumsum(beats) - 1] = True
    told = {"beats": beats, "group": np.concatenate([phase.group for phase in phases])}
    if c.draws:
        told["states"] = np.concatenate([check_states(phase.states, "State") for phase in phases])
    if c.block_scaled:
        told["base"] = np.concatenate([check_bases(phase.base) for phase in phases])

    def operand(name):
        codes = {"codes": np.concatenate([format_of(c, name, phase.codebooks).encode(
            getattr(phase, name)) for phase in phases])}
        if name in scaled_operands(c):
            codes["exponents"] = np.concatenate([
                EXPONENT.check(phase.exponents[name], "Exponent") for phase in phases])
        return Beats(named[f"i_{name}"].payload.pack(codes), ends, {})

    sets, waits = {}, {}
    if words is not None:
        each = [_words(c, phase) for phase in phases]
        ends_of = np.cumsum([0, *map(len, each)])
        jobs = np.cumsum([0, *(len(phase.beats) for phase in phases)])
        # Of each set the first of those, alike and in a row, that it belongs to.
        since = list(range(len(phases)))
        for index in range(1, len(phases)):
            if np.array_equal(each[index], each[index - 1]):
                since[index] = since[index - 1]
        closes = np.zeros(ends_of[-1], dtype=bool)
        closes[ends_of[1:] - 1] = True
        accepted = np.zeros(ends_of[-1], dtype=np.int64)
        accepted[closes] = jobs[since]
        sets[words.name] = Beats(np.concatenate(each), closes, {job.name: accepted})
        closed = [ends_of[first + 1] if first else 0 for first in since]
        waits[words.name] = np.repeat(closed, np.diff(jobs))
    return {
        job.name: Beats(job.payload.pack(told), np.zeros(len(beats), dtype=bool), waits),
        activations.name: operand("activations"),
        weights.name: operand("weights"),
        **sets,
    }


def _words(config: TileConfig, phase: Phase) -> np.ndarray:
    """Words of a parameter set, as bytes ``(words, 4)``: tables, if any, records, and surplus."""
    records = Payload.of(config.record).pack({
        name: fmt.encode(fmt.check(phase.parameters[name], title_of(name)))
        for name, fmt in record_of(config, phase.codebooks).items()})
    size = WORD_BITS // 8
    records = np.pad(records, ((0, 0), (0, config.words * size - records.shape[1])))
    head = []
    if "lut" in config.head:
        fmt = config.output_format
        table = fmt.encode(check_table(phase.table, fmt)).astype(np.uint8)
        head.append(table.reshape(-1, size))
    for name in ("weights", "activations", "output"):
        if name in config.head:
            # Codes that the table has not are never sent; an output has its highest level there.
            levels = format_of(config, name, phase.codebooks).levels()
            levels = np.pad(levels, (0, config.head[name] - len(levels)), mode="edge")
            head.append(WORDS.pack({"word": S32.encode(levels)}))
    surplus = np.full((phase.surplus, size), 255, np.uint8)
    return np.concatenate([*head, records.reshape(-1, size), surplus])


def sums_of(config: TileConfig, phase: Phase) -> np.ndarray:
    """Sums of each job, weight zero points subtracted: ``(jobs, rows, cols)``."""
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
    sums = np.add.reduceat(per_beat, starts, axis=0)
    if "weight_zero_point" not in phase.parameters:
        return sums
    rows = np.add.reduceat(x.sum(axis=2), starts, axis=0)
    columns = phase.group[:, None] * c.cols + np.arange(c.cols)
    return sums - rows[:, :, None] * phase.parameters["weight_zero_point"][columns][:, None]


def expected(config: TileConfig, phases: Sequence[Phase]) -> Tensor:
    """What golden says of every output, those that a driver drops included.

    Returns
    -------
    array of int64, ``(jobs, rows, cols)``
        Levels; of a block-scaled output ``Blocks`` of these.
    """
    c = config
    results, scales = [], []
    for phase in phases:
        if not len(phase.beats):
            continue
        sums = sums_of(c, phase)
        output = None if c.output is None else format_of(c, "output", phase.codebooks)
        made = {"levels": np.empty_like(sums),
                "exponents": np.empty((*sums.shape[:2], c.cols // BLOCK), dtype=np.int64)}
        for group in np.unique(phase.group):
            mine = phase.group == group
            columns = slice(group * c.cols, (group + 1) * c.cols)
            record = {name: values[columns] for name, values in phase.parameters.items()
                      if name != "weight_zero_point"}
            draws = None
            if phase.states is not None:
                draws = leap(phase.states[mine][:, :, None], np.arange(c.cols))
            for name, part in parts(requantize_tensor(
                    sums[mine], c.contract, output, record, unbiased=c.unbiased,
                    draws=draws)).items():
                made[name][mine] = part
        levels = made["levels"]
        if c.propagates:
            counts = specials.count(phase.activations, phase.weights)
            starts = np.cumsum(phase.beats) - phase.beats
            levels = specials.resolve(
                levels, np.add.reduceat(counts, starts, axis=1), c.output_format)
        table = phase.table if c.lut == "loaded" else c.lut
        results.append(levels if table is None else lookup(table, levels, c.output_format))
        scales.append(made["exponents"])
    levels = np.concatenate(results)
    return Blocks(levels, np.concatenate(scales)) if isinstance(c.output, BlockScaled) else levels


def _exponents(config: TileConfig, phase: Phase) -> list[np.ndarray]:
    # Of each beat, of the activations and of the weights; 127 of what is not block-scaled.
    count = int(phase.beats.sum())
    return [phase.exponents.get(name, np.full((count, vectors), EXPONENT_BIAS))
            for name, vectors in (("activations", config.rows), ("weights", config.cols))]


def output_beats(config: TileConfig, results: Tensor, phases: Sequence[Phase] = ()) -> Beats:
    """Beats of the output port that carry results, as :func:`expected` has them.

    Where the output is a loaded codebook, ``phases`` are those that the results are of: codes are
    places in the table of each. Those of block-scaled operands say that none was outside of the
    window, for golden refuses it.
    """
    c = config
    levels, exponents = results if isinstance(results, Blocks) else (results, None)
    codes = np.concatenate([fmt.encode(part) for fmt, part in _by_format(c, phases, levels)])
    last = np.zeros((len(levels), c.steps), dtype=bool)
    last[:, -1] = True
    fields = {"codes": codes.reshape(-1, c.outputs), "outside": np.zeros(last.size, dtype=int)}
    if exponents is not None:
        fields["exponent"] = np.repeat(exponents.reshape(-1), BLOCK // c.outputs)
    return Beats(payloads(c)["o"].pack(fields), last.reshape(-1), {})


def _by_format(config: TileConfig, phases: Sequence[Phase], each: np.ndarray
               ) -> list[tuple[Format, np.ndarray]]:
    # Of ``each`` job: the format of its results, those of all jobs that have the same at once.
    if not (phases and isinstance(config.output, LoadedCodebook)):
        return [(config.output_format, each)]
    ends = np.cumsum([len(phase.beats) for phase in phases])
    return [(format_of(config, "output", phase.codebooks), each[end - len(phase.beats):end])
            for phase, end in zip(phases, ends.tolist(), strict=True)]


def output_levels(config: TileConfig, beats: np.ndarray, phases: Sequence[Phase] = ()) -> Tensor:
    """Results of ``tdata``: the inverse of :func:`output_beats`.

    Raises
    ------
    SimulationError
        Where the beats of a block have not one exponent.
    """
    c = config
    payload = payloads(c)["o"]
    codes = payload.unpack(beats, "codes").reshape(-1, c.rows, c.cols)
    levels = np.concatenate([fmt.decode(part) for fmt, part in _by_format(c, phases, codes)])
    if not isinstance(c.output, BlockScaled):
        return levels
    exponents = payload.unpack(beats, "exponent").reshape(
        -1, c.rows, c.cols // BLOCK, BLOCK // c.outputs)
    if (exponents != exponents[..., :1]).any():
        raise SimulationError("a block has more than one exponent")
    return Blocks(levels, exponents[..., 0])


def run(config: TileConfig, backend: Backend, phases: Sequence[Phase], *, stall: float = 0.0,
        seed: int = 0) -> tuple[Tensor, Trace]:
    """Run ``phases`` on a simulated tile.

    Returns
    -------
    array of int64 ``(jobs, rows, cols)``, or Blocks; Trace
        Results as :func:`expected` has them, and what the simulation saw.

    Raises
    ------
    ValueError
        Where the backend simulates another tile.
    SimulationError
        Where the tile sets ``error``, too.
    """
    check_tile(config, backend)
    jobs = sum(len(phase.beats) for phase in phases)
    trace = backend.run(streams(config, phases), jobs * config.steps, stall=stall, seed=seed)
    check_error(trace)
    return output_levels(config, trace.data, phases), trace


def check_error(trace: Trace):
    """Raise ``SimulationError`` where the tile set ``error``, for jobs that were in range."""
    if trace.error is not None:
        raise SimulationError(f"error is set (cycle {trace.error})")


def matmul(config: TileConfig, backend: Backend, activations: np.ndarray, weights: np.ndarray,
           parameters: Mapping[str, np.ndarray], *, stall: float = 0.0, seed: int = 0, **more
           ) -> tuple[Tensor, Trace]:
    """Compute ``requantize(activations @ weights.T)`` on a simulated tile.

    Parameters are as for :func:`run` and, all others, for :func:`matmul_phases`.

    Returns
    -------
    array of int64 ``(vectors, channels)``, or Blocks; Trace
        Levels, of a block-scaled output with their exponents; and what the simulation saw.
    """
    phases = list(matmul_phases(config, activations, weights, parameters, **more))
    results, trace = run(config, backend, phases, stall=stall, seed=seed)

    def joined(each: np.ndarray, channels: int) -> np.ndarray:
        # ``(jobs, rows, per group)``, one phase beside the other.
        start, parts = 0, []
        for phase in phases:
            groups = int(phase.group.max()) + 1
            jobs = each[start:start + len(phase.beats)]
            jobs = jobs.reshape(-1, groups, *each.shape[1:]).transpose(0, 2, 1, 3)
            parts.append(jobs.reshape(-1, groups * each.shape[2]))
            start += len(phase.beats)
        return np.concatenate(parts, axis=1)[:len(activations), :channels]

    channels = len(weights)
    if not isinstance(results, Blocks):
        return joined(results, channels), trace
    return Blocks(joined(results.levels, channels),
                  joined(results.exponents, -(-channels // BLOCK))), trace
