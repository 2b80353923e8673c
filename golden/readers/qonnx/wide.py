"""Outputs too wide for thresholds: multiply, add and shift, where that is exact for every sum."""

from collections.abc import Mapping, Sequence
from fractions import Fraction

import numpy as np

from golden import contracts
from golden.contracts import (
    MAX_ADDEND_BITS,
    MAX_MULTIPLIER_BITS,
    THRESHOLD_BITS,
    Contract,
    Rounding,
)
from golden.formats import IntFormat
from golden.readers.model import Unsupported
from golden.readers.qonnx.exact import Border, Piece
from golden.readers.qonnx.steps import ROUNDINGS, Steps

__all__ = ["CONTRACTS", "scaled"]

CONTRACTS: Mapping[str, Rounding] = {
    "ROUND": Rounding.HALF_EVEN, "HALF_EVEN": Rounding.HALF_EVEN, "FLOOR": Rounding.FLOOR,
    "DOWN": Rounding.ZERO, "HALF_UP": Rounding.HALF_AWAY}
"""Contract of each of QONNX's roundings that has one."""

_MOST_SHIFT = 62
_MULTIPLIER, _ADDEND = 1 << MAX_MULTIPLIER_BITS - 1, 1 << MAX_ADDEND_BITS - 1


def scaled(pieces: Sequence[Piece], steps: Steps, levels: Sequence[int],
           ladders: np.ndarray, ends: Sequence[Sequence[int]]
           ) -> tuple[Contract, dict[str, np.ndarray]]:
    """Return a contract with an addend, and its parameters, that give every sum its level.

    That is decided by the least sum of each level, exactly.

    Parameters
    ----------
    pieces : sequence of Piece
        Function of the sums of each channel, which does not fall.
    steps : Steps
    levels : sequence of int
        Its levels, ascending.
    ladders : array of ``int64``, ``(channels, levels + 1)``
        Least sum of each channel that reaches each level, and the largest plus one.
    ends : sequence of pair of int
        Least and largest sum of each channel.

    Raises
    ------
    Unsupported
        If no contract rounds thus, or its factors are not exact enough for some sum.
    """
    output = steps.output
    if steps.rule is None or not isinstance(output.format, IntFormat) or (
            steps.rule.mode not in CONTRACTS):
        raise Unsupported(f"Output of sums must have at most {THRESHOLD_BITS} bits, or be what a "
                          f"Quant with an integer zero point and rounding_mode "
                          f"{', '.join(CONTRACTS)} makes, not {output.format.bits} "
                          f"({output.format})")
    zero = output.scalar_zero_point()
    border = ROUNDINGS[steps.rule.mode].border
    borders = [Border(*border(level - zero)) for level in levels[1:]]
    columns: dict[str, list[int]] = {name: [] for name in (
        "multiplier", "shift", "addend", "clamp_min", "clamp_max")}
    for channel, (piece, ladder, (least, most)) in enumerate(zip(pieces, ladders, ends,
                                                                 strict=True)):
        slope = piece.slope / steps.rule.scale
        offset = piece.offset / steps.rule.scale + steps.rule.zero - zero
        shift = next((k for k in range(_MOST_SHIFT, -1, -1) if abs(round(slope * 2**k))
                      < _MULTIPLIER and abs(round(offset * 2**k)) < _ADDEND), 0)
        multiplier, addend = round(slope * 2**shift), round(offset * 2**shift)
        ends_of = [limit if end is None else steps.exactly(end, channel) for end, limit in (
            (piece.lo, levels[0]), (piece.hi, levels[-1]))]
        own = Piece(Fraction(multiplier, 2**shift), Fraction(addend, 2**shift),
                    Fraction(ends_of[0] - zero), Fraction(ends_of[1] - zero))
        if multiplier >= _MULTIPLIER or abs(addend) >= _ADDEND or own.ladder(
                borders, least, most) != ladder[1:-1].tolist():
            raise Unsupported(f"Output of sums must have at most {THRESHOLD_BITS} bits, not "
                              f"{output.format.bits} ({output.format}), where no factor of "
                              f"{MAX_MULTIPLIER_BITS - 1} bits with an addend of "
                              f"{MAX_ADDEND_BITS} gives every sum its level: in channel "
                              f"{channel}, {float(slope)} and {float(offset)}")
        for name, value in zip(columns, (multiplier, shift, addend, *ends_of), strict=True):
            columns[name].append(value)
    contract = contracts.parse(CONTRACTS[steps.rule.mode].value, addend_bits=MAX_ADDEND_BITS)
    return contract, {"bias": np.zeros(len(pieces), np.int64), "zero_point": np.array(zero),
                      **{name: np.array(values) for name, values in columns.items()}}
