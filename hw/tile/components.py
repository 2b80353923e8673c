"""Components of a tile: which of them each instance below its top module belongs to."""

from fnmatch import fnmatchcase

__all__ = ["COMPONENTS", "component_of"]

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
"""Patterns of the instances of each component: the first that matches decides.

An instance is named by its path, the names of submodules from the top module's down with dots
between them: ``tile.array.sums.cell_0_0``.
"""


def component_of(path: str) -> str:
    """Return the component to which the instance at ``path`` belongs.

    An instance that no component knows is refused: left out, it would make the tile look smaller.
    """
    for name, patterns in COMPONENTS.items():
        if any(fnmatchcase(path, pattern) for pattern in patterns):
            return name
    raise ValueError(f"Instance must be one of a component of the tile, not {path!r}")
