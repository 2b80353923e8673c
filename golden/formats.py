"""Number formats: finite sets of integer levels, each with a code of a few bits.

A *code* is the bit pattern that travels on a wire, an integer from 0 to ``2**bits - 1``; a *level*
is the integer that it stands for. Reference arithmetic works on levels, wires carry codes.
"""

import operator
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

__all__ = ["Format", "IntFormat", "parse", "integers", "MAX_BITS"]

MAX_BITS = 16
"""Widest integer format of an operand or an output; accumulators and biases may be wider."""


class Format(ABC):
    """A finite set of integer levels, each with one code.

    Members
    -------
    bits : int
        Width of a code.
    min, max : int
        Smallest and largest level.
    """

    @property
    @abstractmethod
    def bits(self) -> int:
        """Width of a code in bits."""

    @property
    @abstractmethod
    def min(self) -> int:
        """Smallest level."""

    @property
    @abstractmethod
    def max(self) -> int:
        """Largest level."""

    @abstractmethod
    def levels(self) -> np.ndarray:
        """Every level, ascending, as ``int64``."""

    @abstractmethod
    def contains(self, levels) -> np.ndarray:
        """Whether each of ``levels`` is a level of this format, as ``bool`` of the same shape."""

    @abstractmethod
    def encode(self, levels) -> np.ndarray:
        """Codes of ``levels``, as ``int64`` of the same shape; ``ValueError`` if one has none."""

    @abstractmethod
    def decode(self, codes) -> np.ndarray:
        """Levels of ``codes``, as ``int64`` of the same shape; ``ValueError`` if one has none."""

    def check(self, levels, name: str = "Level") -> np.ndarray:
        """Return ``levels`` as an integer array, or raise naming the first that has no code.

        Values outside ``int64`` are allowed where the format holds them: the array is then of
        Python integers (``dtype=object``).
        """
        array = integers(levels, name)
        bad = np.argwhere(~self.contains(array))
        if len(bad):
            where: tuple[int, ...] = tuple(bad[0].tolist())
            place = f" at index {where if where[1:] else where[0]}" if where else ""
            raise ValueError(f"{name} must be {self.describe()}, not {array[where]}{place}")
        return array

    @abstractmethod
    def describe(self) -> str:
        """What a level must be, to complete a message: ``in range [-8, 7] of s4``."""


def integers(values, name: str) -> np.ndarray:
    """Return ``values`` as an array of ``int64``, or of Python integers where it came as such.

    Parameters
    ----------
    values : array_like
        Integers; Python integers of any size among them.
    name : str
        What they are, for the message.

    Raises
    ------
    TypeError
        Where one is not an integer.
    """
    array = np.asarray(values)
    if array.size == 0:
        return array.astype(np.int64)
    if array.dtype == np.float64 and not isinstance(values, np.ndarray | np.generic | float):
        # A list of Python integers that neither int64 nor uint64 holds becomes float64.
        array = np.asarray(values, dtype=object)
    if array.dtype == object:
        for value in array.flat:
            if not isinstance(value, int | np.integer):
                raise TypeError(f"{name} must be an integer, not {value!r} "
                                f"({type(value).__name__})")
        flat = np.empty(array.size, dtype=object)
        flat[:] = [operator.index(value) for value in array.flat]
        return flat.reshape(array.shape)
    if not np.issubdtype(array.dtype, np.integer):
        raise TypeError(f"{name} must be an integer, not {array.flat[0]!r} ({array.dtype})")
    if array.dtype == np.uint64 and array.max() > np.iinfo(np.int64).max:
        return array.astype(object)
    return array.astype(np.int64, copy=False)


@dataclass(frozen=True)
class IntFormat(Format):
    """Integer of ``width`` bits: two's complement where ``signed``, else plain binary.

    The levels are ``-2**(width-1) .. 2**(width-1) - 1`` (signed) or ``0 .. 2**width - 1``. A
    *narrow* range leaves out one level, so that a signed one is symmetric:
    ``-2**(width-1) + 1 .. 2**(width-1) - 1``, or ``0 .. 2**width - 2`` (QONNX IntQuant).

    Parameters
    ----------
    width : int
        Bits, positive. Operands and outputs have at most ``MAX_BITS``, which :func:`parse`
        enforces; accumulators and biases have what they need.
    signed, narrow : bool
        As above. A format with fewer than two levels is refused.

    Raises
    ------
    ValueError
        Where ``width`` is not positive, or there are fewer than two levels.
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
        codes = IntFormat(self.width, signed=False).check(codes, f"Code of {self}")
        sign = 1 << (self.width - 1)
        return self.check((codes ^ sign) - sign if self.signed else codes)

    def describe(self) -> str:
        """What a level must be, to complete a message."""
        return f"in range [{self.min}, {self.max}] of {self}"

    def __str__(self):
        return f"{'s' if self.signed else 'u'}{self.width}{'n' if self.narrow else ''}"


def parse(name: str) -> Format:
    """Return the format called ``name``: ``s4``, ``u8``, ``s8n`` (narrow), 1 to 16 bits.

    Raises
    ------
    ValueError
        Where no operand or output can have a format of that name.
    """
    match = re.fullmatch(r"([su])([1-9][0-9]{0,8}|0)(n?)", name)
    if match is None:
        raise ValueError(
            f"Format must be one of s1..s{MAX_BITS}, u1..u{MAX_BITS}, either with n for the narrow "
            f"range, not {name!r}")
    width = int(match[2])
    if not 1 <= width <= MAX_BITS:
        raise ValueError(f"Format width must be in range [1, {MAX_BITS}], not {width} ({name!r})")
    return IntFormat(width, signed=match[1] == "s", narrow=bool(match[3]))
