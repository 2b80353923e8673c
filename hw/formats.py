"""Amaranth shapes of the formats in :mod:`golden.formats`."""

from amaranth.hdl import Const, Shape

from golden.formats import Format, IntFormat

__all__ = ["shape_of", "constant"]


def shape_of(fmt: Format) -> Shape:
    """Shape of a signal that holds a code of ``fmt``; for integers its value is the level."""
    if not isinstance(fmt, IntFormat):
        raise TypeError(f"Format must be an IntFormat, not {fmt!r}")
    return Shape(fmt.width, signed=fmt.signed)


def constant(fmt: IntFormat, level: int) -> Const:
    """Return ``level`` as a constant of ``fmt``; a level that it does not have is refused."""
    fmt.check(level)
    return Const(level, shape_of(fmt))
