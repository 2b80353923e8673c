"""Formats of odd levels, symmetric about 0, without a level 0."""

import operator
from dataclasses import dataclass

import numpy as np

from golden.formats.base import Format

__all__ = ["MAX_ODD_BITS", "OddFormat"]

MAX_ODD_BITS = 8
"""Widest code of odd levels."""


@dataclass(frozen=True)
class OddFormat(Format):
    """Odd levels ``2 * code - (2**width - 1)``, symmetric about 0.

    ``odd4`` is the symmetric int4 ``-15, -13 .. 15``, ``odd2`` is ``-3, -1, 1, 3``, and ``binary``,
    another name of ``odd1``, is -1 and 1. All codes are used and the range is symmetric, but 0 is
    no level. DoReFa's weights have these levels.

    Parameters
    ----------
    width : int
        Width of a code, at most :data:`MAX_ODD_BITS`.

    Raises
    ------
    ValueError
        If the width is out of range.
    """

    width: int

    def __post_init__(self):
        if not 1 <= operator.index(self.width) <= MAX_ODD_BITS:
            raise ValueError(f"Format width must be in range [1, {MAX_ODD_BITS}] for odd levels, "
                             f"not {self.width!r} (odd{self.width})")

    @property
    def bits(self) -> int:
        """Width of a code in bits."""
        return self.width

    @property
    def min(self) -> int:
        """Smallest level."""
        return -self.max

    @property
    def max(self) -> int:
        """Largest level."""
        return (1 << self.width) - 1

    def levels(self) -> np.ndarray:
        """Every level, ascending, as ``int64``."""
        return np.arange(self.min, self.max + 1, 2, dtype=np.int64)

    def contains(self, levels) -> np.ndarray:
        """Whether each of ``levels`` is a level of this format."""
        levels = np.asarray(levels)
        return np.asarray((levels >= self.min) & (levels <= self.max) & (levels % 2 == 1),
                          dtype=bool)

    def encode(self, levels) -> np.ndarray:
        """Codes of ``levels``: ``(level + 2**width - 1) / 2``."""
        return (self.check(levels) + self.max) >> 1

    def decode(self, codes) -> np.ndarray:
        """Levels of ``codes``."""
        return 2 * self._check_codes(codes, self.max) - self.max

    def describe(self) -> str:
        """Constraint on a level, as messages state it."""
        return f"odd and in range [{self.min}, {self.max}] of {self}"

    def __str__(self):
        return "binary" if self.width == 1 else f"odd{self.width}"
