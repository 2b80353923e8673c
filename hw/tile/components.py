"""Components of a tile, and the instances that belong to each."""

from fnmatch import fnmatchcase

__all__ = ["COMPONENTS", "component_around", "component_of"]

COMPONENTS = {
    "block": ("tile.array.*cell_*", "tile.array.sum_of_*"),
    "accumulators": ("tile.array", "tile.array.*"),
    "requantizers": ("tile.results.requantizer_*", "tile.results.states"),
    "tables": ("tile.*table", "tile.*table_*"),
    "shared exponent": ("tile.results.shared_exponent*",),
    "parameter store": ("tile.results.store*",),
    "queues": ("tile.entrance.queue*", "tile.results.results*"),
    "control": ("", "tile", "tile.entrance", "tile.results"),
}
"""Patterns of the instances of each component: the first match decides.

An instance has its path as a name, such as ``tile.array.sums.cell_0_0``: the names of submodules
from the top module down, with dots between them.
"""


def component_of(path: str) -> str:
    """Return the component of the instance at ``path``.

    An instance of no component is refused: without it, the tile would look smaller than it is.
    """
    for name, patterns in COMPONENTS.items():
        if any(fnmatchcase(path, pattern) for pattern in patterns):
            return name
    raise ValueError(f"Instance must be one of a component of the tile, not {path!r}")


def component_around(name: str) -> str:
    """Return the component of a wire or a cell, by its name below the path of its instance.

    Names of memory cells have more dots; the innermost instance that is known counts.
    """
    while name:
        name = name.rpartition(".")[0]
        try:
            return component_of(name)
        except ValueError:
            continue
    return component_of("")
