"""What is summed: bits, each with a weight and a sign. No fabric is meant here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from golden.ranges import Range

__all__ = ["AND", "Bit", "Heap", "NOT", "ONE", "WIRE", "XOR", "complement"]

WIRE, NOT = 0b10, 0b01
"""Tables of a wire, and of its complement."""

AND, XOR = 0b1000, 0b0110
"""Tables of two wires."""

Columns = Mapping[int, tuple["Bit", ...]]


class Bit(NamedTuple):
    """A bit of a heap: a function of up to three wires.

    Parameters
    ----------
    table : int
        Truth table: bit ``a + 2 * b + 4 * c`` is the value for the wires ``(a, b, c)``.
    wires : tuple of int
        Wires; none for a constant.
    """

    table: int
    wires: tuple[int, ...]


ONE = Bit(1, ())
"""Bit that is 1."""


def complement(bit: Bit) -> Bit:
    """Return the bit that is 1 where ``bit`` is 0."""
    return Bit(bit.table ^ (1 << (1 << len(bit.wires))) - 1, bit.wires)


@dataclass(frozen=True)
class Heap:
    """A sum of bits with weights.

    ``sum(bit * 2**column) - sum(bit * 2**column) + constant``, of the positive and of the negative
    bits. It is in ``range`` for all inputs that occur; its width is that of the range's format.

    Parameters
    ----------
    inputs : int
        Number of the input wires, 0 to ``inputs - 1``.
    range : Range
        Range of the sum.
    positive, negative : mapping of int to tuple of Bit
        Bits by column.
    constant : int
    late : mapping of int to int
        Cycle of each input wire that comes later than in cycle 0.
    total : int
        Width of the accumulator that the sum is added to, at least that of the sum; 0 for none.
    """

    inputs: int
    range: Range
    positive: Columns = field(default_factory=dict)
    negative: Columns = field(default_factory=dict)
    constant: int = 0
    late: Mapping[int, int] = field(default_factory=dict)
    total: int = 0

    @property
    def width(self) -> int:
        """Width of the sum, in two's complement where it may be negative."""
        return self.range.format.width

    def may_lack(self, column: int) -> bool:
        """Return True if a bit of a column may be left out of the sum, and added elsewhere.

        The rest, which is known modulo ``2**width``, is then still in the range of its width.
        """
        if not self.negative and self.constant >= 0 and max(self.positive, default=0) < self.width:
            return True
        return self.range.lo < 0 and self.range.lo - (1 << column) >= -1 << self.width - 1

    def value(self, inputs: np.ndarray) -> np.ndarray:
        """Return the sum for some inputs, 0 to ``2**width - 1``.

        Parameters
        ----------
        inputs : array of 0 and 1, ``(inputs, ...)``
        """
        sum = np.full(inputs.shape[1:], self.constant, dtype=object)
        for sign, columns in ((1, self.positive), (-1, self.negative)):
            for column, bits in columns.items():
                for bit in bits:
                    index = np.zeros(inputs.shape[1:], np.int64)
                    for place, wire in enumerate(bit.wires):
                        index += inputs[wire].astype(np.int64) << place
                    sum += sign * (bit.table >> index & 1).astype(object) * 2**column
        return sum % 2**self.width
