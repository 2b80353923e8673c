"""Run the digits network on the emitted Verilog, layer by layer, and compare with golden.

``exactmac network --bits 4`` builds a tile, runs every test image through it and prints the
accuracy of the float network, of golden and of the hardware; ``--bits 1..8`` sweeps, and with
``--area ecp5 --plot`` draws what each width costs.
"""

if __name__ == "__main__":
    from golden.command import run
    run("exactmac.network")


import argparse
import re

from exactmac.networks import digits
from exactmac.options import NUMBERS, Parser, add_numbers, add_shape
from golden.formats import MAX_BITS
from hw.flow.mapping import TARGETS
from sim.simulation import SIMULATORS
from sim.verify import Mismatch

__all__ = ["main", "parser"]

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
    with arguments.reported(Mismatch):
        digits.run(args)
    return 0
