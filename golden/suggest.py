"""Suggestions for unknown names."""

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches

__all__ = ["nearest", "suggestion"]


def suggestion(name: object, names: Iterable[str], aliases: Mapping[str, str] | None = None) -> str:
    """Return ``" (did you mean NAME?)"`` if a name is near to a known one, else ``""``.

    See :func:`nearest` for the parameters.
    """
    near = nearest(name, names, aliases)
    return f" (did you mean {near}?)" if near else ""


def nearest(name: object, names: Iterable[str], aliases: Mapping[str, str] | None = None) -> str:
    """Return the known name that a name is near to, or ``""``.

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
            return match.expand(own)
    return next(iter(get_close_matches(plain, list(names), n=1, cutoff=0.75)), "")
