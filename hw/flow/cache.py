"""Caches of the tools' slow results, in a way that no state of a cache does harm."""

import atexit
import hashlib
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path

from golden.command import replace_file, undoing

__all__ = ["cache_folder", "keep", "kept"]


def cache_folder(tool: str) -> Path:
    """Return the folder of a tool in the user's cache folder, or else in a temporary folder.

    The user's cache folder is ``XDG_CACHE_HOME``, or ``~/.cache`` if that is empty or relative, as
    the XDG base directory specification says. If the tool's folder there cannot be made or
    written, it is in a temporary folder that this process keeps to its end.
    """
    home = os.environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(home):
        home = os.path.expanduser("~/.cache")
    return _writable(Path(home), tool)


@cache
def _writable(home: Path, tool: str) -> Path:
    # Without a home, the path is relative.
    folder = home / tool
    if home.is_absolute():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder) as file:
                file.write(b"written")
            return folder
        except OSError:
            pass
    folder = _temporary() / tool
    folder.mkdir(exist_ok=True)
    return folder


@cache
def _temporary() -> Path:
    # The folder lasts as long as the process, also if that is interrupted.
    held = undoing(lambda: tempfile.mkdtemp(prefix="exactmac_cache_"), shutil.rmtree)
    name = held.__enter__()
    atexit.register(held.__exit__, None, None, None)
    atexit.register(shutil.rmtree, name, ignore_errors=True)
    return Path(name)


def keep(built: Path, place: Path) -> Path:
    """Keep a copy of a file in a cache; return the file to use, which is ``built`` if that fails.

    The copy ends with a digest of the data, which readers of object files ignore.
    """
    data = built.read_bytes()
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        replace_file(place, data + hashlib.sha256(data).digest())
    except OSError:
        return built
    return place


def kept(place: Path) -> bool:
    """True if a cache has a file, and has all of it."""
    try:
        status = place.stat()
        return _whole(place, status.st_size, status.st_mtime_ns)
    except OSError:
        return False


@cache
def _whole(place: Path, _size: int, _time: int) -> bool:
    # Read once per process while unchanged: some files are large, and used by every model.
    data, size = place.read_bytes(), hashlib.sha256().digest_size
    return hashlib.sha256(data[:-size]).digest() == data[-size:]
