"""Tables and lists in Markdown, in lines of at most 110 columns where words allow it."""

import textwrap
from collections.abc import Iterable, Iterator

__all__ = ["table", "item", "paragraph"]

COLUMNS = 110


def table(heading: Iterable[str], rows: Iterable[Iterable[object]]) -> Iterator[str]:
    """Lines of a table."""
    heading = list(heading)
    yield _row(heading)
    yield "|" + "---|" * len(heading)
    yield from map(_row, rows)


def _row(cells: Iterable[object]) -> str:
    return "".join(f"| {cell} " if f"{cell}" else "| " for cell in cells) + "|"


def item(text: str) -> list[str]:
    """Lines of one item of a list."""
    return textwrap.wrap(text, COLUMNS, initial_indent="- ", subsequent_indent="  ",
                         break_long_words=False, break_on_hyphens=False)


def paragraph(text: str) -> list[str]:
    """Lines of a paragraph."""
    return textwrap.wrap(text, COLUMNS, break_long_words=False, break_on_hyphens=False)
