"""Ports whose payload is one number."""

from hw.payload import Field, Payload
from hw.tile.ports import StreamPort

__all__ = ["plain_port"]


def plain_port(name: str, stream: str, bits: int, last: str = "") -> StreamPort:
    """Return a port of so many bits, with ``tlast`` where it marks something."""
    return StreamPort(name, stream, Payload((Field("word", bits),), last))
