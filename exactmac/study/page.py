"""One self-contained page of a study: plots, tables, and each point's reports."""

import json
from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from string import Template
from typing import Any

__all__ = ["page"]

TEMPLATE = Path(__file__).parent / "template"

SCRIPTS = ("elements.js", "plots.js", "curves.js", "tables.js", "point.js", "page.js")
"""Files of the page's own script, one scope, in order."""


def page(study: Mapping[str, Any]) -> str:
    """Return a page that shows a study; it loads nothing.

    The page carries the study as JSON, which its script reads, and the script of plotly, which
    draws. Its policy lets no other script run. Plotly styles its elements itself.

    Parameters
    ----------
    study : Mapping
        Contents of ``study.json``.

    Raises
    ------
    TypeError, ValueError
        If a value is none that JSON has.
    """
    from plotly.offline import get_plotlyjs

    plots = get_plotlyjs()
    script = "".join((TEMPLATE / name).read_text(encoding="utf-8") for name in SCRIPTS)
    policy = "; ".join(("default-src 'none'", "img-src data: blob:", "style-src 'unsafe-inline'",
                        f"script-src {_digest(plots)} {_digest(script)}"))
    # HTML ends a script's text at `</script`, and `<!--` changes where that is looked for.
    data = json.dumps(study, allow_nan=False).replace("<", "\\u003c")
    return Template((TEMPLATE / "page.html").read_text(encoding="utf-8")).substitute(
        policy=policy, style=(TEMPLATE / "page.css").read_text(encoding="utf-8"), plots=plots,
        script=script, data=data)


def _digest(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"
