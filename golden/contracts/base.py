"""Base classes of the contracts, and the contract of the exact sum."""

import enum
from abc import ABC, abstractmethod
from dataclasses import dataclass

from golden.contracts.users import COMPARISONS, USERS, Comparison, User
from golden.formats import EXPONENT, BlockScaled, Format, IntFormat
from golden.ranges import Range, levels_range

__all__ = ["Rounding", "ScaleRule", "Contract", "ExactSum", "Clamped", "title_of", "S32",
           "WORD_BITS"]

S32 = IntFormat(32)

WORD_BITS = 32
"""Width of a word of the parameter stream."""


def title_of(field: str) -> str:
    """Name of a parameter in messages: ``clamp_min`` is the "Clamp minimum"."""
    words = {"min": "minimum", "max": "maximum"}
    return " ".join(words.get(word, word) for word in field.split("_")).capitalize()


class Rounding(enum.Enum):
    """Rounding of a value between two integers; each name says what happens to negatives.

    The same rules round between two levels of another format
    (:func:`golden.rounding.nearest_level`); there, even means that the code's lowest bit is 0.
    """

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


class ScaleRule(enum.Enum):
    """Float types in which a source computes ``input * weight / output`` of three scales."""

    FLOAT64 = ("float64", "float64", "float64")
    """Everything in float64."""

    FLOAT64_OF_FLOAT32 = ("float32", "float64", "float64")
    """Scales in float32, as in the file, product and quotient in float64: TFLite."""

    FLOAT32_PRODUCT = ("float32", "float32", "float64")
    """Scales and product in float32, the quotient in float64: TFLite's FULLY_CONNECTED with one
    scale for all weights."""

    FLOAT32 = ("float32", "float32", "float32")
    """Everything in float32, each operation rounded: ONNX Runtime, QNNPACK, XNNPACK."""

    def __init__(self, held: str, product: str, quotient: str):
        self.held = held
        """Type of each scale."""
        self.product = product
        """Type of the product."""
        self.quotient = quotient
        """Type of the quotient."""


@dataclass(frozen=True)
class Contract(ABC):
    """Arithmetic that turns ``sum + bias`` into an output.

    Parameters
    ----------
    name : str
        Name that the user types.
    takes : IntFormat or None
        Format that holds every sum plus bias; ``None`` if any width is allowed.
    scale_rule : ScaleRule
        Rule by which the source combines the scales of input, weights and output into one factor
        (:func:`golden.multipliers.combined_scale`), unless a kernel has its own rule.
    """

    name: str
    takes: IntFormat | None = None
    scale_rule: ScaleRule = ScaleRule.FLOAT64

    @property
    def multiplier_bits(self) -> int | None:
        """Width of the multiplier; None if the contract has none."""
        return None

    @property
    def users(self) -> tuple[User, ...]:
        """Software and hardware that compute exactly as the contract does."""
        return USERS.get(self.name, ())

    @property
    def comparisons(self) -> tuple[Comparison, ...]:
        """Comparisons with other software; none has a mismatch."""
        return COMPARISONS.get(self.name, ())

    @abstractmethod
    def formula(self, output: Format | None = None) -> str:
        """Formula of the result, for reports, in ``x``, the sum plus bias, and the parameters.

        The output is an integer unless another format is given.
        """

    def bias_format(self, unbiased: Range) -> IntFormat:
        """Format of the bias: s32, or wider if the sums or ``takes`` are wider.

        Zero points and the products of surplus lanes are folded into the bias.
        """
        sums = unbiased.format
        return IntFormat(max(S32.width, sums.width + (not sums.signed),
                             self.takes.width if self.takes else 0))

    def sum_format(self, unbiased: Range) -> IntFormat:
        """Format of sum plus bias, given the range of the hardware's sums without bias.

        Raises
        ------
        ValueError
            If the sums alone exceed ``takes``.
        """
        if self.takes is None:
            return (unbiased + levels_range(self.bias_format(unbiased))).format
        if unbiased not in levels_range(self.takes):
            raise ValueError(
                f"Accumulator must be in range {levels_range(self.takes)} of {self.takes} for "
                f"contract {self.name}, not {unbiased} ({unbiased.format}): fewer products "
                f"(a tile's depth, --depth) or narrower formats are needed")
        return self.takes

    def accepted(self, sums: Range) -> Range:
        """Part of the range ``sums`` that is within ``takes``."""
        if self.takes is None:
            return sums
        return Range(max(sums.lo, self.takes.min), min(sums.hi, self.takes.max))

    @abstractmethod
    def fields(self, unbiased: Range, output: Format | None) -> dict[str, Format]:
        """Format of each parameter of a channel, in the order of the record, low bits first."""

    def output_format(self, unbiased: Range, output: Format | None) -> Format:
        """Format of the results, given the user's output format or ``None``."""
        if output is None:
            raise ValueError(f"Output must be a format for contract {self.name}, not None")
        return output


@dataclass(frozen=True)
class ExactSum(Contract):
    """``sum + bias``, in a signed format of its exact width; nothing is rounded or clamped."""

    name: str = "none"

    def formula(self, output: Format | None = None) -> str:
        """Formula of the result: ``x``, the sum plus bias."""
        return "x"

    def fields(self, unbiased: Range, output: Format | None) -> dict[str, Format]:
        """Format of the bias, the only parameter."""
        return {"bias": self.bias_format(unbiased)}

    def output_format(self, unbiased: Range, output: Format | None) -> Format:
        """Signed format as wide as sum plus bias; ``ValueError`` if another format is given."""
        if output is not None:
            raise ValueError(
                f"Output must not be given for contract {self.name}, whose output is the exact "
                f"sum, not {output}")
        return self.sum_format(unbiased)


@dataclass(frozen=True)
class Clamped(Contract):
    """Base of the contracts that compute ``clamp(scaled(sum + bias) + zero_point)``."""

    def formula(self, output: Format | None = None) -> str:
        """Formula of the result in ``x``, the sum plus bias, and the parameters."""
        integer = output is None or isinstance(output, IntFormat)
        return f"clamp({self.scaled}{' + zero_point' * integer})"

    @property
    @abstractmethod
    def scaled(self) -> str:
        """Formula of the scaled sum, to which the zero point is added."""

    def fields(self, unbiased: Range, output: Format | None) -> dict[str, Format]:
        """Formats of bias, scaling parameters, zero point and the two ends of the clamp.

        Only an integer output has a zero point. A block-scaled output also has the two ends of
        its exponents' codes.
        """
        output = self.output_format(unbiased, output)
        return {
            "bias": self.bias_format(unbiased),
            **self.scaling(self.sum_format(unbiased)),
            **({"zero_point": output} if isinstance(output, IntFormat) else {}),
            "clamp_min": output,
            "clamp_max": output,
            **({"exponent_min": EXPONENT, "exponent_max": EXPONENT}
               if isinstance(output, BlockScaled) else {}),
        }

    def output_format(self, unbiased: Range, output: Format | None) -> Format:
        """Format of the results: an integer format, unless the contract allows others."""
        output = super().output_format(unbiased, output)
        if not isinstance(output, IntFormat):
            raise ValueError(
                f"Output must be an integer format for contract {self.name}, not {output}")
        return output

    @abstractmethod
    def scaling(self, sum_format: IntFormat) -> dict[str, IntFormat]:
        """Formats of the scaling parameters, given the format of sum plus bias."""
