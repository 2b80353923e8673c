"""Run the digits network on the emitted Verilog, layer by layer, and compare with golden.

``exactmac network --bits 4`` builds a tile, runs every test image through it and prints the
accuracy of the float network, of golden and of the hardware; ``--bits 1..8`` sweeps, and with
``--area ecp5 --plot`` draws what each width costs.
"""

if __name__ == "__main__":
    from golden.command import run
    run("exactmac.network")


import argparse
import csv
import io
import math
import re
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from exactmac.options import NUMBERS, Parser, add_numbers, add_shape, config_of
from exactmac.plot import MATPLOTLIB, accuracy_plot
from golden import digits
from golden.block_scaled import parts
from golden.command import output_file, undoing, write_file
from golden.contracts import ExactSum
from golden.formats import MAX_BITS
from golden.networks import Dense
from golden.quantize import quantize, run_float
from golden.run import run as run_golden
from hw import emit
from hw.bus.axi_tile import AxiTile
from hw.flow import mapping
from hw.flow.mapping import TARGETS, Target
from hw.flow.tools import PYOSYS, require
from hw.flow.yosys import synthesize
from hw.folder import scratch
from hw.tile.config import TileConfig
from sim.backend import Backend
from sim.export import check_export, export_network
from sim.layers import run_network
from sim.simulation import SIMULATORS, simulation
from sim.vectors import digits_network
from sim.verify import Mismatch

__all__ = ["Result", "run_digits", "main", "parser"]

WEIGHTS = "s_axis_weights"
# Options that --help shows.
FIRST = ("--bits", "--requant", "--area", "--plot", "--csv", "--export")
PLOT = "network.svg"
"""File of ``--plot`` without a name."""
EPILOG = f"""\
{NUMBERS}
examples
  exactmac network --bits 1..8
  exactmac network --bits 2..8 --area ecp5 --csv network.csv --plot
  exactmac network --weights e4m3fn --activations e4m3fn --output e4m3fn
"""


@dataclass(frozen=True)
class Result:
    """Result of the digits network on one tile.

    Parameters
    ----------
    weights, activations, output, contract : str
    table : str
        ``fixed`` or ``loaded`` for a table after the requantizers, else empty.
    float_accuracy, golden_accuracy, hardware_accuracy : float
        Shares of the test images that are classified correctly.
    compared : int
        Levels and exponents of intermediate tensors that were compared, all equal.
    cycles : int
        Cycles of all layers, each to its last output.
    utilisation : float
        Beats of the weights, divided by the cycles from the first to the last of them.
    bit_operations : int
        Products per image, times the bits of a weight, times the bits of an activation.
    target : str
        Target of the area; empty if area is not estimated.
    area, ff, dsp, ram : int or None
        LUTs, including the carry cells that replace LUTs; flip-flops; DSPs; RAM.
    """

    weights: str
    activations: str
    output: str
    contract: str
    table: str
    float_accuracy: float
    golden_accuracy: float
    hardware_accuracy: float
    compared: int
    cycles: int
    utilisation: float
    bit_operations: int
    target: str = ""
    area: int | None = None
    ff: int | None = None
    dsp: int | None = None
    ram: int | None = None


def run_digits(config: TileConfig, backend: Backend) -> Result:
    """Run every test image of the digits network on a simulated tile."""
    data = digits.load()
    network = digits_network(config, data)
    x = quantize(data.images, network.input)
    golden = run_golden(network, x)
    output, traces = run_network(config, backend, network, x)
    blocks = math.ceil(len(data.images) / config.rows)
    beats = sum(blocks * math.ceil(len(layer.weights) / config.cols)
                * math.ceil(layer.weights.shape[1] / config.lanes)
                for layer in network.layers if isinstance(layer, Dense))
    span = sum(trace.final[WEIGHTS] - trace.first[WEIGHTS] + 1 for trace in traces)
    return Result(
        weights=str(config.weights), activations=str(config.activations),
        output=str(config.output), contract=config.contract.name,
        table="fixed" if isinstance(config.lut, tuple) else config.lut or "",
        float_accuracy=digits.accuracy(run_float(data.layers, data.images), data.labels),
        golden_accuracy=digits.accuracy(golden[network.outputs[0]], data.labels),
        hardware_accuracy=digits.accuracy(output, data.labels),
        compared=sum(part.size for layer in network.layers
                     for part in parts(golden[layer.name]).values()),
        cycles=sum(trace.cycles for trace in traces), utilisation=beats / span,
        bit_operations=config.weights.bits * config.activations.bits * sum(
            layer.weights.size for layer in network.layers if isinstance(layer, Dense)))


def with_area(result: Result, config: TileConfig, target: Target) -> Result:
    """Return the result of a tile with its area on a target."""
    with scratch() as folder:
        verilog = folder / "tile.v"
        verilog.write_text(emit.verilog(AxiTile(config), config.name))
        area = synthesize([verilog], config.name, target)
    return replace(result, target=target.name, area=area.total, ff=area.ff, dsp=area.dsp,
                   ram=area.ram)


def widths(text: str) -> list[int]:
    """Return the widths of a range such as ``4`` or ``2..8``."""
    match = re.fullmatch(r"(\d+)(?:\.\.(\d+))?", text)
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if not 1 <= first <= last <= MAX_BITS:
        raise argparse.ArgumentTypeError(
            f"must be N or N..M with widths in range [1, {MAX_BITS}], not {text!r}")
    return list(range(first, last + 1))


