"""Requantization contracts: how an exact sum becomes an output code, by name.

A contract says which sums it takes, which parameters it has and what happens to ties and to
negatives. There is no arithmetic here: :mod:`golden.requantize` and :mod:`hw.requantize` each
implement these descriptions, and share nothing but them.

Every contract with an output format computes ``clamp(scaled(sum + bias) + zero_point)``, where
``scaled`` is exact but for its one named rounding (two in ``tflite``, which is defined so). Those
that multiply and shift round to the levels of any format; only integers have a zero point.
"""

import enum
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace

from golden.formats import Format, IntFormat
from golden.ranges import Range, levels_range

__all__ = [
    "Rounding", "Contract", "ExactSum", "Scaled", "MultiplyShift", "DoubleRounding", "Onnx",
    "Stochastic", "Thresholds", "CONTRACTS", "contract", "S32", "WORD_BITS", "LFSR_BITS",
    "LFSR_TAPS",
]

S32 = IntFormat(32)

WORD_BITS = 32
"""Width of one word of the parameter stream."""

LFSR_BITS, LFSR_TAPS = 32, (16, 7, 2, 0)
"""Register of :class:`Stochastic`: ``s[t + 32]`` is the sum modulo 2 of ``s[t + tap]``."""


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


@dataclass(frozen=True)
class Contract(ABC):
    """One way to turn ``sum + bias`` into an output.

    Parameters
    ----------
    name : str
        What the user types.
    takes : IntFormat or None
        Format that every sum plus bias must lie in; ``None`` where any width is taken.
    source : str
        Whose arithmetic it is.
    """

    name: str
    takes: IntFormat | None = None
    source: str = "exactmac"

    @property
    @abstractmethod
    def formula(self) -> str:
        """The result in terms of ``x``, the sum plus bias, and of the parameters, for reports."""

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

    @property
    def formula(self) -> str:
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

    @property
    def formula(self) -> str:
        """The result in terms of the sum plus bias, and of the parameters."""
        return f"clamp({self.scaled} + zero_point)"

    @property
    @abstractmethod
    def scaled(self) -> str:
        """What the zero point is added to, in the same terms."""

    def fields(self, unbiased: Range, output: Format | None) -> dict[str, Format]:
        """Bias, what scales, zero point of an integer, and the two ends of the clamp."""
        output = self.output_format(unbiased, output)
        return {
            "bias": self.bias_format(unbiased),
            **self.scaling(self.sum_format(unbiased)),
            **({"zero_point": output} if isinstance(output, IntFormat) else {}),
            "clamp_min": output,
            "clamp_max": output,
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
        product = "(x * multiplier + addend)" if self.adds else "x * multiplier"
        right = "shift" if self.origin is None else f"({self.origin} - shift)"
        return f"{self.rounding.value}({product} / 2^{right})"

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
    inside: bool = False

    @property
    def formula(self) -> str:
        """The result in terms of the sum plus bias, and of the parameters."""
        return "clamp(rne(float32(x) *f scale +f zero_point))" if self.inside else super().formula

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

    @property
    def formula(self) -> str:
        """The result in terms of the sum plus bias, and of the parameters."""
        return "level[count(x >= threshold_k)]"

    def fields(self, unbiased: Range, output: Format | None) -> dict[str, Format]:
        """Bias, and a threshold for each step of the output."""
        if output is None or output.bits > THRESHOLD_BITS:
            raise ValueError(f"Output must be a format of at most {THRESHOLD_BITS} bits for "
                             f"contract {self.name}, not {output}")
        total = self.sum_format(unbiased)
        steps: dict[str, Format] = {
            f"threshold_{step}": total for step in range(1, len(output.levels()))}
        return {"bias": self.bias_format(unbiased)} | steps


THRESHOLD_BITS = 4
"""Widest output of :class:`Thresholds`: a record has ``2**bits - 1`` of them."""


def _multiply_shift(rounding: Rounding) -> MultiplyShift:
    return MultiplyShift(rounding.value, rounding=rounding)


_U15, _U24, _S16 = IntFormat(15, signed=False), IntFormat(24, signed=False), IntFormat(16)

_CONTRACTS: dict[str, Contract] = {each.name: each for each in (
    *map(_multiply_shift, (Rounding.HALF_UP, Rounding.HALF_EVEN, Rounding.HALF_AWAY,
                           Rounding.FLOOR, Rounding.ZERO)),
    DoubleRounding("tflite", S32, "TFLite reference kernels, tflite-micro, CMSIS-NN"),
    MultiplyShift("tflite_single", S32, "TFLite with TFLITE_SINGLE_ROUNDING",
                  shifts=Range(-31, 30), origin=31, result=S32),
    MultiplyShift("tflite_int16x8", IntFormat(48), "TFLite, int16 activations, int64 bias",
                  multiplier=_U15, shifts=Range(-31, 7), origin=15, result=S32),
    Onnx("onnx", source="ONNX Runtime: QLinearMatMul, QLinearConv"),
    Onnx("onnx_zp_inside", source="ONNX Runtime: QLinearAdd, pooling", inside=True),
    DoubleRounding("q31", S32, "QNNPACK", left=False),
    MultiplyShift("precise", S32, "QNNPACK", multiplier=_U24, rounding=Rounding.HALF_AWAY,
                  shifts=Range(24, 55)),
    MultiplyShift("rndnu", S32, "XNNPACK", multiplier=_U24, shifts=Range(16, 55)),
    MultiplyShift("pulp", None, "PULP, DORY, NEMO", rounding=Rounding.FLOOR, adds=True),
    MultiplyShift("pulp_round", None, "Deeploy", adds=True),
    MultiplyShift("nvdla", IntFormat(33), "NVDLA", multiplier=_S16, rounding=Rounding.HALF_AWAY,
                  shifts=Range(0, 31)),
    Thresholds("thresholds", source="FINN MultiThreshold"),
    Stochastic("stochastic"),
    ExactSum(),
)}

CONTRACTS = tuple(_CONTRACTS)
"""Names of every contract, the default first."""


def contract(name: str, *, multiplier_bits: int | None = None) -> Contract:
    """Return the contract called ``name``.

    Parameters
    ----------
    name : str
    multiplier_bits : int, optional
        Width of the multiplier, 1 to 32, of those whose source does not say.

    Raises
    ------
    ValueError
        Where there is none, or it has no multiplier of that width.
    """
    if name not in _CONTRACTS:
        raise ValueError(f"Contract must be one of {', '.join(CONTRACTS)}, not {name!r}")
    found = _CONTRACTS[name]
    if multiplier_bits is None:
        return found
    if isinstance(found, MultiplyShift) and found.takes is None:
        if not 1 <= multiplier_bits <= 32:
            raise ValueError(f"Multiplier bits must be in range [1, 32], not {multiplier_bits!r}")
        return replace(found, multiplier=IntFormat(multiplier_bits, signed=False))
    has = found.multiplier.width if isinstance(found, Scaled) else None
    if has != multiplier_bits:
        raise ValueError(f"Multiplier bits must be {has if has else 'left out'} for contract "
                         f"{name}, not {multiplier_bits!r}")
    return found
