"""Files of JSON: their contents, and what a manifest says."""

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

from hw.tile.ports import Clocking

__all__ = ["clocking_of", "read_json"]

MOST_BYTES = 1 << 26
"""Largest file: some three times the size of 65,536 records of 15 thresholds."""

PATIENCE = 10
"""Seconds for the whole text of a pipe."""


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
