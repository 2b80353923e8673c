"""Integer formats."""

import operator
from dataclasses import dataclass

import numpy as np

from golden.formats.base import Format

__all__ = ["IntFormat"]


@dataclass(frozen=True)
class IntFormat(Format):
    """Integer of ``width`` bits: two's complement where ``signed``, else plain binary.

    The levels are ``-2**(width-1) .. 2**(width-1) - 1`` (signed) or ``0 .. 2**width - 1``. A
    *narrow* range leaves out one level, so that a signed range is symmetric:
    ``-2**(width-1) + 1 .. 2**(width-1) - 1``, or ``0 .. 2**width - 2`` (QONNX IntQuant).

    Parameters
    ----------
    width : int
        Width in bits, positive. Operands and outputs have at most 16 bits, which
        :func:`golden.formats.parse` enforces; accumulators and biases have as many as they need.
    signed, narrow : bool
        Whether levels may be negative, and whether the range is narrow, as above.

    ``u1``, levels 0 and 1, is also called ``bit``. ``s2n``, levels -1, 0 and 1, is also called
    ``ternary``: bit 0 of its code is 1 unless the level is 0, bit 1 is the sign.

    Raises
    ------
    ValueError
        If the width is not positive, or there are fewer than two levels.
    """

    width: int
    signed: bool = True
    narrow: bool = False

    def __post_init__(self):
        if operator.index(self.width) < 1:
            raise ValueError(f"Format width must be a positive integer, not {self.width!r}")
        if self.min == self.max:
            raise ValueError(f"Format must have at least 2 levels, not the 1 of {self}")

    @property
    def bits(self) -> int:
        """Width of a code in bits."""
        return self.width

    @property
    def parts(self) -> dict[str, int]:
        """Bit widths of the sign, if there is one, and of the digits."""
        parts = {"sign": int(self.signed), "digits": self.width - self.signed}
        return {name: bits for name, bits in parts.items() if bits}

    @property
    def min(self) -> int:
        """Smallest level."""
        return -(1 << (self.width - 1)) + self.narrow if self.signed else 0

    @property
    def max(self) -> int:
        """Largest level."""
        return (1 << (self.width - self.signed)) - 1 - (self.narrow and not self.signed)

    def levels(self) -> np.ndarray:
        """Every level, ascending, as ``int64``."""
        return np.arange(self.min, self.max + 1, dtype=np.int64)

    def contains(self, levels) -> np.ndarray:
        """Whether each of ``levels`` is a level of this format."""
        levels = np.asarray(levels)
        return np.asarray((levels >= self.min) & (levels <= self.max), dtype=bool)

    def encode(self, levels) -> np.ndarray:
        """Two's complement codes of ``levels``."""
        levels = self.check(levels)
        # A mask of 64 bits is no int64.
        levels = levels.astype(object) if self.width > 63 else levels
        return levels & ((1 << self.width) - 1)

    def decode(self, codes) -> np.ndarray:
        """Levels of two's complement ``codes``."""
        sign = 1 << (self.width - 1)
        if self.signed:
            codes = self._check_codes(codes, 2 * sign - 1, without=sign if self.narrow else None)
        else:
            codes = self._check_codes(codes, self.max)
        # A sign of 64 bits is no int64.
        codes = codes.astype(object) if self.width > 63 else codes
        return (codes ^ sign) - sign if self.signed else codes

    @property
    def idle(self) -> int:
        """Level of an unused lane."""
        return 0

    def check_zero_point(self, values, name: str = "Zero point") -> np.ndarray:
        """Return zero points as an integer array; ``ValueError`` if one is no level."""
        return self.check(values, name)

    def describe(self) -> str:
        """Constraint on a level, as messages state it."""
        return f"in range [{self.min}, {self.max}] of {self}"

    def __str__(self):
        return f"{'s' if self.signed else 'u'}{self.width}{'n' if self.narrow else ''}"
