"""Random parameters, and such as bring a job's own sums to where rounding and clamping show."""

from collections.abc import Mapping

import numpy as np

from golden.contracts import (
    Clamped,
    DoubleRounding,
    MultiplyShift,
    Onnx,
    Scaled,
    Thresholds,
)
from golden.formats import EXPONENT, EXPONENT_BIAS, BlockScaled, Format, IntFormat, integers
from golden.ranges import Range
from hw.drive import record_of, resolved
from hw.tile.config import TileConfig
from sim.vectors.random import any_levels, between

__all__ = ["bias_range", "random_parameters"]


def bias_range(config: TileConfig) -> Range:
    """Biases with which the contract takes any sum that the tile can form."""
    c = config
    takes = c.contract.takes or c.record["bias"]
    lo, hi = takes.min, takes.max
    if c.contract.takes is not None:
        lo, hi = lo - min(c.unbiased.lo, 0), hi - max(c.unbiased.hi, 0)
    return Range(lo, hi)


def random_parameters(config: TileConfig, rng: np.random.Generator, records: int,
                      formats: Mapping[str, Format] | None = None) -> dict[str, np.ndarray]:
    """Parameters that the contract takes with any sum of the tile; or those fixed in the tile.

    Half of the biases are small; scales mostly bring results near the output's range, where
    rounding and clamping show, and sometimes anywhere.
    """
    c = config
    if c.parameters is not None:
        return {name: integers(c.fixed_per_channel[name][:records] if name in c.fixed_per_channel
                               else [c.fixed[name]] * records, name) for name in c.record}
    formats = formats or resolved(c)
    parameters = {name: any_levels(rng, fmt, records)
                  for name, fmt in record_of(c, formats).items()}
    lo, hi = bias_range(c).lo, bias_range(c).hi
    small = rng.integers(2, size=records) == 0
    near = max(1, min(c.unbiased.magnitude, hi, -lo))
    bias = np.where(small, between(rng, -near, near, records), between(rng, lo, hi, records))
    parameters["bias"] = bias

    largest = [max(abs(c.unbiased.lo + b), abs(c.unbiased.hi + b)) for b in bias.tolist()]
    bits = np.array([total.bit_length() for total in largest])
    # Binary places by which the largest total exceeds the output, plus or minus a few.
    fmt = formats["output"]
    size = fmt.bits if isinstance(fmt, IntFormat) else fmt.max.bit_length()
    aim = bits - size + rng.integers(-4, 5, size=records)
    anywhere = rng.integers(4, size=records) == 0
    if isinstance(c.contract, Scaled):
        allowed = c.contract.shift_range(c.sum_format)
        most = np.full(records, allowed.hi)
        if c.contract.shifts_left:
            # Only as far as the shifted number, or the result, surely stays within int32.
            least = 0 if isinstance(c.contract, DoubleRounding) else allowed.lo
            most = (31 - bits).clip(least, allowed.hi)
            aim = -aim
        elif isinstance(c.contract, MultiplyShift):
            aim = aim + c.contract.multiplier.width
        parameters["shift"] = np.where(anywhere, rng.integers(allowed.lo, most, endpoint=True),
                                       aim.clip(allowed.lo, most))
    if "addend" in parameters and not isinstance(fmt, BlockScaled):
        # Half of them are of the size of the scaled sum's offsets that the output shows.
        wide = c.record["addend"].bits - 1
        for record in np.flatnonzero(rng.integers(2, size=records)).tolist():
            reach = 1 << min(int(parameters["shift"][record]) + size, wide)
            parameters["addend"][record] = int(rng.integers(-reach, reach))
    if isinstance(c.contract, Onnx):
        exponent = np.where(anywhere, rng.integers(1, 255, size=records), 127 - aim)
        parameters["scale"] = exponent.clip(1, 254) << 23 | rng.integers(1 << 23, size=records)
    if isinstance(c.contract, Thresholds):
        names = [name for name in parameters if name.startswith("threshold")]
        ladder = np.sort([np.where(anywhere, parameters[name],
                                   [between(rng, -reach, reach, 1)[0] for reach in largest])
                          for name in names], axis=0)
        parameters |= dict(zip(names, ladder, strict=True))
    if isinstance(c.contract, Clamped):
        ends = np.sort([parameters["clamp_min"], parameters["clamp_max"]], axis=0)
        whole = rng.integers(2, size=records) == 0
        parameters["clamp_min"] = np.where(whole, fmt.min, ends[0])
        parameters["clamp_max"] = np.where(whole, fmt.max, ends[1])
    if isinstance(fmt, BlockScaled):
        # Half of the records allow every exponent, the others a few near the tensor's own scale.
        near = rng.integers(EXPONENT_BIAS - 12, EXPONENT_BIAS + 6, size=(2, records))
        lo, hi = np.sort(near, axis=0)
        parameters["exponent_min"] = np.where(whole, EXPONENT.min, lo)
        parameters["exponent_max"] = np.where(whole, EXPONENT.max, hi)
    return parameters
