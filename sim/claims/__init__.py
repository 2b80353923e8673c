"""Claims: parts of the hardware equal independent definitions."""

from collections.abc import Iterator

from golden import contracts
from golden.contracts import (
    ADDING,
    CONTRACTS,
    MAX_ADDEND_BITS,
    DoubleRounding,
    MultiplyShift,
    Rounding,
)
from golden.formats import BlockScaled, IntFormat, parse
from hw.units.fused_add import LEFT_ADDEND, LEFT_PRODUCT
from sim.claims.base import Claim
from sim.claims.exponents import level_of_exponent, preferred_exponent
from sim.claims.floats import (
    conversion,
    float_product,
    float_requantizer,
    inside,
    inside_rounded,
)
from sim.claims.fused import fused
from sim.claims.levels import guarded, to_levels
from sim.claims.multipliers import multiplier, multiplies
from sim.claims.requantizers import requantizer, shifter
from sim.claims.thresholds import bisection

__all__ = ["Claim", "bisection", "claims", "conversion", "float_product", "float_requantizer",
           "fused", "guarded", "inside", "inside_rounded", "level_of_exponent", "multiplier",
           "preferred_exponent", "requantizer", "shifter", "to_levels"]

INTEGERS = IntFormat(8), IntFormat(4, signed=False)
"""Integer outputs."""

LEVELS = {"odd4": False, "e2m1": False, "codebook:-9/-4/-1/0/2/3/11": False,
          "codebook:43/54/93/97": False,
          "e4m3fn": True, "cfloat8_1_4_3:denormals=paper": True}
"""Other outputs; True for those with too many levels to begin at the product."""

LADDERS = ("s5", "u6", "s7", "u8", "u5n", "s8n", "e3m2", "e4m3fn")
"""Outputs whose thresholds are in memories; the last have fewer than bits allow."""

ELEMENTS = ("s4", "u4", "odd4", "e2m1", "codebook:-9/-4/-1/0/2/3/11", "codebook:-100/-7/0/3",
            "codebook:1/24/44/71")
"""Element formats of block-scaled outputs, some of each kind."""


def claims() -> Iterator[Claim]:
    """All claims to prove."""
    names = [f"{kind}{width}" for kind in ("s", "u", "odd") for width in range(1, 7)]
    formats = [parse(name) for name in (*names, "ternary")]
    yield from (multiplier(w, a) for w in formats for a in formats if multiplies(w, a))
    yield from (shifter(rounding) for rounding in Rounding)
    for name in CONTRACTS:
        if isinstance(contracts.parse(name), MultiplyShift | DoubleRounding):
            yield from (requantizer(name, output) for output in INTEGERS)
    for name in ADDING:
        for output in INTEGERS:
            yield requantizer(name, output, addend_bits=MAX_ADDEND_BITS, signed_multiplier=True)
    yield from (bisection(parse(output)) for output in LADDERS)
    for name in ("half_up", "half_even", "half_away", "floor", "zero", "pulp"):
        yield guarded(name)
        for output, many in LEVELS.items():
            if name != "zero" or parse(output).contains(0):
                yield to_levels(name, parse(output), shifted=many)
    for output in (BlockScaled(parse(element)) for element in ELEMENTS):
        yield preferred_exponent(output)
        for name in ("half_up", "half_even", "half_away", "floor", "zero"):
            if name != "zero" or output.contains(0):
                yield level_of_exponent(name, output)
    yield from (conversion(), float_product())
    for output in INTEGERS:
        yield from (float_requantizer(output), inside(output), inside_rounded(output))
    # Beyond these distances the hardware shifts as at the ends, with the same rounded sum.
    yield from (fused(distance) for distance in range(-LEFT_ADDEND - 2, LEFT_PRODUCT + 3))
