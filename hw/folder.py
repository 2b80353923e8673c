"""Output folders: those of builds, which change all at once, and temporary ones."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from golden.command import undoing
from hw.files import clocking_of, read_json
from hw.tile.config import TileConfig
from hw.tile.ports import Clocking

__all__ = ["FolderError", "Standing", "install", "scratch", "standing", "workspace"]


class FolderError(Exception):
    """A folder cannot be written.

    Parameters
    ----------
    what : str
        Kind of folder, such as ``Output``.
    place : Path
    reason : str
    """

    def __init__(self, what: str, place: Path, reason: str):
        super().__init__(f"{what} folder must be writable, not {place} ({reason})")


@contextmanager
def _named(what: str, place: Path, within: Path | None = None) -> Iterator[None]:
    # The error of a full disk names no file. Other errors may concern another folder.
    try:
        yield
    except OSError as error:
        if within and error.filename and not Path(str(error.filename)).is_relative_to(within):
            raise
        raise FolderError(what, place, str(error.strerror or error)) from error


@dataclass(frozen=True)
class Standing:
    """Tile of an earlier build.

    Parameters
    ----------
    config : TileConfig or None
        Configuration; None if its JSON is of another version.
    clocking : Clocking
        Names of the module's clock and reset.
    files : list of str
        Names of the files of the build.
    """

    config: TileConfig | None
    clocking: Clocking
    files: list[str]


def standing(place: Path) -> Standing | None:
    """Return the tile that the build will replace, if any.

    Raises
    ------
    ValueError
        If ``place`` has files that are not from an earlier build.
    FolderError
        If ``place`` cannot be read.
    """
    with _named("Output", place):
        for parent in place.parents:
            if parent.is_symlink():
                parent.stat()  # a link that leads nowhere is no place for a folder
        if place.is_symlink() or (place.exists() and not place.is_dir()):
            raise ValueError(f"Output must go to a folder, not {place}")
        if not place.exists() or not any(place.iterdir()):
            return None
    try:
        manifest = read_json(place / "manifest.json")
        saved, files = manifest["config"], list(manifest["files"])
        clocking = clocking_of(manifest)
    except (OSError, ValueError, LookupError, TypeError):
        raise ValueError("Output folder must be new, empty or of an earlier build, "
                         f"not {place}") from None
    with suppress(TypeError, ValueError):
        return Standing(TileConfig.from_json(saved), clocking, files)
    return Standing(None, clocking, files)


@contextmanager
def scratch() -> Iterator[Path]:
    """Make a temporary folder, removed at the end or at an interruption."""
    parent = Path(tempfile.gettempdir())
    with _folder("Temporary", parent, parent, "exactmac_") as folder:
        yield folder


@contextmanager
def _folder(what: str, place: Path, parent: Path, prefix: str) -> Iterator[Path]:
    def make() -> str:
        with _named(what, place):
            return tempfile.mkdtemp(prefix=prefix, dir=parent)

    with undoing(make, _discard) as name:
        try:
            with _named(what, place, within=Path(name)):
                yield Path(name)
        finally:
            shutil.rmtree(name, ignore_errors=True)


def _discard(name: str):
    # Rename it first, so that no process still at work can add a file to it.
    gone = Path(name).with_name(f"{Path(name).name}.gone")
    with suppress(OSError):
        Path(name).rename(gone)
    shutil.rmtree(gone, ignore_errors=True)


@contextmanager
def workspace(place: Path) -> Iterator[Path]:
    """Make a folder beside ``place``, on the same file system; it is removed at the end.

    Parent folders made for it are removed too, if they are empty then.
    """
    with undoing(list, _remove_empty) as parents:
        try:
            with _named("Output", place):
                # One by one, so that each new folder is known.
                for each in reversed([each for each in place.parents if not each.exists()]):
                    each.mkdir(exist_ok=True)
                    parents.insert(0, each)
            with _folder("Output", place, place.parent, f".{place.name[:100]}.") as folder:
                yield folder
        finally:
            _remove_empty(parents)


def _remove_empty(folders: list[Path]):
    for each in folders:
        with suppress(OSError):
            each.rmdir()


def install(folder: Path, place: Path, aside: Path, files: list[str]):
    """Move ``folder`` to ``place``; an earlier folder moves ``aside``, its other files back.

    Files of the earlier folder listed in ``files`` stay aside.
    """
    with _named("Output", place):
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
