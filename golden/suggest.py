"""Suggestions for names that are not known."""

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches

__all__ = ["suggestion"]


def suggestion(name: object, names: Iterable[str], aliases: Mapping[str, str] | None = None) -> str:
    """Return ``" (did you mean NAME?)"`` where a name is near to a known one, else nothing.

    Parameters
    ----------
    name : object
        What was given.
    names : iterable of str
        Names that are known, in lower case, their words separated by underscores.
    aliases : mapping of str to str, optional
        Regular expressions of names that others use, and what each is here, with its groups.
    """
    if not isinstance(name, str):
        return ""
    plain = re.sub("[- ]", "_", name.strip().lower())
    for pattern, own in (aliases or {}).items():
        if match := re.fullmatch(pattern, plain):
            return f" (did you mean {match.expand(own)}?)"
    near = get_close_matches(plain, list(names), n=1, cutoff=0.75)
    return f" (did you mean {near[0]}?)" if near else ""
