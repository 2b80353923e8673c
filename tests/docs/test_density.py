"""The pages of areas are those of the results beside them."""

import json
from pathlib import Path

import pytest

from exactmac.density.report import report_markdown

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("folder, seeds", [
    (".", [1, 2, 3]), ("arrays", [1, 2, 3]), ("arrays/int8", [1]), ("tiles", [1, 2, 3])])
def test_the_page_is_that_of_the_results(folder, seeds):
    report = json.loads((DOCS / folder / "density.json").read_text())
    assert (DOCS / folder / "density.md").read_text() == report_markdown(report)
    assert report["seeds"] == seeds
    assert report["command"].endswith("--out " + str(Path("docs") / folder))
