"""Writes the table of a named function, for :mod:`exactmac.build`.

``python -m golden.lut sigmoid --scale 0.05 --zero-point 3 > sigmoid.json`` writes the 256 levels
that the codes of an 8-bit tensor become; ``exactmac build --bits 8 --lut sigmoid.json`` puts
the table behind the requantizers.
"""

if __name__ == "__main__":
    from golden.command import run
    run("golden.lut")


import json

from golden.command import Parser, integer, number
from golden.contracts import Rounding
from golden.formats import parse
from golden.networks import Quantization
from golden.runtimes.tflite_tables import KERNELS
from golden.tables import FUNCTIONS, tabulate

__all__ = ["NAMES", "main"]

NAMES = {"hard_swish": "hard_swish", "sigmoid": "logistic", "tanh": "tanh"}
"""TFLite's kernel of each function."""


def parser() -> Parser:
    """Return the parser of the command line."""
    parser = Parser(prog="python -m golden.lut", allow_abbrev=False,
                    description="Write a function of 8-bit codes as a table: a JSON list of the "
                                "levels that codes 0 to 255 become.")
    parser.add_argument("function", choices=FUNCTIONS, help="function that the table computes")
    for to, text in (("", "the input"), ("to-", "the output")):
        parser.add_argument(f"--{to}format", metavar="FORMAT", default="s8",
                            help=f"format of {text}, 8 bits (default: %(default)s)")
        parser.add_argument(f"--{to}scale", metavar="S", type=number, required=not to,
                            help=f"scale of {text}: real = S * (level - Z)" + (
                                " (default: 1/256 for sigmoid, 1/128 for tanh, else the input's)"
                                if to else ""))
        parser.add_argument(f"--{to}zero-point", metavar="Z", type=integer,
                            help=f"zero point of {text}" + (
                                " (default: the lowest level for sigmoid, 0 for tanh, else the "
                                "input's)" if to else " (default: 0)"))
    parser.add_argument("--rounding", choices=[each.value for each in Rounding],
                        help="rounding of the exact result (default: half_up)")
    parser.add_argument("--tflite", action="store_true",
                        help="compute and round as TFLite's reference kernel does, instead")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Parse the arguments and print the table; return the exit status."""
    arguments = parser()
    args = arguments.parse_args(argv)
    try:
        input = Quantization(parse(args.format), args.scale, args.zero_point or 0)
        fmt = parse(args.to_format)
        # TFLite fixes the output of sigmoid and of tanh.
        scale, zero_point = {"sigmoid": (1 / 256, fmt.min), "tanh": (1 / 128, 0)}.get(
            args.function, (args.scale, input.zero_point))
        output = Quantization(fmt, scale if args.to_scale is None else args.to_scale,
                              zero_point if args.to_zero_point is None else args.to_zero_point)
        if args.tflite and args.rounding is not None:
            raise ValueError("Rounding must be left out for --tflite, whose kernels have their "
                             f"own, not {args.rounding}")
        if args.tflite:
            table = KERNELS[NAMES[args.function]](input, output)
        else:
            table = tabulate(FUNCTIONS[args.function], input, output,
                             Rounding(args.rounding or Rounding.HALF_UP))
    except ValueError as error:
        arguments.error(str(error))
    print(json.dumps(table.tolist()))
    return 0
