"""Division by a run-time power of two, with a named rounding."""

from amaranth.hdl import Cat, Const, Value

from golden.contracts import Rounding

__all__ = ["round_up", "shift_right", "sticky_bit"]


def shift_right(x: Value, shift: Value) -> tuple[Value, Value]:
    """Divide the signed ``x`` by ``2**shift``, and keep the guard and sticky bits for rounding.

    The first result is ``floor(2 * x / 2**shift)``: the floor of the quotient above one more bit,
    the *guard*. The second is the *sticky* bit, set if any bit below the guard was set. Exact for
    every ``x`` and every ``shift``, also beyond the width of ``x``.
    """
    doubled = Cat(Const(0, 1), x).as_signed()
    return doubled >> shift, sticky_bit(doubled, shift)


def sticky_bit(x: Value, shift: Value) -> Value:
    """Whether any of the bits that ``x >> shift`` loses is set."""
    return (x & ((Const(1, 1) << shift) - 1)).any()


def round_up(shifted: Value, sticky: Value, rounding: Rounding, *,
             negative: Value | None = None) -> Value:
    """Bit to add to the floor ``shifted >> 1``, for the results of :func:`shift_right`.

    ``negative`` is the sign of the number, if it differs from the sign of ``shifted``.

    =========  =============================================
    floor      0
    zero       negative and (guard or sticky)
    half_up    guard
    half_even  guard and (sticky or floor odd)
    half_away  guard and (sticky or not negative)
    =========  =============================================
    """
    guard, odd = shifted[0], shifted[1]
    negative = shifted[-1] if negative is None else negative
    return {
        Rounding.FLOOR: Const(0, 1),
        Rounding.ZERO: negative & (guard | sticky),
        Rounding.HALF_UP: guard,
        Rounding.HALF_EVEN: guard & (sticky | odd),
        Rounding.HALF_AWAY: guard & (sticky | ~negative),
    }[rounding]
