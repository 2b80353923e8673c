"""Compare every tensor of a quantized model with the runtimes that are installed.

``exactmac compare MODEL`` reads the file, computes every tensor in golden with the arithmetic of a
runtime, runs that runtime in a process of its own, and counts the elements that differ. With
``--report`` it runs none, and says what of the model computes on levels.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from exactmac.comparison import Comparison, compare
from exactmac.inputs import HELP, random_samples, read_inputs
from exactmac.options import Parser
from exactmac.oracles import RUNTIMES, Runtime
from exactmac.oracles.probe import processor
from golden.command import integer, undoing
from golden.readers import RUNTIMES as READ
from golden.readers import UnsupportedModel, kind_of, read_model
from golden.readers.report import report
from hw.flow.tools import ToolFailed

__all__ = ["main", "parser", "table"]

SAMPLES = 32
"""Random inputs, by default."""

# Options that --help shows.
FIRST = ("--runtimes", "--inputs", "--samples", "--report", "--json")
EPILOG = """\
example
  exactmac compare tests/data/hello_world_int8.tflite --runtimes tflite-micro,litert

exit status  0 no element differs; 1 one does; 2 bad input, a runtime is missing, or one refuses
             the model, crashes or takes too long; 130 interrupted
"""


def parser() -> Parser:
    """Return the parser of the command line."""
    parser = Parser(
        prog="exactmac compare", allow_abbrev=False, first=FIRST,
        formatter_class=argparse.RawDescriptionHelpFormatter, epilog=EPILOG,
        description="Compute every tensor of a model as a runtime does, run that runtime,\n"
                    "and count the elements that differ.")
    parser.add_argument("model", metavar="MODEL", help="a quantized TFLite, ONNX or QONNX file")
    parser.add_argument("--runtimes", metavar="NAMES",
                        help=f"runtimes, separated by commas: {', '.join(_COMPARED)} (default: "
                             "all that are installed and run such a file, as far as it can be read "
                             "with their arithmetic)")
    parser.add_argument("--inputs", metavar="FILE",
                        help=f"{HELP} (default: random levels over the whole range)")
    parser.add_argument("--samples", type=integer, metavar="N",
                        help=f"random inputs (default: {SAMPLES})")
    parser.add_argument("--seed", type=integer, default=0, metavar="N",
                        help="seed of the random inputs (default: %(default)s)")
    parser.add_argument("--report", action="store_true",
                        help="run nothing; print which operators compute on levels, where quantize "
                             "and dequantize remain, which tensors share a scale")
    parser.add_argument("--json", action="store_true",
                        help="print the result, or an error, as JSON")
    return parser


# Runtimes whose arithmetic golden has.
_COMPARED = tuple(name for names in READ.values() for name in names)


def main(argv: list[str] | None = None) -> int:
    """Parse the arguments, compare and print; return the exit status."""
    arguments = parser()
    args = arguments.parse_args(argv)
    console, results, refused = Console(), [], []
    with arguments.reported():
        for name, other in (("samples", "inputs"), ("inputs", "report"), ("samples", "report")):
            if getattr(args, name) is not None and getattr(args, other):
                raise ValueError(f"{name.capitalize()} must be left out with --{other}, "
                                 f"not {getattr(args, name)}")
        samples = random_samples(args, SAMPLES)
        if args.report:
            names = _names(args.runtimes) if args.runtimes else [None]
            reports = [report(read_model(args.model, name)) for name in names]
            print(json.dumps([asdict(each) for each in reports], indent=2) if args.json
                  else "\n\n".join(map(str, reports)))
            return 0
        runtimes = _runtimes(args.runtimes, Path(args.model))
        for runtime in runtimes:
            if (own := runtime.installed) != runtime.version:
                sys.stderr.write(f"exactmac compare: warning: {runtime.name} {own} is installed; "
                                 f"golden was compared with {runtime.version}\n")
        inputs, left = None, {}
        bar = partial(Progress, console=console, transient=True,
                      disable=args.json or not console.is_terminal)
        with undoing(bar, Progress.stop) as progress, progress:
            for runtime in progress.track(runtimes, description="comparing"):
                try:
                    read = read_model(args.model, runtime.name)
                    if args.inputs is not None and inputs is None:
                        inputs = read_inputs(args.inputs, read)
                    results.append(compare(Path(args.model), runtime, inputs, samples=samples,
                                           seed=args.seed, read=read))
                except UnsupportedModel as error:
                    if args.runtimes is not None:
                        raise
                    left[runtime.name] = error
                except ToolFailed as error:
                    refused.append(str(error))
        if not results:
            raise ValueError("; ".join(refused) or str(next(iter(left.values()))))
        for name, error in left.items():
            sys.stderr.write(f"exactmac compare: warning: {name} is left out: {error}\n")
    if args.json:
        print(json.dumps({"model": args.model, "comparisons": [asdict(each) for each in results],
                          "refused": refused}, indent=2))
    else:
        console.print(table(results))
        for line in _notes(results):
            console.print(line, soft_wrap=True, markup=False, highlight=False)
        for reason in refused:
            sys.stderr.write(f"exactmac compare: error: {reason}\n")
    if any(each.mismatches for each in results):
        return 1
    return 2 if refused else 0


def _notes(results: Sequence[Comparison]) -> Iterator[str]:
    # A line for what a table cannot show.
    for each in results:
        if each.first is not None:
            yield f"{each.runtime} differs first in {each.first}"
        if each.first_rounded is not None:
            yield (f"{each.runtime} rounds float32 otherwise than exactly, first in "
                   f"{each.first_rounded}")
        if each.excluded:
            yield (f"{each.runtime} orders float32 otherwise than golden on this processor "
                   f"({processor()}); not compared: {', '.join(each.excluded)}")


def table(results: Sequence[Comparison]) -> Table:
    """Table of comparisons, a row each."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("runtime", "version"):
        table.add_column(column)
    # Only golden's exact arithmetic is compared with float32.
    floats = any(each.runtime in ("qonnx", "onnxruntime-unfused") or each.rounded
                 for each in results)
    for column in ("tensors", "elements", "mismatches", *["float32"] * floats, "hidden"):
        table.add_column(column, justify="right")
    for each in results:
        table.add_row(each.runtime, each.version, f"{each.tensors:,}", f"{each.elements:,}",
                      f"{each.mismatches:,}", *[f"{each.rounded:,}"] * floats,
                      f"{len(each.hidden):,}")
    return table


def _runtimes(names: str | None, model: Path) -> list[Runtime]:
    if names is None:
        kind = _kind(model)
        fitting = [RUNTIMES[name] for name in READ[kind]]
        installed = [each for each in fitting if each.installed]
        for runtime in installed or fitting[:1]:
            runtime.require()
        return installed
    chosen = _names(names)
    if unknown := set(chosen) - set(_COMPARED):
        raise ValueError(f"Runtimes must be some of {', '.join(_COMPARED)}, separated by commas, "
                         f"not {sorted(unknown)[0]!r}")
    for name in chosen:
        RUNTIMES[name].require()
    kind = _kind(model)
    for name in chosen:
        if name not in READ[kind]:
            raise ValueError(f"Runtimes must be some of {', '.join(READ[kind])} for a model of "
                             f"kind {kind}, not {name!r}")
    return [RUNTIMES[name] for name in chosen]


def _kind(model: Path) -> str:
    kind = kind_of(model)
    if kind not in READ:
        raise ValueError(f"Model must be a TFLite, an ONNX or a QONNX file to be compared with a "
                         f"runtime, not a saved network like {model}")
    return kind


def _names(text: str) -> list[str]:
    return list(dict.fromkeys(name.strip() for name in text.split(",")))
