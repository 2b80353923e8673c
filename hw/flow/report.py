"""Reports of synthesis and placement, as tables and as JSON."""

from collections.abc import Mapping, Sequence
from operator import index
from typing import Any

from rich.table import Table

from hw.blocks import DotProductGrid
from hw.flow.compare import Comparison
from hw.flow.components import Breakdown
from hw.flow.harness import HARNESS
from hw.flow.mapping import TARGETS
from hw.flow.nextpnr import Placed, Placement
from hw.flow.yosys import Area
from hw.tile.components import component_around

__all__ = ["area_json", "area_table", "block_json", "block_table", "component_json",
           "component_table", "path_components", "path_text"]


def area_table(areas: Sequence[Area], macs: int, placed: Placed | None = None) -> Table:
    """Table of areas: for each target a line of counts and one of counts per MAC.

    Parameters
    ----------
    areas : sequence of Area
    macs : int
        Multiply-accumulates per cycle, the divisor of the second lines.
    placed : Placed, optional
        Placed design, for two more lines; carry cells are among its LUTs.
    """
    _check_macs(macs)
    # The units are below the table, to keep it within 80 characters.
    table = Table(title=f"Area, {macs} MAC per cycle", title_justify="left", box=None,
                  padding=(0, 2, 0, 0), pad_edge=False, header_style="bold",
                  caption=_units([area.target for area in areas], placed),
                  caption_justify="left")
    table.add_column("target", no_wrap=True)
    for heading in _HEADINGS.values():
        table.add_column(heading, justify="right", no_wrap=True)
    rows = [(area.target, _counts(area)) for area in areas]
    if placed is not None:
        # What is left out of the frequency needs a line of its own.
        speed = placed.median.speed_text
        between = "\n" if placed.median.dsp else ", "
        rows.append((f"ecp5 placed{between if speed else ''}{speed}", _counts(placed.median)))
    for name, counts in rows:
        table.add_row(name, *(f"{value:,}" if value else "-" for value in counts.values()))
        table.add_row("  per MAC", *(f"{value:,.2f}" if value else "-"
                                     for value in _per_mac(counts, macs).values()), style="dim")
    return table


def area_json(areas: Sequence[Area], macs: int,
              placed: Placed | None = None) -> dict[str, Any]:
    """Return the contents of :func:`area_table` in a form for ``json.dump``."""
    _check_macs(macs)
    report: dict[str, Any] = {"macs": macs, "areas": {}}
    for area in areas:
        report["areas"][area.target] = {
            **area.to_json(),
            "lut_unit": TARGETS[area.target].lut_unit,
            "ram_unit": TARGETS[area.target].ram_unit,
            "per_mac": _per_mac(_counts(area), macs) | {"total": area.total / macs},
        }
    if placed is not None:
        report["placement"] = {
            **placed.to_json(), "path_components": path_components(placed.median),
            "per_mac": _per_mac(_counts(placed.median), macs)}
    return report


def path_components(placement: Placement) -> list[str]:
    """Return the tile's components that the critical path goes through, from first to last."""
    found: list[str] = []
    for place in placement.path.places if placement.path else ():
        name = HARNESS if place.startswith(f"{HARNESS}.") else component_around(place)
        if not found or found[-1] != name:
            found.append(name)
    return found


def path_text(placement: Placement) -> str:
    """Return the critical path as a few lines, empty if there is none."""
    path = placement.path
    if path is None:
        return ""
    return (f"Critical path, {path.delay:.1f} ns, of which wires {path.routing:.1f}: "
            f"{', '.join(path_components(placement))}\n"
            f"from {path.places[0]}\nto {path.places[-1]}")


