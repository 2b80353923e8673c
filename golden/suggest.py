"""Suggestions for unknown names."""

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches

__all__ = ["suggestion"]


def suggestion(name: object, names: Iterable[str], aliases: Mapping[str, str] | None = None) -> str:
    """Return ``" (did you mean NAME?)"`` if a name is near to a known one, else ``""``.

    Parameters
    ----------
    name : object
        Unknown name.
    names : iterable of str
        Known names, in lower case, their words separated by underscores.
    aliases : mapping of str to str, optional
        Regular expressions of other projects' names, and the name here, which may use the groups.
    """
    if not isinstance(name, str):
        return ""
    plain = re.sub("[- ]", "_", name.strip().lower())
    for pattern, own in (aliases or {}).items():
        if match := re.fullmatch(pattern, plain):
            return f" (did you mean {match.expand(own)}?)"
    near = get_close_matches(plain, list(names), n=1, cutoff=0.75)
    return f" (did you mean {near[0]}?)" if near else ""
