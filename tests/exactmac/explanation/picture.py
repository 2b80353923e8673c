"""Pictures of the page: ``python -m tests.exactmac.explanation.picture PAGE OPERATOR PICTURE``."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from urllib.parse import quote

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

__all__ = ["address", "browser", "executable", "picture"]

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def executable() -> str | None:
    """Return the path of the Chromium that is installed, or None."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


@contextmanager
def browser() -> Iterator[Browser]:
    """Run the Chromium that is installed; it has no sandbox, since a container gives it none."""
    with sync_playwright() as tools:
        started = tools.chromium.launch(executable_path=executable(), args=["--no-sandbox"])
        yield started
        started.close()


def address(page: Path, operator: str = "") -> str:
    """Return the address of a page, and of an operator in it."""
    return page.absolute().as_uri() + (f"#{quote(operator, safe='')}" if operator else "")


def picture(page: Path, operator: str, to: Path, *, width: int = 1280, height: int = 1100,
            dark: bool = False) -> None:
    """Write a PNG of a page with that operator opened; an empty name opens none."""
    with browser() as started:
        tab = started.new_page(viewport={"width": width, "height": height},
                               color_scheme="dark" if dark else "light")
        tab.goto(address(page, operator))
        # A palette of the page's colours: a third of the bytes.
        Image.open(BytesIO(tab.screenshot())).convert("RGB").quantize(
            256, Image.Quantize.MAXCOVERAGE, kmeans=1).save(to, optimize=True)


if __name__ == "__main__":
    picture(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
