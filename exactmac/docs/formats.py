"""Generated parts of the page of formats."""

from collections.abc import Iterator

from exactmac.docs.markdown import item, table
from golden.formats import (
    BLOCK,
    CODEBOOK_RANGE,
    ELSEWHERE,
    EXPONENT,
    EXPONENT_BIAS,
    FLOATS,
    MAX_BIAS,
    MAX_BITS,
    MAX_CODE_BITS,
    MAX_LEVELS,
    MAX_ODD_BITS,
    FloatFormat,
    Format,
    parse,
)
from golden.ranges import dot_range
from hw.tile.config import TileConfig

__all__ = ["PARTS", "VALUES", "drawing"]

WIDEST_LISTED = 4
"""Most bits of a format whose levels are all listed."""


def floats() -> Iterator[str]:
    """Table of the floats, as levels and as numbers."""
    rows = []
    for name, fmt in FLOATS.items():
        smallest = 2.0**fmt.unit
        rows.append((f"`{name}`", fmt.bits, len(fmt.levels()), fmt.min, fmt.max, fmt.unit,
                     f"{fmt.max * smallest:g}", f"2^{fmt.unit}", fmt.bias))
    return table(("name", "bits", "levels", "smallest", "largest", "unit", "largest number",
                  "smallest above 0", "bias"), rows)


def drawing(fmt: Format) -> list[str]:
    """Drawing of a code's parts in boxes, highest bits first, with bit places above."""
    places, boxes, last = "", "", fmt.bits
    for part, bits in fmt.parts.items():
        first, last = last - 1, last - bits
        span = f"{first}" if first == last else f"{first}:{last}"
        width = max(len(part), len(span)) + 2
        places += f" {span:^{width}}"
        boxes += f"|{part:^{width}}"
    edge = "".join("+" if sign == "|" else "-" for sign in boxes) + "+"
    return [places.rstrip(), edge, boxes + "|", edge]


def facts(family: str, name: str) -> Iterator[str]:
    """Bit pattern of a format, its levels and its names elsewhere."""
    fmt = parse(name)
    yield from ("```text", *drawing(fmt), "```", "")
    number = 2.0**fmt.unit
    scaled = fmt.unit and (
        f", each 2^{fmt.unit}: numbers from {fmt.min * number:g} to {fmt.max * number:g}")
    yield from item(f"`{name}`: {fmt.bits} bit{'s' * (fmt.bits > 1)}, {len(fmt.levels())} levels "
                    f"from {fmt.min} to {fmt.max}{scaled or ''}.")
    if isinstance(fmt, FloatFormat) and (codes := _specials(fmt)):
        yield from item(f"No numbers: {codes}.")
    yield from item(f"Elsewhere: {ELSEWHERE[family]}.")


def _specials(fmt: FloatFormat) -> str:
    kinds: dict[str, list[str]] = {}
    for code in range(1 << fmt.bits):
        if what := fmt.special(code):
            kinds.setdefault(what.replace("nan", "NaN"), []).append(f"`{code:#04x}`")
    return "; ".join(f"{', '.join(codes)} {what}" for what, codes in kinds.items())


def levels(*names: str) -> Iterator[str]:
    """Table of every level of formats of at most 4 bits, by code."""
    formats = {name: parse(name) for name in names}
    bits = max(fmt.bits for fmt in formats.values())
    assert bits <= WIDEST_LISTED
    rows = []
    for name, fmt in formats.items():
        by_code: dict[int, object] = {}
        for code in range(1 << fmt.bits):
            # A narrow integer and a short codebook have codes without a level.
            try:
                by_code[code] = fmt.decode(code).item()
            except ValueError:
                by_code[code] = "-"
        rows.append([f"`{name}`", *(by_code.get(code, "") for code in range(1 << bits))])
    return table(["code", *(f"{code:x}" for code in range(1 << bits))], rows)


def numbers(name: str) -> Iterator[str]:
    """Table of the levels and numbers of a float's codes without sign."""
    fmt = parse(name)
    codes = range(1 << fmt.bits - 1)
    decoded = fmt.decode(codes).tolist()
    return table(["code", *(f"{code:0{fmt.bits}b}" for code in codes)], [
        ["level", *decoded],
        ["number", *(f"{level * 2.0**fmt.unit:g}" for level in decoded)]])


def _sum_bits(name: str) -> int:
    # Of as many products as a tile sums by default.
    return dot_range(parse(name), parse(name), TileConfig.depth).format.bits


VALUES = {
    "BITS": MAX_BITS, "BIAS": MAX_BIAS, "ODD_BITS": MAX_ODD_BITS, "BLOCK": BLOCK,
    "CODEBOOK_BITS": MAX_CODE_BITS, "CODEBOOK_LEVELS": MAX_LEVELS,
    "LEVEL_BITS": CODEBOOK_RANGE.width, "UNSIGNED_LEVEL_BITS": CODEBOOK_RANGE.width - 1,
    "EXPONENT_BIAS": EXPONENT_BIAS, "LAST_EXPONENT": EXPONENT.max, "WINDOW": TileConfig.window,
    "DEPTH": TileConfig.depth, "SUM_BITS_E4M3FN": _sum_bits("e4m3fn"),
    "SUM_BITS_CFLOAT": _sum_bits("cfloat8_1_5_2"),
}
"""Values within the text, by name."""

PARTS = {"floats": floats, "facts": facts, "levels": levels, "numbers": numbers}
"""Functions of the parts, by their names in the text."""
