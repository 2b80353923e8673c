"""Narrowing that keeps to the nearest value that fits."""

from amaranth.hdl import Cat, Mux, Shape, Value

__all__ = ["saturate", "clamp"]


def saturate(x: Value, width: int) -> Value:
    """Nearest value to the signed ``x`` that fits ``signed(width)``.

    ``x`` fits where the bits that go equal the sign bit that stays, so no subtraction is needed.
    """
    if len(x) <= width:
        return x
    sign = x[-1]
    gone = x[width - 1:]
    fits = gone.all() | ~gone.any()
    extreme = Cat(sign.replicate(width - 1) ^ ((1 << (width - 1)) - 1), sign)
    return Mux(fits, x[:width], extreme[:width]).as_signed()


def clamp(x: Value, lo: Value, hi: Value) -> Value:
    """``lo`` where ``x < lo``, ``hi`` where ``x > hi``, else ``x``; ``lo <= hi``."""
    shape = Shape(max(len(lo), len(hi)), signed=lo.shape().signed or hi.shape().signed)
    within = x[:shape.width].as_signed() if shape.signed else x[:shape.width]
    return Mux(x < lo, lo, Mux(x > hi, hi, within))
