"""Formats of :mod:`golden.formats` in hardware: the shape of a code, and its level."""

from amaranth.hdl import Cat, Const, Shape, Value

from golden.formats import Format, IntFormat, OddFormat
from golden.ranges import levels_range

__all__ = ["level", "level_shape", "shape_of"]


def shape_of(fmt: Format) -> Shape:
    """Shape of a signal that holds a code of ``fmt``; for integers its value is the level."""
    return Shape(fmt.bits, signed=isinstance(fmt, IntFormat) and fmt.signed)


def level_shape(fmt: Format) -> Shape:
    """Shape of a signal that holds a level of ``fmt``."""
    return shape_of(levels_range(fmt).format)


def level(fmt: Format, code: Value) -> Value:
    """Level that a code stands for, combinationally, in the shape ``level_shape(fmt)``.

    Wires and at most an inverter for integers and odd levels. A code that has no level gives any.
    """
    if isinstance(fmt, IntFormat):
        return code
    if isinstance(fmt, OddFormat):
        # 2 * code + 1 - 2**w, where taking away the 2**w turns the top bit into a sign.
        return Cat(Const(1, 1), code[:-1], ~code[-1]).as_signed()
    raise TypeError(f"Format must be one that hardware decodes, not {fmt!r}")
