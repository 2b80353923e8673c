"""One self-contained page of an explanation: the network as a graph, each operator's answers."""

import json
import re
from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from math import isfinite
from pathlib import Path
from string import Template
from typing import Any

__all__ = ["page"]

TEMPLATE = Path(__file__).parent / "template"
LAYOUT = Path(__file__).parent / "dagre"

SCRIPTS = ("elements.js", "graph.js", "line.js", "operator.js", "tables.js", "page.js")
"""Files of the page's own script, one scope, in order."""


def page(explanation: Mapping[str, Any]) -> str:
    """Return a page that shows an explanation; it loads nothing.

    The page carries the explanation as JSON, which its script reads. Names in a model's file may be
    anything: they never become markup, and the page's policy lets no script run but its own.

    Parameters
    ----------
    explanation : Mapping
        Dictionary of an explanation, as :func:`dataclasses.asdict` returns it.

    Raises
    ------
    TypeError
        If a value is none that JSON has.
    """
    style = _text(TEMPLATE / "page.css")
    layout = f"/*\n{_text(LAYOUT / 'LICENSE')}*/\n{_without_map(_text(LAYOUT / 'dagre.min.js'))}"
    script = "".join(_text(TEMPLATE / name) for name in SCRIPTS)
    policy = "; ".join(("default-src 'none'", "img-src data:", f"style-src {_digest(style)}",
                        f"script-src {_digest(layout)} {_digest(script)}"))
    return Template(_text(TEMPLATE / "page.html")).substitute(
        policy=policy, style=style, layout=layout, script=script, data=_data(explanation))


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _without_map(script: str) -> str:
    # A debugger would look for the map beside the page.
    return re.sub(r"^//# sourceMappingURL=.*\n?", "", script, flags=re.MULTILINE)


def _digest(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def _data(explanation: Mapping[str, Any]) -> str:
    # HTML ends a script's text at `</script`, and `<!--` changes where that is looked for.
    return json.dumps(_finite(explanation), allow_nan=False).replace("<", "\\u003c")


def _finite(value: Any) -> Any:
    # JSON has no numbers that are not finite: float32's become words.
    if isinstance(value, float) and not isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        return {key: _finite(each) for key, each in value.items()}
    return [_finite(each) for each in value] if isinstance(value, list | tuple) else value