def parser() -> Parser:
    """Return the parser of the command line."""
    parser = Parser(
        prog="exactmac network", allow_abbrev=False, first=FIRST,
        formatter_class=argparse.RawDescriptionHelpFormatter, epilog=EPILOG,
        description="Run the digits network (64-64-10, scikit-learn's 8x8 images) on the emitted\n"
                    "Verilog and compare every tensor with golden.")
    parser.add_argument("--bits", type=widths, metavar="N[..M]",
                        help="widths of weights, activations and outputs, as for exactmac build")
    parser.add_argument("--simulator", choices=SIMULATORS, default=SIMULATORS[0],
                        help="what runs the tile (default: %(default)s; amaranth simulates the "
                             "design, not the Verilog, and is some 500 times slower)")
    parser.add_argument("--csv", metavar="FILE", help="write the table to a file too")
    parser.add_argument("--area", metavar="TARGET",
                        help="estimate the area of each tile: " + ", ".join(TARGETS))
    parser.add_argument("--plot", metavar="FILE", nargs="?", const=PLOT,
                        help="with --area: draw accuracy against area and against bit operations "
                             "(products times the bits of their factors), as SVG (default: "
                             f"{PLOT})")
    parser.add_argument("--export", metavar="FOLDER",
                        help="write, of one width, what a testbench of your own sends to the tile "
                             "and expects of it: hexadecimal words of each port, layer by layer")
    add_numbers(parser)
    add_shape(parser)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Parse the arguments, run and print; return the exit status."""
    arguments = parser()
    args = arguments.parse_args(argv)
    console, results = Console(), []
    with arguments.reported(Mismatch):
        file = None if args.csv is None else output_file("Csv", args.csv)
        where = None
        if args.area is not None:
            where = mapping.parse(args.area)
            require(*PYOSYS)
        picture = None
        if args.plot is not None:
            if where is None:
                raise ValueError("Area must be asked for, by --area, for --plot")
            require(*MATPLOTLIB)
            picture = output_file("Plot", args.plot)
        if args.export is not None:
            if len(args.bits or [None]) != 1:
                raise ValueError(f"Bits must be one width for --export, not {len(args.bits)} "
                                 "widths")
            check_export(Path(args.export))
        configs = []
        for bits in args.bits or [None]:
            args.bits = bits
            configs.append(config_of(args))
            if isinstance(configs[-1].contract, ExactSum):
                raise ValueError("Contract must be one whose results another layer takes, "
                                 "not none")
            if configs[-1].output != configs[-1].activations:
                raise ValueError(f"Output must be {configs[-1].activations}, as the activations "
                                 f"of the next layer, not {configs[-1].output}")
        bar = partial(Progress, console=console, transient=True, disable=not console.is_terminal)
        with undoing(bar, Progress.stop) as progress, progress:
            for config in progress.track(configs, description="digits network"):
                result = run_digits(config, simulation(config, args.simulator))
                results.append(result if where is None else with_area(result, config, where))
        if args.export is not None:
            export_digits(configs[0], Path(args.export))
        # Printed before the file is written, which may be standard output, or on a full disk.
        console.print(table(results))
        if file is not None:
            write_csv(file, results)
        if picture is not None:
            write_file("Plot", picture, plot(results))
    return 0


def export_digits(config: TileConfig, place: Path):
    """Write the transfers of the digits network on every test image; see :mod:`sim.export`."""
    data = digits.load()
    network = digits_network(config, data)
    export_network(config, network, quantize(data.images, network.input), place)


def write_csv(path: Path, results: list[Result]):
    """Write ``results`` to ``path``, as :func:`golden.command.write_file` does."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, [field.name for field in fields(Result)])
    writer.writeheader()
    writer.writerows(asdict(result) for result in results)
    write_file("Csv", path, text.getvalue().encode())


def plot(results: list[Result]) -> bytes:
    """Return a picture of the accuracy of ``results`` against their costs, a point each."""
    first = results[0]
    costs = {f"{TARGETS[first.target].lut_unit} on {first.target}": [
                 each.area or 0 for each in results],
             "bit operations of an image": [each.bit_operations for each in results]}
    return accuracy_plot([f"{each.weights} x {each.activations}" for each in results],
                         [each.hardware_accuracy for each in results], costs,
                         first.float_accuracy)


def table(results: list[Result]) -> Table:
    """Table of ``results``, a row each."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("weights x activations -> output")
    measured = bool(results[0].target)
    # Columns that fit into 80 characters; a file has all.
    last = ("LUT", "DSP") if measured else ("utilisation",)
    for column in ("float", "golden", "hardware", "cycles", *last):
        table.add_column(column, justify="right", no_wrap=True)
    for r in results:
        behind = f", {r.table} table" if r.table else ""
        table.add_row(f"{r.weights} x {r.activations} -> {r.output} ({r.contract}{behind})",
                      f"{r.float_accuracy:.2%}", f"{r.golden_accuracy:.2%}",
                      f"{r.hardware_accuracy:.2%}", f"{r.cycles:,}",
                      *((f"{r.area:,}", f"{r.dsp:,}") if measured else (f"{r.utilisation:.2%}",)))
    table.caption = (f"{sum(r.compared for r in results):,} elements of intermediate tensors "
                     "compared with golden, 0 mismatches")
    if measured:
        table.caption += f"\nArea on {results[0].target}; LUTs include those of carry cells"
    table.caption_justify = "left"
    return table
