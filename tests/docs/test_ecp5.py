"""The tables of docs/ecp5.md that no synthesis is needed for."""

import re
from pathlib import Path

from golden.formats import parse
from golden.inner_products import sums_range
from golden.ranges import dot_range
from hw.heap import folded_programs, program_of
from hw.heap.longer import DEPTH

PAGE = (Path(__file__).parents[2] / "docs" / "ecp5.md").read_text()
COLS, LANES = 16, 16


def row(name, kind):
    """Row of the table of inner products."""
    fmt = parse(name)
    if kind == "direct":
        total = dot_range(fmt, fmt, DEPTH).format.width
        cells, term = [program_of(fmt, fmt, LANES, total=total).luts], 0
    else:
        total = sums_range(kind, fmt, fmt, DEPTH).format.width
        programs = folded_programs(kind, fmt, fmt, LANES, total=total)
        cells, term = ([each.luts for each in programs[:2] if each is not None],
                       programs.activations.luts)
    luts = (COLS * sum(cells) + term) / (COLS * LANES)
    return (f"| `{name}`, {kind} | {' + '.join(f'{each:,}' for each in cells)} | "
            f"{term or ''} | {luts:.1f} |").replace("|  |", "| |")


def test_luts_of_inner_products():
    rows = re.findall(r"^\| `(s\d)`, (direct|codes|winograd) \|.*$", PAGE, re.MULTILINE)
    assert len(rows) == 7
    for each in rows:
        assert row(*each) in PAGE
