"""Programs of bit heaps, to be checked."""

from collections.abc import Iterator

from golden.formats import Format, parse
from golden.ranges import dot_range
from hw.heap import Program, compiled, product_heaps, program_of, shipped
from hw.heap.policy import Policy

__all__ = ["programs"]

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
