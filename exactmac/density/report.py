"""Reports of measured entries: table, JSON, Markdown and picture."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.table import Table

from exactmac.density.dots import DEPTH
from exactmac.density.entries import ARRAYS, CONTRACT_TILES, DOTS, REQUANTIZERS
from exactmac.density.measure import DEVICE, Measured
from exactmac.docs.markdown import item, paragraph, table
from exactmac.plot import density_plot
from hw.flow.nextpnr import FREQUENCY, SPEEDS
from hw.flow.tools import versions

__all__ = ["NAME", "files", "report_json", "report_markdown", "report_table"]

NAME = "density"
"""Stem of the files."""

_SAID: tuple[tuple[Callable[[Mapping[str, Any]], bool], str], ...] = (
    (lambda each: each["subject"] in DOTS,
     "A MAC is one of the 16 products (64 of bits) of a dot product with its accumulator, as wide "
     "as {depth} products need, with enable and clear: everything placed, divided by the "
     "products. Of a bit heap, what an array computes once per row or column (sums for the offsets "
     "of odd and binary levels) is an input. Of an inner product of codes (`docs/ecp5.md`) it is "
     "the sum of a cell alone: what is subtracted once per row, and what the driver folds into the "
     "bias, is not counted. Direct is a signed sum that leaves nothing to others."),
    (lambda each: each["subject"] in REQUANTIZERS,
     "A requantizer takes sums of 32 or 18 bits, and makes 8. Its bias is in the sum already; "
     "multiplier, shift, zero point and clamp may change with each result. Prepared: see "
     "`docs/ecp5.md`."),
    (lambda each: each["unit"] == "tile", "The tile is that of `--bits 4`, whole."),
    (lambda each: each["subject"] == CONTRACT_TILES,
     f"The ways of {CONTRACT_TILES} are the contracts of its results, with `--target ecp5`; `none` "
     "puts out whole sums."),
    (lambda each: each["subject"] in ARRAYS,
     "An array has 2 rows, 16 columns and 16 lanes, two accumulators for each cell, and what it "
     "computes once per row, a term of the activations for an inner product of codes or "
     "Winograd's: everything but the entrance and the requantizer of a tile. A MAC is one of its "
     "512 products: everything placed, divided by them."),
    (lambda each: each["way"].startswith("plain"),
     "Plain Verilog has a register behind each product and each sum of four; with weights of two "
     "or three levels, it adds all products in one expression. All but the first plain one are "
     "synthesized without Yosys's wide multiplexers (`-nowidelut`), which cost LUTs; the last, "
     "where it applies, with its pass `booth`. None uses DSPs."),
)
# What is said if an entry is of that kind, with fields of the report.

_HEADINGS = ("design", "way", "per", "LUT", "FF", "DSP", "MHz", "of seeds")


def _rows(results: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    rows, before = [], ""
    for each in results:
        seeds = sorted(run["fmax"] for run in each["seeds"].values())
        spread = f"{seeds[0]:.0f}-{seeds[-1]:.0f}" if len(seeds) > 1 else ""
        speed = f"{each['fmax']:.0f}{' outside the DSP' if each['dsp'] else ''}"
        rows.append((each["subject"] if each["subject"] != before else "", each["way"],
                     each["unit"], f"{each['lut_per_unit']:.1f}", f"{each['ff_per_unit']:.1f}",
                     str(each["dsp"] or ""), speed, spread))
        before = each["subject"]
    return rows


def report_json(results: Sequence[Measured], seeds: Sequence[int], command: str
                ) -> dict[str, Any]:
    """Return results, and what they were made with, in a form for ``json.dump``."""
    return {"command": command, "device": f"LFE5U-{DEVICE[:-1]}F", "speed": SPEEDS[0],
            "frequency": FREQUENCY, "seeds": list(seeds), "depth": DEPTH, "tools": versions(),
            "entries": [each.to_json() for each in results]}


def report_table(report: Mapping[str, Any]) -> Table:
    """Return the table for a terminal."""
    found = Table(box=None, pad_edge=False, header_style="bold")
    for heading in _HEADINGS:
        left = heading in ("design", "way", "per")
        found.add_column(heading, justify="left" if left else "right",
                         no_wrap=heading not in ("way", "MHz"))
    for row in _rows(report["entries"]):
        found.add_row(*row)
    return found


def report_markdown(report: Mapping[str, Any]) -> str:
    """Return a page with the table, from the JSON of a report."""
    tools = ", ".join(f"{name} {report['tools'][name]}" for name in (
        "amaranth", "pyosys", "nextpnr-ecp5", "verilator") if name in report["tools"])
    seeds = report["seeds"]
    made = (f"the median of seeds {', '.join(map(str, seeds))}" if len(seeds) > 1
            else f"seed {seeds[0]} alone")
    verified = min(each["verified"] for each in report["entries"])
    text = [
        "# Placed area of exact arithmetic", "",
        *paragraph("What designs of this project take on an ECP5 in the open flow, beside plain "
                   "Verilog where that is named. Every figure is measured by"), "",
        "```sh", report["command"], "```", "",
        *paragraph(f"on an {report['device']}, speed grade {report['speed']}, {made}, with "
                   f"{tools}. An interrupted run goes on where it was."), "",
        *table(_HEADINGS, _rows(report["entries"])), "",
        *([f"![Placed LUTs against bits]({NAME}.svg)", ""] if _series(report["entries"]) else ()),
        *(line for concerns, text in _SAID if any(map(concerns, report["entries"]))
          for line in item(text.format_map(report))),
        *item("LUT: TRELLIS_COMB. The design stands in a scan chain of registers; the chain's "
              "LUTs, one for each bit of the output, are counted, so a figure is an upper bound."),
        *item("FF: the design's own. The chain's registers, which are the input registers, are "
              "not counted."),
        *item("MHz: the median; beside it the least and the largest of the seeds. nextpnr does "
              "not time what is inside a DSP, and a frequency of a design with DSPs says so."),
        *item(f"Before it is measured, the same Verilog is compared with numpy in Verilator: "
              f"{verified:,} results or more of each, at the ends of the formats and at random, "
              "all equal."), ""]
    return "\n".join(text)


def files(report: Mapping[str, Any], *, plot: bool) -> dict[str, bytes]:
    """Return the contents of each file of a report, by name."""
    found = {f"{NAME}.json": json.dumps(report, indent=1).encode() + b"\n",
             f"{NAME}.md": report_markdown(report).encode()}
    if plot and _series(report["entries"]):
        found[f"{NAME}.svg"] = density_plot(
            f"Placed LUTs on {report['device']}", "MAC", _series(report["entries"]),
            [name for name in DOTS if name.startswith("int")])
    return found


def _series(results: Sequence[Mapping[str, Any]]
            ) -> dict[str, list[tuple[str, int, float]]]:
    series: dict[str, list[tuple[str, int, float]]] = {}
    for each in results:
        if each["subject"] in DOTS:
            series.setdefault(each["way"], []).append(
                (each["subject"], each["bits"], each["lut_per_unit"]))
    return series
