"""What QONNX's quantizers do to real numbers: levels, and the borders between them."""

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil, floor, trunc
from typing import NamedTuple

import numpy as np

from golden.formats import MAX_BITS, MAX_ODD_BITS, IntFormat, OddFormat
from golden.networks import Quantization
from golden.ranges import Range
from golden.readers.contents import printable
from golden.readers.model import Unsupported
from golden.readers.qonnx.exact import Border

__all__ = ["ROUNDINGS", "Relabel", "Rule", "Steps", "bipolar", "counted", "labels", "rounded",
           "rounding", "truncated"]

HALF = Fraction(1, 2)


class _Rounding(NamedTuple):
    # A rounding of real numbers to integers, and the border from which on it gives k or more.
    whole: Callable[[Fraction], int]
    border: Callable[[int], Border]


def _signed(magnitude: Callable[[Fraction], int]) -> Callable[[Fraction], int]:
    return lambda x: magnitude(x) if x >= 0 else -magnitude(-x)


_EVEN = _Rounding(round, lambda k: Border(k - HALF, k % 2 == 0))

ROUNDINGS: Mapping[str, _Rounding] = {
    "ROUND": _EVEN,
    "HALF_EVEN": _EVEN,
    "CEIL": _Rounding(ceil, lambda k: Border(Fraction(k - 1), False)),
    "FLOOR": _Rounding(floor, lambda k: Border(Fraction(k), True)),
    "UP": _Rounding(_signed(ceil), lambda k: Border(Fraction(k - (k > 0)), k <= 0)),
    "DOWN": _Rounding(trunc, lambda k: Border(Fraction(k - (k <= 0)), k > 0)),
    "HALF_UP": _Rounding(_signed(lambda x: floor(x + HALF)), lambda k: Border(k - HALF, k > 0)),
    "HALF_DOWN": _Rounding(_signed(lambda x: ceil(x - HALF)), lambda k: Border(k - HALF, k <= 0)),
}
"""Roundings by QONNX's names: UP is away from zero, HALF_UP takes ties away from zero."""


def rounding(name: str) -> _Rounding:
    """Return a rounding by its name, in any case."""
    if name.upper() not in ROUNDINGS:
        raise Unsupported(f"Attribute rounding_mode must be one of {', '.join(ROUNDINGS)}, "
                          f"not {printable(name)!r}")
    return ROUNDINGS[name.upper()]


class Relabel(NamedTuple):
    """Levels ``factor * q - shift`` of a quantizer's integers ``q``, and what they stand for."""

    output: Quantization
    factor: int
    shift: int

    def __call__(self, q):
        """Level of an integer, or of each."""
        return self.factor * q - self.shift


def labels(integers: Range, zero: Fraction, scale: Fraction, fmt: IntFormat | None = None
           ) -> Relabel:
    """Return the levels of integers ``q`` that stand for ``scale * (q - zero)``.

    They are ``q`` itself with a zero point if ``fmt`` has the zero point, ``q - zero`` if it has
    not, and the odd ``2 * q - 2 * zero`` in units of half a scale if the zero point is half an
    integer.
    """
    if zero.denominator == 1 and fmt is not None and fmt.contains(int(zero)):
        return Relabel(Quantization(fmt, float(scale), int(zero)), 1, 0)
    if zero.denominator not in (1, 2):
        raise Unsupported(f"Zero point must be an integer or half of one, not {float(zero)}")
    factor = zero.denominator
    shift = int(zero * factor)
    ends = Range(factor * integers.lo - shift, factor * integers.hi - shift)
    width = ends.hi.bit_length()
    odd = (factor == 2 and ends.lo == -ends.hi and ends.hi == (1 << width) - 1
           and width <= MAX_ODD_BITS)
    if not odd and ends.format.width > MAX_BITS:
        raise Unsupported(f"Integers minus the zero point must fit {MAX_BITS} bits, not be in "
                          f"range {ends}")
    own = OddFormat(width) if odd else ends.format
    return Relabel(Quantization(own, float(scale / factor)), factor, shift)


@dataclass(frozen=True, eq=False)
class Steps:
    """A function of real numbers that never falls, as a quantizer computes it.

    Parameters
    ----------
    output : Quantization
        Quantization of the levels.
    count : int
        Number of the levels.
    rows : int
        1, or the number of channels with borders of their own.
    ladder : callable
        Returns the levels, ascending, and for each row the borders in front of all but the first.
    exactly : callable
        Level of a real number in a channel, computed by rounding and not from the borders.
    rule : Rule or None
        Scale, zero point and rounding of a Quant whose integers are the levels.
    """

    output: Quantization
    count: int
    rows: int
    ladder: Callable[[], tuple[Sequence[int], Sequence[Sequence[Border]]]]
    exactly: Callable[[Fraction, int], int]
    rule: "Rule | None" = None


