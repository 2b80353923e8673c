"""What results are of, beside their point: the project's sources, and the versions of tools."""

from dataclasses import asdict, dataclass
from functools import cache
from hashlib import sha256
from importlib import metadata
from pathlib import Path
from typing import Any

from hw.flow.tools import versions

__all__ = ["Identity", "identity"]

PACKAGES = ("exactmac", "golden", "hw", "sim")
READERS = ("onnx", "qonnx", "tflite")
"""Distributions that read models' files."""


@dataclass(frozen=True)
class Identity:
    """Sources and tools.

    Parameters
    ----------
    sources : str
        SHA-256 of all files of the packages :data:`PACKAGES`, with their paths.
    tools : tuple of (str, str)
        Tools and libraries that are installed, and their versions.
    """

    sources: str
    tools: tuple[tuple[str, str], ...]

    def difference(self, other: "Identity") -> str | None:
        """Return in what another differs, for a message; None if in nothing."""
        if self.sources != other.sources:
            return f"sources of digest {other.sources[:12]} in place of {self.sources[:12]}"
        own, theirs = dict(self.tools), dict(other.tools)
        for name in sorted(own.keys() | theirs.keys()):
            if own.get(name) != theirs.get(name):
                return (f"{name} {theirs.get(name, 'missing')} in place of "
                        f"{own.get(name, 'none')}")
        return None

    def to_json(self) -> dict[str, Any]:
        """Return a form for ``json.dump``."""
        return asdict(self) | {"tools": dict(self.tools)}


@cache
def identity() -> Identity:
    """Return the identity of this process, found once."""
    # The folder of this package has the others beside it.
    root, digest = Path(__file__).parents[2], sha256()
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*")):
            if path.is_file() and path.suffix != ".pyc":
                data = path.read_bytes()
                digest.update(f"{path.relative_to(root)} {len(data)}\n".encode())
                digest.update(data)
    tools = versions()
    for name in READERS:
        try:
            tools[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return Identity(digest.hexdigest(), tuple(sorted(tools.items())))
