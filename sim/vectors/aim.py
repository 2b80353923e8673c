"""Parameters and states that bring a phase's own sums to where rounding and clamping show."""

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np

from golden.block_scaled import requantize_tensor
from golden.contracts import (
    LFSR_BITS,
    Clamped,
    DoubleRounding,
    MultiplyShift,
    Onnx,
    Scaled,
    Thresholds,
)
from golden.formats import BlockScaled, Format, IntFormat, integers
from golden.lfsr import leap
from golden.ranges import levels_range
from hw.drive import Phase
from hw.tile.config import TileConfig
from sim.jobs import sums_of
from sim.vectors.parameters import bias_range

__all__ = ["aimed"]


def aimed(config: TileConfig, rng: np.random.Generator, phase: Phase) -> Phase:
    """Return ``phase`` with most of its records, and states, chosen for one of their own sums.

    That sum plus bias, scaled, is an *edge*, or the sum just below or above it. An edge is half-way
    between two levels of the output, or a level, often at an end of the clamp or near 0; or a
    power of two beyond all levels. Multipliers have few bits, are powers of two or their
    neighbours, or are arbitrary. Thresholds are totals, or next to them. If the contract might
    refuse a record with any sum of the tile, the records of its group stay as they are; so do
    fixed parameters.
    """
    sums = sums_of(config, phase)
    if config.parameters is None:
        phase = replace(phase, parameters=_parameters(config, rng, phase, sums))
    if phase.states is not None:
        phase = replace(phase, states=_states(config, rng, phase, phase.states, sums))
    return phase


def _parameters(config: TileConfig, rng: np.random.Generator, phase: Phase, sums: np.ndarray
                ) -> dict[str, np.ndarray]:
    c = config
    before = {name: values.tolist() for name, values in phase.parameters.items()}
    after = {name: list(values) for name, values in before.items()}
    fmt = None if c.output is None else phase.formats["output"]
    allowed = bias_range(c)
    of_group = {group: sums[phase.group == group] for group in set(phase.group.tolist())}
    for record in range(len(before["bias"])):
        group, col = divmod(record, c.cols)
        if group not in of_group or not rng.integers(8):
            continue
        own = {name: values[record] for name, values in before.items()}
        mine = of_group[group][:, :, col].ravel().tolist()
        if isinstance(c.contract, Thresholds):
            own |= _thresholds(rng, c.sum_format, own, mine)
        elif isinstance(c.contract, Clamped):
            assert fmt is not None  # the contract needs an output
            own |= _ends(rng, fmt, own)
            unbiased = mine[rng.integers(len(mine))]
            scaling, total = _scaling(rng, c, _edge(rng, fmt, own), unbiased + own["bias"])
            bias = total + int(rng.integers(-1, 2)) - unbiased
            own |= scaling | {"bias": min(max(bias, allowed.lo), allowed.hi)}
        for name, value in own.items():
            after[name][record] = value
    _settle(c, fmt, before, after, 0, len(before["bias"]))
    return {name: integers(values, name) for name, values in after.items()}


def _settle(config: TileConfig, fmt: Format | None, before: dict[str, list], after: dict[str, list],
            start: int, end: int):
    """Restore the records ``before`` for those that the contract might refuse.

    A contract that takes the smallest and the largest sum takes every sum.
    """
    c = config
    ends = np.repeat([[c.unbiased.lo], [c.unbiased.hi]], end - start, axis=1)
    try:
        requantize_tensor(ends, c.contract, fmt, {
            name: integers(values[start:end], name) for name, values in after.items()
            if name != "weight_zero_point"}, unbiased=c.unbiased,
            draws=np.ones_like(ends) if c.draws else None)
    except ValueError:
        middle = (start + end) // (2 * c.cols) * c.cols
        if middle > start:
            _settle(c, fmt, before, after, start, middle)
            _settle(c, fmt, before, after, middle, end)
            return
        for name, values in before.items():
            after[name][start:end] = values[start:end]


def _ends(rng: np.random.Generator, fmt: Format, record: dict[str, int]) -> dict[str, int]:
    """Ends for every other record: zero point at an end of the output, and clamps at both."""
    if rng.integers(2):
        return {}
    ends = [int(fmt.min), int(fmt.max)]
    zero_point = {"zero_point": ends[rng.integers(2)]} if "zero_point" in record else {}
    return {"clamp_min": ends[0], "clamp_max": ends[1]} | zero_point


def _edge(rng: np.random.Generator, fmt: Format, record: dict[str, int]) -> Fraction:
    """Edge of rounding or of the clamp, less the zero point, if there is one."""
    if not rng.integers(4):
        return Fraction(int(rng.choice([-1, 1])) << int(rng.integers(fmt.bits, 64)))
    levels = fmt.levels()
    low, high, zero = np.searchsorted(
        levels, [record["clamp_min"], record["clamp_max"], record.get("zero_point", 0)]).tolist()
    zero = min(max(zero, low), high)
    place = [low, high, min(max(zero + int(rng.integers(-4, 5)), low), high),
             int(rng.integers(low, high + 1))][rng.integers(4)]
    neighbour = min(max(place + int(rng.choice([-1, 1])), 0), len(levels) - 1)
    edge = Fraction(sum(levels[[place, neighbour if rng.integers(4) else place]].tolist()), 2)
    if isinstance(fmt, BlockScaled):
        return edge * Fraction(2) ** int(rng.integers(-12, 6))
    return edge - record.get("zero_point", 0)


