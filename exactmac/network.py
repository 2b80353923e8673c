"""Run a network on the emitted Verilog, layer by layer, and compare with golden.

``exactmac network MODEL`` reads a TFLite, an ONNX or a QONNX model or a saved network, builds the
tiles and units that its layers need, and prints what each layer took. ``exactmac network --bits 4``
builds a tile, runs every test image of the digits network through it and prints the accuracy of the
float network, of golden and of the hardware; ``--bits 1..8`` sweeps, and with ``--area ecp5
--plot`` draws what each width costs.
"""

if __name__ == "__main__":
    from golden.command import run
    run("exactmac.network")


import argparse
import re

from exactmac.inputs import HELP
from exactmac.networks import digits, model
from exactmac.options import NUMBERS, Parser, add_model, add_numbers, add_shape, option
from golden.command import integer
from golden.formats import MAX_BITS
from hw.flow.mapping import TARGETS
from sim.simulation import SIMULATORS
from sim.verify import Mismatch

__all__ = ["main", "parser", "widths"]

# Options that --help shows.
FIRST = ("--runtime", "--inputs", "--rows", "--cols", "--lanes", "--bits", "--requant",
         "--area", "--plot", "--csv", "--json", "--export")
# Options of one of the two kinds of networks only.
_OF_MODELS = ("runtime", "inputs", "samples", "require_hardware", "json")
_OF_DIGITS = ("bits", "weights", "activations", "output", "zero_points", "lut", "multiplier_bits",
              "addend_bits", "signed_multiplier", "window", "csv", "area", "export")
PLOT = "network.svg"
"""File of ``--plot`` without a name."""
EPILOG = f"""\
{NUMBERS}
examples
  exactmac network model.tflite --rows 8 --cols 8 --lanes 8
  exactmac network model.onnx --inputs images.npy --json
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
        description="Run a model, or the digits network (64-64-10, scikit-learn's 8x8 images), on\n"
                    "the emitted Verilog and compare every tensor with golden.")
    add_model(parser, "a model to run; by default the digits network, in the formats that are "
                      "given")
    parser.add_argument("--inputs", metavar="FILE", help=f"of a model: {HELP} (default: random "
                                                         "levels)")
    parser.add_argument("--samples", type=integer, metavar="N",
                        help="random inputs of a model (default: 1)")
    parser.add_argument("--require-hardware", action="store_true", default=None,
                        help="refuse a model with layers that have neither a tile nor a unit")
    parser.add_argument("--seed", type=integer, default=0, metavar="N",
                        help="seed of the random inputs (default: %(default)s)")
    parser.add_argument("--json", action="store_true", default=None,
                        help="of a model: print the result, or an error, as JSON")
    parser.add_argument("--bits", type=widths, metavar="N[..M]",
                        help="widths of weights, activations and outputs, as for exactmac build")
    parser.add_argument("--simulator", choices=SIMULATORS, default=SIMULATORS[0],
                        help="what runs the tile (default: %(default)s; amaranth simulates the "
                             "design, not the Verilog, and is some 500 times slower)")
    parser.add_argument("--csv", metavar="FILE",
                        help="of the digits network: write the table to a file too")
    parser.add_argument("--area", metavar="TARGET",
                        help="of the digits network: estimate the area of each tile: "
                             + ", ".join(TARGETS))
    parser.add_argument("--plot", metavar="FILE", nargs="?", const=PLOT,
                        help="of a model: draw where each layer's cycles went; of the digits "
                             "network, with --area: draw accuracy against area and against bit "
                             "operations (products times the bits of their factors); as SVG "
                             f"(default: {PLOT})")
    parser.add_argument("--export", metavar="FOLDER",
                        help="of the digits network: write, of one width, what a testbench of your "
                             "own sends to the tile and expects of it: hexadecimal words of each "
                             "port, layer by layer")
    add_numbers(parser)
    add_shape(parser)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Parse the arguments, run and print; return the exit status."""
    arguments = parser()
    args = arguments.parse_args(argv)
    with arguments.reported(Mismatch):
        for name in _OF_MODELS if args.model is None else _OF_DIGITS:
            if (value := getattr(args, name)) is not None:
                what = f"for {args.model}, which decides it"
                if args.model is None or name in ("csv", "area", "export"):
                    what = ("of the digits network, which has no MODEL" if args.model is None else
                            "for a model: it is of the digits network")
                raise ValueError(f"{option(name)} must be left out {what}, "
                                 f"not {'on' if value is True else value}")
        if args.model is None:
            digits.run(args)
        else:
            model.run(args)
    return 0
