"""Narrowing to the nearest value that fits."""

from amaranth.hdl import Cat, Const, Mux, Shape, Value

__all__ = ["saturate", "clamp"]


def saturate(x: Value, width: int) -> Value:
    """Nearest value to the signed ``x`` that fits ``signed(width)``.

    ``x`` fits if the dropped bits equal the remaining sign bit, so no subtraction is needed.
    """
    if len(x) <= width:
        return x
    sign = x[-1]
    gone = x[width - 1:]
    fits = gone.all() | ~gone.any()
    extreme = Cat((~sign).replicate(width - 1), sign)
    return Mux(fits, x[:width], extreme).as_signed()


def clamp(x: Value, lo: Value, hi: Value) -> Value:
    """``lo`` where ``x < lo``, ``hi`` where ``x > hi``, else ``x``; ``lo <= hi``.

    There is no comparison with a constant end that ``x`` cannot pass; linters would warn of it.
    """
    shape = Shape(max(len(lo), len(hi)), signed=lo.shape().signed or hi.shape().signed)
    extended = (x | Const(0, shape))[:shape.width]
    within = extended.as_signed() if shape.signed else extended
    least = -1 << len(x) - 1 if x.shape().signed else 0
    most = least + (1 << len(x)) - 1
    if not (isinstance(hi, Const) and hi.value >= most):
        within = Mux(x > hi, hi, within)
    if not (isinstance(lo, Const) and lo.value <= least):
        within = Mux(x < lo, lo, within)
    return within
