"""Formats by their names."""

import re

from golden.formats.base import Format
from golden.formats.integer import IntFormat
from golden.formats.odd import OddFormat

__all__ = ["parse", "MAX_BITS"]

MAX_BITS = 16
"""Widest integer format of an operand or an output; accumulators and biases may be wider."""

_NAMED: dict[str, Format] = {
    "bit": IntFormat(1, signed=False),
    "ternary": IntFormat(2, narrow=True),
    "binary": OddFormat(1),
}


def parse(name: str) -> Format:
    """Return the format called ``name``.

    ``s4``, ``u8``, ``s8n`` (narrow): integers of 1 to 16 bits; ``odd4``: odd levels, 1 to 8 bits;
    ``binary``: ``odd1``. ``ternary`` and ``bit`` are understood for ``s2n`` and ``u1``.

    Raises
    ------
    ValueError
        Where no operand or output can have a format of that name.
    """
    if name in _NAMED:
        return _NAMED[name]
    match = re.fullmatch(r"(s|u|odd)([1-9][0-9]{0,8}|0)(n?)", name)
    if match is None or (match[1] == "odd" and match[3]):
        raise ValueError(
            f"Format must be one of s1..s{MAX_BITS}, u1..u{MAX_BITS}, either with n for the narrow "
            f"range, odd1..odd8, {', '.join(_NAMED)}, not {name!r}")
    width = int(match[2])
    if match[1] == "odd":
        return OddFormat(width)
    if not 1 <= width <= MAX_BITS:
        raise ValueError(f"Format width must be in range [1, {MAX_BITS}], not {width} ({name!r})")
    return IntFormat(width, signed=match[1] == "s", narrow=bool(match[3]))
