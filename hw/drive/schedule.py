"""Jobs of a tile from matrices: the schedule of a driver.

A driver pads operands to whole blocks, with surplus lanes of a known product. It folds into the
bias the zero points that the hardware does not subtract.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from golden.block_scaled import Blocks, Levels
from golden.contracts import title_of
from golden.formats import BLOCK, BlockScaled, Codebook, Format, LoadedCodebook
from golden.inner_products import weights_term
from golden.lfsr import leap
from golden.tables import identity
from hw.drive.exponents import checked, of_beats
from hw.tile.config import TileConfig

__all__ = ["Phase", "resolved", "record_of", "fold", "matmul_phases", "matmul_results"]


@dataclass(frozen=True, eq=False)
class Phase:
    """A parameter set and the jobs that use it.

    Parameters
    ----------
    formats : mapping of str to Format
        Formats of ``weights``, ``activations`` and ``output`` while this set is in use, as
        :func:`resolved` gives them.
    parameters : mapping of str to array ``(records,)``
        Values of each field of the tile's record.
    group, beats : array ``(jobs,)``
        Fields of each transfer of ``i_job``.
    activations : array ``(sum(beats), rows, lanes)``
        Levels of every beat.
    weights : array ``(sum(beats), cols, lanes)``
        Levels of every beat.
    states : array ``(jobs, rows)``, optional
        Random state of the first output of each row, for contract ``stochastic``.
    table : array ``(256,)``, optional
        Levels that the codes of results become, for a tile with a loaded table.
    exponents : mapping of str to array ``(sum(beats), rows)`` or ``(sum(beats), cols)``
        Codes of the exponents of the block-scaled operands, by name.
    base : array ``(jobs,)``, optional
        Least combined code of exponents, for block-scaled operands.
    surplus : int
        Words of the set after its records, all ones: part of a record that no job reads, or beyond
        the store.
    """

    formats: Mapping[str, Format]
    parameters: Mapping[str, np.ndarray]
    group: np.ndarray
    beats: np.ndarray
    activations: np.ndarray
    weights: np.ndarray
    states: np.ndarray | None = None
    table: np.ndarray | None = None
    exponents: Mapping[str, np.ndarray] = field(default_factory=dict)
    base: np.ndarray | None = None
    surplus: int = 0


def resolved(config: TileConfig, codebooks: Mapping[str, Codebook] | None = None
             ) -> dict[str, Format]:
    """Formats of ``weights``, ``activations`` and ``output``, with loaded codebooks filled in.

    Raises
    ------
    ValueError
        If a codebook that the tile loads is missing, or one that it does not load is given.
    """
    codebooks, formats = codebooks or {}, {}
    for name, fmt in (("weights", config.weights), ("activations", config.activations),
                      ("output", config.output_format)):
        is_loaded = isinstance(fmt, LoadedCodebook)
        if is_loaded != (name in codebooks):
            raise ValueError(f"Codebook of {name} must be given for {fmt}" if is_loaded else
                             f"Codebook of {name} must be left out for {fmt}, which is not loaded")
        formats[name] = fmt.check_table(codebooks[name]) if is_loaded else fmt
    return formats


def record_of(config: TileConfig, formats: Mapping[str, Format]) -> dict[str, Format]:
    """Fields of a parameter record; the clamp of a loaded output has the format of its table."""
    return {name: formats["output"] if isinstance(fmt, LoadedCodebook) else fmt
            for name, fmt in config.record.items()}


def fold(config: TileConfig, weights: np.ndarray, parameters: Mapping[str, np.ndarray], *,
         zero_point: int = 0, weight_zero_points: np.ndarray | int = 0,
         codebooks: Mapping[str, Codebook] | None = None) -> dict[str, np.ndarray]:
    """Return parameters whose bias includes the zero points that the hardware ignores.

    ``sum (x - zx)(w - zw) = sum x w - zw sum x - zx sum w + K zx zw``. Every tile computes the
    first term; with ``zero_points`` of ``both`` it subtracts the second; the last two join the
    bias. If neither format has a level 0 for the lanes beyond K, their products are subtracted
    from the bias too; so is the weights' term of an inner product of codes, idle lanes included.

    Parameters
    ----------
    config : TileConfig
    weights : array ``(channels, K)``
        Levels.
    parameters : mapping of str to array ``(channels,)``
        Fields of the contract, with the layer's own bias.
    zero_point : int
        Zero point of the activations.
    weight_zero_points : array ``(channels,)`` or int
    codebooks : mapping of str to Codebook, optional
        Loaded codebooks, by operand or output.

    Raises
    ------
    ValueError
        If the tile has no such zero points, or the bias leaves its format.
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
    formats = resolved(config, codebooks)
    title = "Bias with zero points"
    idle = surplus * formats["weights"].idle * formats["activations"].idle
    if idle and config.block_scaled:
        raise ValueError(f"Depth must be a multiple of the {config.lanes} lanes where operands are "
                         f"block-scaled and neither has a level 0, not {depth}")
    bias = bias - zero_point * sums + depth * zero_point * zw.astype(object) - idle
    if config.inner_product != "direct":
        whole = np.pad(weights, ((0, 0), (0, surplus)), constant_values=config.weights.idle)
        bias = bias - weights_term(config.inner_product, whole, config.weights,
                                   config.activations)
        title += " and the weights' term"
    folded = {**parameters, "bias": config.record["bias"].check(bias, title)}
    if config.zero_points == "both":
        folded["weight_zero_point"] = zw
    return {name: np.broadcast_to(folded[name], (channels,)) for name in config.record}


