"""From matrices to jobs, from jobs to stream beats, and back: all that a driver of a tile does.

A driver pads what is ragged and folds what the hardware does not subtract (DESIGN of the tile:
whole blocks, surplus lanes with a known product, zero points in the bias). Everything here is a
pure function of the operands and the tile's configuration.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod

import numpy as np

from golden import block_scaled, ops, specials
from golden.contracts import S32, WORD_BITS
from golden.formats import EXPONENT, EXPONENT_BIAS, Codebook, Format, LoadedCodebook
from golden.lfsr import check_states, leap
from golden.ranges import INT64
from golden.requantize import requantize
from golden.tables import check_table, identity, lookup
from hw.config import TileConfig
from hw.ports import ports
from sim.backend import Backend, Beats, Trace
from sim.exponents import check_bases, checked, of_beats, scaled_operands
from sim.packing import pack, pack_fields, unpack

__all__ = ["Phase", "operand_format", "fold", "matmul_phases", "streams", "expected",
           "output_beats", "output_levels", "run", "matmul"]


@dataclass(frozen=True, eq=False)
class Phase:
    """A parameter set and the jobs that use it.

    Parameters
    ----------
    parameters : mapping of str to array ``(records,)``
        One entry per field of the tile's record.
    group, beats : array ``(jobs,)``
        What each transfer of ``i_job`` says.
    activations : array ``(sum(beats), rows, lanes)``
        Levels of every beat.
    weights : array ``(sum(beats), cols, lanes)``
        Levels of every beat.
    codebooks : mapping of str to Codebook
        Those that are loaded, of ``weights``, ``activations`` or both.
    states : array ``(jobs, rows)``, optional
        What the first output of each row draws, where the tile's contract draws.
    table : array ``(256,)``, optional
        Levels that the codes of results become, where the tile's table is loaded.
    exponents : mapping of str to array ``(sum(beats), rows)`` or ``(sum(beats), cols)``
        Codes of the exponents of ``activations`` and ``weights`` that are block-scaled.
    base : array ``(jobs,)``, optional
        Least combined code of exponents, where an operand is block-scaled.
    """

    parameters: Mapping[str, np.ndarray]
    group: np.ndarray
    beats: np.ndarray
    activations: np.ndarray
    weights: np.ndarray
    states: np.ndarray | None = None
    table: np.ndarray | None = None
    codebooks: Mapping[str, Codebook] = field(default_factory=dict)
    exponents: Mapping[str, np.ndarray] = field(default_factory=dict)
    base: np.ndarray | None = None


def operand_format(config: TileConfig, name: str, codebooks: Mapping[str, Codebook]) -> Format:
    """Format of ``weights`` or ``activations``: where it is a loaded codebook, what is loaded.

    Raises
    ------
    ValueError
        Where no codebook is given that the tile loads, or one that it does not.
    """
    fmt = getattr(config, name)
    if not isinstance(fmt, LoadedCodebook):
        if name in codebooks:
            raise ValueError(f"Codebook of {name} must be left out for {fmt}, which is not loaded")
        return fmt
    if name not in codebooks:
        raise ValueError(f"Codebook of {name} must be given for {fmt}")
    return fmt.check_table(codebooks[name])


def fold(config: TileConfig, weights: np.ndarray, parameters: Mapping[str, np.ndarray], *,
         zero_point: int = 0, weight_zero_points: np.ndarray | int = 0,
         codebooks: Mapping[str, Codebook] | None = None) -> dict[str, np.ndarray]:
    """Return parameters whose bias makes up for the zero points that the hardware ignores.

    ``sum (x - zx)(w - zw) = sum x w - zw sum x - zx sum w + K zx zw``. The first term is what
    every tile computes; the second is subtracted by hardware where ``zero_points`` is ``both``;
    the last two join the bias. So do, with the other sign, the products of the lanes beyond K,
    where neither format has a level 0 for them to carry.

    Parameters
    ----------
    config : TileConfig
    weights : array ``(channels, K)``
        Levels.
    parameters : mapping of str to array ``(channels,)``
        Fields of the contract, with the layer's own bias.
    zero_point : int
        Of the activations.
    weight_zero_points : array ``(channels,)`` or int
    codebooks : mapping of str to Codebook, optional
        Those that are loaded.

    Raises
    ------
    ValueError
        Where the tile has no such zero points, or the bias leaves its format.
    """
    channels, depth = weights.shape
    zw = np.broadcast_to(np.asarray(weight_zero_points, dtype=np.int64), (channels,))
    if zero_point != 0 and config.zero_points == "none":
        raise ValueError(
            f"Activation zero point must be 0 for a tile with zero points none, not {zero_point}")
    if zw.any() and config.zero_points != "both":
        raise ValueError("Weight zero points must be 0 for a tile with zero points "
                         f"{config.zero_points}, not {zw[zw != 0][0]}")
    config.activations.check_zero_point(zero_point, "Activation zero point")
    config.weights.check_zero_point(zw, "Weight zero point")
    sums = weights.sum(axis=1, dtype=np.int64).astype(object)
    bias = np.broadcast_to(parameters["bias"], (channels,)).astype(object)
    surplus = -depth % config.lanes
    idle = surplus * prod(operand_format(config, name, codebooks or {}).idle
                          for name in ("weights", "activations"))
    if idle and config.block_scaled:
        raise ValueError(f"Depth must be a multiple of the {config.lanes} lanes where operands are "
                         f"block-scaled and neither has a level 0, not {depth}")
    bias = bias - zero_point * sums + depth * zero_point * zw.astype(object) - idle
    folded = {**parameters, "bias": config.record["bias"].check(bias, "Bias with zero points")}
    if config.zero_points == "both":
        folded["weight_zero_point"] = zw
    return {name: np.broadcast_to(folded[name], (channels,)) for name in config.record}


def matmul_phases(config: TileConfig, activations: np.ndarray, weights: np.ndarray,
                  parameters: Mapping[str, np.ndarray], *, first_draw: int = 1,
                  table: np.ndarray | None = None,
                  codebooks: Mapping[str, Codebook] | None = None,
                  exponents: Mapping[str, np.ndarray] | None = None,
                  base: int | None = None) -> Iterator[Phase]:
    """Cut ``activations @ weights.T`` into the jobs of a tile; channels beyond its store follow.

    Parameters
    ----------
    config : TileConfig
    activations : array ``(vectors, K)``
        Levels.
    weights : array ``(channels, K)``
        Levels.
    parameters : mapping of str to array ``(channels,)``
        Folded; see :func:`fold`.
    first_draw : int
        What output 0 of ``vectors * channels`` draws, where the contract draws.
    table : array ``(256,)``, optional
        Levels that the codes of results become, where the tile's table is loaded; by default they
        stay what they are.
    codebooks : mapping of str to Codebook, optional
        Those that are loaded.
    exponents : mapping of str to array ``(vectors or channels, ceil(K / 32))``, optional
        Codes, of the operands that are block-scaled; by default 127 everywhere.
    base : int, optional
        Of the sums' units; by default the least combined exponent.

    Yields
    ------
    Phase
        Jobs in the order of the vectors, and for each block of vectors of the channels.

    Raises
    ------
    ValueError
        Where the operands do not match or do not fit the tile, or the tile has other parameters,
        or another table, for good.
    """
    c = config
    vectors, depth = activations.shape
    channels = len(weights)
    if weights.shape[1] != depth:
        raise ValueError(f"Weights must have the {depth} columns of the activations, "
                         f"not {weights.shape[1]}")
    if depth < 1:
        raise ValueError(f"Activations must have at least 1 column, not {depth}")
    if depth > c.depth:
        raise ValueError(f"Depth must be at least the {depth} products of a sum, not {c.depth}")
    if c.lut == "loaded":
        table = identity(c.output_format) if table is None else table
    elif table is not None:
        raise ValueError("Table must be left out for a tile that loads none")
    beats = -(-depth // c.lanes)
    blocks = -(-vectors // c.rows)

    # Surplus rows and columns are computed and dropped. What surplus lanes add is in the bias.
    books = codebooks or {}
    idle = {name: operand_format(c, name, books).idle for name in ("weights", "activations")}
    scales, base = checked(c, exponents or {}, base, {"activations": activations.shape,
                                                      "weights": weights.shape})
    x = np.full((blocks * c.rows, beats * c.lanes), idle["activations"])
    x[:vectors, :depth] = activations
    x = x.reshape(blocks, c.rows, beats, c.lanes).transpose(0, 2, 1, 3)
    per_set = c.groups * c.cols
    for start in range(0, channels, per_set):
        count = min(per_set, channels - start)
        groups = -(-count // c.cols)
        surplus = groups * c.cols - count
        w = np.full((groups * c.cols, beats * c.lanes), idle["weights"])
        w[:count, :depth] = weights[start:start + count]
        w = w.reshape(groups, c.cols, beats, c.lanes).transpose(0, 2, 1, 3)
        shape = (blocks, groups, beats)
        _check_fixed(c, {name: values[start:start + count]
                         for name, values in parameters.items()})
        own = {}
        if "activations" in scales:
            each = of_beats(c, scales["activations"], blocks * c.rows, beats)
            own["activations"] = each.reshape(blocks, 1, c.rows, beats)
        if "weights" in scales:
            each = of_beats(c, scales["weights"][start:start + count], groups * c.cols, beats)
            own["weights"] = each.reshape(1, groups, c.cols, beats)
        # Of each job's rows, the place of the first output in the tensor, row-major.
        first = (np.arange(blocks * c.rows).reshape(blocks, 1, c.rows) * channels
                 + start + np.arange(groups)[:, None] * c.cols)
        yield Phase(
            {name: np.pad(values[start:start + count], (0, surplus), mode="edge")
             for name, values in parameters.items()},
            np.tile(np.arange(groups), blocks),
            np.full(blocks * groups, beats),
            np.broadcast_to(x[:, None], (*shape, c.rows, c.lanes)).reshape(-1, c.rows, c.lanes),
            np.broadcast_to(w[None], (*shape, c.cols, c.lanes)).reshape(-1, c.cols, c.lanes),
            leap(first_draw, first).reshape(-1, c.rows) if c.draws else None, table, books,
            {name: np.broadcast_to(each.swapaxes(2, 3), (*shape, each.shape[2])).reshape(
                -1, each.shape[2]) for name, each in own.items()},
            np.full(blocks * groups, base))


def _check_fixed(config: TileConfig, parameters: Mapping[str, np.ndarray]):
    """Refuse parameters of the first channels that are not what the tile has for good."""
    for name, fixed in config.parameters or ():
        for channel, given in enumerate(parameters[name].tolist()):
            own = fixed[channel] if isinstance(fixed, tuple) else fixed
            if given != own:
                raise ValueError(f"{name.replace('_', ' ').capitalize()} of channel {channel} must "
                                 f"be {own}, which the tile has for good, not {given}")


def streams(config: TileConfig, phases: Sequence[Phase]) -> dict[str, Beats]:
    """Beats of every input port that make a tile compute ``phases``, by port name.

    A phase's jobs are offered only once its parameter set is closed, and a set is closed only once
    the jobs of the phase before have been accepted: so every job meets its own parameters. A tile
    whose parameters are fixed has no sets.
    """
    c = config
    named = {port.stream: port for port in ports(c)}
    job, activations, weights = (
        named[name] for name in ("i_job", "i_activations", "i_weights"))
    words = named.get("i_parameters")
    beats = np.concatenate([phase.beats for phase in phases])
    ends = np.zeros(int(beats.sum()), dtype=bool)
    ends[np.cumsum(beats) - 1] = True
    fields = [(beats, job.fields[0].bits)]
    widths = {field.name: field.bits for field in job.fields}
    if "group" in widths:
        fields.append((np.concatenate([phase.group for phase in phases]), widths["group"]))
    if "states" in widths:
        fields += [(states, widths["states"]) for states in np.concatenate(
            [check_states(phase.states, "State") for phase in phases]).T]
    if "base" in widths:
        fields.append((np.concatenate([check_bases(phase.base) for phase in phases]),
                       widths["base"]))

    def operand(name):
        codes = np.concatenate([operand_format(c, name, phase.codebooks).encode(
            getattr(phase, name)) for phase in phases])
        codes = codes.reshape(len(codes), -1)
        if name not in scaled_operands(c):
            return Beats(pack(codes, getattr(c, name).bits), ends, {})
        exponents = np.concatenate([EXPONENT.check(phase.exponents[name], "Exponent")
                                    for phase in phases])
        parts = [(code, getattr(c, name).bits) for code in codes.T] + [
            (exponent, EXPONENT.bits) for exponent in exponents.T]
        return Beats(pack_fields(parts, 8 * named[f"i_{name}"].bytes), ends, {})

    sets = {} if words is None else {words.name: _sets(c, phases, job.name)}
    written = np.cumsum([_set_words(c, phase) for phase in phases])
    return {
        job.name: Beats(
            pack_fields(fields, 8 * job.bytes), np.zeros(len(beats), dtype=bool),
            {name: np.repeat(written, [len(phase.beats) for phase in phases]) for name in sets}),
        activations.name: operand("activations"),
        weights.name: operand("weights"),
        **sets,
    }


def _set_words(config: TileConfig, phase: Phase) -> int:
    return len(phase.parameters["bias"]) * config.words + sum(config.head.values())


def _sets(config: TileConfig, phases: Sequence[Phase], job: str) -> Beats:
    """Words of every parameter set, the last of each after the jobs of the phase before."""
    ends = np.cumsum([_set_words(config, phase) for phase in phases])
    jobs = np.cumsum([len(phase.beats) for phase in phases])
    closes = np.zeros(ends[-1], dtype=bool)
    closes[ends - 1] = True
    accepted = np.zeros(ends[-1], dtype=np.int64)
    accepted[ends[1:] - 1] = jobs[:-1]
    return Beats(np.concatenate([_words(config, phase) for phase in phases]), closes,
                 {job: accepted})


def _words(config: TileConfig, phase: Phase) -> np.ndarray:
    """Words of a parameter set, as bytes ``(words, 4)``: the tables, if any, and the records."""
    codes = [(fmt.encode(fmt.check(phase.parameters[name], name.replace("_", " ").capitalize())),
              fmt.bits) for name, fmt in config.record.items()]
    words = pack_fields(codes, config.words * WORD_BITS).reshape(-1, WORD_BITS // 8)
    head = []
    if "lut" in config.head:
        fmt = config.output_format
        table = fmt.encode(check_table(phase.table, fmt)).astype(np.uint8)
        head.append(table.reshape(-1, WORD_BITS // 8))
    for name in ("weights", "activations"):
        if name in config.head:
            # Codes that the table has not are never sent.
            levels = operand_format(config, name, phase.codebooks).levels()
            levels = np.pad(levels, (0, config.head[name] - len(levels)), mode="edge")
            head.append(pack(S32.encode(levels)[:, None], WORD_BITS))
    return np.concatenate([*head, words])


def expected(config: TileConfig, phases: Sequence[Phase]) -> np.ndarray:
    """What golden says of every output, those that a driver drops included.

    Returns
    -------
    array of int64, ``(jobs, rows, cols)``
        Levels.
    """
    c = config
    results = []
    for phase in phases:
        starts = np.cumsum(phase.beats) - phase.beats
        per_beat = ops.matmul(specials.numbers(phase.activations),
                              specials.numbers(phase.weights).transpose(0, 2, 1))
        if c.block_scaled:
            base = np.repeat(check_bases(phase.base), phase.beats)
            per_beat = block_scaled.shifted(per_beat, block_scaled.shifts(
                *_exponents(c, phase), base=base, window=c.window))
            per_beat = per_beat if c.sums in INT64 else per_beat.astype(object)
        sums = np.add.reduceat(per_beat, starts, axis=0)
        rows = np.add.reduceat(phase.activations.sum(axis=2), starts, axis=0)
        levels = np.empty_like(sums)
        for group in np.unique(phase.group):
            mine = phase.group == group
            columns = slice(group * c.cols, (group + 1) * c.cols)
            record = {name: values[columns] for name, values in phase.parameters.items()}
            unbiased = sums[mine]
            if "weight_zero_point" in record:
                unbiased = unbiased - rows[mine][:, :, None] * record.pop("weight_zero_point")
            draws = None
            if phase.states is not None:
                draws = leap(phase.states[mine][:, :, None], np.arange(c.cols))
            levels[mine] = requantize(unbiased, c.contract, c.output, record, unbiased=c.unbiased,
                                      draws=draws)
        if c.propagates:
            counts = specials.count(phase.activations, phase.weights)
            levels = specials.resolve(
                levels, np.add.reduceat(counts, starts, axis=1), c.output_format)
        table = phase.table if c.lut == "loaded" else c.lut
        results.append(levels if table is None else lookup(table, levels, c.output_format))
    return np.concatenate(results)


def _exponents(config: TileConfig, phase: Phase) -> list[np.ndarray]:
    # Of each beat, of the activations and of the weights; 127 of what is not block-scaled.
    count = int(phase.beats.sum())
    return [phase.exponents.get(name, np.full((count, vectors), EXPONENT_BIAS))
            for name, vectors in (("activations", config.rows), ("weights", config.cols))]


def output_beats(config: TileConfig, levels: np.ndarray) -> Beats:
    """Beats of the output port that carry ``levels``, ``(jobs, rows, cols)``.

    Those of block-scaled operands say that none was outside of the window, for golden refuses it.
    """
    c = config
    codes = c.output_format.encode(levels.reshape(-1, c.outputs))
    last = np.zeros((len(levels), c.steps), dtype=bool)
    last[:, -1] = True
    data = pack(codes, c.output_format.bits)
    surplus = ports(c)[-1].bytes - data.shape[1]
    return Beats(np.pad(data, ((0, 0), (0, surplus))), last.reshape(-1), {})


def output_levels(config: TileConfig, beats: np.ndarray) -> np.ndarray:
    """Levels ``(jobs, rows, cols)`` of ``tdata``: the inverse of :func:`output_beats`."""
    c = config
    codes = unpack(beats, c.output_format.bits, c.outputs)
    return c.output_format.decode(codes).reshape(-1, c.rows, c.cols)


def run(config: TileConfig, backend: Backend, phases: Sequence[Phase], *, stall: float = 0.0,
        seed: int = 0) -> tuple[np.ndarray, Trace]:
    """Run ``phases`` on a simulated tile.

    Returns
    -------
    array of int64 ``(jobs, rows, cols)``, Trace
        Levels, and what the simulation saw.
    """
    jobs = sum(len(phase.beats) for phase in phases)
    trace = backend.run(streams(config, phases), jobs * config.steps, stall=stall, seed=seed)
    return output_levels(config, trace.data), trace


def matmul(config: TileConfig, backend: Backend, activations: np.ndarray, weights: np.ndarray,
           parameters: Mapping[str, np.ndarray], *, stall: float = 0.0, seed: int = 0, **more
           ) -> tuple[np.ndarray, Trace]:
    """Compute ``requantize(activations @ weights.T)`` on a simulated tile.

    Parameters are as for :func:`run` and, all others, for :func:`matmul_phases`.

    Returns
    -------
    array of int64 ``(vectors, channels)``, Trace
        Levels, and what the simulation saw.
    """
    phases = list(matmul_phases(config, activations, weights, parameters, **more))
    levels, trace = run(config, backend, phases, stall=stall, seed=seed)
    vectors, start, parts = len(activations), 0, []
    for phase in phases:
        groups = int(phase.group.max()) + 1
        blocks = levels[start:start + len(phase.beats)].reshape(
            -1, groups, config.rows, config.cols)
        parts.append(blocks.transpose(0, 2, 1, 3).reshape(-1, groups * config.cols))
        start += len(phase.beats)
    return np.concatenate(parts, axis=1)[:vectors, :len(weights)], trace
