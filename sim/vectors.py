"""Jobs to verify a tile with: the digits network where it fits, corners, and random ones."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from golden import digits
from golden.contracts import (
    LFSR_BITS,
    Clamped,
    DoubleRounding,
    ExactSum,
    MultiplyShift,
    Onnx,
    Rounding,
    Scaled,
    Thresholds,
)
from golden.formats import (
    EXPONENT,
    EXPONENT_BIAS,
    NAN,
    BlockScaled,
    Codebook,
    FloatFormat,
    Format,
    IntFormat,
    LoadedCodebook,
    element_of,
    integers,
)
from golden.multipliers import scale_parameters, threshold_parameters
from golden.networks import Dense, Linear, Network
from golden.quantize import quantize
from golden.ranges import INT64, Range, dot_range
from golden.run import run as run_golden
from hw.config import CODE_BITS, TileConfig
from sim.exponents import random_exponents
from sim.jobs import Phase, format_of, matmul_phases, record_of
from sim.layers import operands

__all__ = ["verification_phases", "digits_network", "digits_phases",
           "random_phase", "corner_phase", "deep_phase", "random_parameters", "random_states",
           "revealing_parameters"]

IMAGES = 16
"""Test images of the digits network among the vectors."""


def verification_phases(config: TileConfig, seed: int = 0) -> tuple[list[Phase], str]:
    """Phases that :mod:`hw.build` verifies a tile with and ships, and a word on what they are."""
    rng = np.random.default_rng(seed)
    phases = [corner_phase(config, rng), random_phase(config, rng, jobs=48)]
    try:
        network = digits_phases(config, IMAGES)
    except ValueError as reason:
        return phases, f"corners, random (not the digits network: {reason})"
    return network + phases, f"digits network, {IMAGES} images; corners; random"


def digits_phases(config: TileConfig, images: int) -> list[Phase]:
    """Every layer of :func:`digits_network` on its first test images.

    Raises
    ------
    ValueError
        Where the network cannot be quantized to the tile's formats or does not fit the tile.
    """
    data = digits.load()
    network = digits_network(config, data)
    tensors = run_golden(network, quantize(data.images[:images], network.input))
    phases = []
    for layer in network.layers:
        assert isinstance(layer, Dense)
        phases += matmul_phases(config, **operands(config, network, layer,
                                                   tensors[layer.inputs[0]]))
    return phases


def digits_network(config: TileConfig, data: digits.Digits) -> Network:
    """Return the digits network in the formats of a tile.

    Where the output is not what another layer takes, a tile gets the first layer alone: of the
    contract ``none``, whose output is the exact sum, without its ReLU. A tile's own table follows
    every layer, as it must; where tables are loaded, results stay what they are. Of a loaded
    codebook the table has levels that are closer the nearer they are to 0.
    """
    output = None if config.output is None else _table_of(config.output)
    if isinstance(config.contract, ExactSum):
        data = replace(data, layers=(replace(data.layers[0], relu=False),))
    elif output != _table_of(config.activations):
        data = replace(data, layers=data.layers[:1])
    weights, activations = _table_of(config.weights), _table_of(config.activations)
    network = digits.quantized(data, weights=weights, activations=activations,
                               output=output, requantization=config.contract,
                               zero_points=config.zero_points, window=config.window)
    if not isinstance(config.lut, tuple):
        return network
    table = np.array(config.lut)
    return replace(network, layers=tuple(replace(layer, table=table) if isinstance(layer, Linear)
                                         else layer for layer in network.layers))


def random_phase(config: TileConfig, rng: np.random.Generator, *, jobs: int) -> Phase:
    """Jobs of random lengths on random operands, with random parameters for a whole store."""
    beats = rng.integers(1, min(config.max_beats, 16) + 1, jobs)
    groups = min(config.groups, 16)
    codebooks = random_codebooks(config, rng)
    x, w = (format_of(config, name, codebooks) for name in ("activations", "weights"))
    activations = _operands(rng, x, (beats.sum(), config.rows, config.lanes))
    weights = _operands(rng, w, (beats.sum(), config.cols, config.lanes))
    # A sum has at most `depth` products: the lanes beyond, of a longest job's last beat, are idle.
    full = np.cumsum(beats)[beats == config.max_beats] - 1
    used = config.depth - (config.max_beats - 1) * config.lanes
    activations[full, :, used:] = x.idle
    weights[full, :, used:] = w.idle
    return Phase(random_parameters(config, rng, groups * config.cols, codebooks),
                 rng.integers(groups, size=jobs), beats, activations, weights,
                 random_states(config, rng, jobs), random_table(config, rng), codebooks,
                 *random_exponents(config, rng, beats))


SHIPPED_BEATS, DEEPEST_BEATS = 256, 1 << 15
"""Beats of the longest job among the shipped vectors, and in a verification."""


def deep_phase(config: TileConfig, rng: np.random.Generator) -> Phase | None:
    """Jobs longer than the shipped ones, up to the depth, at the ends of the accumulator's range.

    None where the shipped ones reach the depth. At most ``DEEPEST_BEATS`` beats each, and fewer
    in a large tile.
    """
    most = min(DEEPEST_BEATS, (1 << 22) // (config.lanes * max(config.rows, config.cols)))
    if config.depth // config.lanes <= SHIPPED_BEATS:
        return None
    return corner_phase(config, rng, most)


def corner_phase(config: TileConfig, rng: np.random.Generator, most: int = SHIPPED_BEATS) -> Phase:
    """Jobs at the ends of every range: the longest, the shortest, the largest sums of each sign.

    The longest has as many beats as ``depth`` products fill, or ``most``. Those with the largest
    sums are scaled so that these just fit the output: a sum that lost its highest bit shows. Where
    parameters are fixed, they scale.
    """
    c = config
    longest = min(c.depth // c.lanes, most)
    pairs = [(a, w) for a in (c.activations.min, c.activations.max)
             for w in (c.weights.min, c.weights.max)]
    beats = np.array([longest] * len(pairs) + [1] * len(pairs)
                     + [1, min(2, c.max_beats), 1, 1])
    activations, weights = [], []
    codebooks = random_codebooks(c, rng)
    formats = {name: format_of(c, name, codebooks) for name in ("weights", "activations")}
    for job, count in enumerate(beats):
        a = _random(rng, formats["activations"], (count, c.rows, c.lanes))
        w = _random(rng, formats["weights"], (count, c.cols, c.lanes))
        if job < 2 * len(pairs):
            a[:], w[:] = pairs[job % len(pairs)]
        activations.append(a)
        weights.append(w)
    parameters = random_parameters(c, rng, min(c.groups, 4) * c.cols, codebooks)
    reveal = revealing_parameters(c, longest * c.lanes, codebooks)
    for name, value in reveal.items() if c.parameters is None else ():
        parameters[name][:c.cols] = value
    group = np.arange(len(beats)) % min(c.groups, 4)
    group[:len(pairs)] = 0
    largest = np.arange(len(beats)) < 2 * len(pairs)
    return Phase(parameters, group, beats, np.concatenate(activations), np.concatenate(weights),
                 random_states(config, rng, len(beats)), random_table(config, rng), codebooks,
                 *random_exponents(config, rng, beats, largest))


def revealing_parameters(config: TileConfig, products: int,
                         codebooks: Mapping[str, Codebook] | None = None) -> dict[str, int]:
    """Parameters that bring the largest sums of so many products to the ends of the output."""
    c = config
    found: dict[str, int] = {"bias": 0}
    if "weight_zero_point" in c.record:
        found["weight_zero_point"] = 0
    if isinstance(c.contract, ExactSum):
        return found
    fmt = format_of(c, "output", codebooks or {})
    middle = 0 if fmt.min < 0 or not isinstance(fmt, IntFormat) else (fmt.max + 1) // 2
    largest = max(1, dot_range(c.weights, c.activations, products).magnitude)
    largest <<= c.window - 1 if c.block_scaled else 0
    real = max(fmt.max - middle, 1) / largest
    if isinstance(c.contract, Thresholds):
        scaling = threshold_parameters([real], fmt, c.sum_format, zero_point=middle)
        return found | {name: int(value[0]) for name, value in scaling.items()}
    assert isinstance(c.contract, Clamped)
    scaling = _largest_scale(c.contract, real, c.sum_format)
    found |= {name: int(value) for name, value in scaling.items()}
    if "zero_point" in c.record:
        found["zero_point"] = middle
    found |= {"clamp_min": fmt.min, "clamp_max": fmt.max}
    if isinstance(fmt, BlockScaled):
        found |= {"exponent_min": EXPONENT.min, "exponent_max": EXPONENT.max}
    return found


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


def random_states(config: TileConfig, rng: np.random.Generator, jobs: int) -> np.ndarray | None:
    """Any states, for a contract that draws."""
    if not config.draws:
        return None
    return rng.integers(1, 1 << LFSR_BITS, size=(jobs, config.rows))


def random_table(config: TileConfig, rng: np.random.Generator) -> np.ndarray | None:
    """Every level of the output once, in any order, where a table is loaded: nothing is hidden."""
    if config.lut != "loaded":
        return None
    fmt = config.output_format
    levels = fmt.levels()
    if isinstance(fmt, FloatFormat):
        levels = np.concatenate([levels, np.array(list(fmt.special_codes), dtype=np.int64)])
    return np.resize(rng.permutation(levels), 1 << CODE_BITS)


def random_codebooks(config: TileConfig, rng: np.random.Generator) -> dict[str, Codebook]:
    """Any levels for each operand that loads some, and for such an output.

    Those at the ends of their range are among them; of an output's only one where rounding is to
    be towards a level 0. An output has, every other time, a level less than it could.
    """
    found = {}
    for name in ("weights", "activations", "output"):
        fmt = getattr(config, name)
        if not isinstance(fmt, LoadedCodebook):
            continue
        levels, count = {fmt.min, fmt.max}, 1 << fmt.bits
        if name == "output":
            if isinstance(config.contract, MultiplyShift) and (
                    config.contract.rounding is Rounding.ZERO):
                levels = {0, fmt.max or fmt.min}
            count = max(2, count - int(rng.integers(2)))
        between = np.setdiff1d(fmt.levels(), list(levels))
        rest = rng.choice(between, size=min(count - len(levels), len(between)), replace=False)
        found[name] = Codebook(sorted(levels.union(rest.tolist())))
    return found


def _table_of(fmt: Format) -> Format:
    """Codebook that is loaded for the digits network; any other format is what it is."""
    if not isinstance(fmt, LoadedCodebook):
        return fmt
    count = 1 << fmt.bits
    places = np.linspace(0, 1, count) if fmt.min == 0 else np.linspace(-1, 1, max(count - 1, 2))
    return Codebook(np.unique(np.rint(fmt.max * places * np.abs(places)).astype(int)).tolist())


def random_parameters(config: TileConfig, rng: np.random.Generator, records: int,
                      codebooks: Mapping[str, Codebook] | None = None) -> dict[str, np.ndarray]:
    """Parameters that the contract takes with any sum the tile can form; or those it has for good.

    Half of the biases are small; scales mostly bring results near the output's range, where
    rounding and clamping show, and sometimes anywhere.
    """
    c = config
    if c.parameters is not None:
        return {name: integers(c.fixed_per_channel[name][:records] if name in c.fixed_per_channel
                               else [c.fixed[name]] * records, name) for name in c.record}
    parameters = {name: _random(rng, fmt, records)
                  for name, fmt in record_of(c, codebooks or {}).items()}
    takes = c.contract.takes or c.record["bias"]
    lo, hi = takes.min, takes.max
    if c.contract.takes is not None:
        lo, hi = lo - min(c.unbiased.lo, 0), hi - max(c.unbiased.hi, 0)
    small = rng.integers(2, size=records) == 0
    near = max(1, min(c.unbiased.magnitude, hi, -lo))
    bias = np.where(small, _between(rng, -near, near, records), _between(rng, lo, hi, records))
    parameters["bias"] = bias

    largest = [max(abs(c.unbiased.lo + b), abs(c.unbiased.hi + b)) for b in bias.tolist()]
    bits = np.array([total.bit_length() for total in largest])
    # Binary places by which the largest total exceeds the output, give or take a few.
    fmt = format_of(c, "output", codebooks or {})
    size = fmt.bits if isinstance(fmt, IntFormat) else fmt.max.bit_length()
    aim = bits - size + rng.integers(-4, 5, size=records)
    anywhere = rng.integers(4, size=records) == 0
    if isinstance(c.contract, Scaled):
        allowed = c.contract.shift_range(c.sum_format)
        most = np.full(records, allowed.hi)
        if c.contract.shifts_left:
            # Only as far as what is shifted, or what results, surely stays within int32.
            least = 0 if isinstance(c.contract, DoubleRounding) else allowed.lo
            most = (31 - bits).clip(least, allowed.hi)
            aim = -aim
        elif isinstance(c.contract, MultiplyShift):
            aim = aim + c.contract.multiplier.width
        parameters["shift"] = np.where(anywhere, rng.integers(allowed.lo, most, endpoint=True),
                                       aim.clip(allowed.lo, most))
    if isinstance(c.contract, Onnx):
        exponent = np.where(anywhere, rng.integers(1, 255, size=records), 127 - aim)
        parameters["scale"] = exponent.clip(1, 254) << 23 | rng.integers(1 << 23, size=records)
    if isinstance(c.contract, Thresholds):
        names = [name for name in parameters if name.startswith("threshold")]
        ladder = np.sort([np.where(anywhere, parameters[name],
                                   [_between(rng, -reach, reach, 1)[0] for reach in largest])
                          for name in names], axis=0)
        parameters |= dict(zip(names, ladder, strict=True))
    if isinstance(c.contract, Clamped):
        ends = np.sort([parameters["clamp_min"], parameters["clamp_max"]], axis=0)
        whole = rng.integers(2, size=records) == 0
        parameters["clamp_min"] = np.where(whole, fmt.min, ends[0])
        parameters["clamp_max"] = np.where(whole, fmt.max, ends[1])
    if isinstance(fmt, BlockScaled):
        # Mostly all that is asked for, else a few about what the tensor's own scale is.
        near = rng.integers(EXPONENT_BIAS - 12, EXPONENT_BIAS + 6, size=(2, records))
        lo, hi = np.sort(near, axis=0)
        parameters["exponent_min"] = np.where(whole, EXPONENT.min, lo)
        parameters["exponent_max"] = np.where(whole, EXPONENT.max, hi)
    return parameters


def _random(rng: np.random.Generator, fmt: Format, shape) -> np.ndarray:
    """Levels of ``fmt``, each as likely as any."""
    if isinstance(fmt, IntFormat):
        return _between(rng, fmt.min, fmt.max, shape)
    return rng.choice(fmt.levels(), size=shape)


def _operands(rng: np.random.Generator, fmt: Format, shape) -> np.ndarray:
    """Levels of ``fmt`` for each beat, and where it has them infinities and NaN.

    Some beats have none, some a few, and some are half of them and of zeros.
    """
    levels = _random(rng, fmt, shape)
    fmt = element_of(fmt)
    if not (isinstance(fmt, FloatFormat) and fmt.propagates):
        return levels
    share = rng.choice([0] * 12 + [1, 1, 128], size=(shape[0], 1, 1))
    infinities = [each for each in fmt.special_codes if each != NAN]
    kinds = [NAN, *infinities * 4, *[0] * 4]
    return np.where(rng.integers(256, size=shape) < share, rng.choice(kinds, size=shape), levels)


def _between(rng: np.random.Generator, lo: int, hi: int, shape) -> np.ndarray:
    """Integers from ``lo`` to ``hi``, of any size."""
    if Range(lo, hi) in INT64:
        return rng.integers(lo, hi, size=shape, endpoint=True)
    # A little more likely at the lower end, by less than one in 2**32.
    octets = (hi - lo).bit_length() // 8 + 5
    values = [lo + int.from_bytes(rng.bytes(octets), "little") % (hi - lo + 1)
              for _ in range(int(np.prod(shape)))]
    return np.array(values, dtype=object).reshape(shape)
