"""Heaps of Winograd's inner product: one product of sums for the products of two lanes.

:mod:`golden.winograd` has the identity. Three heaps compute its parts, each proven by itself:

- the *sums* of a cell, ``a0' + w1'`` and ``a1' + w0'`` of each pair of lanes, one beside the other;
- the *products* of these sums, added up, with the accumulator;
- the *activations' term* of a row, ``sum(a0' a1') + W sum(a')``.

A signed code has its top bit inverted, so that all bits are positive.
"""

from collections.abc import Iterator, Sequence

from golden.formats import Format
from golden.ranges import Range
from golden.winograd import code_sum, offset, products_range
from hw.heap.halves import ZERO
from hw.heap.heap import AND, NOT, WIRE, Bit, Heap
from hw.heap.products import PRODUCED

__all__ = ["activations_heap", "pair_products_heap", "pair_sums_heap", "sum_width"]


def sum_width(weights: Format, activations: Format) -> int:
    """Width of a sum of a weight's code and an activation's."""
    return code_sum(weights, activations).bit_length()


def pair_sums_heap(weights: Format, activations: Format, lanes: int) -> Heap:
    """Sums of the codes of a cell's lanes, as digits of one number of :func:`sum_width` bits each.

    Inputs are the activations' codes, lane by lane, then the weights'. Digit ``k`` is the sum of
    activation ``k`` and of the weight of the other lane of its pair.
    """
    width, columns = sum_width(weights, activations), dict[int, list[Bit]]()
    for lane in range(lanes):
        for fmt, first in ((activations, lane * activations.bits),
                           (weights, lanes * activations.bits + (lane ^ 1) * weights.bits)):
            # A shorter code has zeros above, so that the carry goes on in the same chain.
            for place in range(max(weights.bits, activations.bits)):
                columns.setdefault(lane * width + place, []).append(
                    _digit(fmt, first, place) if place < fmt.bits else ZERO)
    most = sum(code_sum(weights, activations) << lane * width for lane in range(lanes))
    return Heap(lanes * (activations.bits + weights.bits), Range(0, most), _tuples(columns))


def pair_products_heap(weights: Format, activations: Format, lanes: int, *, total: int = 0,
                       produced: int = 0) -> Heap:
    """Sum of the products of each pair's two sums, whose digits are the inputs, lane by lane.

    Multipliers may make the products of some pairs, the first ones: their bits, pair by pair, are
    the last inputs, and come in cycle :data:`~hw.heap.products.PRODUCED`; the digits of these pairs
    are no inputs then.
    """
    width, columns = sum_width(weights, activations), dict[int, list[Bit]]()
    own = lanes - 2 * produced
    for lane in range(0, own, 2):
        one, other = lane * width, (lane + 1) * width
        for i in range(width):
            for j in range(width):
                columns.setdefault(i + j, []).append(Bit(AND, (one + i, other + j)))
    made = products_range(weights, activations, 1).format.width
    late = range(own * width, own * width + produced * made)
    for place, wire in enumerate(late):
        columns.setdefault(place % made, []).append(Bit(WIRE, (wire,)))
    return Heap(late.stop, products_range(weights, activations, lanes // 2), _tuples(columns),
                late=dict.fromkeys(late, PRODUCED), total=total)


def activations_heap(weights: Format, activations: Format, lanes: int) -> Heap:
    """Activations' term; the inputs are their codes, lane by lane."""
    columns = dict[int, list[Bit]]()
    codes = [[_digit(activations, lane * activations.bits, place)
              for place in range(activations.bits)] for lane in range(lanes)]
    for one, other in zip(codes[::2], codes[1::2], strict=True):
        for column, bit in _products(one, other):
            columns.setdefault(column, []).append(bit)
    scale = offset(weights)
    for code in codes if scale else ():
        for place, bit in enumerate(code, scale.bit_length() - 1):
            columns.setdefault(place, []).append(bit)
    most = (1 << activations.bits) - 1
    return Heap(lanes * activations.bits, Range(0, lanes // 2 * (most**2 + 2 * scale * most)),
                _tuples(columns))


def _digit(fmt: Format, first: int, place: int) -> Bit:
    return Bit(NOT if fmt.min < 0 and place == fmt.bits - 1 else WIRE, (first + place,))


def _products(one: Sequence[Bit], other: Sequence[Bit]) -> Iterator[tuple[int, Bit]]:
    for i, x in enumerate(one):
        for j, y in enumerate(other):
            table = sum((x.table >> a & y.table >> b & 1) << a + 2 * b
                        for a in (0, 1) for b in (0, 1))
            yield i + j, Bit(table, (*x.wires, *y.wires))


def _tuples(columns: dict[int, list[Bit]]) -> dict[int, tuple[Bit, ...]]:
    return {column: tuple(bits) for column, bits in columns.items()}