class Rule(NamedTuple):
    """Rounding of ``x / scale + zero`` by QONNX's name."""

    scale: Fraction
    zero: Fraction
    mode: str


def rounded(scale: Fraction, zero: Fraction, fmt: IntFormat, mode: str) -> Steps:
    """Quant: ``round(clamp(x / scale + zero))``, which stands for ``scale * (q - zero)``."""
    label, own = labels(Range(fmt.min, fmt.max), zero, scale, fmt), rounding(mode)

    def exactly(x: Fraction, channel: int) -> int:
        q = own.whole(min(max(x / scale + zero, Fraction(fmt.min)), Fraction(fmt.max)))
        return label(q)

    steps = _stepped(label, range(fmt.min, fmt.max + 1), own.border,
                     lambda at: scale * (at - zero), exactly)
    # A relabelled integer q - zero is what x / scale rounds to, as far as ties allow.
    return replace(steps, rule=Rule(scale, zero, mode.upper())) if label.factor == 1 else steps


def bipolar(scale: Fraction) -> Steps:
    """BipolarQuant, and Quant of one signed bit: ``scale`` from 0 on, else ``-scale``."""
    return Steps(Quantization(OddFormat(1), float(scale)), 2, 1,
                 lambda: ((-1, 1), ((Border(Fraction(0), True),),)),
                 lambda x, channel: 1 if x >= 0 else -1)


def truncated(scale: Fraction, zero: Fraction, places: int, own: _Rounding, output: tuple[
        Fraction, Fraction], clamp: IntFormat | None, values: tuple[Fraction, Fraction],
              bits: int) -> Steps:
    """Trunc: ``round(rne(x / scale + zero) / 2**places)``.

    Parameters
    ----------
    scale, zero : Fraction
    places : int
    own : rounding
    output : pair of Fraction
        Scale and zero point of the output.
    clamp : IntFormat or None
        Format to whose ends version 2 clamps; version 1 does not.
    values : pair of Fraction
        Least and largest input, which bound the levels of version 1.
    bits : int
        Bits of the output that version 1 names.
    """
    divisor = Fraction(2) ** places

    def integer(x: Fraction) -> int:
        q = round(x / scale + zero) / divisor
        if clamp is not None:
            q = min(max(q, Fraction(clamp.min)), Fraction(clamp.max))
        return own.whole(q)

    ends = Range(integer(values[0]), integer(values[1])) if clamp is None else Range(
        clamp.min, clamp.max)
    fmt = clamp
    if fmt is None and bits <= MAX_BITS:
        fmt = IntFormat(bits, signed=ends.lo < 0)
        fmt = fmt if ends in Range(fmt.min, fmt.max) else None
    label = labels(ends, output[1], output[0], fmt)

    def border(k: int) -> Border:
        at, inclusive = own.border(k)
        # First the integers that reach it, then the real numbers that round to the least of them.
        least = ceil(at * divisor) if inclusive else floor(at * divisor) + 1
        return _EVEN.border(least)

    return _stepped(label, range(ends.lo, ends.hi + 1), border,
                    lambda at: scale * (at - zero), lambda x, channel: label(integer(x)))


def counted(thresholds: np.ndarray, scale: Fraction, bias: Fraction) -> Steps:
    """MultiThreshold: ``scale * (number of thresholds <= x) + bias``.

    Parameters
    ----------
    thresholds : array of float, ``(1, steps)`` or ``(channels, steps)``
        Finite and ascending.
    scale, bias : Fraction
    """
    rows, steps = thresholds.shape
    label = labels(Range(0, steps), -bias / scale, scale)

    def exactly(x: Fraction, channel: int) -> int:
        # Python compares a Fraction with a float exactly.
        return label(bisect_right(thresholds[channel % rows], x, key=float))

    return Steps(label.output, steps + 1, rows, lambda: (
        [label(q) for q in range(steps + 1)],
        [[Border(Fraction(at), True) for at in row] for row in thresholds.tolist()]), exactly)


def _stepped(label: Relabel, integers: range, border: Callable[[int], Border],
             real: Callable[[Fraction], Fraction], exactly: Callable[[Fraction, int], int]
             ) -> Steps:
    def ladder() -> tuple[Sequence[int], Sequence[Sequence[Border]]]:
        borders = [border(k) for k in integers[1:]]
        return [label(q) for q in integers], [
            [Border(real(each.at), each.inclusive) for each in borders]]

    return Steps(label.output, len(integers), 1, ladder, exactly)
