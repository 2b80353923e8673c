"""Beats of a tile's ports from jobs, and results from its outputs.

All functions here are pure functions of the operands and the tile's configuration.
"""

from collections.abc import Sequence

import numpy as np

from golden.block_scaled import Blocks, Levels
from golden.contracts import S32, WORD_BITS, title_of
from golden.formats import BLOCK, EXPONENT, BlockScaled, Format, LoadedCodebook
from golden.lfsr import check_states
from golden.ranges import check_ends
from golden.tables import check_table
from hw.drive.beats import Beats
from hw.drive.exponents import check_bases, scaled_operands
from hw.drive.schedule import Phase, record_of
from hw.payload import Payload
from hw.tile.config import TileConfig
from hw.tile.parameters import WORDS
from hw.tile.ports import payloads, ports
from hw.tile.prepared import prepared_levels

__all__ = ["streams", "output_beats", "output_levels"]


def streams(config: TileConfig, schedule: Sequence[Phase]) -> dict[str, Beats]:
    """Beats of every input port, by port name, with which a tile computes ``schedule``.

    A phase's jobs are offered only once its parameter set is closed, and a set is closed only once
    the jobs of the phase before have been accepted: so every job meets its own parameters. Nothing
    else waits. The tile itself holds back the jobs of the first phase, since it has no set yet. If
    consecutive sets are equal, a job may meet any of them. Fixed parameters need no sets.
    """
    c = config
    named = {port.stream: port for port in ports(c)}
    job, activations, weights = (
        named[name] for name in ("i_job", "i_activations", "i_weights"))
    words = named.get("i_parameters")
    beats = np.concatenate([phase.beats for phase in schedule])
    ends = np.zeros(int(beats.sum()), dtype=bool)
    ends[np.cumsum(beats) - 1] = True
    jobs = {"beats": beats, "group": np.concatenate([phase.group for phase in schedule])}
    if c.draws:
        jobs["states"] = np.concatenate([check_states(phase.states, "State") for phase in schedule])
    if c.block_scaled:
        jobs["base"] = np.concatenate([check_bases(phase.base) for phase in schedule])

    def operand(name):
        codes = {"codes": np.concatenate([
            phase.formats[name].encode(getattr(phase, name)) for phase in schedule])}
        if name in scaled_operands(c):
            codes["exponents"] = np.concatenate([
                EXPONENT.check(phase.exponents[name], "Exponent") for phase in schedule])
        return Beats(named[f"i_{name}"].payload.pack(codes), ends, {})

    sets, waits = {}, {}
    if words is not None:
        each = [_words(c, phase) for phase in schedule]
        ends_of = np.cumsum([0, *map(len, each)])
        jobs_before = np.cumsum([0, *(len(phase.beats) for phase in schedule)])
        # Index of the first of the equal, consecutive sets that each set belongs to.
        since = list(range(len(schedule)))
        for index in range(1, len(schedule)):
            if np.array_equal(each[index], each[index - 1]):
                since[index] = since[index - 1]
        closes = np.zeros(ends_of[-1], dtype=bool)
        closes[ends_of[1:] - 1] = True
        accepted = np.zeros(ends_of[-1], dtype=np.int64)
        accepted[closes] = jobs_before[since]
        sets[words.name] = Beats(np.concatenate(each), closes, {job.name: accepted})
        closed = [ends_of[first + 1] if first else 0 for first in since]
        waits[words.name] = np.repeat(closed, np.diff(jobs_before))
    return {
        job.name: Beats(job.payload.pack(jobs), np.zeros(len(beats), dtype=bool), waits),
        activations.name: operand("activations"),
        weights.name: operand("weights"),
        **sets,
    }


def _words(config: TileConfig, phase: Phase) -> np.ndarray:
    """Words of a parameter set, as bytes ``(words, 4)``: tables, if any, records, and surplus."""
    formats = record_of(config, phase.formats)
    levels = {name: fmt.check(phase.parameters[name], title_of(name))
              for name, fmt in formats.items()}
    if config.prepared:
        check_ends("Clamp", levels["clamp_min"], levels["clamp_max"])
        formats, levels = config.stored, prepared_levels(formats, levels)
    records = Payload.of(config.stored).pack({
        name: fmt.encode(levels[name]) for name, fmt in formats.items()})
    size = WORD_BITS // 8
    records = np.pad(records, ((0, 0), (0, config.words * size - records.shape[1])))
    tables = []
    if "lut" in config.head:
        fmt = config.output_format
        table = fmt.encode(check_table(phase.table, fmt)).astype(np.uint8)
        tables.append(table.reshape(-1, size))
    for name, fmt in phase.formats.items():
        if name in config.head:
            # Unused codes of an operand are never sent; those of an output repeat the highest
            # level.
            levels = fmt.levels()
            levels = np.pad(levels, (0, config.head[name] - len(levels)), mode="edge")
            tables.append(WORDS.pack({"word": S32.encode(levels)}))
    surplus = np.full((phase.surplus, size), 255, np.uint8)
    return np.concatenate([*tables, records.reshape(-1, size), surplus])


def output_beats(config: TileConfig, results: Levels, schedule: Sequence[Phase] = ()) -> Beats:
    """Beats of the output port with results ``(jobs, rows, cols)``.

    A loaded codebook as the output needs the ``schedule`` of the results: codes are places in the
    table of each phase. For block-scaled operands ``outside`` is 0, since golden refuses blocks
    outside of the window.
    """
    c = config
    levels, exponents = results if isinstance(results, Blocks) else (results, None)
    codes = np.concatenate([fmt.encode(part) for fmt, part in _by_format(c, schedule, levels)])
    last = np.zeros((len(levels), c.steps), dtype=bool)
    last[:, -1] = True
    fields = {"codes": codes.reshape(-1, c.outputs), "outside": np.zeros(last.size, dtype=int)}
    if exponents is not None:
        fields["exponent"] = np.repeat(exponents.reshape(-1), BLOCK // c.outputs)
    return Beats(payloads(c)["o"].pack(fields), last.reshape(-1), {})


def _by_format(config: TileConfig, schedule: Sequence[Phase], each: np.ndarray
               ) -> list[tuple[Format, np.ndarray]]:
    # Format of the results of ``each`` job; jobs of one format are returned together.
    if not (schedule and isinstance(config.output, LoadedCodebook)):
        return [(config.output_format, each)]
    ends = np.cumsum([len(phase.beats) for phase in schedule])
    return [(phase.formats["output"], each[end - len(phase.beats):end])
            for phase, end in zip(schedule, ends.tolist(), strict=True)]


def output_levels(config: TileConfig, beats: np.ndarray, schedule: Sequence[Phase] = ()) -> Levels:
    """Results of ``tdata``: the inverse of :func:`output_beats`.

    Raises
    ------
    ValueError
        If the beats of a block have several exponents.
    """
    c = config
    payload = payloads(c)["o"]
    codes = payload.unpack(beats, "codes").reshape(-1, c.rows, c.cols)
    levels = np.concatenate([fmt.decode(part) for fmt, part in _by_format(c, schedule, codes)])
    if not isinstance(c.output, BlockScaled):
        return levels
    exponents = payload.unpack(beats, "exponent").reshape(
        -1, c.rows, c.cols // BLOCK, BLOCK // c.outputs)
    if (exponents != exponents[..., :1]).any():
        raise ValueError("Exponents of a block must be one, not several")
    return Blocks(levels, exponents[..., 0])
