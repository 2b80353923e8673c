"""Amaranth shapes of the formats in :mod:`golden.formats`."""

from amaranth.hdl import Shape

from golden.formats import Format, IntFormat

__all__ = ["shape_of"]


def shape_of(fmt: Format) -> Shape:
    """Shape of a signal that holds a code of ``fmt``; for integers its value is the level."""
    if not isinstance(fmt, IntFormat):
        raise TypeError(f"Format must be an IntFormat, not {fmt!r}")
    return Shape(fmt.width, signed=fmt.signed)
