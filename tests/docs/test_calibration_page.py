"""docs/calibration.md: its examples run, and print what it shows."""

import re
from pathlib import Path

from golden.quantize.calibration import METHODS, method_of

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "calibration.md").read_text()


def test_the_examples_print_what_is_shown(capsys):
    names = {}
    blocks = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    for (language, block), (after, expected) in zip(blocks, [*blocks[1:], ("", "")], strict=True):
        if language == "python":
            exec(compile(block, "calibration.md", "exec"), names)
            assert capsys.readouterr().out == (expected if after == "text" else "")
    assert [language for language, _ in blocks] == ["python", "text"] * 3 + ["python"] * 2


def test_methods_and_their_defaults():
    rows = [line.split("|") for line in PAGE.splitlines() if line.startswith("| `")]
    listed = {cells[1].split("`")[1]: re.findall(r"`(\w+=[0-9.]+)`", cells[3])
              for cells in rows if len(cells) == 6 and cells[1].split("`")[1] in METHODS}
    assert set(listed) == set(METHODS)
    for name, options in listed.items():
        given = dict(option.split("=") for option in options)
        function = METHODS[name]
        known = function.__kwdefaults__ or {}
        assert given == {option: f"{default:g}" if option != "percentile" else str(default)
                         for option, default in known.items()}
        method_of(f"{name}:{','.join(options)}" if options else name)


def test_lines_and_links():
    long = [line for line in PAGE.splitlines() if len(line) > 120 and not line.startswith("|")]
    assert long == []
    for link in re.findall(r"\]\(([\w./]+)\)", PAGE):
        assert (ROOT / "docs" / link).exists()
    for path in re.findall(r"`((?:tests|golden)/[\w/]+\.py)`", PAGE):
        assert (ROOT / path).exists()
