"""The folder that :mod:`hw.build` writes: what stands there, and how it is replaced at once."""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

__all__ = ["OutputError", "install", "standing", "workspace"]


class OutputError(Exception):
    """The output folder cannot be written."""

    def __init__(self, place: Path, error: OSError):
        super().__init__(f"Output folder must be writable, not {place} ({error.strerror})")


def standing(place: Path) -> dict[str, Any] | None:
    """Return the manifest of the tile that the build will replace, if there is one.

    Raises
    ------
    ValueError
        Where something stands there that is not from an earlier build.
    """
    if place.is_symlink() or (place.exists() and not place.is_dir()):
        raise ValueError(f"Output must go to a folder, not {place}")
    if not place.exists() or not any(place.iterdir()):
        return None
    try:
        manifest = json.loads((place / "manifest.json").read_text())
        return {"config": manifest["config"], "files": manifest["files"]}
    except (OSError, ValueError, KeyError, TypeError):
        raise ValueError("Output folder must be new, empty or of an earlier build, "
                         f"not {place}") from None


@contextmanager
def workspace(place: Path) -> Iterator[Path]:
    """Make a folder beside the place of the files, on the same file system; gone at the end.

    So are the folders on the way there that were made for it, where nothing else is in them.
    """
    made: list[Path] = []
    try:
        try:
            made += [each for each in place.parents if not each.exists()]
            place.parent.mkdir(parents=True, exist_ok=True)
            work = tempfile.TemporaryDirectory(prefix=f".{place.name[:100]}.", dir=place.parent)
        except OSError as error:
            raise OutputError(place, error) from error
        with work as name:
            yield Path(name)
    finally:
        for each in made:
            with suppress(OSError):
                each.rmdir()


def install(folder: Path, place: Path, aside: Path, files: list[str]):
    """Put ``folder`` in its place; of what stood there, put ``aside``, keep all but ``files``."""
    if place.exists():
        place.rename(aside)
    try:
        folder.rename(place)
    except BaseException:
        if aside.exists():
            aside.rename(place)
        raise
    if aside.exists():
        for other in aside.iterdir():
            if other.name not in files and not (place / other.name).exists():
                other.rename(place / other.name)
