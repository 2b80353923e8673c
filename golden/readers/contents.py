"""The content of a model's file: its bytes, limits of its size, and names for messages."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from errno import EINVAL
from pathlib import Path
from typing import BinaryIO

from golden.readers.model import DamagedModel

__all__ = ["MOST_BYTES", "MOST_ELEMENTS", "MOST_ENTRIES", "contents", "opened", "printable",
           "whole"]

MOST_BYTES = (1 << 31) - 1
"""Most bytes of a file, which offsets of 32 bits reach."""

MOST_ENTRIES = 1 << 16
"""Most tensors, and most operators, of a model."""

MOST_ELEMENTS = 1 << 31
"""Most elements of a tensor."""

MOST_LETTERS = 1000
"""Most letters of a name that are kept."""


@contextmanager
def opened(path: Path, title: str = "Model") -> Iterator[BinaryIO]:
    """Open a regular file; ``OSError`` says that it cannot be read."""
    try:
        if not (path.is_file() or path.is_dir()) and path.exists():
            raise OSError(EINVAL, "it is no regular file")  # a pipe, which may never end
        with path.open("rb") as file:
            yield file
    except OSError as error:
        raise OSError(f"{title} must be a file that can be read, not {path} ({error.strerror})"
                      ) from error


def contents(path: Path, size: int = -1) -> bytes:
    """Return the first bytes of a model's file, or all.

    Raises
    ------
    OSError
        If the file cannot be read.
    DamagedModel
        If it is larger than a model can be.
    """
    with opened(path) as file:
        if size < 0 and (own := os.fstat(file.fileno()).st_size) > MOST_BYTES:
            raise DamagedModel(f"Model {path} must have at most {MOST_BYTES} bytes, not {own}")
        return file.read(size)


@contextmanager
def whole(path: Path) -> Iterator[None]:
    """Turn whatever fails while a damaged file is parsed into a :class:`DamagedModel`."""
    try:
        yield
    except DamagedModel as error:
        raise DamagedModel(f"Model {path} must be whole: {error}") from None
    except Exception as error:  # the code of the schema may fail anywhere
        raise DamagedModel(f"Model {path} must be whole, not damaged") from error


def printable(name: str) -> str:
    """Return a name for messages of one line."""
    return "".join(each if each.isprintable() else "?" for each in name[:MOST_LETTERS])
