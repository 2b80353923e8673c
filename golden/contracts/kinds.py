"""Contracts that round: each class is one arithmetic, its parameters the variants of sources."""

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
    """Base of the contracts that scale by an integer multiplier and a shift.

    Parameters
    ----------
    multiplier : IntFormat
        Format of the multiplier.
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
        """Range of the allowed shifts."""

    def scaling(self, sum_format: IntFormat) -> dict[str, IntFormat]:
        """Formats of multiplier and shift."""
        return {"multiplier": self.multiplier, "shift": self.shift_range(sum_format).format}


@dataclass(frozen=True)
class MultiplyShift(Scaled):
    """``round((x * multiplier + addend) / 2**right)``, rounded once.

    Parameters
    ----------
    rounding : Rounding
    shifts : Range or None
        Allowed shifts; by default ``0 .. max(62, bits of x and multiplier - 1)``.
    origin : int or None
        If given, ``right = origin - shift``, as TFLite counts; else ``right = shift``.
    addend : IntFormat or None
        Format of the addend; None if there is none.
    result : IntFormat or None
        Format that holds the scaled value, if the source computes it in so many bits.
    """

    rounding: Rounding = Rounding.HALF_UP
    shifts: Range | None = None
    origin: int | None = None
    addend: IntFormat | None = None
    result: IntFormat | None = None

    @property
    def scaled(self) -> str:
        """Formula of the scaled sum, to which the zero point is added."""
        return self._rounded("shift" if self.origin is None else f"({self.origin} - shift)")

    def _rounded(self, right: str) -> str:
        product = "(x * multiplier + addend)" if self.addend else "x * multiplier"
        return f"{self.rounding.value}({product} / 2^{right})"

    def formula(self, output: Format | None = None) -> str:
        """Formula of the result in ``x``, the parameters and, if there is one, the exponent."""
        if isinstance(output, BlockScaled):
            return f"clamp({self._rounded(f'(shift + exponent - {EXPONENT_BIAS})')})"
        return super().formula(output)

    @property
    def shifts_left(self) -> bool:
        """Whether shifts count to the left, as TFLite's do."""
        return self.origin is not None

    def shift_range(self, sum_format: IntFormat) -> Range:
        """Range of the allowed shifts."""
        return self.shifts or Range(0, max(62, sum_format.width + self.multiplier.width - 1))

    def output_format(self, unbiased: Range, output: Format | None) -> Format:
        """Format of the results: any format for which the rounding is defined.

        A source that computes integers (``result``) has integer outputs only. Rounding to zero
        needs a level 0, a block-scaled output a positive level.
        """
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
        """Formats of multiplier, shift and, if there is one, addend."""
        fields = super().scaling(sum_format)
        return fields | {"addend": self.addend} if self.addend else fields


@dataclass(frozen=True)
class Stochastic(MultiplyShift):
    """``floor((x * multiplier + r) / 2**shift)`` with a random ``r``: stochastic rounding.

    ``r`` is the ``shift`` highest bits of a state of the register that ``LFSR_TAPS`` describe. If
    the shift is above 32, ``r`` is the whole state with zeros below it. Thus the result is
    ``floor(x * multiplier / 2**shift + state / 2**32)`` for every shift. Of the ``2**32 - 1``
    states, ``floor(fraction * 2**32)`` round up: the mean is less than ``2**-32`` from ``x *
    multiplier / 2**shift``. Whole numbers stay as they are, and negative numbers are rounded
    likewise. Each output takes a state of its own, needed or not (:mod:`golden.lfsr`).
    """

    rounding: Rounding = Rounding.FLOOR

    # An integer format: between other levels a draw would have to be scaled.
    output_format = Clamped.output_format

    @property
    def scaled(self) -> str:
        """Formula of the scaled sum, to which the zero point is added."""
        return f"floor(x * multiplier / 2^shift + state / 2^{LFSR_BITS})"


@dataclass(frozen=True)
class DoubleRounding(Scaled):
    """gemmlowp's scaling of an int32, which rounds twice.

    ``SaturatingRoundingDoublingHighMul`` by the multiplier (ties towards positive infinity), then
    ``RoundingDivideByPOT`` (ties away from zero).

    Parameters
    ----------
    left : bool
        Whether the shift is signed, positive to the left, as TFLite counts; else it is a right
        shift. A left shift comes before the multiplication and must not overflow int32.
    """

    left: bool = True

    @property
    def scaled(self) -> str:
        """Formula of the scaled sum, to which the zero point is added."""
        first, last = ("(x << max(shift, 0))", "max(-shift, 0)") if self.left else ("x", "shift")
        return f"half_away(half_up({first} * multiplier / 2^31) / 2^{last})"

    @property
    def shifts_left(self) -> bool:
        """Whether shifts count to the left, as TFLite's do."""
        return self.left

    def shift_range(self, sum_format: IntFormat) -> Range:
        """Range of the allowed shifts."""
        return Range(-31, 31) if self.left else Range(0, 31)


@dataclass(frozen=True)
class Onnx(Clamped):
    """``rne(float32(x) * scale)``: float32 arithmetic, rounded to nearest even at each step.

    The scale is a positive normal float32; the parameter holds its bits.

    Parameters
    ----------
    inside : bool
        Whether the zero point is added in float32, before the rounding to an integer; else after
        it. The order matters at ties if the zero point is odd.
    """

    takes: IntFormat | None = S32
    scale_rule: ScaleRule = ScaleRule.FLOAT32
    inside: bool = False

    def formula(self, output: Format | None = None) -> str:
        """Formula of the result in ``x``, the sum plus bias, and the parameters."""
        return ("clamp(rne(float32(x) *f scale +f zero_point))" if self.inside
                else super().formula(output))

    @property
    def scaled(self) -> str:
        """Formula of the scaled sum, to which the zero point is added."""
        return "rne(float32(x) *f scale)"

    def scaling(self, sum_format: IntFormat) -> dict[str, IntFormat]:
        """Format of the scale's bits, without the sign."""
        return {"scale": IntFormat(31, signed=False)}


@dataclass(frozen=True)
class Thresholds(Contract):
    """Level ``n`` of the output, from the smallest, where ``n`` counts the thresholds ``<= x``.

    The thresholds of a channel ascend; equal ones are allowed. They include scale, zero point and
    clamp. Outputs have at most ``THRESHOLD_BITS``. A channel whose scale is negative has its
    weights negated.
    """

    def formula(self, output: Format | None = None) -> str:
        """Formula of the result in ``x``, the sum plus bias, and the thresholds."""
        return "level(count(x >= threshold_k))"

    def fields(self, unbiased: Range, output: Format | None) -> dict[str, Format]:
        """Formats of the bias and of a threshold for each step of the output."""
        if output is None or output.bits > THRESHOLD_BITS:
            raise ValueError(f"Output must be a format of at most {THRESHOLD_BITS} bits for "
                             f"contract {self.name}, not {output}")
        if isinstance(output, BlockScaled):
            raise ValueError(f"Output must be a format without exponents for contract {self.name}, "
                             f"not {output}")
        total = self.sum_format(unbiased)
        steps: dict[str, Format] = {
            f"threshold_{step}": total for step in range(1, len(output.levels()))}
        return {"bias": self.bias_format(unbiased)} | steps


THRESHOLD_BITS = 8
"""Widest output of :class:`Thresholds`: a record has ``2**bits - 1`` thresholds."""
