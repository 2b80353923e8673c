"""Claims on fused multiply-adds in float32."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed

from golden.contracts import Rounding
from hw.requantize.float32 import BIAS, SIGNIFICAND
from hw.units.fused_add import PRODUCT, Float, multiply_add
from sim.claims.base import Transparent, circuit, claim, divided

__all__ = ["fused"]


@claim("multiply-add, product free", "distance {}")
def fused(distance: int) -> str:
    """Fused multiply-add, with exponents ``distance`` apart, against the exact sum, rounded."""
    m = Module()
    level = Signal(signed(9), name="level")
    negative, significand = Signal(name="negative"), Signal(SIGNIFICAND + 1, name="significand")
    pipe = Transparent(m, {"x": level, "x_scale": Const(BIAS << SIGNIFICAND - 1, 31)})
    exponent = Const(BIAS - distance, signed(10))
    got = multiply_add(pipe, "x", Float(negative, exponent, significand))
    product, least, most = pipe.product, 1 << SIGNIFICAND - 1, 1 << SIGNIFICAND
    assert product is not None

    # In units of the smaller exponent.
    exact = ((product << max(distance, 0))
             + (Mux(negative, -significand, significand) << max(-distance, 0)))
    magnitude = Signal(len(exact), name="exact_magnitude")
    m.d.comb += magnitude.eq(Mux(exact < 0, -exact, exact))
    drop = Signal(range(len(exact)))
    for bit in range(SIGNIFICAND, len(exact)):
        with m.If(magnitude[bit]):
            m.d.comb += drop.eq(bit + 1 - SIGNIFICAND)
    rounded = divided(Cat(magnitude, Const(0, 1)).as_signed(), drop, Rounding.HALF_EVEN)
    # The hardware normalizes; the exact sum may have a single bit.
    places = got.exponent - (BIAS - max(distance, 0)) - drop
    same = Mux(places < 0, (rounded << (-places)[:5]) == got.significand,
               rounded == got.significand << places[:5])
    right = Mux(rounded == 0, got.significand == 0,
                same & (places > -32) & (places < 32) & (got.negative == (exact < 0)))

    # Possible products of levels and significands, and possible addends.
    size = Mux(product < 0, -product, product)
    sound = (((product == 0) | ((size >= least) & (size < 1 << PRODUCT - 1)))
             & ((significand == 0) | ((significand >= least) & (significand <= most))))
    return circuit(m, (level, negative, significand, product), ~sound | right, Const(1))