def block_table(title: str, comparisons: Sequence[Comparison]) -> Table:
    """Table of a block alone: for each target a line, and one of the plain block's.

    Parameters
    ----------
    title : str
        Kind of arithmetic of the block.
    comparisons : sequence of Comparison
        Comparisons of one shape, at least one.
    """
    first = comparisons[0]
    table = Table(title=f"Block alone, {first.rows}x{first.cols}x{first.lanes}: {title}, beside "
                        f"{DotProductGrid.title}", title_justify="left", box=None,
                  padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    table.add_column("target", no_wrap=True)
    for heading in _HEADINGS.values():
        table.add_column(heading, justify="right", no_wrap=True)
    for each in comparisons:
        for name, area in ((each.chosen.target, each.chosen), ("  multipliers", each.plain)):
            table.add_row(name, *(f"{value:,}" if value else "-"
                                  for value in _counts(area).values()),
                          style="" if area is each.chosen else "dim")
    return table


def block_json(title: str, comparisons: Sequence[Comparison]) -> dict[str, Any]:
    """Return the chosen block and, if it is not the plain one, both areas per target."""
    report: dict[str, Any] = {"chosen": title, "plain": DotProductGrid.title}
    if comparisons:
        first = comparisons[0]
        report["shape"] = {"rows": first.rows, "cols": first.cols, "lanes": first.lanes}
        report["areas"] = {each.chosen.target: {"chosen": each.chosen.to_json(),
                                                "plain": each.plain.to_json()}
                           for each in comparisons}
    return report


def component_table(breakdown: Breakdown, flat: Area) -> Table:
    """Table of the components of a tile: a line each, then their sum and the area without borders.

    Parameters
    ----------
    breakdown : Breakdown
    flat : Area
        Area of the same tile, flattened, on the same target.
    """
    table = Table(title=f"Components on {breakdown.target}, hierarchy kept",
                  title_justify="left", box=None, padding=(0, 2, 0, 0), pad_edge=False,
                  header_style="bold")
    table.add_column("component", no_wrap=True)
    columns = list(breakdown.sum)
    for column in columns:
        table.add_column(_HEADINGS[column], justify="right", no_wrap=True)
    rows = {**breakdown.components, "sum": breakdown.sum,
            "flattened": {column: getattr(flat, column) for column in columns}}
    for name, counts in rows.items():
        table.add_row(name, *(f"{counts[column]:,}" if counts[column] else "-"
                              for column in columns),
                      style="" if name in breakdown.components else "dim")
    return table


def component_json(breakdowns: Sequence[Breakdown], areas: Mapping[str, Area]) -> dict[str, Any]:
    """Return the contents of :func:`component_table`, by target, in a form for ``json.dump``."""
    return {each.target: {
        "components": {name: dict(counts) for name, counts in each.components.items()},
        "sum": each.sum,
        "flattened": {column: getattr(areas[each.target], column) for column in each.sum},
    } for each in breakdowns}


_HEADINGS = {"lut": "LUT", "carry": "carry", "ff": "FF", "dsp": "DSP", "ram": "RAM",
             "transistors": "transistors"}


def _counts(area: Area | Placement) -> dict[str, int | None]:
    # A placement has no carry cells apart from its LUTs, and no transistors.
    return {column: getattr(area, column, None) for column in _HEADINGS}


def _per_mac(counts: dict[str, int | None], macs: int) -> dict[str, float | None]:
    return {column: None if value is None else value / macs for column, value in counts.items()}


def _units(names: list[str], placed: Placed | None) -> str:
    # Such as "RAM: bits (generic), 18 kbit blocks (ecp5, xc7). LUT: gates (generic)."
    targets: dict[str, list[str]] = {}
    for name in names:
        targets.setdefault(TARGETS[name].ram_unit, []).append(name)
    parts = ", ".join(f"{unit} ({', '.join(users)})" for unit, users in targets.items())
    text = f"RAM: {parts}." if targets else ""
    gates = [name for name in names if TARGETS[name].lut_unit == "gates"]
    if gates:
        text += f" LUT: gates ({', '.join(gates)})."
    if placed is not None:
        own = placed.median
        seeds = ", ".join(str(run.seed) for run in placed.runs)
        text += (f" Placed: ecp5 {own.device}, speed {own.speed}, "
                 f"{f'median of seeds {seeds}' if len(placed.runs) > 1 else f'seed {seeds}'}, "
                 f"{own.harness.luts} LUT of a harness of registers included.")
    return text.strip()


def _check_macs(macs: int) -> None:
    if index(macs) < 1:
        raise ValueError(f"MACs must be a positive integer, not {macs!r}")
