"""Pictures of the page: ``python -m tests.exactmac.study.picture PAGE PICTURE [POINT]``."""

import sys
from io import BytesIO
from pathlib import Path

from PIL import Image

from tests.exactmac.explanation.picture import address, browser

__all__ = ["picture"]


def picture(page: Path, to: Path, point: str = "", *, width: int = 1280, height: int = 1570,
            dark: bool = False) -> None:
    """Write a PNG of a page with that point opened; an empty name opens none."""
    with browser() as started:
        tab = started.new_page(viewport={"width": width, "height": height},
                               color_scheme="dark" if dark else "light")
        tab.goto(address(page, point))
        tab.locator("#plot-codes .legend").wait_for()
        tab.wait_for_timeout(300)
        # A palette of the page's colours: a third of the bytes.
        Image.open(BytesIO(tab.screenshot())).convert("RGB").quantize(
            128, Image.Quantize.MAXCOVERAGE, kmeans=1).save(to, optimize=True)


if __name__ == "__main__":
    picture(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
