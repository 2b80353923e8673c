"""Requantization contracts: how an exact sum becomes an output code, by name.

A contract says which sums it takes, which parameters it has and what happens to ties and to
negatives. There is no arithmetic here: :mod:`golden.requantize` and :mod:`hw.requantize` each
implement these descriptions, and share nothing but them.

Every contract with an output format computes ``clamp(scaled(sum + bias) + zero_point)``, where
``scaled`` is exact but for its one named rounding (two in ``tflite``, which is defined so).
"""

import enum
import operator
from abc import ABC, abstractmethod
from dataclasses import dataclass

from golden.formats import Format, IntFormat
from golden.ranges import Range, levels_range

__all__ = [
    "Rounding", "Contract", "ExactSum", "MultiplyShift", "Tflite", "TfliteSingle",
    "CONTRACTS", "contract", "S32", "WORD_BITS", "bias_format",
]

S32 = IntFormat(32)

WORD_BITS = 32
"""Width of one word of the parameter stream."""


class Rounding(enum.Enum):
    """How a value between two integers is rounded; each name says what happens to negatives."""

    FLOOR = "floor"
    """Towards negative infinity: -0.5 and -1 give -1."""

    ZERO = "zero"
    """Towards zero: 0.9 and -0.9 give 0."""

    HALF_UP = "half_up"
    """To the nearest; ties towards positive infinity: 0.5 gives 1, -0.5 gives 0."""

    HALF_EVEN = "half_even"
    """To the nearest; ties to the even neighbour: 0.5 and -0.5 give 0, 1.5 and 2.5 give 2."""

    HALF_AWAY = "half_away"
    """To the nearest; ties away from zero: 0.5 gives 1, -0.5 gives -1."""


def bias_format(accumulator: IntFormat) -> IntFormat:
    """Format of the bias that joins sums of ``accumulator``: s32, or as wide where that is more.

    Zero points and the products of surplus lanes are folded into the bias.
    """
    return IntFormat(max(S32.width, accumulator.width + (not accumulator.signed)))


@dataclass(frozen=True)
class Contract(ABC):
    """One way to turn ``sum + bias`` into an output.

    Parameters
    ----------
    name : str
        What the user types.
    multiplier_bits : int
        Width of the multiplier, where there is one.
    """

    name: str

    takes: IntFormat | None = None
    """Format that every sum plus bias must lie in; ``None`` where any width is taken."""

    @property
    @abstractmethod
    def formula(self) -> str:
        """The result in terms of ``x``, the sum plus bias, and of the parameters, for reports."""

    def sum_format(self, unbiased: Range) -> IntFormat:
        """Format of sum plus bias, given the range of the sums that the hardware forms.

        Raises
        ------
        ValueError
            Where the sums alone exceed what the contract takes.
        """
        if self.takes is None:
            return (unbiased + levels_range(bias_format(unbiased.format))).format
        if unbiased not in levels_range(self.takes):
            raise ValueError(
                f"Accumulator must be in range {levels_range(self.takes)} of {self.takes} for "
                f"contract {self.name}, not {unbiased} ({unbiased.format}): fewer products or "
                f"narrower formats are needed")
        return self.takes

    @abstractmethod
    def fields(self, unbiased: Range, output: Format | None) -> dict[str, IntFormat]:
        """Parameters of one channel, in the order in which a record holds them, low bits first."""

    def output_format(self, unbiased: Range, output: Format | None) -> Format:
        """Format of the results; ``output`` is what the user asked for, or ``None``."""
        if output is None:
            raise ValueError(f"Output must be a format for contract {self.name}, not None")
        return output


@dataclass(frozen=True)
class ExactSum(Contract):
    """``sum + bias``, in a signed format of its exact width; nothing is rounded or clamped."""

    name: str = "none"

    @property
    def formula(self) -> str:
        """The result in terms of the sum plus bias."""
        return "x"

    def fields(self, unbiased: Range, output: Format | None) -> dict[str, IntFormat]:
        """Only a bias."""
        return {"bias": bias_format(unbiased.format)}

    def output_format(self, unbiased: Range, output: Format | None) -> Format:
        """Signed, as wide as sum plus bias; an explicit other format is refused."""
        if output is not None:
            raise ValueError(
                f"Output must not be given for contract {self.name}, whose output is the exact "
                f"sum, not {output}")
        return self.sum_format(unbiased)


@dataclass(frozen=True)
class Scaled(Contract):
    """Shared by the contracts that scale by a multiplier and a shift."""

    multiplier_bits: int = 31

    @abstractmethod
    def shift_range(self, sum_format: IntFormat) -> Range:
        """Shifts that are allowed."""

    def multiplier_format(self) -> IntFormat:
        """Unsigned, of ``multiplier_bits``."""
        return IntFormat(self.multiplier_bits, signed=False)

    def fields(self, unbiased: Range, output: Format | None) -> dict[str, IntFormat]:
        """Bias, multiplier, shift, zero point and the two ends of the clamp."""
        if not isinstance(output, IntFormat):
            raise ValueError(
                f"Output must be an integer format for contract {self.name}, not {output}")
        return {
            "bias": bias_format(unbiased.format),
            "multiplier": self.multiplier_format(),
            "shift": self.shift_range(self.sum_format(unbiased)).format,
            "zero_point": output,
            "clamp_min": output,
            "clamp_max": output,
        }


