"""Compare every tensor of a quantized model with the runtimes that are installed.

``exactmac compare MODEL`` reads the file, computes every tensor in golden with the arithmetic of a
runtime, runs that runtime in a process of its own, and counts the elements that differ.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from exactmac.inputs import HELP, levels, read_inputs
from exactmac.options import Parser
from exactmac.oracles import RUNTIMES, Runtime, tensors
from exactmac.oracles.probe import processor, uncertain
from golden.command import integer, undoing
from golden.formats import IntFormat
from golden.networks import Network
from golden.readers import RUNTIMES as READ
from golden.readers import Model, kind_of, read_model
from golden.readers.borders import reals_of
from golden.run import run
from hw.flow.tools import require

__all__ = ["Comparison", "Difference", "compare", "inputs_for", "main", "parser"]

MOST_SAMPLES = 4096
# Options that --help shows.
FIRST = ("--runtimes", "--inputs", "--samples", "--json")
EPILOG = """\
example
  exactmac compare tests/data/hello_world_int8.tflite --runtimes tflite-micro,litert

exit status  0 no element differs; 1 one does, or a runtime failed; 2 bad input, or a runtime is
             missing; 130 interrupted
"""


@dataclass(frozen=True)
class Difference:
    """The first element in which golden and a runtime differ.

    Parameters
    ----------
    tensor, operator : str
    index : tuple of int
        Place of the element, the sample first.
    golden, runtime : int
        Levels.
    """

    tensor: str
    operator: str
    index: tuple[int, ...]
    golden: int
    runtime: int

    def __str__(self) -> str:
        return (f"tensor {self.tensor!r} ({self.operator}) at {self.index}: golden {self.golden}, "
                f"runtime {self.runtime}")


@dataclass(frozen=True)
class Comparison:
    """A model in golden and in a runtime.

    Parameters
    ----------
    runtime, version : str
        Name and installed version of the runtime.
    tensors, elements : int
        Number of tensors and of their elements that were compared.
    mismatches : int
        Number of elements that differ.
    hidden : tuple of str
        Tensors that the runtime does not show.
    first : Difference or None
    excluded : tuple of str
        Tensors that are not compared, as the runtime orders their float32 operations, or those of
        their inputs, otherwise on this processor.
    """

    runtime: str
    version: str
    tensors: int
    elements: int
    mismatches: int
    hidden: tuple[str, ...]
    first: Difference | None
    excluded: tuple[str, ...] = ()


def inputs_for(network: Network, samples: int, seed: int) -> dict[str, np.ndarray]:
    """Return random levels for each input, over the whole range of its format."""
    rng = np.random.default_rng(seed)
    return {each.name: rng.choice(each.quantization.format.levels(), (samples, *each.shape))
            for each in network.inputs}


def compare(model: Path, runtime: Runtime, inputs: Mapping[str, np.ndarray] | None = None, *,
            samples: int = 32, seed: int = 0) -> Comparison:
    """Compare every tensor of a model with a runtime.

    Parameters
    ----------
    model : Path
    runtime : Runtime
    inputs : mapping of str to array, optional
        Levels of each input, ``(samples, *shape)``, or the float32 numbers that the model
        quantizes; by default random levels.
    samples, seed : int
        Number of random inputs, and their seed.

    Raises
    ------
    ToolMissing, ToolFailed
        If the runtime is not installed, refuses the model, crashes or takes too long.
    ValueError, OSError
        If the model cannot be read, or the inputs do not fit it.
    """
    version = runtime.require()
    require(runtime.kind, runtime.kind, "pip install 'exactmac[models]'")
    read = read_model(model, runtime.name)
    network = read.network
    given = inputs_for(network, samples, seed) if inputs is None else inputs
    own = run(network, levels(read, given))
    # ONNX Runtime runs without the operators in front of the levels.
    real = {each.levels for each in read.quantize} if runtime.kind == "tflite" else set()
    shown = tensors(runtime, model, [
        _elements(read, name, given[name] if name in real else own[name], name in real)
        for name in read.inputs])
    count = elements = mismatches = 0
    hidden, first, excluded = [], None, uncertain(network, runtime)
    operators = {each.levels: each.operator for each in read.quantize if each.levels in real} | {
        layer.name: type(layer).__name__ for layer in network.layers}
    for name, operator in operators.items():
        index = read.tensors.get(name)
        if index is None or name in excluded:
            continue
        if index not in shown:
            hidden.append(name)
            continue
        theirs = shown[int(index)].astype(np.int64)
        if name in read.channels_last:
            theirs = np.moveaxis(theirs, 1, -1)
        theirs = theirs.reshape(own[name].shape)
        differ = np.argwhere(theirs != own[name])
        count, elements = count + 1, elements + theirs.size
        mismatches += len(differ)
        if len(differ) and first is None:
            place = tuple(differ[0].tolist())
            first = Difference(name, operator, place, int(own[name][place]), int(theirs[place]))
    return Comparison(runtime.name, version, count, elements, mismatches, tuple(hidden), first,
                      tuple(name for name in excluded if name in read.tensors))


def _elements(model: Model, name: str, x: np.ndarray, real: bool) -> np.ndarray:
    # Elements of an input of the file: levels, or the real numbers that its QUANTIZE takes.
    if real:
        return x if np.issubdtype(x.dtype, np.floating) else reals_of(model, name, x)
    fmt = model.network.quantization(name).format
    assert isinstance(fmt, IntFormat)
    return x.astype(f"{'int' if fmt.signed else 'uint'}{fmt.bits}")


def parser() -> Parser:
    """Return the parser of the command line."""
    parser = Parser(
        prog="exactmac compare", allow_abbrev=False, first=FIRST,
        formatter_class=argparse.RawDescriptionHelpFormatter, epilog=EPILOG,
        description="Compute every tensor of a model as a runtime does, run that runtime,\n"
                    "and count the elements that differ.")
    parser.add_argument("model", metavar="MODEL", help="a quantized TFLite or ONNX file")
    parser.add_argument("--runtimes", metavar="NAMES",
                        help=f"runtimes, separated by commas: {', '.join(_COMPARED)} (default: "
                             "all that are installed and run such a file)")
    parser.add_argument("--inputs", metavar="FILE",
                        help=f"{HELP} (default: random levels over the whole range)")
    parser.add_argument("--samples", type=integer, default=32, metavar="N",
                        help="random inputs (default: %(default)s)")
    parser.add_argument("--seed", type=integer, default=0, metavar="N",
                        help="seed of the random inputs (default: %(default)s)")
    parser.add_argument("--json", action="store_true",
                        help="print the result, or an error, as JSON")
    return parser


# Runtimes whose arithmetic golden has.
_COMPARED = tuple(name for names in READ.values() for name in names)


def main(argv: list[str] | None = None) -> int:
    """Parse the arguments, compare and print; return the exit status."""
    arguments = parser()
    args = arguments.parse_args(argv)
    console, results = Console(), []
    with arguments.reported():
        if not 1 <= args.samples <= MOST_SAMPLES:
            raise ValueError(f"Samples must be in range [1, {MOST_SAMPLES}], not {args.samples}")
        if args.seed < 0:
            raise ValueError(f"Seed must not be negative, not {args.seed}")
        runtimes = _runtimes(args.runtimes, Path(args.model))
        for runtime in runtimes:
            if (own := runtime.installed) != runtime.version:
                sys.stderr.write(f"exactmac compare: warning: {runtime.name} {own} is installed; "
                                 f"golden was compared with {runtime.version}\n")
        inputs = None if args.inputs is None else read_inputs(args.inputs, read_model(args.model))
        bar = partial(Progress, console=console, transient=True,
                      disable=args.json or not console.is_terminal)
        with undoing(bar, Progress.stop) as progress, progress:
            for runtime in progress.track(runtimes, description="comparing"):
                results.append(compare(Path(args.model), runtime, inputs, samples=args.samples,
                                       seed=args.seed))
    if args.json:
        print(json.dumps({"model": args.model, "comparisons": [asdict(each) for each in results]},
                         indent=2))
    else:
        console.print(table(results))
        for each in results:
            if each.first is not None:
                console.print(f"{each.runtime} differs first in {each.first}", soft_wrap=True,
                              markup=False, highlight=False)
            if each.excluded:
                console.print(f"{each.runtime} orders float32 otherwise than golden on this "
                              f"processor ({processor()}); not compared: "
                              f"{', '.join(each.excluded)}", soft_wrap=True, markup=False,
                              highlight=False)
    return int(any(each.mismatches for each in results))


def table(results: Sequence[Comparison]) -> Table:
    """Table of comparisons, a row each."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("runtime", "version"):
        table.add_column(column)
    for column in ("tensors", "elements", "mismatches", "hidden"):
        table.add_column(column, justify="right")
    for each in results:
        table.add_row(each.runtime, each.version, f"{each.tensors:,}", f"{each.elements:,}",
                      f"{each.mismatches:,}", f"{len(each.hidden):,}")
    return table


def _runtimes(names: str | None, model: Path) -> list[Runtime]:
    if names is None:
        kind = kind_of(model)
        fitting = [RUNTIMES[name] for name in READ[kind]]
        installed = [each for each in fitting if each.installed]
        if not installed:
            fitting[0].require()
        return installed
    chosen = list(dict.fromkeys(names.split(",")))
    if unknown := set(chosen) - set(_COMPARED):
        raise ValueError(f"Runtimes must be some of {', '.join(_COMPARED)}, separated by commas, "
                         f"not {sorted(unknown)[0]!r}")
    for name in chosen:
        RUNTIMES[name].require()
    kind = kind_of(model)
    for name in chosen:
        if name not in READ[kind]:
            raise ValueError(f"Runtimes must be some of {', '.join(READ[kind])} for a model of "
                             f"kind {kind}, not {name!r}")
    return [RUNTIMES[name] for name in chosen]
