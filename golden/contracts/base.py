"""What every contract is, and the one that rounds nothing."""

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
"""Width of one word of the parameter stream."""


def title_of(field: str) -> str:
    """Name of a parameter as messages have it: ``clamp_min`` is the "Clamp minimum"."""
    words = {"min": "minimum", "max": "maximum"}
    return " ".join(words.get(word, word) for word in field.split("_")).capitalize()


class Rounding(enum.Enum):
    """How a value between two integers is rounded; each name says what happens to negatives.

    Between two levels of another format it is the same (:func:`golden.rounding.nearest_level`),
    even being a code whose lowest bit is 0.
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
    """In which floats a source makes ``input * weight / output`` of three scales, from the left."""

    FLOAT64 = ("float64", "float64", "float64")
    """In float64, of scales in float64."""

    FLOAT64_OF_FLOAT32 = ("float32", "float64", "float64")
    """In float64, of scales that a file holds as float32: TFLite."""

    FLOAT32_PRODUCT = ("float32", "float32", "float64")
    """The product in float32, the quotient in float64: TFLite's FULLY_CONNECTED with one scale for
    all weights."""

    FLOAT32 = ("float32", "float32", "float32")
    """In float32, each operation rounded to it: ONNX Runtime, QNNPACK, XNNPACK."""

    def __init__(self, held: str, product: str, quotient: str):
        self.held = held
        """Type of each scale."""
        self.product = product
        """Type of the product."""
        self.quotient = quotient
        """Type of the quotient."""


@dataclass(frozen=True)
class Contract(ABC):
    """One way to turn ``sum + bias`` into an output.

    Parameters
    ----------
    name : str
        What the user types.
    takes : IntFormat or None
        Format that every sum plus bias must lie in; ``None`` where any width is taken.
    scale_rule : ScaleRule
        How the source makes one factor of the scales of input, weights and output
        (:func:`golden.multipliers.combined_scale`), unless it has another rule for some kernel.
    """

    name: str
    takes: IntFormat | None = None
    scale_rule: ScaleRule = ScaleRule.FLOAT64

    @property
    def multiplier_bits(self) -> int | None:
        """Width of the multiplier, of a contract that has one."""
        return None

    @property
    def users(self) -> tuple[User, ...]:
        """Software and hardware that compute exactly so."""
        return USERS.get(self.name, ())

    @property
    def comparisons(self) -> tuple[Comparison, ...]:
        """Comparisons with the software that computes so; none has a mismatch."""
        return COMPARISONS.get(self.name, ())

    @abstractmethod
    def formula(self, output: Format | None = None) -> str:
        """The result in terms of ``x``, the sum plus bias, and of the parameters, for reports.

        Of an output that is an integer, unless another is given.
        """

    def bias_format(self, unbiased: Range) -> IntFormat:
        """Format of the bias: s32, or as wide as the sums, or as what is taken, where that is more.

        Zero points and the products of surplus lanes are folded into the bias.
        """
        sums = unbiased.format
        return IntFormat(max(S32.width, sums.width + (not sums.signed),
                             self.takes.width if self.takes else 0))

    def sum_format(self, unbiased: Range) -> IntFormat:
        """Format of sum plus bias, given the range of the sums that the hardware forms.

        Raises
        ------
        ValueError
            Where the sums alone exceed what the contract takes.
        """
        if self.takes is None:
            return (unbiased + levels_range(self.bias_format(unbiased))).format
        if unbiased not in levels_range(self.takes):
            raise ValueError(
                f"Accumulator must be in range {levels_range(self.takes)} of {self.takes} for "
                f"contract {self.name}, not {unbiased} ({unbiased.format}): fewer products or "
                f"narrower formats are needed")
        return self.takes

    def taken(self, sums: Range) -> Range:
        """``sums`` as far as the contract takes them."""
        if self.takes is None:
            return sums
        return Range(max(sums.lo, self.takes.min), min(sums.hi, self.takes.max))

    @abstractmethod
    def fields(self, unbiased: Range, output: Format | None) -> dict[str, Format]:
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

    def formula(self, output: Format | None = None) -> str:
        """The result in terms of the sum plus bias."""
        return "x"

    def fields(self, unbiased: Range, output: Format | None) -> dict[str, Format]:
        """Only a bias."""
        return {"bias": self.bias_format(unbiased)}

    def output_format(self, unbiased: Range, output: Format | None) -> Format:
        """Signed, as wide as sum plus bias; an explicit other format is refused."""
        if output is not None:
            raise ValueError(
                f"Output must not be given for contract {self.name}, whose output is the exact "
                f"sum, not {output}")
        return self.sum_format(unbiased)


@dataclass(frozen=True)
class Clamped(Contract):
    """Shared by the contracts that compute ``clamp(scaled(sum + bias) + zero_point)``."""

    def formula(self, output: Format | None = None) -> str:
        """The result in terms of the sum plus bias, and of the parameters."""
        integer = output is None or isinstance(output, IntFormat)
        return f"clamp({self.scaled}{' + zero_point' * integer})"

    @property
    @abstractmethod
    def scaled(self) -> str:
        """What the zero point is added to, in the same terms."""

    def fields(self, unbiased: Range, output: Format | None) -> dict[str, Format]:
        """Bias, what scales, zero point of an integer, and the two ends of the clamp.

        Of a block-scaled output also the ends between which the codes of its exponents are.
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
        """Format of the results: an integer one, unless the contract says otherwise."""
        output = super().output_format(unbiased, output)
        if not isinstance(output, IntFormat):
            raise ValueError(
                f"Output must be an integer format for contract {self.name}, not {output}")
        return output

    @abstractmethod
    def scaling(self, sum_format: IntFormat) -> dict[str, IntFormat]:
        """Fields of what scales, given the format of sum plus bias."""
