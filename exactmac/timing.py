# amaranth: UnusedElaboratable=no
"""Time to emit, to compile and to simulate a tile.

``exactmac bench time --bits 4`` emits a tile and runs the digits network's test images on it, in
Verilator and in Amaranth's simulator, in one run on one machine. Vectors are packed and results
unpacked within the time measured; compiling is apart.
"""

import argparse
import time

import numpy as np
from rich.console import Console
from rich.table import Table

from exactmac.options import NUMBERS, Parser, add_numbers, add_shape, config_of
from golden import digits
from golden.command import integer
from hw import emit
from hw.bus.axi_tile import AxiTile
from hw.folder import scratch
from sim.jobs import run
from sim.pysim import AmaranthSimulation
from sim.vectors import digits_phases
from sim.verilator import VerilatorSimulation

__all__ = ["main", "parser"]

# Options that --help shows.
FIRST = ("--bits", "--images", "--requant", "--rows", "--cols", "--lanes")


def parser() -> Parser:
    """Return the parser of the command line."""
    parser = Parser(
        prog="exactmac bench time", allow_abbrev=False, first=FIRST,
        formatter_class=argparse.RawDescriptionHelpFormatter, epilog=NUMBERS,
        description="Time emission, compilation and simulation of a tile.")
    parser.add_argument("--bits", type=integer, metavar="N",
                        help="width of weights, activations and outputs, as for exactmac build")
    parser.add_argument("--images", type=integer, default=540, metavar="N",
                        help="test images to run (default: %(default)s)")
    add_numbers(parser)
    add_shape(parser)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Parse the arguments, measure and print; return the exit status."""
    arguments = parser()
    args = arguments.parse_args(argv)
    console = Console()
    with arguments.reported():
        config = config_of(args)
        data = digits.load()
        if not 1 <= args.images <= len(data.images):
            raise ValueError(f"Images must be in range [1, {len(data.images)}], "
                             f"not {args.images}")
        schedule = digits_phases(config, args.images)
        with scratch() as folder:
            tile, source = AxiTile(config), folder / f"{config.name}.v"
            emitting, _ = _timed(lambda: source.write_text(emit.verilog(tile, config.name)))
            # A cache of its own, to measure a first compilation.
            compiling, compiled = _timed(lambda: VerilatorSimulation(
                [source], config.name, tile.ports, cache=folder, design=config))
            backends = {"Verilator": compiled, "Amaranth": AmaranthSimulation(tile, tile.ports)}
            rows = {}
            for name, backend in backends.items():
                seconds, (_, trace) = _timed(
                    lambda backend=backend: run(config, backend, schedule))
                rows[name] = trace.data, trace.cycles, seconds
    if len({(data.tobytes(), cycles) for data, cycles, _ in rows.values()}) != 1:
        arguments.fail("the simulators differ")

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("simulator", "cycles", "seconds", "cycles per second"):
        table.add_column(column, justify="left" if column == "simulator" else "right")
    for name, (_, cycles, seconds) in rows.items():
        table.add_row(name, f"{cycles:,}", f"{seconds:.3f}", f"{cycles / seconds:,.0f}")
    console.print(f"{config.name}: emitted in {emitting:.2f} s, compiled in {compiling:.2f} s")
    console.print(table)
    ratio = np.divide(rows["Amaranth"][2], rows["Verilator"][2])
    console.print(f"Verilator is {ratio:,.0f} times as fast; results and cycles are equal")
    return 0


def _timed(work):
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result
