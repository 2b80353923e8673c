"""The content of a model's file: its bytes, limits of its size, and names for messages."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from golden.readers.model import DamagedModel

__all__ = ["MOST_ELEMENTS", "MOST_ENTRIES", "contents", "printable", "whole"]

MOST_ENTRIES = 1 << 16
"""Most tensors, and most operators, of a model."""

MOST_ELEMENTS = 1 << 31
"""Most elements of a tensor."""

MOST_LETTERS = 1000
"""Most letters of a name that are kept."""


def contents(path: Path, size: int = -1) -> bytes:
    """Return the first bytes of a file, or all; ``OSError`` says that it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(size)
    except OSError as error:
        raise OSError(f"Model must be a file that can be read, not {path} ({error.strerror})"
                      ) from error


@contextmanager
def whole(path: Path) -> Iterator[None]:
    """Turn whatever fails while a damaged file is parsed into a :class:`DamagedModel`."""
    try:
        yield
    except DamagedModel as error:
        raise DamagedModel(f"Model {path} must be whole: {error}") from None
    except Exception as error:  # the code of the schema may fail anywhere
        raise DamagedModel(f"Model {path} must be whole, not damaged ({error!r})") from error


def printable(name: str) -> str:
    """Return a name for messages of one line."""
    return "".join(each if each.isprintable() else "?" for each in name[:MOST_LETTERS])
