"""Files that options name, with levels or a configuration."""

from pathlib import Path
from typing import Any

from hw.files import clocking_of, read_json
from hw.tile.config import TileConfig
from hw.tile.ports import Clocking

__all__ = ["lut_of", "parameters_of", "saved_of"]


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
