"""The kinds of contract that round: each class is one arithmetic, with what its sources vary."""

from abc import abstractmethod
from dataclasses import dataclass

from golden.contracts.base import S32, Clamped, Contract, Rounding, ScaleRule
from golden.formats import EXPONENT_BIAS, BlockScaled, Format, IntFormat
from golden.ranges import Range

__all__ = ["Scaled", "MultiplyShift", "Stochastic", "DoubleRounding", "Onnx", "Thresholds",
           "LFSR_BITS", "LFSR_TAPS", "THRESHOLD_BITS"]

LFSR_BITS, LFSR_TAPS = 32, (16, 7, 2, 0)
"""Register of :class:`Stochastic`: ``s[t + 32]`` is the sum modulo 2 of ``s[t + tap]``."""


@dataclass(frozen=True)
class Scaled(Clamped):
    """Shared by the contracts that scale by an integer multiplier and a shift.

    Parameters
    ----------
    multiplier : IntFormat
        Of the multiplier.
    """

    multiplier: IntFormat = IntFormat(31, signed=False)

    @property
    def multiplier_bits(self) -> int:
        """Width of the multiplier."""
        return self.multiplier.width

    @property
    @abstractmethod
    def shifts_left(self) -> bool:
        """Whether shifts count to the left, as TFLite's do."""

    @abstractmethod
    def shift_range(self, sum_format: IntFormat) -> Range:
        """Shifts that are allowed."""

    def scaling(self, sum_format: IntFormat) -> dict[str, IntFormat]:
        """Multiplier and shift."""
        return {"multiplier": self.multiplier, "shift": self.shift_range(sum_format).format}


@dataclass(frozen=True)
class MultiplyShift(Scaled):
    """``round((x * multiplier + addend) / 2**right)``, rounded once.

    Parameters
    ----------
    rounding : Rounding
    shifts : Range or None
        Shifts that are allowed; by default ``0 .. max(62, bits of x and multiplier - 1)``.
    origin : int or None
        ``right = origin - shift``, as TFLite counts, where it is given; else ``right = shift``.
    adds : bool
        Whether there is an addend, an s32 parameter.
    result : IntFormat or None
        What the scaled value must fit, where its source computes it in so many bits.
    """

    rounding: Rounding = Rounding.HALF_UP
    shifts: Range | None = None
    origin: int | None = None
    adds: bool = False
    result: IntFormat | None = None

    @property
    def scaled(self) -> str:
        """What the zero point is added to."""
        return self._rounded("shift" if self.origin is None else f"({self.origin} - shift)")

    def _rounded(self, right: str) -> str:
        product = "(x * multiplier + addend)" if self.adds else "x * multiplier"
        return f"{self.rounding.value}({product} / 2^{right})"

    def formula(self, output: Format | None = None) -> str:
        """The result in terms of the sum plus bias, of the parameters and of a block's exponent."""
        if isinstance(output, BlockScaled):
            return f"clamp({self._rounded(f'(shift + exponent - {EXPONENT_BIAS})')})"
        return super().formula(output)

    @property
    def shifts_left(self) -> bool:
        """Whether shifts count to the left, as TFLite's do."""
        return self.origin is not None

    def shift_range(self, sum_format: IntFormat) -> Range:
        """Shifts that are allowed."""
        return self.shifts or Range(0, max(62, sum_format.width + self.multiplier.width - 1))

    def output_format(self, unbiased: Range, output: Format | None) -> Format:
        """Format of the results: any, but where the source's are integers, or there is no 0."""
        if output is None or self.result is not None:
            return super().output_format(unbiased, output)
        if self.rounding is Rounding.ZERO and not output.contains(0):
            raise ValueError(f"Output must be a format with a level 0 for contract {self.name}, "
                             f"not {output}")
        if isinstance(output, BlockScaled) and output.max < 1:
            raise ValueError("Output must have a positive level where it is block-scaled, "
                             f"not {output}")
        return output

    def scaling(self, sum_format: IntFormat) -> dict[str, IntFormat]:
        """Multiplier, addend and shift."""
        fields = super().scaling(sum_format)
        return fields | {"addend": S32} if self.adds else fields


