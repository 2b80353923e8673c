"""Where tools keep what takes long to make, so that no state of a cache ever hurts."""

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
    """Return the folder of a tool in the user's cache folder, or if it cannot be, in another.

    The user's is that of ``XDG_CACHE_HOME``, unless that is empty or relative, which the XDG base
    directory specification says to ignore; then ``~/.cache``. Where the tool's folder in it
    cannot be made or written, it is in a temporary folder that this process keeps to its end.
    """
    home = os.environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(home):
        home = os.path.expanduser("~/.cache")
    return _writable(Path(home), tool)


@cache
def _writable(home: Path, tool: str) -> Path:
    # Where there is no home, the path is relative.
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
    # For as long as the process runs, and no longer if it is interrupted.
    held = undoing(lambda: tempfile.mkdtemp(prefix="exactmac_cache_"), shutil.rmtree)
    name = held.__enter__()
    atexit.register(held.__exit__, None, None, None)
    atexit.register(shutil.rmtree, name, ignore_errors=True)
    return Path(name)


def keep(built: Path, place: Path) -> Path:
    """Keep a copy of a file in a cache; return the file to use, which is ``built`` if that fails.

    At its end, where nothing that reads object files minds it, the copy has a digest of the rest.
    """
    data = built.read_bytes()
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        replace_file(place, data + hashlib.sha256(data).digest())
    except OSError:
        return built
    return place


def kept(place: Path) -> bool:
    """Whether a cache has a file, and has all of it."""
    try:
        status = place.stat()
        return _whole(place, status.st_size, status.st_mtime_ns)
    except OSError:
        return False


@cache
def _whole(place: Path, _size: int, _time: int) -> bool:
    # Looked at once in a process while it stays as it is: some are large, and used by every model.
    data, size = place.read_bytes(), hashlib.sha256().digest_size
    return hashlib.sha256(data[:-size]).digest() == data[-size:]
