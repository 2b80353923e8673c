"""The page of areas is that of the results beside it."""

import json
from pathlib import Path

from exactmac.density.report import report_markdown

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_is_that_of_the_results():
    report = json.loads((DOCS / "density.json").read_text())
    assert (DOCS / "density.md").read_text() == report_markdown(report)
    assert report["seeds"] == [1, 2, 3] and report["command"].endswith("--out docs")
