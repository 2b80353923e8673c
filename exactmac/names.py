"""Names of a model's tensors, short enough for tables and lines."""

from golden.readers.contents import printable

__all__ = ["short"]


def short(name: str, width: int = 20) -> str:
    """Return a name of at most so many letters: of fused operators the first, the path's end."""
    own = printable(name).split(";")[0].removesuffix(":channels_last")
    while len(own) > width and "/" in own:
        own = own.partition("/")[2]
    return own if len(own) <= width else f"{own[:width - 3]}..."
