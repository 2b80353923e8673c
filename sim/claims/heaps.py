"""Programs of bit heaps, to be checked."""

from collections.abc import Iterator
from itertools import product

from golden.formats import Format, IntFormat, parse
from golden.inner_products import Folded, products_range
from golden.ranges import Range, dot_range
from hw.heap import (
    FoldedPrograms,
    Program,
    compiled,
    folded_programs,
    product_heaps,
    program_of,
    shipped,
)
from hw.heap.folded import pair_sums_heap
from hw.heap.magnitudes import magnitudes_heap
from hw.heap.policy import Policy
from hw.heap.search import folded_heaps

__all__ = ["every_folded", "magnitudes_programs", "programs"]

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


def every_folded() -> Iterator[tuple[FoldedPrograms, Folded, Format, Format, int, int]]:
    """Programs of each inner product of codes: its name, weights, activations and lanes.

    Then the products that multipliers make. They are those that are shipped, and those of integers
    of 2 to 4 bits, of 2 and 6 lanes.
    """
    kinds: tuple[Folded, ...] = ("codes", "winograd")
    integers = [IntFormat(width, signed) for width in range(2, 5) for signed in (True, False)]
    for kind in kinds:
        for weights, activations, lanes, total in shipped(kind):
            yield (folded_programs(kind, weights, activations, lanes, total=total), kind, weights,
                   activations, lanes, 0)
        for weights, activations in product(integers, repeat=2):
            if kind == "codes" and not weights.signed:
                continue
            for lanes, produced in ((2, 0), (6, 0), (6, 1)):
                total = products_range(kind, weights, activations, lanes).format.width + 1
                heaps = folded_heaps(kind, weights, activations, lanes, total=total,
                                     produced=produced).values()
                sums = (compiled(pair_sums_heap(weights, activations, lanes), Policy(0))
                        if kind == "winograd" else None)
                yield (FoldedPrograms(sums, *(compiled(heap, Policy(0)) for heap in heaps)), kind,
                       weights, activations, lanes, produced)


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
