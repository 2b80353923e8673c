"""Programs of bit heaps, to be checked."""

from collections.abc import Iterator

from golden.formats import Format, IntFormat, parse
from golden.ranges import Range, dot_range
from golden.winograd import products_range
from hw.heap import (
    PairPrograms,
    Program,
    compiled,
    pair_programs,
    product_heaps,
    program_of,
    shipped,
    shipped_pairs,
)
from hw.heap.magnitudes import magnitudes_heap
from hw.heap.pairs import pair_sums_heap
from hw.heap.policy import Policy
from hw.heap.search import pair_heaps

__all__ = ["magnitudes_programs", "programs", "winograd_programs"]

BINARY = parse("binary")
_FORMATS = [*(f"{sign}{width}" for width in range(1, 5) for sign in "su"), "ternary",
            *(f"odd{width}" for width in range(1, 5))]


def programs() -> Iterator[tuple[Program, Format, Format, int, int]]:
    """Each program, with weights, activations, lanes, and lanes whose products multipliers make.

    They are those that are shipped, and one for each form of the heaps of integers, odd levels and
    ternary ones of 1 to 4 bits, with 1 and 5 lanes, with and without an accumulator.
    """
    for weights, activations, lanes, total in shipped():
        yield (program_of(weights, activations, lanes, total=total), weights, activations,
               lanes, 0)
    for weights in map(parse, _FORMATS):
        for activations in map(parse, _FORMATS):
            for lanes in (1, 5):
                width = dot_range(weights, activations, lanes).format.width
                for total, produced in ((0, 0), (width + 3, 0), (width, lanes // 2)):
                    if produced and weights == activations == BINARY:
                        continue
                    for heap in product_heaps(weights, activations, lanes, total=total,
                                              produced=produced):
                        yield compiled(heap, Policy(0)), weights, activations, lanes, produced


def winograd_programs() -> Iterator[tuple[PairPrograms, Format, Format, int, int]]:
    """Programs of each Winograd's inner product, with weights, activations and lanes.

    Then the pairs of lanes whose product multipliers make. They are those that are shipped, and
    those of integers of 2 to 4 bits, of 2 and 6 lanes.
    """
    for weights, activations, lanes, total in shipped_pairs():
        yield (pair_programs(weights, activations, lanes, total=total), weights, activations,
               lanes, 0)
    integers = [IntFormat(width, signed) for width in range(2, 5) for signed in (True, False)]
    for weights in integers:
        for activations in integers:
            for lanes, produced in ((2, 0), (6, 0), (6, 1)):
                total = products_range(weights, activations, lanes // 2).format.width + 1
                heaps = (pair_sums_heap(weights, activations, lanes),
                         *pair_heaps(weights, activations, lanes, total=total,
                                     produced=produced).values())
                yield (PairPrograms(*(compiled(heap, Policy(0)) for heap in heaps)), weights,
                       activations, lanes, produced)


def magnitudes_programs() -> Iterator[tuple[Program, int, int, Range]]:
    """Programs of sums of magnitudes with signs: width, lanes and range of each.

    They have magnitudes of 1 to 12 bits and those of the small floats' products.
    """
    for width in (*range(1, 13), 20, 36, 64):
        for lanes in (1, 3, 8):
            most = ((1 << width) - 1) * lanes
            reach = Range(-most, most)
            for total in (0, reach.format.width + 2):
                heap = magnitudes_heap(width, lanes, reach, total=total)
                yield compiled(heap, Policy(0)), width, lanes, reach
