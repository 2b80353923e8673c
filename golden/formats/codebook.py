"""Codebooks: formats of a few integer levels, looked up by code."""

import operator
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from golden.formats.base import Format, integers
from golden.formats.integer import IntFormat

__all__ = ["MAX_CODE_BITS", "MAX_LEVELS", "CODEBOOK_RANGE", "Codebook", "LoadedCodebook"]

MAX_CODE_BITS = 4
"""Widest code of a codebook."""

MAX_LEVELS = 1 << MAX_CODE_BITS
"""Largest number of levels of a codebook."""

CODEBOOK_RANGE = IntFormat(16)
"""Format that holds every level of a codebook."""


@dataclass(frozen=True)
class Codebook(Format):
    """Level ``table[code]``: non-uniform quantization.

    Parameters
    ----------
    table : tuple of int
        2 to :data:`MAX_LEVELS` levels, ascending, so that codes are in the order of the levels.

    Raises
    ------
    TypeError
        If a level is no integer.
    ValueError
        If the levels are too few or too many, not ascending, or not in :data:`CODEBOOK_RANGE`.
    """

    table: tuple[int, ...]

    def __init__(self, table: Iterable[int]):
        # Through object, for the instance is frozen.
        levels = integers(list(table), "Codebook level").tolist()
        object.__setattr__(self, "table", tuple(levels))
        if not 2 <= len(self.table) <= MAX_LEVELS:
            raise ValueError(f"Codebook must have 2 to {MAX_LEVELS} levels, not {len(self.table)}")
        for level in self.table:
            if not CODEBOOK_RANGE.contains(level):
                raise ValueError(f"Codebook level must be {CODEBOOK_RANGE.describe()}, not {level}")
        for before, after in zip(self.table, self.table[1:], strict=False):
            if after <= before:
                raise ValueError(f"Codebook must have ascending levels, not {after} "
                                 f"after {before}")

    @property
    def bits(self) -> int:
        """Width of a code in bits."""
        return (len(self.table) - 1).bit_length()

    @property
    def min(self) -> int:
        """Smallest level."""
        return self.table[0]

    @property
    def max(self) -> int:
        """Largest level."""
        return self.table[-1]

    @property
    def stem(self) -> str:
        """Name of the format in names of modules."""
        return f"codebook{self.bits}"

    def levels(self) -> np.ndarray:
        """Every level, ascending, as ``int64``."""
        return np.array(self.table, dtype=np.int64)

    def contains(self, levels) -> np.ndarray:
        """Whether each of ``levels`` is a level of this format."""
        return np.isin(levels, self.levels())

    def encode(self, levels) -> np.ndarray:
        """Codes of ``levels``: their indices in the table."""
        return np.searchsorted(self.levels(), self.check(levels).astype(np.int64))

    def decode(self, codes) -> np.ndarray:
        """Levels of ``codes``."""
        return self.levels()[self._check_codes(codes, len(self.table) - 1)]

    def describe(self) -> str:
        """Constraint on a level, as messages state it."""
        return f"one of {'/'.join(map(str, self.table))} of a codebook"

    def __str__(self):
        return f"codebook:{'/'.join(map(str, self.table))}"


@dataclass(frozen=True)
class LoadedCodebook(Format):
    """Codebook whose table is loaded at run time; only the range of its levels is fixed.

    The levels of this format are all levels that a table may have. The loaded :class:`Codebook`
    defines the codes. Sums and biases are as wide as the range needs.

    Parameters
    ----------
    code_bits : int
        Width of a code, at most :data:`MAX_CODE_BITS`: a table has up to ``2**code_bits`` levels.
    range : IntFormat
        Range of the levels, within :data:`CODEBOOK_RANGE`.

    Raises
    ------
    TypeError
        If the range is no integer format.
    ValueError
        If ``code_bits`` is out of range, or the range is too wide.
    """

    code_bits: int
    range: IntFormat

    def __post_init__(self):
        if not 1 <= operator.index(self.code_bits) <= MAX_CODE_BITS:
            raise ValueError(f"Codebook bits must be in range [1, {MAX_CODE_BITS}], "
                             f"not {self.code_bits!r}")
        if not isinstance(self.range, IntFormat):
            raise TypeError(f"Codebook range must be an integer format, not {self.range}")
        if not CODEBOOK_RANGE.contains([self.range.min, self.range.max]).all():
            raise ValueError(f"Codebook range must be within {CODEBOOK_RANGE}, not {self.range}")

    @property
    def bits(self) -> int:
        """Width of a code in bits."""
        return self.code_bits

    @property
    def min(self) -> int:
        """Smallest level of any table."""
        return self.range.min

    @property
    def max(self) -> int:
        """Largest level of any table."""
        return self.range.max

    @property
    def idle(self) -> int:
        """Level of an unused lane in the worst case, as a table need not have a level 0."""
        return self.range.max

    def levels(self) -> np.ndarray:
        """Every level of any table, ascending."""
        return self.range.levels()

    def contains(self, levels) -> np.ndarray:
        """Whether each of ``levels`` may be in a table."""
        return self.range.contains(levels)

    def encode(self, levels) -> np.ndarray:
        """Refuse with ``TypeError``: only a loaded table has codes."""
        raise TypeError(f"Codes must be those of a loaded codebook, not of {self}")

    def decode(self, codes) -> np.ndarray:
        """Refuse with ``TypeError``: only a loaded table has levels for codes."""
        raise TypeError(f"Levels must be those of a loaded codebook, not of {self}")

    def check_table(self, table: Format) -> Codebook:
        """Return ``table`` if the hardware can load it; else raise ``ValueError``."""
        if not isinstance(table, Codebook):
            raise ValueError(f"Table of {self} must be a codebook, not {table}")
        if table.bits > self.code_bits:
            raise ValueError(f"Table of {self} must have at most {1 << self.code_bits} levels, "
                             f"not {len(table.table)}")
        self.range.check(table.levels(), f"Table of {self}")
        return table

    def describe(self) -> str:
        """Constraint on a level, as messages state it."""
        return self.range.describe()

    def __str__(self):
        return f"codebook{self.code_bits}:loaded={self.range}"
