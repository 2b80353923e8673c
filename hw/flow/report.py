"""What synthesis and placement found, as a table and as JSON."""

from collections.abc import Sequence
from operator import index
from typing import Any

from rich.table import Table

from hw.flow.nextpnr import Placement
from hw.flow.yosys import Area
from hw.targets import TARGETS

__all__ = ["area_json", "area_table"]


def area_table(areas: Sequence[Area], macs: int, placement: Placement | None = None) -> Table:
    """Table of areas, one target per line.

    "LUT per MAC" is of :attr:`~hw.flow.yosys.Area.total`, so that a carry cell counts where it
    takes the place of LUTs.

    Parameters
    ----------
    areas : sequence of Area
    macs : int
        Multiply-accumulates per cycle, by which the last columns divide.
    placement : Placement, optional
        Adds a line for the placed design.
    """
    _check_macs(macs)
    # No wider than 80 characters, so the units are below.
    table = Table(title=f"Area, {macs} MAC per cycle", title_justify="left", box=None,
                  padding=(0, 1, 0, 0), pad_edge=False, header_style="bold",
                  caption=_units([area.target for area in areas], placement),
                  caption_justify="left")
    table.add_column("target", no_wrap=True)
    for heading in ("LUT", "carry", "FF", "DSP", "RAM", "transistors",
                    "LUT/MAC", "FF/MAC", "trans./MAC"):
        table.add_column(heading, justify="right", no_wrap=True)
    for area in areas:
        per_mac = _per_mac(area.total, area.ff, area.transistors, macs)
        table.add_row(
            area.target, str(area.lut), _number(area.carry), str(area.ff), _number(area.dsp),
            _number(area.ram), _number(area.transistors), *map(_ratio, per_mac.values()))
    if placement is not None:
        speed = "" if placement.fmax is None else f" {placement.fmax:.0f} MHz"
        per_mac = _per_mac(placement.lut, placement.ff, None, macs)
        table.add_row(
            f"placed{speed}", str(placement.lut), "in LUT", str(placement.ff),
            _number(placement.dsp), _number(placement.ram), "-", *map(_ratio, per_mac.values()))
    return table


def area_json(areas: Sequence[Area], macs: int,
              placement: Placement | None = None) -> dict[str, Any]:
    """Return what :func:`area_table` shows in a form for ``json.dump``."""
    _check_macs(macs)
    found: dict[str, Any] = {"macs": macs, "areas": {}}
    for area in areas:
        found["areas"][area.target] = {
            **area.to_json(),
            "lut_unit": TARGETS[area.target].lut_unit,
            "ram_unit": TARGETS[area.target].ram_unit,
            "per_mac": _per_mac(area.total, area.ff, area.transistors, macs),
        }
    if placement is not None:
        found["placement"] = {
            **placement.to_json(),
            "per_mac": _per_mac(placement.lut, placement.ff, None, macs),
        }
    return found


def _units(names: list[str], placement: Placement | None) -> str:
    # Such as "RAM: bits (generic), 18 kbit blocks (ecp5, xc7). LUT: gates (generic)."
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(TARGETS[name].ram_unit, []).append(name)
    parts = ", ".join(f"{unit} ({', '.join(users)})" for unit, users in found.items())
    text = f"RAM: {parts}." if found else ""
    gates = [name for name in names if TARGETS[name].lut_unit == "gates"]
    if gates:
        text += f" LUT: gates ({', '.join(gates)})."
    if placement is not None:
        text += f" Placed: ecp5 {placement.device}, speed {placement.speed}."
    return text.strip()


def _check_macs(macs: int) -> None:
    if index(macs) < 1:
        raise ValueError(f"MACs must be a positive integer, not {macs!r}")


def _per_mac(lut: int, ff: int, transistors: int | None, macs: int) -> dict[str, float | None]:
    return {"lut": lut / macs, "ff": ff / macs,
            "transistors": None if transistors is None else transistors / macs}


def _number(value: int | None) -> str:
    return str(value) if value else "-"


def _ratio(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"
