"""Folder of a sweep's or a study's results, each named by the digest of what it depends on."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from exactmac.cache import Cache
from exactmac.sweep.evaluate import Task
from golden.command import replace_file

__all__ = ["VERSION", "Store"]

VERSION = 1
"""Version of the folder: of the results, and of the files for readers."""

MARK = "version.json"


class Store:
    """Results of points; its length is their number.

    Parameters
    ----------
    folder : Path
        Folder of the command's files, which need not exist.
    command : str
        Name of the command, whose results alone the folder may have.
    warn : function
        Called with a sentence about each damaged result, which is computed again.

    Raises
    ------
    ValueError
        If it is no folder, or has results of another version or command.
    OSError
        If it cannot be read.
    """

    def __init__(self, folder: Path, command: str, warn: Callable[[str], None]):
        if folder.exists() and not folder.is_dir():
            raise ValueError(f"Out must be a folder, not the file {folder}")
        self.folder = folder
        self._mark = {command: VERSION}
        place = folder / "results"
        self._cache = Cache(place, warn)
        if place.exists() and any(place.iterdir()):
            try:
                found = json.loads((place / MARK).read_bytes())
            except FileNotFoundError:
                found = "results of no version"
            except ValueError:
                found = "a damaged version"
            if found != self._mark:
                text = found if isinstance(found, str) else json.dumps(found)
                raise ValueError(f"Out must be a folder with results of {command}, version "
                                 f"{VERSION}, or without any, not {folder} ({text})")

    def open(self):
        """Make the folder, if there is none; ``OSError`` if it cannot be written."""
        place = self.folder / "results"
        place.mkdir(parents=True, exist_ok=True)
        replace_file(place / MARK, json.dumps(self._mark).encode() + b"\n")

    def __len__(self) -> int:
        return sum(each.name != MARK for each in (self.folder / "results").glob("*.json"))

    def get(self, task: Task) -> dict[str, Any]:
        """Return the parts of a task that are there."""
        found = {part: self._cache.get(_key(task, part)) for part in task.parts}
        return {part: result for part, result in found.items() if result is not None}

    def put(self, task: Task, results: Mapping[str, Any]):
        """Keep parts of a task; ``OSError`` if they cannot be written."""
        for part, result in results.items():
            self._cache.put(_key(task, part), result)


def _key(task: Task, part: str) -> dict[str, Any]:
    return {"part": part, "subject": task.subject.to_json(), "point": task.point.to_json(),
            **task.identity.to_json()}
