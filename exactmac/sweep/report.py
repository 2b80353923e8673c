"""Rows of a sweep: CSV, JSON and a table, with the Pareto points marked."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table
from rich.text import Text

from exactmac.networks.report import digits
from exactmac.sweep.evaluate import AREA, GOLDEN, PLACED, VERIFIED
from exactmac.sweep.points import CHOICES, Point

__all__ = ["Row", "csv_bytes", "json_bytes", "pareto", "rows_json", "table"]

UNVERIFIED, EQUAL = "unverified", "Verilog equals golden"

_COSTS = ("macs", "bit_operations", "stored_bytes", "moved_bytes", "memory", "arithmetic_pj",
          "sram_pj", "dram_pj")
# Choices as the configuration has them; the others are no choices of a tile.
_COLUMNS = tuple(name for name in CHOICES if name not in ("bits", "lut"))


@dataclass(frozen=True)
class Row:
    """A point and its results.

    Parameters
    ----------
    point : Point
    results : mapping of str to any
        Parts of the results that there are.
    failed : str or None
        Why the other parts are missing.
    """

    point: Point
    results: Mapping[str, Any]
    failed: str | None = None

    @property
    def golden(self) -> Mapping[str, Any]:
        """What golden and formulas say; empty for a point without a network."""
        own = self.results.get(GOLDEN, {})
        return {} if "refused" in own else own

    @property
    def state(self) -> str:
        """Either ``refused``, ``failed``, ``unverified`` or what was found equal."""
        if self.reason is not None:
            return "failed" if self.failed is not None else "refused"
        return EQUAL if VERIFIED in self.results else UNVERIFIED

    @property
    def reason(self) -> str | None:
        """Why the point is refused, or failed."""
        return self.failed or self.point.refused or self.results.get(GOLDEN, {}).get("refused")

    def plain(self, targets: Sequence[str]) -> dict[str, Any]:
        """Return every column, the same for all rows of a sweep with these targets of area."""
        own, chosen = self.golden, dict(self.point.config or self.point.shape or {})
        chosen |= {"contract": self.point.contract or chosen.get("contract")}
        chosen |= {name: value for name, value in self.point.given.items() if not chosen.get(name)}
        if own:
            chosen["inner_product"] = " ".join(own["inner_products"])
        cost = own.get("cost", {})
        plain = {"workflow": self.point.workflow,
                 "committed": (self.point.committed or {}).get("name"),
                 **{name: chosen.get(name) for name in _COLUMNS},
                 "verified": self.state, "reason": self.reason}
        plain |= {name: own.get(name) for name in ("samples", "accuracy", "float_accuracy",
                                                   "cycles")}
        plain |= {name: cost.get(name) for name in _COSTS}
        plain["energy_pj"] = sum(cost[name] for name in cost if name.endswith("_pj")) or None
        plain["block"] = ", ".join(own.get("blocks", ())) or None
        plain["tiles"] = " ".join(own.get("tiles", ())) or None
        for target in targets:
            area = self.results.get(f"{AREA} {target}", {})
            plain |= {f"{name}_{target}": area.get(of) for name, of in (
                ("lut", "total"), ("ff", "ff"), ("dsp", "dsp"), ("ram", "ram"))}
        placed = self.results.get(PLACED, {})
        plain |= {"placed_lut": placed.get("lut"), "mhz": placed.get("mhz"),
                  "mhz_is": placed.get("mhz_is")}
        return plain


def rows_json(rows: Sequence[Row], targets: Sequence[str]) -> list[dict[str, Any]]:
    """Return all columns of all rows; a column of each front says whether a row is on it."""
    plain = [row.plain(targets) for row in rows]
    for cost in ("bit_operations", *(f"lut_{target}" for target in targets)):
        front = pareto([(each["accuracy"], each[cost]) for each in plain])
        for each, on in zip(plain, front, strict=True):
            each[f"pareto_{cost}"] = on
    return plain


def pareto(points: Sequence[tuple[float | None, float | None]]) -> list[bool]:
    """Say of each point, accuracy and cost, whether no other is better.

    A point is better if it is as accurate and costs less, or is more accurate and costs no more.
    Points without an accuracy or a cost are on no front.
    """
    known = [(accuracy, cost) for accuracy, cost in points
             if accuracy is not None and cost is not None]
    # From the cheapest on, a point is on the front if it is more accurate than all before it.
    front, best = set(), float("-inf")
    for accuracy, cost in sorted(known, key=lambda each: (each[1], -each[0])):
        if accuracy > best:
            front.add((accuracy, cost))
            best = accuracy
    return [point in front for point in points]


def csv_bytes(plain: Sequence[Mapping[str, Any]]) -> bytes:
    """Return the rows as CSV, an empty cell for what is missing."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(plain[0]))
    writer.writeheader()
    writer.writerows(plain)
    return text.getvalue().encode()


def json_bytes(about: Mapping[str, Any], plain: Sequence[Mapping[str, Any]]) -> bytes:
    """Return the rows as JSON, behind what they are of."""
    return json.dumps({**about, "points": plain}, indent=1).encode() + b"\n"


def table(plain: Sequence[Mapping[str, Any]], swept: Sequence[str], targets: Sequence[str]
          ) -> Table:
    """Return a table of the rows: the choices that differ, and the results."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in swept:
        table.add_column(name.replace("_", " "), no_wrap=True)
    measured = [target for target in targets if any(each[f"lut_{target}"] for each in plain)]
    placed = any(each["mhz"] for each in plain)
    known = any(each["accuracy"] is not None for each in plain)
    columns = (*(("accuracy",) if known else ()), "cycles", "BitOps", "bytes", "nJ",
               *(f"LUT {target}" for target in measured), *(("MHz",) if placed else ()))
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    if known:
        table.add_column("Pareto", no_wrap=True)
    table.add_column("verified", no_wrap=True)
    for each in plain:
        cells = [_said(each[name]) for name in swept]
        if each["reason"] is not None:
            # A reason may have any words.
            table.add_row(*cells, *[""] * (len(columns) + known),
                          Text(f"{each['verified']}: {each['reason']}"))
            continue
        if known:
            cells.append("" if each["accuracy"] is None else f"{each['accuracy']:.2%}")
        cells += [f"{each['cycles']:,}", digits(each["bit_operations"]),
                  digits(each["moved_bytes"]), f"{each['energy_pj'] / 1000:,.1f}"]
        cells += [_said(each[f"lut_{target}"], ",") for target in measured]
        if placed:
            cells.append("" if each["mhz"] is None else f"{each['mhz']:.0f}")
        if known:
            on = [title for title, column in (("BitOps", "bit_operations"), *(
                (target, f"lut_{target}") for target in measured)) if each[f"pareto_{column}"]]
            cells.append(" ".join(on))
        table.add_row(*cells, "yes" if each["verified"] == EQUAL else each["verified"])
    return table


def _said(value: Any, spec: str = "") -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return "" if value is None else f"{value:{spec}}"
