"""The tables of docs/ecp5.md that no synthesis is needed for."""

import json
import re
from pathlib import Path

from exactmac.density.entries import ARRAYS
from golden.contracts import CONTRACTS
from golden.formats import parse
from golden.inner_products import sums_range
from golden.ranges import dot_range
from hw.heap import folded_programs, program_of
from hw.heap.longer import DEPTH

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "ecp5.md").read_text()
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


def test_placed_tiles_are_those_of_the_measurement():
    entries = json.loads((DOCS / "density.json").read_text())["entries"]
    tiles = {each["way"]: each for each in entries if each["unit"] == "tile"}
    titles = {"generic": "exactmac on generic", "`--target ecp5`": "exactmac on ecp5",
              "`--target ecp5 --dsp 4`": "exactmac on ecp5, 4 DSPs",
              "`--target ecp5 --dsp 0`": "exactmac on ecp5, no DSP"}
    assert set(titles.values()) == set(tiles)
    for title, way in titles.items():
        found = tiles[way]
        assert (f"| {title} | {found['lut']:,} | {found['ff']:,} | {found['dsp']} | "
                f"{found['fmax']:.0f} |") in PAGE
    portable = f"{tiles['exactmac on generic']['lut']:,}"
    assert f"any target takes {portable} LUTs" in (DOCS.parent / "README.md").read_text()
    assert f"the tile\nhas {portable} (" in (DOCS / "designer.md").read_text()


def test_placed_arrays_are_those_of_the_measurement():
    entries = [each for folder in ("arrays/int8", "arrays")
               for each in json.loads((DOCS / folder / "density.json").read_text())["entries"]]
    assert [each["subject"] for each in entries] == [*ARRAYS]
    for each in entries:
        kind = ARRAYS[each["subject"]].inner_product
        assert (f"| {each['subject']}, {kind} | {each['lut_per_unit']:.1f} | "
                f"{each['ff_per_unit']:.1f} | {each['fmax']:.0f} |") in PAGE
    path = entries[0]["path"]
    assert (f"Of the {path['delay']:.1f} ns of the int8 array's longest path, "
            f"{path['routing']:.1f} are wires: nextpnr spreads its {entries[0]['lut']:,} LUTs"
            ) in PAGE


def test_every_contract_has_its_placed_tile():
    entries = json.loads((DOCS / "tiles" / "density.json").read_text())["entries"]
    assert [each["way"] for each in entries] == [*CONTRACTS]
    for each in entries:
        assert (f"| `{each['way']}` | {each['lut']:,} | {each['ff']:,} | {each['dsp']} | "
                f"{each['fmax']:.0f} |") in PAGE
