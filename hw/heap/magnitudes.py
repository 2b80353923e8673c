"""Heaps of numbers of a sign and a magnitude, such as products of floats."""

from golden.ranges import Range
from hw.heap.heap import NOT, WIRE, XOR, Bit, Heap

__all__ = ["magnitudes_heap"]


def magnitudes_heap(width: int, lanes: int, reach: Range, *, total: int = 0) -> Heap:
    """Return the heap of a sum of numbers ``magnitude`` or ``-magnitude``.

    The inputs are, number by number, the magnitude's bits from the lowest on, and the sign, 1 for
    minus. A negative number is the complement of its magnitude, plus 1, less ``2**width``.

    Parameters
    ----------
    width : int
        Bits of a magnitude.
    lanes : int
        How many numbers.
    reach : Range
        Range of the sum; its format has more bits than a magnitude.
    total : int
        Width of the accumulator; 0 for none.
    """
    columns: dict[int, list[Bit]] = {}
    for first in range(0, lanes * (width + 1), width + 1):
        sign = first + width
        for place in range(width):
            columns.setdefault(place, []).append(Bit(XOR, (first + place, sign)))
        columns.setdefault(0, []).append(Bit(WIRE, (sign,)))
        # Less the sign's weight is its complement's, less a constant.
        columns.setdefault(width, []).append(Bit(NOT, (sign,)))
    return Heap(lanes * (width + 1), reach,
                {column: tuple(bits) for column, bits in columns.items()},
                constant=-lanes << width, total=total)