@dataclass(frozen=True)
class MultiplyShift(Scaled):
    """``round(x * multiplier / 2**shift)`` with one of the :class:`Rounding` modes.

    Any accumulator; multiplier ``0 .. 2**multiplier_bits - 1``; right shift
    ``0 .. max(62, bits of x + multiplier_bits - 1)``. With 31-bit multipliers, ``half_up`` on
    int32 equals TFLite's single rounding (there ``shift`` is written ``31 - shift``).
    """

    rounding: Rounding = Rounding.HALF_UP

    @property
    def formula(self) -> str:
        """The result in terms of the sum plus bias, and of the parameters."""
        return f"clamp({self.rounding.value}(x * multiplier / 2^shift) + zero_point)"

    def __post_init__(self):
        if self.name != Rounding(self.rounding).value:
            raise ValueError(f"Name must be that of the rounding, {self.rounding.value}, "
                             f"not {self.name!r}")
        if not 1 <= operator.index(self.multiplier_bits) <= 32:
            raise ValueError(
                f"Multiplier bits must be in range [1, 32], not {self.multiplier_bits!r}")

    def shift_range(self, sum_format: IntFormat) -> Range:
        """Right shifts."""
        return Range(0, max(62, sum_format.width + self.multiplier_bits - 1))


@dataclass(frozen=True)
class Tflite(Scaled):
    """TFLite's MultiplyByQuantizedMultiplier, double rounding (gemmlowp), on int32.

    ``real = multiplier * 2**(shift - 31)``. A positive shift goes left first, and must not
    overflow int32; then ``SaturatingRoundingDoublingHighMul`` (ties towards positive infinity);
    then, for a negative shift, ``RoundingDivideByPOT`` (ties away from zero). The semantics of
    TFLite's reference kernels, tflite-micro and CMSIS-NN.
    """

    name: str = "tflite"
    takes: IntFormat | None = S32

    @property
    def formula(self) -> str:
        """The result in terms of the sum plus bias, and of the parameters."""
        return ("clamp(half_away(half_up((x << max(shift, 0)) * multiplier / 2^31)"
                " / 2^max(-shift, 0)) + zero_point)")

    def __post_init__(self):
        _require_31(self)

    def shift_range(self, sum_format: IntFormat) -> Range:
        """As TFLite's: positive to the left."""
        return Range(-31, 31)


@dataclass(frozen=True)
class TfliteSingle(Scaled):
    """TFLite's single rounding (``TFLITE_SINGLE_ROUNDING``) on int32.

    ``(x * multiplier + 2**(30 - shift)) >> (31 - shift)``, ties towards positive infinity. The
    scaled value must itself fit int32.
    """

    name: str = "tflite_single"
    takes: IntFormat | None = S32

    @property
    def formula(self) -> str:
        """The result in terms of the sum plus bias, and of the parameters."""
        return "clamp(half_up(x * multiplier / 2^(31 - shift)) + zero_point)"

    def __post_init__(self):
        _require_31(self)

    def shift_range(self, sum_format: IntFormat) -> Range:
        """As TFLite's: positive to the left."""
        return Range(-31, 30)


def _require_31(contract: Scaled):
    if contract.multiplier_bits != 31:
        raise ValueError(f"Multiplier bits must be 31 for contract {contract.name}, "
                         f"not {contract.multiplier_bits!r}")


CONTRACTS = ("half_up", "half_even", "half_away", "floor", "zero", "tflite", "tflite_single",
             "none")
"""Names of every contract, the default first."""


def contract(name: str, *, multiplier_bits: int | None = None) -> Contract:
    """Return the contract called ``name``, with 31-bit multipliers unless told otherwise.

    Raises
    ------
    ValueError
        Where there is none, or it has no multiplier of that width.
    """
    if name == "none":
        if multiplier_bits is not None:
            raise ValueError("Multiplier bits must not be given for contract none, "
                             f"not {multiplier_bits!r}")
        return ExactSum()
    multiplier_bits = 31 if multiplier_bits is None else multiplier_bits
    if name == "tflite":
        return Tflite(multiplier_bits=multiplier_bits)
    if name == "tflite_single":
        return TfliteSingle(multiplier_bits=multiplier_bits)
    if name in CONTRACTS:
        return MultiplyShift(name, multiplier_bits=multiplier_bits, rounding=Rounding(name))
    raise ValueError(f"Contract must be one of {', '.join(CONTRACTS)}, not {name!r}")
