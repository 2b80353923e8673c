"""Files of JSON that options name, with levels or a configuration."""

import errno
import json
import os
import select
import stat
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from hw.tile.config import TileConfig
from hw.tile.ports import Clocking

__all__ = ["clocking_of", "lut_of", "parameters_of", "read_json", "saved_of"]

MOST_BYTES = 1 << 26
"""Largest file: some three times the size of 65,536 records of 15 thresholds."""

PATIENCE = 10
"""Seconds for the whole text of a pipe."""


def parameters_of(file: str) -> dict[str, Any]:
    """Return the parameters in the file of ``--parameters``; the tile checks fields and values."""
    fields = _read("Parameters", file)
    if not isinstance(fields, dict):
        raise ValueError(f"Parameters must be an object of fields, not the contents of {file}")
    return fields


def lut_of(text: str) -> list[Any] | str:
    """Return the table of ``--lut``; the tile checks its levels."""
    if text == "loaded":
        return text
    levels = _read("Lut", text, "loaded or a file of JSON")
    if not isinstance(levels, list):
        raise ValueError(f"Lut must be a list of integers, not the contents of {text}")
    return levels


def saved_of(file: str) -> tuple[TileConfig, Clocking]:
    """Return what the file of ``--config``, a manifest or a configuration's JSON, describes.

    The names of clock and reset are the default ones if the file has none.
    """
    saved, clocking = _read("Config", file), Clocking()
    if isinstance(saved, dict) and "config" in saved:
        saved, clocking = saved["config"], clocking_of(saved)
    try:
        return TileConfig.from_json(saved), clocking
    except (TypeError, ValueError) as error:
        raise ValueError(f"Config must be that of a tile, not the contents of {file} "
                         f"({error})") from None


def clocking_of(manifest: dict[str, Any]) -> Clocking:
    """Return the names of clock and reset in a manifest; the default one if it lacks one."""
    # A reset's name is followed by its kind.
    return Clocking(**{name: str(manifest[name]).split(" ")[0] for name in ("clock", "reset")
                       if name in manifest})


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    for name, times in Counter(name for name, _ in pairs).items():
        if times > 1:
            raise LookupError(f"{name} {times} times")
    return dict(pairs)


def read_json(path: Path) -> Any:
    """Return the contents of a file of JSON.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If the text is more than `MOST_BYTES`, does not end within `PATIENCE`, or is no JSON.
    LookupError
        If an object has a field more than once; the message names the field.
    """
    # This must not wait for a pipe that nobody opens to write, or closes.
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with open(handle, "rb", buffering=0) as stream:
        kind = os.fstat(handle).st_mode
        if stat.S_ISDIR(kind):
            raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not (stat.S_ISREG(kind) or stat.S_ISFIFO(kind)):
            raise ValueError("neither a file nor a pipe")
        deadline, text = time.monotonic() + PATIENCE, bytearray()
        while len(text) <= MOST_BYTES:
            if not select.select([stream], [], [], max(0, deadline - time.monotonic()))[0]:
                raise ValueError(f"{'only a part' if text else 'nothing'} came in {PATIENCE} s")
            if not (part := stream.read(1 << 20)):
                break
            text += part
    if len(text) > MOST_BYTES:
        raise ValueError(f"more than {MOST_BYTES >> 20} MiB")
    try:
        return json.loads(text, object_pairs_hook=_object)
    except json.JSONDecodeError as error:
        raise ValueError(f"no JSON: {error.msg} in line {error.lineno}, column {error.colno}"
                         ) from None
    except (UnicodeDecodeError, RecursionError):
        raise ValueError("no JSON") from None
    except ValueError:
        raise ValueError(f"an integer of more than {sys.get_int_max_str_digits()} "
                         "digits") from None


def _read(name: str, file: str, what: str = "a file of JSON") -> Any:
    if not file:
        raise ValueError(f"{name} must be {what}, not ''")
    try:
        return read_json(Path(file))
    except LookupError as error:
        raise ValueError(f"{name} must have each field once, not {error}") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ValueError(f"{name} must be {what}, not {file} ({reason})") from None