@dataclass(frozen=True)
class Stochastic(MultiplyShift):
    """``floor((x * multiplier + r) / 2**shift)``, ``r`` random: up as often as the fraction says.

    ``r`` is the ``shift`` highest bits of a state of the register that ``LFSR_TAPS`` describe; for
    a shift above 32 the whole state, and zeros below. Thus the result is ``floor(x * multiplier /
    2**shift + state / 2**32)`` for every shift. Of the ``2**32 - 1`` states, ``floor(fraction *
    2**32)`` round up: the mean is less than ``2**-32`` from ``x * multiplier / 2**shift``, whole
    numbers stay as they are, negative ones are nothing special. Each output takes a state of its
    own, whether it matters or not; which one, :mod:`golden.lfsr` says.
    """

    rounding: Rounding = Rounding.FLOOR

    # An integer one: between other levels a draw would have to be scaled.
    output_format = Clamped.output_format

    @property
    def scaled(self) -> str:
        """What the zero point is added to."""
        return f"floor(x * multiplier / 2^shift + state / 2^{LFSR_BITS})"


@dataclass(frozen=True)
class DoubleRounding(Scaled):
    """gemmlowp's way to scale an int32, rounding twice.

    ``SaturatingRoundingDoublingHighMul`` by the multiplier (ties towards positive infinity), then
    ``RoundingDivideByPOT`` (ties away from zero).

    Parameters
    ----------
    left : bool
        Whether the shift is signed, positive to the left, as TFLite counts: a positive one goes
        first and must not overflow int32. Else it is a right shift.
    """

    left: bool = True

    @property
    def scaled(self) -> str:
        """What the zero point is added to."""
        first, last = ("(x << max(shift, 0))", "max(-shift, 0)") if self.left else ("x", "shift")
        return f"half_away(half_up({first} * multiplier / 2^31) / 2^{last})"

    @property
    def shifts_left(self) -> bool:
        """Whether shifts count to the left, as TFLite's do."""
        return self.left

    def shift_range(self, sum_format: IntFormat) -> Range:
        """Shifts that are allowed."""
        return Range(-31, 31) if self.left else Range(0, 31)


@dataclass(frozen=True)
class Onnx(Clamped):
    """``rne(float32(x) * scale)``: float32 arithmetic, rounded to nearest even at each step.

    The scale is a positive normal float32, given as its bits.

    Parameters
    ----------
    inside : bool
        Whether the zero point is added, in float32, before the rounding to an integer; else
        after it. It matters at ties, where the zero point is odd.
    """

    takes: IntFormat | None = S32
    scale_rule: ScaleRule = ScaleRule.FLOAT32
    inside: bool = False

    def formula(self, output: Format | None = None) -> str:
        """The result in terms of the sum plus bias, and of the parameters."""
        return ("clamp(rne(float32(x) *f scale +f zero_point))" if self.inside
                else super().formula(output))

    @property
    def scaled(self) -> str:
        """What the zero point is added to."""
        return "rne(float32(x) *f scale)"

    def scaling(self, sum_format: IntFormat) -> dict[str, IntFormat]:
        """Bits of the scale, without its sign."""
        return {"scale": IntFormat(31, signed=False)}


@dataclass(frozen=True)
class Thresholds(Contract):
    """The output's levels, counted from its smallest by how many thresholds ``x`` has reached (>=).

    The thresholds of a channel ascend; equal ones are allowed. Scale, zero point and clamp are in
    them. Outputs have at most ``THRESHOLD_BITS``.
    """

    def formula(self, output: Format | None = None) -> str:
        """The result in terms of the sum plus bias, and of the parameters."""
        return "level(count(x >= threshold_k))"

    def fields(self, unbiased: Range, output: Format | None) -> dict[str, Format]:
        """Bias, and a threshold for each step of the output."""
        if output is None or output.bits > THRESHOLD_BITS:
            raise ValueError(f"Output must be a format of at most {THRESHOLD_BITS} bits for "
                             f"contract {self.name}, not {output}")
        if isinstance(output, BlockScaled):
            raise ValueError(f"Output must be the format of elements for contract {self.name}, "
                             f"which scales nothing, not {output}")
        total = self.sum_format(unbiased)
        steps: dict[str, Format] = {
            f"threshold_{step}": total for step in range(1, len(output.levels()))}
        return {"bias": self.bias_format(unbiased)} | steps


THRESHOLD_BITS = 4
"""Widest output of :class:`Thresholds`: a record has ``2**bits - 1`` of them."""
