"""Constants outside of an ONNX file: only files beside it or below, by plain relative paths."""

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from golden.readers.contents import printable
from golden.readers.model import DamagedModel

__all__ = ["OUTSIDE", "External", "files_beside"]

OUTSIDE = 1
"""Number, in the schema, of a tensor's data location outside of the model's file."""


class External:
    """Files with the data of constants.

    Parameters
    ----------
    folder : Path
        Folder of the model.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        # Sizes of the files in use, and bytes that may still be read: each byte once.
        self._sizes: dict[Path, int] = {}
        self._left = 0

    def read(self, entries: Mapping[str, str], size: int, name: str) -> bytes:
        """Return the ``size`` bytes that the entries of constant ``name`` describe.

        Raises
        ------
        DamagedModel
            If the path is absolute, leaves the folder or has a link in it, or the file is shorter.
        """
        location = entries.get("location", "")
        shown = printable(location)
        if not _plain(location):
            raise DamagedModel(f"data of constant {name!r} must be in a file beside the model or "
                               f"below, not {shown!r}")
        path = self.folder
        for part in PurePosixPath(location).parts:
            path = path / part
            if path.is_symlink():
                raise DamagedModel(f"data of constant {name!r} must be in a file, not behind a "
                                   f"link, {shown!r}")
        texts = [entries.get("offset", "0"), entries.get("length", str(size))]
        if not all(text.isascii() and text.isdigit() and len(text) < 20 for text in texts):
            raise DamagedModel(f"data of constant {name!r} must have an offset and a length that "
                               f"are numbers")
        offset, length = map(int, texts)
        if length != size:
            raise DamagedModel(f"data of constant {name!r} must have {size} bytes, not {length}")
        try:
            if not path.is_file():
                raise DamagedModel(f"data of constant {name!r} must be in a file, not {shown!r}")
            if path not in self._sizes:
                self._sizes[path] = path.stat().st_size
                self._left += self._sizes[path]
            if offset + length > self._sizes[path]:
                raise DamagedModel(f"data of constant {name!r} must end within the "
                                   f"{self._sizes[path]} bytes of {shown!r}, "
                                   f"not at {offset + length}")
            self._left -= length
            if self._left < 0:
                raise DamagedModel(f"constants must have data of their own, not share that of "
                                   f"{shown!r}")
            with path.open("rb") as file:
                file.seek(offset)
                return file.read(length)
        except OSError as error:
            raise DamagedModel(f"data of constant {name!r} must be in a file that can be read, "
                               f"not {shown!r} ({error.strerror})") from error


def files_beside(model: Any, folder: Path) -> Iterator[Path]:
    """Yield the file of each constant outside of a model's file, if its path is one that is read.

    Parameters
    ----------
    model : onnx.ModelProto
    folder : Path
        Folder of the model.
    """
    tensors = [*model.graph.initializer, *(
        each.t for node in model.graph.node for each in node.attribute)]
    for tensor in tensors:
        for entry in tensor.external_data if tensor.data_location == OUTSIDE else ():
            if entry.key == "location" and isinstance(entry.value, str) and _plain(entry.value):
                yield folder / entry.value


def _plain(location: str) -> bool:
    # Whether it is a path of a file beside the model or below.
    parts = PurePosixPath(location).parts
    return bool(parts) and ".." not in parts and not location.startswith("/") and not any(
        each in location for each in "\0\\:")
