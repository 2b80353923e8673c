"""Float formats of a few bits; their levels are integers in units of the smallest number."""

import operator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from golden.formats.base import Format

__all__ = ["MAX_BIAS", "FloatFormat", "FLOATS", "NAN", "INFINITY"]

MAX_BIAS = 63
"""Largest exponent bias that Tesla's formats may have."""

NAN = 1 << 62
"""Value of not-a-number among levels, if the format propagates it. No level is as large."""

INFINITY = NAN + 1
"""Value of infinity among levels, likewise; ``-INFINITY`` is negative infinity."""


@dataclass(frozen=True)
class FloatFormat(Format):
    """Float of sign, exponent and mantissa: a code is ``sign | e | m``, the highest bit first.

    With ``M`` mantissa bits, the level of a code is plus or minus

    ===========  =======================  ============================
    ``e``        ``denormals="ieee"``     ``denormals="paper"``
    ===========  =======================  ============================
    0            ``m``                    ``m``
    1 and more   ``(2**M + m) << e - 1``  ``(2**M + m) << e``
    unit         ``2**(1 - bias - M)``    ``2**(-bias - M)``
    ===========  =======================  ============================

    so that a normal number is ``1.m * 2**(e - bias)`` in both. A number with ``e = 0`` is
    ``0.m * 2**(1 - bias)``, or ``0.m * 2**-bias`` by Tesla's whitepaper. An exponent of all ones
    is a number's too, except in reserved codes. The bias moves only the unit. There are two codes
    of 0; :meth:`encode` gives the positive one.

    Reserved codes are refused. If infinities and NaN propagate, they stand for :data:`NAN` and
    plus or minus :data:`INFINITY`, which are no levels but may be among them.

    Parameters
    ----------
    family : str
        Name of the format without parameters.
    exponent_bits, mantissa_bits : int
        Widths of the exponent and of the mantissa.
    bias : int
        Exponent bias, 0 to 63.
    reserved : int
        Number of the largest magnitudes that have no level: infinity or not a number (NaN).
    infinity : bool
        Whether the smallest reserved magnitude is infinity.
    denormals : "ieee" or "paper"
        Rule for numbers with ``e = 0``, as above.
    specials : "refuse" or "propagate"
        Treatment of infinities and NaN. A format without them only refuses.

    Raises
    ------
    ValueError
        If the bias is out of range, a rule is unknown, or there is nothing to propagate.
    """

    family: str
    exponent_bits: int
    mantissa_bits: int
    bias: int
    reserved: int = 0
    infinity: bool = False
    denormals: str = "ieee"
    specials: str = "refuse"

    def __post_init__(self):
        if not 0 <= operator.index(self.bias) <= MAX_BIAS:
            raise ValueError(f"Bias of {self.family} must be in range [0, {MAX_BIAS}], "
                             f"not {self.bias!r}")
        if self.denormals not in ("ieee", "paper"):
            raise ValueError(f"Denormals of {self.family} must be ieee or paper, "
                             f"not {self.denormals!r}")
        choices = ("refuse", "propagate") if self.reserved else ("refuse",)
        if self.specials not in choices:
            raise ValueError(f"Specials of {self.family} must be {' or '.join(choices)}, "
                             f"not {self.specials!r}")

    @property
    def propagates(self) -> bool:
        """Whether infinities and NaN may be among the levels."""
        return self.specials == "propagate"

    @cached_property
    def special_codes(self) -> dict[int, int]:
        """Code of each special value, NaN or an infinity; for NaN the quiet code."""
        if not self.propagates:
            return {}
        first, sign = len(self.magnitudes), 1 << self.bits - 1
        if not self.infinity:
            return {NAN: first}
        # IEEE's quiet NaN has the highest bit of the mantissa set.
        return {NAN: first | 1 << self.mantissa_bits - 1, INFINITY: first, -INFINITY: first | sign}

    @property
    def bits(self) -> int:
        """Width of a code in bits."""
        return 1 + self.exponent_bits + self.mantissa_bits

    @property
    def parts(self) -> dict[str, int]:
        """Bit widths of sign, exponent and mantissa."""
        return {"sign": 1, "exponent": self.exponent_bits, "mantissa": self.mantissa_bits}

    @property
    def min(self) -> int:
        """Smallest level."""
        return -self.max

    @property
    def max(self) -> int:
        """Largest level."""
        return int(self.magnitudes[-1])

    @property
    def unit(self) -> int:
        """Exponent ``u``: one level counts ``2**u``."""
        return (self.denormals == "ieee") - self.bias - self.mantissa_bits

    @cached_property
    def magnitudes(self) -> np.ndarray:
        """Levels of the nonnegative codes, ascending from 0."""
        code = np.arange((1 << self.bits - 1) - self.reserved, dtype=np.int64)
        exponent, mantissa = code >> self.mantissa_bits, code & (1 << self.mantissa_bits) - 1
        normal = (1 << self.mantissa_bits) + mantissa
        shift = exponent - (self.denormals == "ieee")
        return np.where(exponent == 0, mantissa, normal << np.maximum(shift, 0))

    def levels(self) -> np.ndarray:
        """Every level, ascending, as ``int64``."""
        return np.concatenate([-self.magnitudes[:0:-1], self.magnitudes])

    @property
    def idle(self) -> int:
        """Level of an unused lane."""
        return 0

    def contains(self, levels) -> np.ndarray:
        """Whether each of ``levels`` is a level of this format."""
        levels = np.asarray(levels)
        numbers = np.isin(np.abs(levels), self.magnitudes)
        return numbers | np.isin(levels, list(self.special_codes)) if self.propagates else numbers

    def encode(self, levels) -> np.ndarray:
        """Codes of ``levels``; the code of 0 is the positive one."""
        levels = self.check(levels).astype(np.int64)
        magnitude = np.searchsorted(self.magnitudes, np.abs(levels))
        codes = np.asarray(magnitude + ((levels < 0) * (1 << self.bits - 1)))
        for special, code in self.special_codes.items():
            codes = np.where(levels == special, code, codes)
        return codes

    def decode(self, codes) -> np.ndarray:
        """Levels of ``codes``; codes of infinities and NaN are refused unless these propagate."""
        codes = self._check_codes(codes, (1 << self.bits) - 1)
        magnitude = codes & (1 << self.bits - 1) - 1
        reserved = magnitude >= len(self.magnitudes)
        if reserved.any() and not self.propagates:
            code = int(codes[reserved].flat[0])
            raise ValueError(f"Code must be that of a number of {self}, not {code:#04x}, "
                             f"which is {self.special(code)}")
        levels = self.magnitudes[np.where(reserved, 0, magnitude)]
        levels = np.where(codes == magnitude, levels, -levels)
        values = {"nan": NAN, "inf": INFINITY, "-inf": -INFINITY}
        for code in np.unique(codes[reserved]).tolist():
            levels = np.where(codes == code, values[self.special(code)], levels)
        return levels

    def special(self, code: int) -> str:
        """Name of a reserved code, ``inf``, ``-inf`` or ``nan``; empty for a number's code."""
        place = (code & (1 << self.bits - 1) - 1) - len(self.magnitudes)
        if place < 0:
            return ""
        if place or not self.infinity:
            return "nan"
        return "-inf" if code >> self.bits - 1 else "inf"

    def describe(self) -> str:
        """Constraint on a level, as messages state it."""
        return f"a level of {self}, {self.min} to {self.max} in units of 2**{self.unit}"

    def __str__(self):
        usual = FLOATS[self.family]
        changed = [f"{name}={getattr(self, name)}" for name in ("bias", "denormals", "specials")
                   if getattr(self, name) != getattr(usual, name)]
        return ":".join([self.family, *([",".join(changed)] if changed else [])])


FLOATS: dict[str, FloatFormat] = {each.family: each for each in (
    FloatFormat("cfloat8_1_4_3", 4, 3, bias=7),
    FloatFormat("cfloat8_1_5_2", 5, 2, bias=15),
    FloatFormat("e4m3fn", 4, 3, bias=7, reserved=1),
    FloatFormat("e5m2", 5, 2, bias=15, reserved=4, infinity=True),
    FloatFormat("e2m1", 2, 1, bias=1),
    FloatFormat("e2m3", 2, 3, bias=1),
    FloatFormat("e3m2", 3, 2, bias=3),
)}
"""Float formats by name: Tesla's, with the same biases as OCP's, and OCP's own."""
