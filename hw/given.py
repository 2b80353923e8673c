"""What the options of :mod:`hw.build` name: files of JSON with levels in them."""

import json
from collections import Counter
from pathlib import Path
from typing import Any, Literal

__all__ = ["lut_of", "parameters_of"]


def parameters_of(file: str) -> tuple[tuple[str, int | tuple[int, ...]], ...]:
    """Return what ``--parameters`` names; fields and values are checked where these are known."""
    fields = _read("Parameters must be a file of JSON", file)
    if not isinstance(fields, tuple):
        raise ValueError(f"Parameters must be an object of fields, not what is in {file}")
    for name, times in Counter(name for name, _ in fields).items():
        if times > 1:
            raise ValueError(f"Parameters must have each field once, not {name} {times} times")
    values = {list: tuple, tuple: dict}
    return tuple((name, values.get(type(value), lambda value: value)(value))
                 for name, value in fields)


def lut_of(text: str | None) -> tuple[int, ...] | Literal["loaded"] | None:
    """Return the table that ``--lut`` names; its levels are checked where their format is known."""
    if text is None or text == "loaded":
        return text
    levels = _read("Lut must be loaded or a file of JSON", text)
    if not isinstance(levels, list):
        raise ValueError(f"Lut must be a list of integers, not what is in {text}")
    for index, level in enumerate(levels):
        if type(level) is not int:
            raise ValueError(f"Lut must be a list of integers, not {level!r} at index {index}")
    return tuple(levels)


def _read(must: str, file: str) -> Any:
    # Objects become tuples of pairs, of which dictionaries would lose those that are repeated.
    try:
        return json.loads(Path(file).read_text(), object_pairs_hook=tuple)
    except (OSError, ValueError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no JSON"
        raise ValueError(f"{must}, not {file} ({reason})") from None
