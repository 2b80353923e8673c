"""Rounding shifters, and the requantizers of integers that multiply and shift."""

from typing import Any

from amaranth.hdl import Const, Module, Mux, Signal, signed

from golden import contracts
from golden.contracts import (
    LFSR_BITS,
    Contract,
    DoubleRounding,
    MultiplyShift,
    Rounding,
    Stochastic,
)
from golden.formats import IntFormat
from golden.ranges import levels_range
from hw.arith import round_up, shift_right
from hw.formats import shape_of
from hw.requantize.scale import SCALERS
from hw.targets.fabric import GENERIC, Fabric
from sim.claims.base import Claim, Transparent, circuit, claim, divided

__all__ = ["requantizer", "shifter"]


@claim("rounding shifter", "{0.value}, 64 bits")
def shifter(rounding: Rounding) -> str:
    """The rounding shifter against quotient and remainder."""
    m = Module()
    x, shift = Signal(signed(64), name="x"), Signal(6, name="shift")
    shifted, sticky = shift_right(x, shift)
    got = shifted[1:].as_signed() + round_up(shifted, sticky, rounding)
    return circuit(m, (x, shift), got, divided(x, shift, rounding))


def requantizer(name: str, output: IntFormat, *, fabric: Fabric = GENERIC, **options: Any
                ) -> Claim:
    """A requantizer from its product on, against divisions of the product.

    The options are those of :func:`golden.contracts.parse`.
    """
    more = ", ".join(f"{option} {value}" for option, value in options.items())
    cells = "" if fabric is GENERIC else f" on {fabric.name}"
    return Claim(
        "requantizer, product free", f"{name}{f' ({more})' * bool(more)} to {output}{cells}",
        lambda: _requantizer(contracts.parse(name, **options), output, fabric))


def _requantizer(chosen: Contract, output: IntFormat, fabric: Fabric) -> str:
    m = Module()
    assert isinstance(chosen, MultiplyShift | DoubleRounding)
    sums = levels_range(chosen.takes or IntFormat(20))
    total = Signal(shape_of(chosen.sum_format(sums)), name="total")
    held = {field: Signal(shape_of(fmt), name=field)
            for field, fmt in chosen.fields(sums, output).items() if field != "bias"}
    if isinstance(chosen, Stochastic):
        held["state"] = Signal(LFSR_BITS, name="state")
    pipe = Transparent(m, held, fabric=fabric)
    pipe.prepare()
    got = pipe.offset_and_clamp(*SCALERS[type(chosen)](pipe, chosen, total, output.bits + 1))
    assert pipe.product is not None

    shift = held["shift"]
    if isinstance(chosen, DoubleRounding):
        left = Mux(shift > 0, shift, 0)[:5] if chosen.left else Const(0, 5)
        product = pipe.product << left
        # A signal of its own, as RTLIL would repeat it wherever the second division reads it.
        high = Signal(shape_of(IntFormat(len(product))), name="high")
        m.d.comb += high.eq(divided(product, Const(31, 6), Rounding.HALF_UP))
        right = Mux(shift < 0, -shift, 0)[:5] if chosen.left else shift
        scaled = divided(high, right, Rounding.HALF_AWAY)
    else:
        product = pipe.product + (held["addend"] if chosen.addend else 0)
        if isinstance(chosen, Stochastic):
            # As many of the state's highest bits as are shifted out.
            product = product + ((held["state"] << shift) >> LFSR_BITS)
        right = shift if chosen.origin is None else (chosen.origin - shift)[:6]
        scaled = divided(product, right, chosen.rounding)
    expected = scaled + held["zero_point"]
    lo, hi = held["clamp_min"], held["clamp_max"]
    expected = Mux(expected < lo, lo, Mux(expected > hi, hi, expected))
    # An allowed shift, and a clamp that is not empty.
    allowed = chosen.shift_range(chosen.sum_format(sums))
    sound = (shift >= allowed.lo) & (shift <= allowed.hi) & (lo <= hi)
    if isinstance(chosen, DoubleRounding):
        # Of an int32, also after the shift to the left, and a multiplier of 0 to 2**31 - 1.
        most = (1 << 62) - (1 << 31)
        sound &= ((product >= -most) & (product <= most)
                  & Mux(total < 0, product <= 0, product >= 0))
    inputs = (total, pipe.product, *held.values())
    return circuit(m, inputs, Mux(sound, got, 0), Mux(sound, expected, 0))
