"""Pages: texts in which the code fills in lines ``{{part}}`` or ``{{part name}}``.

Within a line, ``{{NAME}}`` is a value of the code.
"""

import re
from collections.abc import Callable, Iterable
from pathlib import Path

from exactmac.docs import contracts, formats

__all__ = ["PAGES", "page"]

PAGES = ("formats.md", "contracts.md")
"""Names of the pages, and of their texts in this folder."""

PARTS: dict[str, Callable[..., Iterable[str]]] = {**formats.PARTS, **contracts.PARTS}

VALUES: dict[str, object] = {**formats.VALUES}


def page(name: str) -> str:
    """Return the page called ``name``."""
    lines = [f"<!-- Made by `python -m exactmac.docs` of exactmac/docs/{name} and of the code. -->"]
    for line in (Path(__file__).parent / name).read_text().splitlines():
        line = re.sub(r"\{\{([A-Z0-9_]+)\}\}", lambda value: str(VALUES[value[1]]), line)
        if part := re.fullmatch(r"\{\{(.*)\}\}", line):
            key, *names = part[1].split()
            lines += PARTS[key](*names)
        else:
            lines.append(line)
    return "\n".join(lines) + "\n"