def _multiplier(rng: np.random.Generator, fmt: IntFormat) -> int:
    bits = int(rng.integers(1, fmt.width - fmt.signed + 1))
    power = 1 << bits - 1
    return min(max(1, [
        power, power + int(rng.choice([-1, 1])), power | int(rng.integers(power)),
        fmt.max - int(rng.integers(power)), int(rng.integers(1, 8))][rng.integers(5)]), fmt.max)


def _scaling(rng: np.random.Generator, config: TileConfig, edge: Fraction, total: int
             ) -> tuple[dict[str, Any], int]:
    """Fields that scale, and the total that they bring nearest to ``edge``."""
    contract = config.contract
    bits = int(rng.integers(1, config.sum_format.width))
    if isinstance(contract, Onnx):
        if rng.integers(2) and total and edge:
            scale = np.float32(abs(float(edge / total)))
            total = abs(total) * (1 if edge > 0 else -1)
        else:
            fraction = [0, 1, (1 << 23) - 1, int(rng.integers(1 << 23))][rng.integers(4)]
            scale = np.float32((1 + fraction / 2**23) * 2.0**int(_bits(edge) - bits))
            total = round(edge / Fraction(float(scale)))
        code = int(scale.view(np.uint32)) + int(rng.integers(-1, 2))
        return {"scale": min(max(code, 1 << 23), (255 << 23) - 1)}, total
    assert isinstance(contract, Scaled)
    allowed = contract.shift_range(config.sum_format)
    power = config.output_format.bits < _bits(edge)
    sign = int(rng.choice([-1, 1])) if contract.multiplier.signed else 1
    if power:
        # Both factors are powers of two, so that the product is one, with near neighbours.
        bits = min(_bits(edge), config.sum_format.width - 1) - 1
        least, most = _bits(edge) - 1 - bits, contract.multiplier.max.bit_length() - 1
        multiplier = sign << min(int(rng.integers(least, max(least, most) + 1)), most)
        right = bits + multiplier.bit_length() - _bits(edge)
    else:
        multiplier = sign * _multiplier(rng, contract.multiplier)
        right = multiplier.bit_length() + bits - _bits(edge)
    if isinstance(contract, DoubleRounding):
        origin = 31
        if not power and rng.integers(2):
            right = origin  # rounded once: the second time by 0 places
    else:
        assert isinstance(contract, MultiplyShift)
        origin = contract.origin or 0
    shift = origin - right if contract.shifts_left else right - origin
    shift = min(max(shift, allowed.lo), allowed.hi)
    right = origin - shift if contract.shifts_left else shift + origin
    total = round(edge * Fraction(2) ** right / multiplier)
    if power:
        total += (1 if total > 0 else -1) * int(rng.integers(4))
    scaling: dict[str, Any] = {"multiplier": multiplier, "shift": shift}
    if isinstance(contract, MultiplyShift) and contract.addend:
        rest = int(edge * Fraction(2) ** right) - total * multiplier
        scaling["addend"] = min(max(rest, contract.addend.min), contract.addend.max)
    return scaling, total


def _bits(edge: Fraction) -> int:
    """Number of places above a number's point; negative for zeros below it."""
    return int(abs(edge)).bit_length() or 1 - int(1 / abs(edge)).bit_length() if edge else 1


def _thresholds(rng: np.random.Generator, fmt: IntFormat,
                record: dict[str, int], mine: list[int]) -> dict[str, int]:
    names = [name for name in record if name.startswith("threshold")]
    limits = levels_range(fmt)
    thresholds = []
    for name in names:
        near = mine[rng.integers(len(mine))] + record["bias"] + int(rng.integers(-1, 2))
        far = [limits.lo, limits.hi, limits.lo // 2, limits.hi // 2][rng.integers(4)]
        thresholds.append([near, near, near, near, record[name], far][rng.integers(6)])
    thresholds = sorted(min(max(each, limits.lo), limits.hi) for each in thresholds)
    return dict(zip(names, thresholds, strict=True))


def _states(config: TileConfig, rng: np.random.Generator, phase: Phase, before: np.ndarray,
            sums: np.ndarray) -> np.ndarray:
    """States with which, in half of the rows, one draw just rounds up, or just does not."""
    states, period = np.array(before), (1 << LFSR_BITS) - 1
    names = ("bias", "multiplier", "shift")
    for job, row in np.argwhere(rng.integers(2, size=states.shape) == 0).tolist():
        col = int(rng.integers(config.cols))
        bias, multiplier, shift = (
            int(phase.parameters[name][phase.group[job] * config.cols + col]) for name in names)
        scaled = (int(sums[job, row, col]) + bias) * multiplier << LFSR_BITS >> shift
        draw = -scaled - int(rng.integers(2)) & period
        # Draws follow one another in a cycle, so earlier ones are reached by leaping ahead.
        states[job, row] = leap(draw, period - col) if draw else before[job, row]
    return states
