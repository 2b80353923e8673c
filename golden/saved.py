"""Saved networks: files with the arrays as numpy's zip archive and a description in JSON."""

import enum
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from golden import contracts, formats, networks, ranges, units
from golden.command import write_file

__all__ = ["VERSION", "save", "load", "digest"]

VERSION = 2
"""Version of the file format."""

DESCRIPTION = "description"
"""Name of the JSON in the archive; the names of arrays are their numbers."""

_CLASSES: dict[str, Any] = {
    name: value for module in (contracts, formats, networks, ranges, units)
    for name in module.__all__ if isinstance(value := getattr(module, name), type)}
"""Classes that a description may name."""


def save(network: networks.Network, path: str | Path):
    """Write a network to a file, all of it or nothing.

    ``OSError`` if the file cannot be written; ``TypeError`` if ``network`` is no network, or a part
    of it is of a foreign class.
    """
    if not isinstance(network, networks.Network):
        raise TypeError(f"Network must be a Network, not {network!r}")
    arrays: list[np.ndarray] = []
    description = _described(network, arrays)
    text = json.dumps({"version": VERSION, "digest": _digest(description, arrays),
                       "network": description})
    named: dict[str, Any] = {str(index): array for index, array in enumerate(arrays)}
    named[DESCRIPTION] = np.frombuffer(text.encode(), np.uint8)
    data = io.BytesIO()
    np.savez(data, **named)
    write_file("Network", Path(path), data.getvalue())


def load(path: str | Path) -> networks.Network:
    """Read a network that :func:`save` wrote.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If the file is damaged, or of another version.
    """
    data = Path(path).read_bytes()
    try:
        if not zipfile.is_zipfile(io.BytesIO(data)):
            raise ValueError("it is no zip archive")
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            entries = dict(archive)
        if DESCRIPTION not in entries:
            raise ValueError("it has no description of a network")
        text = json.loads(entries.pop(DESCRIPTION).tobytes())
        version, arrays = text["version"], [entries[str(index)] for index in range(len(entries))]
        if version == VERSION:
            if text["digest"] != _digest(text["network"], arrays):
                raise ValueError("its digest is another")
            network = _restored(text["network"], arrays)
            if not isinstance(network, networks.Network):
                raise TypeError(f"it is no network, but {network!r}")
    except Exception as error:  # a damaged archive may fail in any way
        raise ValueError(f"Saved network {path} must be whole, not damaged ({error!r})") from error
    if version != VERSION:
        raise ValueError(f"Saved network {path} must be of version {VERSION}, not {version!r}")
    return network


def digest(network: networks.Network) -> str:
    """Return the digest of a network, 64 hexadecimal digits; equal networks have equal digests."""
    arrays: list[np.ndarray] = []
    return _digest(_described(network, arrays), arrays)


def _digest(description, arrays: list[np.ndarray]) -> str:
    state = sha256(json.dumps(description, sort_keys=True).encode())
    for array in arrays:
        state.update(f"{array.dtype.str}{array.shape}".encode() + array.tobytes())
    return state.hexdigest()


def _described(value, arrays: list[np.ndarray]) -> Any:
    # A value of JSON as it is; any other value as its class and its parts.
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, list | tuple):
        return [_described(each, arrays) for each in value]
    if isinstance(value, Mapping):
        return {"mapping": {name: _described(each, arrays) for name, each in value.items()}}
    if isinstance(value, np.ndarray) and value.dtype == object:
        return {"integers": [value.shape, value.ravel().tolist()]}
    if isinstance(value, np.ndarray):
        if value.dtype == np.int64 and value.size:
            ends = int(value.min()), int(value.max())
            least = np.result_type(*map(np.min_scalar_type, ends))
            # Together, int64 and uint64 would be float64.
            value = value.astype(least if np.issubdtype(least, np.integer) else np.int64)
        arrays.append(value)
        return {"array": len(arrays) - 1}
    if isinstance(value, enum.Enum):
        return {type(value).__name__: value.name}
    if not is_dataclass(value) or type(value) is not _CLASSES.get(type(value).__name__):
        raise TypeError(f"Saved value must be of this project's own classes, not {value!r}")
    return {type(value).__name__: {
        field.name: _described(getattr(value, field.name), arrays)
        for field in fields(value) if field.init}}


def _restored(value, arrays: list[np.ndarray]) -> Any:
    # Value of a description. Constructors check their arguments, and widen arrays.
    if isinstance(value, list):
        return tuple(_restored(each, arrays) for each in value)
    if not isinstance(value, dict):
        return value
    (kind, parts), = value.items()
    match kind:
        case "mapping":
            return {name: _restored(each, arrays) for name, each in parts.items()}
        case "integers":
            return np.array(parts[1], dtype=object).reshape(parts[0])
        case "array":
            return arrays[parts]
    if issubclass(_CLASSES[kind], enum.Enum):
        return _CLASSES[kind][parts]
    return _CLASSES[kind](**{name: _restored(each, arrays) for name, each in parts.items()})
