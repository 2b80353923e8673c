"""Heaps of inner products of codes, whose sums have a term of the weights more.

:mod:`golden.inner_products` has the identities. Three heaps compute the parts, each proven by
itself:

- for ``winograd`` the *sums* of a cell, ``a0' + w1'`` and ``a1' + w0'`` of each pair of lanes, one
  beside the other;
- the *products* of these sums, or of codes, added up, with the accumulator;
- the *activations' term* of a row, ``W sum(a')``, and for ``winograd`` also ``sum(a0' a1')``.

Activations come as codes; a signed weight's top bit is inverted here, in a cell's table, so that
all bits are positive. Of both, a table would have a bit that is 1 for two zeros, and no half takes
that as its second.
"""

from collections.abc import Iterator, Sequence
from functools import partial

from golden.formats import Format
from golden.inner_products import Folded, code_sum, offset, products_range
from golden.ranges import Range
from hw.heap.halves import ZERO
from hw.heap.heap import NOT, WIRE, Bit, Heap
from hw.heap.products import PRODUCED

__all__ = ["activations_heap", "folded_products_heap", "lanes_of", "pair_sums_heap",
           "sum_width"]


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
        other = lanes * activations.bits + (lane ^ 1) * weights.bits
        for fmt, first, digit in ((activations, lane * activations.bits, _wire),
                                  (weights, other, partial(_digit, weights))):
            # A shorter code has zeros above, so that the carry goes on in the same chain.
            for place in range(max(weights.bits, activations.bits)):
                columns.setdefault(lane * width + place, []).append(
                    digit(first, place) if place < fmt.bits else ZERO)
    most = sum(code_sum(weights, activations) << lane * width for lane in range(lanes))
    return Heap(lanes * (activations.bits + weights.bits), Range(0, most), _tuples(columns))


def folded_products_heap(kind: Folded, weights: Format, activations: Format, lanes: int, *,
                         total: int = 0, produced: int = 0) -> Heap:
    """Sum of the products of codes, or of each pair's two sums, which are never negative.

    The inputs are the codes, as of :func:`~hw.heap.products.product_heaps`, or the digits of the
    sums, lane by lane.

    Multipliers may make some products, the first ones: their bits, product by product, are the
    last inputs, and come in cycle :data:`~hw.heap.products.PRODUCED`; the codes or digits of these
    are no inputs then.
    """
    if kind == "winograd":
        width = sum_width(weights, activations)
        digits = [[_wire(first, place) for place in range(width)]
                  for first in range(0, (lanes - 2 * produced) * width, width)]
        factors = [*zip(digits[::2], digits[1::2], strict=True)]
    else:
        own = lanes - produced
        second = own * activations.bits
        digits = [[_wire(first, place) for place in range(activations.bits)]
                  for first in range(0, second, activations.bits)]
        digits += [[_digit(weights, second + lane * weights.bits, place)
                    for place in range(weights.bits)] for lane in range(own)]
        factors = [*zip(digits[:own], digits[own:], strict=True)]
    columns: dict[int, list[Bit]] = {}
    for one, other in factors:
        for column, bit in _products(one, other):
            columns.setdefault(column, []).append(bit)
    inputs = sum(map(len, digits))
    made = products_range(kind, weights, activations, lanes_of(kind)).format.width
    late = range(inputs, inputs + produced * made)
    for place, wire in enumerate(late):
        columns.setdefault(place % made, []).append(Bit(WIRE, (wire,)))
    return Heap(late.stop, products_range(kind, weights, activations, lanes), _tuples(columns),
                late=dict.fromkeys(late, PRODUCED), total=total)


def lanes_of(kind: Folded) -> int:
    """Lanes of a product."""
    return 2 if kind == "winograd" else 1


def activations_heap(kind: Folded, weights: Format, activations: Format, lanes: int) -> Heap:
    """Activations' term; the inputs are their codes, lane by lane."""
    columns: dict[int, list[Bit]] = {}
    codes = [[_wire(lane * activations.bits, place) for place in range(activations.bits)]
             for lane in range(lanes)]
    scale, most, reach = offset(weights), (1 << activations.bits) - 1, Range(0, 0)
    if kind == "winograd":
        for one, other in zip(codes[::2], codes[1::2], strict=True):
            for column, bit in _products(one, other):
                columns.setdefault(column, []).append(bit)
        reach = Range(0, lanes // 2 * most**2)
    if scale:
        for code in codes:
            for place, bit in enumerate(code, scale.bit_length() - 1):
                columns.setdefault(place, []).append(bit)
    return Heap(lanes * activations.bits, Range(0, reach.hi + lanes * scale * most),
                _tuples(columns))


def _wire(first: int, place: int) -> Bit:
    return Bit(WIRE, (first + place,))


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
