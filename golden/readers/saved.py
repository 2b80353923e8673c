"""Networks that :mod:`golden.saved` wrote, as models."""

import zipfile
from pathlib import Path

from golden.readers.contents import MOST_BYTES, opened, whole
from golden.readers.model import DamagedModel, Model
from golden.saved import load

__all__ = ["MAGIC", "RUNTIME", "read_saved"]

MAGIC = b"PK\x03\x04"
"""First bytes of a saved network, which is a zip archive."""

RUNTIME = "golden"
"""Runtime of a saved network: each layer has the arithmetic that it names."""


def read_saved(path: Path, runtime: str = RUNTIME) -> Model:
    """Read a saved network; it needs no package of a file format.

    Raises
    ------
    OSError
        If the file cannot be read.
    DamagedModel
        If the file is damaged, of another version, or larger than a model can be.
    """
    if runtime != RUNTIME:
        raise ValueError(f"Runtime must be left out for a saved network, not {runtime!r}")
    with opened(path) as file, whole(path), zipfile.ZipFile(file) as archive:
        size = sum(each.file_size for each in archive.infolist())
    if size > MOST_BYTES:
        raise DamagedModel(f"Saved network {path} must have at most {MOST_BYTES} bytes, not {size}")
    try:
        network = load(path)
    except ValueError as error:
        raise DamagedModel(str(error)) from error
    return Model(network, RUNTIME, {}, tuple(each.name for each in network.inputs))
