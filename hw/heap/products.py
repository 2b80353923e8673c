"""Heaps of sums of products, for pairs of formats."""

from collections.abc import Iterator
from typing import NamedTuple

from golden.formats import Format, IntFormat, OddFormat, parse
from golden.ranges import Range, dot_range, levels_range
from hw.heap.heap import AND, WIRE, XOR, Bit, Heap

__all__ = ["PRODUCED", "addend", "addend_format", "affine", "have_heaps", "late_of",
           "product_format", "product_heaps"]

BINARY, TERNARY = OddFormat(1), parse("ternary")

_SELECTED = 0b01001000
"""Table of ``(a ^ sign) & nonzero`` for wires ``(a, nonzero, sign)``."""


def have_heaps(weights: Format, activations: Format) -> bool:
    """True if the products of two formats are bits of a heap: those of integers and odd levels."""
    return all(isinstance(fmt, IntFormat | OddFormat) for fmt in (weights, activations))


class Affine(NamedTuple):
    """``level = scale * code + offset``, with the code as an integer of ``format``."""

    format: IntFormat
    scale: int
    offset: int


def affine(fmt: Format) -> Affine:
    """Return an integer as it is, and an odd level as ``2 code - (2**bits - 1)``."""
    if isinstance(fmt, IntFormat):
        return Affine(fmt, 1, 0)
    return Affine(IntFormat(fmt.bits, signed=False), 2, 1 - (1 << fmt.bits))


def addend(own: Format, other: Format) -> int:
    """Factor of a vector's sum of codes that the heaps add; 0 if they need none.

    For two binary levels none is needed, since their product is ``1 - 2 (w ^ a)`` of their codes.
    """
    return 0 if own == other == BINARY else affine(other).offset


def addend_format(own: Format, other: Format, lanes: int) -> IntFormat:
    """Format of that sum times its factor."""
    factor = addend(own, other)
    return (levels_range(affine(own).format).times(lanes) * Range(factor, factor)).format


def late_of(lanes: int) -> int:
    """Cycle of the addends: one for each addition of four to one, and one for the factor."""
    return 1 + ((lanes - 1).bit_length() + 1) // 2


PRODUCED = 4
"""Cycle of a product that a multiplier makes: the multiplier's, and one for the wires from it."""


def product_heaps(weights: Format, activations: Format, lanes: int, *, total: int = 0,
                  produced: int = 0) -> list[Heap]:
    """Return heaps of a sum of products: different bits of the same sum.

    The bits of the codes are the inputs: lane by lane those of the activation, from the lowest on,
    and behind all of these those of the weights; then, of each operand that has one, the bits of
    its addend (:func:`addend`), which come in the cycle :func:`late_of`.

    A product of two's complement numbers is a sum of the ANDs of their bits; those of the highest
    bit of one with lower bits of the other are negative. With a ternary factor, it is also the
    other's bits, all inverted where the ternary one is negative, then with 1 added, and 0 where the
    ternary one is 0. A product of binary ones is the XOR of their codes, twice, taken from 1.

    Multipliers may make some products of codes, as integers (:func:`affine`): their bits, lane by
    lane, are the last inputs, and come in cycle :data:`PRODUCED`; the codes of these lanes, the
    first ones, are no inputs then.

    Parameters
    ----------
    weights, activations : Format
        Formats that :func:`have_heaps` takes.
    lanes : int
        Number of products.
    total : int
        Width of the accumulator; 0 for none.
    produced : int
        Number of the products that multipliers make; none for two binary formats.
    """
    if weights == activations == BINARY and produced:
        raise ValueError(f"Produced must be 0 for two binary formats, not {produced}")
    own = lanes - produced
    pairs: list[tuple[Format, int]] = [(activations, 0), (weights, own * activations.bits)]
    forms = [[*_products(pairs, own)]]
    if weights == activations == BINARY:
        forms = [[(-2, Bit(XOR, (lane, lanes + lane))) for lane in range(lanes)]]
    elif isinstance(weights, IntFormat) and isinstance(activations, IntFormat):
        integers = [(activations, 0), (weights, own * activations.bits)]
        forms += [[*_selected(other, selecting, own)] for other, selecting in (
            integers, integers[::-1]) if selecting[0] == TERNARY]
    # Numbers that come later: their format, factor and cycle.
    numbers = [(addend_format(one, other, lanes), affine(one).scale, late_of(lanes))
               for one, other in ((activations, weights), (weights, activations))
               if addend(one, other)]
    numbers += [(product_format(weights, activations),
                 affine(weights).scale * affine(activations).scale, PRODUCED)] * produced
    inputs, late, bits = own * (activations.bits + weights.bits), {}, []
    for fmt, factor, cycle in numbers:
        wires = range(inputs, inputs + fmt.width)
        bits += [(weight * factor, Bit(WIRE, (wire,)))
                 for weight, wire in zip(_digits(fmt), wires, strict=True)]
        late |= dict.fromkeys(wires, cycle)
        inputs = wires.stop
    constant = lanes * affine(weights).offset * affine(activations).offset
    return [_heap(form + bits, inputs, dot_range(weights, activations, lanes), constant, total,
                  late) for form in forms]


def product_format(weights: Format, activations: Format) -> IntFormat:
    """Format of the product of two codes as integers."""
    return (levels_range(affine(weights).format)
            * levels_range(affine(activations).format)).format


def _heap(bits: list[tuple[int, Bit]], inputs: int, range: Range, constant: int, total: int,
          late: dict[int, int]) -> Heap:
    signs: tuple[dict[int, list[Bit]], ...] = {}, {}
    for weight, bit in bits:
        signs[weight < 0].setdefault(abs(weight).bit_length() - 1, []).append(bit)
    positive, negative = ({column: tuple(own) for column, own in columns.items()}
                          for columns in signs)
    return Heap(inputs, range, positive, negative, constant, late, total)


def _digits(fmt: IntFormat) -> list[int]:
    return [-1 << k if fmt.signed and k == fmt.width - 1 else 1 << k for k in range(fmt.width)]


def _products(pairs: list[tuple[Format, int]], lanes: int) -> Iterator[tuple[int, Bit]]:
    (one, first), (other, second) = pairs
    scale = affine(one).scale * affine(other).scale
    for lane in range(lanes):
        for i, weight in enumerate(_digits(affine(one).format)):
            for j, factor in enumerate(_digits(affine(other).format)):
                yield scale * weight * factor, Bit(AND, (first + lane * one.bits + i,
                                                         second + lane * other.bits + j))


def _selected(other: tuple[IntFormat, int], selecting: tuple[IntFormat, int], lanes: int
              ) -> Iterator[tuple[int, Bit]]:
    (fmt, first), (ternary, second) = other, selecting
    for lane in range(lanes):
        nonzero, sign = (second + lane * ternary.bits + k for k in range(2))
        for i, weight in enumerate(_digits(fmt)):
            yield weight, Bit(_SELECTED, (first + lane * fmt.bits + i, nonzero, sign))
        if not fmt.signed:
            # All higher bits are inverted, too.
            yield -(1 << fmt.bits), Bit(WIRE, (sign,))
        yield 1, Bit(WIRE, (sign,))
