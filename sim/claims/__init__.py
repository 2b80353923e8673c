"""Parts of the hardware beside their definitions, written without them."""

from collections.abc import Iterator

from golden.contracts import CONTRACTS, DoubleRounding, MultiplyShift, Rounding, contract
from golden.formats import IntFormat, parse
from hw.units.fused_add import LEFT_ADDEND, LEFT_PRODUCT
from sim.claims.base import Claim
from sim.claims.fused import fused
from sim.claims.multipliers import multiplier, multiplies
from sim.claims.requantizers import requantizer, shifter

__all__ = ["Claim", "claims", "fused", "multiplier", "requantizer", "shifter"]


def claims() -> Iterator[Claim]:
    """Everything that is proven."""
    names = [f"{kind}{width}" for kind in ("s", "u", "odd") for width in range(1, 7)]
    formats = [parse(name) for name in (*names, "ternary")]
    yield from (multiplier(w, a) for w in formats for a in formats if multiplies(w, a))
    yield from (shifter(rounding) for rounding in Rounding)
    for name in CONTRACTS:
        if isinstance(contract(name), MultiplyShift | DoubleRounding):
            yield from (requantizer(name, _int(output)) for output in ("s8", "u4"))
    # Beyond these the hardware takes the ends' shifts, and the rounded sum is theirs.
    yield from (fused(distance) for distance in range(-LEFT_ADDEND - 2, LEFT_PRODUCT + 3))


def _int(name: str) -> IntFormat:
    fmt = parse(name)
    assert isinstance(fmt, IntFormat)
    return fmt
