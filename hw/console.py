"""The console script ``exactmac``, which is ``python -m hw.build``."""

from typing import NoReturn

from golden.command import run

__all__ = ["main"]


def main() -> NoReturn:
    """Build, as the arguments say."""
    run("hw.build")
