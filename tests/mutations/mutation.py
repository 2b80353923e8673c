"""What a mutation is."""

from typing import NamedTuple

__all__ = ["Mutation", "named"]


class Mutation(NamedTuple):
    """A fault of the source: an exact text of one file, and what takes its place."""

    file: str
    old: str
    new: str
    tests: str
    """Files and folders below ``tests`` that are likely to see it, most likely first."""


def named(**groups: list[tuple[str, str, str, str, str]]) -> dict[str, Mutation]:
    """Return mutations by name: group, and what goes wrong."""
    return {f"{group}: {what}": Mutation(*rest)
            for group, mutations in groups.items() for what, *rest in mutations}
