"""Random operands, exponents, states and tables."""

import numpy as np

from golden.contracts import LFSR_BITS, MultiplyShift, Rounding
from golden.formats import (
    EXPONENT,
    EXPONENT_BIAS,
    NAN,
    Codebook,
    FloatFormat,
    Format,
    IntFormat,
    LoadedCodebook,
    element_of,
)
from golden.ranges import INT64, Range
from hw.drive.exponents import scaled_operands
from hw.tile.config import CODE_BITS, TileConfig

__all__ = ["any_levels", "any_operands", "between", "random_codebooks", "random_exponents",
           "random_states", "random_table"]


def random_states(config: TileConfig, rng: np.random.Generator, jobs: int) -> np.ndarray | None:
    """Any states, for a contract that draws."""
    if not config.draws:
        return None
    return rng.integers(1, 1 << LFSR_BITS, size=(jobs, config.rows))


def random_table(config: TileConfig, rng: np.random.Generator) -> np.ndarray | None:
    """Every level of the output once, in any order, for a loaded table; it hides no level."""
    if config.lut != "loaded":
        return None
    fmt = config.output_format
    levels = fmt.levels()
    if isinstance(fmt, FloatFormat):
        levels = np.concatenate([levels, np.array(list(fmt.special_codes), dtype=np.int64)])
    return np.resize(rng.permutation(levels), 1 << CODE_BITS)


def random_codebooks(config: TileConfig, rng: np.random.Generator) -> dict[str, Codebook]:
    """Any levels for each operand, and for the output, that is a loaded codebook.

    Both ends of the range are among the levels; if results round to zero, an output has 0 and one
    end. Every other time an output has a level less than it could.
    """
    codebooks = {}
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
        codebooks[name] = Codebook(sorted(levels.union(rest.tolist())))
    return codebooks


def any_levels(rng: np.random.Generator, fmt: Format, shape) -> np.ndarray:
    """Random levels of ``fmt``, all equally likely."""
    if isinstance(fmt, IntFormat):
        return between(rng, fmt.min, fmt.max, shape)
    return rng.choice(fmt.levels(), size=shape)


def any_operands(rng: np.random.Generator, fmt: Format, shape) -> np.ndarray:
    """Levels of ``fmt`` for each beat, with infinities and NaN if the format propagates them.

    Most beats have no specials, some a few; in some beats half of the elements are specials or 0.
    """
    levels = any_levels(rng, fmt, shape)
    fmt = element_of(fmt)
    if not (isinstance(fmt, FloatFormat) and fmt.propagates):
        return levels
    share = rng.choice([0] * 12 + [1, 1, 128], size=(shape[0], 1, 1))
    infinities = [each for each in fmt.special_codes if each != NAN]
    kinds = [NAN, *infinities * 4, *[0] * 4]
    return np.where(rng.integers(256, size=shape) < share, rng.choice(kinds, size=shape), levels)


def between(rng: np.random.Generator, lo: int, hi: int, shape) -> np.ndarray:
    """Integers from ``lo`` to ``hi``, of any size."""
    if Range(lo, hi) in INT64:
        return rng.integers(lo, hi, size=shape, endpoint=True)
    # A little more likely at the lower end, by less than one in 2**32.
    octets = (hi - lo).bit_length() // 8 + 5
    values = [lo + int.from_bytes(rng.bytes(octets), "little") % (hi - lo + 1)
              for _ in range(int(np.prod(shape)))]
    return np.array(values, dtype=object).reshape(shape)


def random_exponents(config: TileConfig, rng: np.random.Generator, beats: np.ndarray,
                     largest: np.ndarray | None = None
                     ) -> tuple[dict[str, np.ndarray], np.ndarray | None]:
    """Exponents of jobs of ``beats``, by operand, and the jobs' bases: all in the window.

    Each beat of a job divides the window anew between both operands. Its exponents are anywhere in
    an operand's share or, every other beat, at the ends of the share.

    Parameters
    ----------
    config : TileConfig
    rng : numpy.random.Generator
    beats : array ``(jobs,)``
    largest : array of bool ``(jobs,)``, optional
        Jobs with the largest exponents that the window allows.
    """
    scaled = scaled_operands(config)
    if not scaled:
        return {}, None
    total, reach = int(beats.sum()), config.window - 1
    share = rng.integers(reach, size=total, endpoint=True)
    shares = {"activations": share, "weights": reach - share}
    top = np.repeat(np.zeros(len(beats), bool) if largest is None else largest, beats)
    ends = rng.integers(2, size=total) == 0
    exponents, base = {}, np.zeros(len(beats), dtype=np.int64)
    for name in ("activations", "weights"):
        if name not in scaled:
            base += EXPONENT_BIAS
            continue
        share = shares[name] if len(scaled) == 2 else np.full(total, reach)
        least = rng.choice([0, EXPONENT.max - reach, *rng.integers(EXPONENT.max - reach, size=2)],
                           size=len(beats))
        base += least
        count = config.rows if name == "activations" else config.cols
        share = share[:, None]
        anywhere = rng.integers(np.broadcast_to(share, (total, count)), endpoint=True)
        above = np.where(ends[:, None], share * rng.integers(2, size=(total, count)), anywhere)
        exponents[name] = np.repeat(least, beats)[:, None] + np.where(top[:, None], share, above)
    return exponents, base
