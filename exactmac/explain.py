"""Say whose answer a model's hardware gives, operator by operator, and what each answer costs.

``exactmac explain MODEL`` reads the file, runs every runtime that is installed for such files,
computes every contract, and names for each operator those that agree and those that differ, the
first element in which they do, and what that makes of the network's outputs.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from functools import partial
from importlib import import_module
from math import prod

from rich.console import Console
from rich.progress import Progress
from rich.text import Text

from exactmac.explanation import SAMPLES, Explanation, Request, Session, begin, text
from exactmac.inputs import HELP, apart, random_samples
from exactmac.options import Parser
from exactmac.oracles import RUNTIMES
from exactmac.progress import lines
from golden.command import integer, output_file, undoing, write_file
from golden.readers.contents import printable

__all__ = ["main", "parser"]

# Options that --help shows.
FIRST = ("--inputs", "--labels", "--against", "--html", "--json")
EPILOG = """\
example
  exactmac explain tests/data/hello_world_int8.tflite --html hello.html

exit status  0 explained; 1 a runtime differs from golden with its arithmetic; 2 bad input, or a
             runtime that was asked for is missing or refuses the model; 130 interrupted
"""


def parser() -> Parser:
    """Return the parser of the command line."""
    parser = Parser(
        prog="exactmac explain", allow_abbrev=False, first=FIRST,
        formatter_class=argparse.RawDescriptionHelpFormatter, epilog=EPILOG,
        description="Say whose answer a model's hardware gives, operator by operator, and what\n"
                    "another contract makes of the outputs.")
    parser.add_argument("model", metavar="MODEL",
                        help="a quantized TFLite, ONNX or QONNX file, or a saved network")
    parser.add_argument("--inputs", metavar="FILE",
                        help=f"{HELP} (default: random levels over the whole range)")
    parser.add_argument("--labels", metavar="FILE",
                        help="class of each sample, a .npy file of integers: accuracies are told")
    parser.add_argument("--against", metavar="NAMES",
                        help=f"runtimes, separated by commas, the reference first: "
                             f"{', '.join(RUNTIMES)} (default: all that are installed and run "
                             "such a file); litert-builtin is never the reference")
    parser.add_argument("--html", metavar="FILE",
                        help="write a page with the network as a graph, too")
    parser.add_argument("--json", action="store_true",
                        help="print the explanation, or an error, as JSON")
    parser.add_argument("--samples", type=integer, metavar="N",
                        help=f"random inputs (default: {SAMPLES})")
    parser.add_argument("--seed", type=integer, default=0, metavar="N",
                        help="seed of the random inputs (default: %(default)s)")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Parse the arguments, explain and print; return the exit status."""
    arguments = parser()
    args = arguments.parse_args(argv)
    closed = sys.stdout is None
    console = Console(highlight=False, markup=False,
                      width=None if not closed and sys.stdout.isatty() else text.WIDTH)
    with arguments.reported():
        request = _request(args)
        page = None if args.html is None else apart(
                output_file("Html", args.html), "Html", args)
        with _progress(console, args.json) as track:
            session = _begun(request, track)
            explanation = _explained(session, track, None if args.json or closed else console)
        if page is not None:
            # The page's library is large.
            html = import_module("exactmac.explanation.page").page(asdict(explanation))
            write_file("Html", page, html.encode())
    if args.json:
        print(json.dumps(asdict(explanation), indent=2))
    for line in text.notes(explanation.runtimes):
        sys.stderr.write(f"exactmac explain: warning: {printable(line)}\n")
    return int(any(each.mismatches for each in explanation.runtimes))


def _request(args: argparse.Namespace) -> Request:
    if args.samples is not None and args.inputs is not None:
        raise ValueError(f"Samples must be left out with --inputs, not {args.samples}")
    samples = random_samples(args, SAMPLES)
    if args.labels is not None and args.inputs is None:
        raise ValueError(f"Labels must be given with --inputs, not {args.labels} alone")
    against = None if args.against is None else tuple(dict.fromkeys(
        name.strip() for name in args.against.split(",")))
    return Request(args.model, args.inputs, args.labels, against, samples, args.seed)


Track = Callable[[Iterable, str, int | None], Iterable]
"""Function that passes members of some work on, and shows progress: title, and their number."""


@contextmanager
def _progress(console: Console, quiet: bool) -> Iterator[Track]:
    # On a terminal a bar, below the lines that are printed; else lines on standard error.
    if not console.is_terminal:
        with lines("exactmac explain") if not quiet else nullcontext([""]) as doing:
            def said(work: Iterable, title: str, total: int | None = None) -> Iterator:
                doing[0] = f"{title} 1"
                for place, each in enumerate(work, 2):
                    yield each
                    doing[0] = f"{title} {place}" + (f" of {total}" if total else "")
            yield said
        return
    bar = partial(Progress, console=console, transient=True, disable=quiet)
    with undoing(bar, Progress.stop) as progress, progress:
        yield lambda work, title, total=None: progress.track(work, total, description=title)


def _begun(request: Request, track: Track) -> Session:
    try:
        session = begin(request, lambda runtimes: track(runtimes, "runtime", len(runtimes)))
    except ModuleNotFoundError as error:  # a package that parses the model's file
        raise ValueError(str(error)) from error
    for each in session.states:
        if each.status == "compared" and each.version != RUNTIMES[each.name].version:
            sys.stderr.write(
                f"exactmac explain: warning: {each.name} {each.version} is installed; golden was "
                f"compared with {RUNTIMES[each.name].version}\n")
    return session


def _explained(session: Session, track: Track, console: Console | None) -> Explanation:
    # Lines are printed as soon as they are known.
    def say(*lines: str, style: str = ""):
        if console is not None:
            for line in lines:
                # Names of a file may have any characters.
                console.print(Text(printable(line), style=style), soft_wrap=True)
                style = ""
            console.file.flush()

    network = session.model.network
    say(*text.heading(session), "", *text.COLUMNS)
    outputs = session.samples * sum(prod(network.tensors[name].shape) for name in network.outputs)
    operators = []
    for each in track(session.operators(), "operator", len(network.layers)):
        operators.append(each)
        say(*text.operator_lines(each, outputs), style=text.STYLES[each.agreement])
    contracts = list(track(session.contracts(), "whole network with contract", None))
    explanation = session.explanation(operators, contracts)
    say(*text.costs_lines(explanation), "")
    if console is not None and contracts:
        console.print(text.contracts_table(contracts))
        say("")
    say(*text.wrapped(explanation.sentence))
    return explanation
