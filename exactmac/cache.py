"""Results that a command keeps, so that an interrupted one goes on where it was."""

import json
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from golden.command import replace_file

__all__ = ["Cache"]


class Cache:
    """Results of work in a folder, each in a file named by the digest of what it depends on.

    Parameters
    ----------
    folder : Path
        Folder, which need not exist.
    warn : function
        Called with a sentence about each damaged file, which is removed.
    """

    def __init__(self, folder: Path, warn: Callable[[str], None]):
        self.folder = folder
        self.warn = warn

    def get(self, key: Mapping[str, Any]) -> Any:
        """Return a result; None if there is none, or if it is damaged."""
        place = self._place(key)
        try:
            saved = json.loads(place.read_bytes())
            if saved["digest"] == _digest(saved["result"]):
                return saved["result"]
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError, KeyError, TypeError):
            pass
        self.warn(f"{place} was damaged and is made again")
        return None

    def put(self, key: Mapping[str, Any], result: Any):
        """Keep a result; ``OSError`` if the folder cannot be written."""
        place = self._place(key)
        text = json.dumps({"key": key, "result": result, "digest": _digest(result)}, indent=1)
        place.parent.mkdir(parents=True, exist_ok=True)
        replace_file(place, text.encode() + b"\n")

    def _place(self, key: Mapping[str, Any]) -> Path:
        return self.folder / f"{_digest(key)[:32]}.json"


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return sha256(text.encode()).hexdigest()