def matmul_phases(config: TileConfig, activations: np.ndarray, weights: np.ndarray,
                  parameters: Mapping[str, np.ndarray], *, first_draw: int = 1,
                  places: np.ndarray | None = None, table: np.ndarray | None = None,
                  codebooks: Mapping[str, Codebook] | None = None,
                  exponents: Mapping[str, np.ndarray] | None = None, base: int | None = None
                  ) -> Iterator[Phase]:
    """Cut ``activations @ weights.T`` into the jobs of a tile, a phase for each full store.

    Parameters
    ----------
    config : TileConfig
    activations : array ``(vectors, K)``
        Levels.
    weights : array ``(channels, K)``
        Levels.
    parameters : mapping of str to array ``(channels,)``
        Folded parameters; see :func:`fold`.
    first_draw : int
        Random state of the first element of the output tensor, for contract ``stochastic``.
    places : array ``(vectors,)``, optional
        Place in the output tensor, row-major, of the first result of each vector, which counts the
        draws before it; by default ``vector * channels``.
    table : array ``(256,)``, optional
        Levels that the codes of results become, for a tile with a loaded table; by default each
        result stays as it is.
    codebooks : mapping of str to Codebook, optional
        Loaded codebooks, by operand or output.
    exponents : mapping of str to array ``(vectors or channels, ceil(K / 32))``, optional
        Codes of the exponents of block-scaled operands; by default 127 everywhere.
    base : int, optional
        Combined code of the sums' unit; by default the least combined exponent.

    Yields
    ------
    Phase
        Jobs in the order of the vectors, and, for each block of vectors, of the channels.

    Raises
    ------
    ValueError
        If the operands do not match or do not fit the tile, or the tile has other fixed
        parameters, or another fixed table.
    """
    c = config
    vectors, depth = activations.shape
    channels = len(weights)
    if weights.shape[1] != depth:
        raise ValueError(f"Weights must have the {depth} columns of the activations, "
                         f"not {weights.shape[1]}")
    if c.parameters is not None and isinstance(c.output, BlockScaled) and channels % BLOCK:
        raise ValueError(f"Channels must be a multiple of the {BLOCK} results of a block where the "
                         f"output is block-scaled and the parameters are fixed in the tile, "
                         f"not {channels}")
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

    # Surplus rows and columns are computed and dropped. The bias makes up for surplus lanes.
    formats = resolved(c, codebooks)
    scales, base = checked(c, exponents or {}, base, {"activations": activations.shape,
                                                      "weights": weights.shape})
    x = np.full((blocks * c.rows, beats * c.lanes), formats["activations"].idle)
    x[:vectors, :depth] = activations
    x = x.reshape(blocks, c.rows, beats, c.lanes).transpose(0, 2, 1, 3)
    each_row = np.arange(blocks * c.rows) * channels
    if places is not None:
        each_row[:vectors] = places
    per_set = c.groups * c.cols
    for start in range(0, channels, per_set):
        count = min(per_set, channels - start)
        groups = -(-count // c.cols)
        surplus = groups * c.cols - count
        w = np.full((groups * c.cols, beats * c.lanes), formats["weights"].idle)
        w[:count, :depth] = weights[start:start + count]
        w = w.reshape(groups, c.cols, beats, c.lanes).transpose(0, 2, 1, 3)
        shape = (blocks, groups, beats)
        _check_fixed(c, {name: values[start:start + count]
                         for name, values in parameters.items()})
        per_beat = {}
        if "activations" in scales:
            each = of_beats(c, scales["activations"], blocks * c.rows, beats)
            per_beat["activations"] = each.reshape(blocks, 1, c.rows, beats)
        if "weights" in scales:
            each = of_beats(c, scales["weights"][start:start + count], groups * c.cols, beats)
            per_beat["weights"] = each.reshape(1, groups, c.cols, beats)
        # Row-major place, in the tensor, of the first output of each job's rows.
        first = (each_row.reshape(blocks, 1, c.rows) + start
                 + np.arange(groups)[:, None] * c.cols)
        yield Phase(
            formats,
            _padded({name: values[start:start + count] for name, values in parameters.items()},
                    surplus),
            np.tile(np.arange(groups), blocks),
            np.full(blocks * groups, beats),
            np.broadcast_to(x[:, None], (*shape, c.rows, c.lanes)).reshape(-1, c.rows, c.lanes),
            np.broadcast_to(w[None], (*shape, c.cols, c.lanes)).reshape(-1, c.cols, c.lanes),
            leap(first_draw, first).reshape(-1, c.rows) if c.draws else None, table,
            {name: np.broadcast_to(each.swapaxes(2, 3), (*shape, each.shape[2])).reshape(
                -1, each.shape[2]) for name, each in per_beat.items()},
            np.full(blocks * groups, base))


def matmul_results(schedule: Sequence[Phase], results: Levels, vectors: int, channels: int
                   ) -> Levels:
    """Join the results of the jobs that :func:`matmul_phases` has cut.

    Parameters
    ----------
    schedule : sequence of Phase
    results : array ``(jobs, rows, cols)``, or Blocks
    vectors, channels : int
        Shape of the product.

    Returns
    -------
    array of int64 ``(vectors, channels)``, or Blocks
    """
    def joined(each: np.ndarray, count: int) -> np.ndarray:
        # `each` is ``(jobs, rows, columns per group)``; phases become neighbouring columns.
        start, parts = 0, []
        for phase in schedule:
            groups = int(phase.group.max()) + 1
            jobs = each[start:start + len(phase.beats)]
            jobs = jobs.reshape(-1, groups, *each.shape[1:]).transpose(0, 2, 1, 3)
            parts.append(jobs.reshape(-1, groups * each.shape[2]))
            start += len(phase.beats)
        return np.concatenate(parts, axis=1)[:vectors, :count]

    if not isinstance(results, Blocks):
        return joined(results, channels)
    return Blocks(joined(results.levels, channels),
                  joined(results.exponents, -(-channels // BLOCK)))


def _padded(parameters: dict[str, np.ndarray], surplus: int) -> dict[str, np.ndarray]:
    """Parameters with surplus channels like the last; these prefer no exponent above its own."""
    padded = {name: np.pad(values, (0, surplus), mode="edge")
              for name, values in parameters.items()}
    if "exponent_max" in padded and surplus:
        padded["exponent_max"][-surplus:] = padded["exponent_min"][-surplus:]
    return padded


def _check_fixed(config: TileConfig, parameters: Mapping[str, np.ndarray]):
    """Refuse parameters that differ from those fixed in the tile."""
    for name, values in config.parameters or ():
        for channel, value in enumerate(parameters[name].tolist()):
            fixed = values[channel] if isinstance(values, tuple) else values
            if value != fixed:
                raise ValueError(f"{title_of(name)} of channel {channel} must "
                                 f"be {fixed}, which is fixed in the tile, not {value}")
