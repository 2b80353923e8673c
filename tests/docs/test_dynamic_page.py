"""docs/dynamic.md prints what it says."""

import re
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "dynamic.md").read_text()


@pytest.mark.slow
def test_the_examples_run(capsys):
    examples = re.findall(r"^```python\n(.*?)^```\n\n```text\n(.*?)^```$", PAGE,
                          re.MULTILINE | re.DOTALL)
    assert len(examples) == 4 == PAGE.count("```python")
    names = {}
    for code, printed in examples:
        exec(compile(code, "dynamic.md", "exec"), names)
        assert capsys.readouterr().out == printed


def test_no_line_is_long():
    assert [line for line in PAGE.splitlines() if len(line) > 110] == []
