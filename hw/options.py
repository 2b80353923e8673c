"""The command line of :mod:`hw.build`: what may be asked for, and what must hold of it."""

import argparse
import shlex
import textwrap
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

from golden import command
from golden.command import integer
from golden.contracts import CONTRACTS, contract
from golden.formats import FLOATS, MAX_BITS, BlockScaled, IntFormat, parse
from hw.config import EMITTED, ZERO_POINTS, TileConfig
from hw.emit import check_name
from hw.flow.tools import ToolFailed, ToolMissing
from hw.folder import FolderError
from hw.given import lut_of, parameters_of
from hw.targets import TARGETS, Target, target

__all__ = ["Parser", "Request", "add_bits", "add_numbers", "add_shape", "config_of", "parser",
           "request_of"]

_WIDTH = 85


def _wrapped(words: Iterable[str]) -> str:
    # In the second column of the text below.
    return textwrap.fill(", ".join(words), _WIDTH, break_on_hyphens=False).replace(
        "\n", f"\n{'':11}")


EPILOG = f"""\
formats    sN, uN: signed or unsigned integers of N bits, 1 to {MAX_BITS}; with an n (s8n) one
           level less, so that signed ones are symmetric
           oddN: odd integers of N bits, 1 to 8; ternary: -1, 0, 1; binary: -1, 1; bit: 0, 1
           {_wrapped(FLOATS)}: floats
           codebook:L/L...: these levels; codebookN:loaded=FORMAT: 2^N, loaded at run time
           mx_FORMAT: an exponent for each 32 elements of that format
contracts  {_wrapped(CONTRACTS)}
targets    {', '.join(TARGETS)}
           (--list tells more of formats, contracts and targets)

examples
  python -m hw.build --bits 4
  python -m hw.build --weights s4n --activations u8 --output u8 --requant tflite
  python -m hw.build --bits 8 --rows 8 --cols 8 --lanes 8 --area ecp5 --pnr
  python -m hw.build --bits 2 --requant none --no-area

exit status  0 all that was asked for succeeded; 1 verification, or a run of a tool, failed;
             2 bad input, or a tool that was asked for is missing; 130 interrupted
"""


@dataclass(frozen=True)
class Request:
    """What a run of :mod:`hw.build` is to do.

    Parameters
    ----------
    config : TileConfig
        What to emit.
    name : str
        Of the module and its files.
    out : Path
        Folder that gets a folder of that name.
    areas : tuple of Target
        Where to estimate area.
    verify, require_verilog : bool
        Whether to simulate, and whether the Verilog must be what is simulated.
    netlist, pnr, vcd : bool
        Whether to write and simulate netlists, to place and route, and to write waves.
    command : str
        The command line, for the manifest.
    """

    config: TileConfig
    name: str
    out: Path
    areas: tuple[Target, ...]
    verify: bool
    require_verilog: bool
    netlist: bool
    pnr: bool
    vcd: bool
    command: str


class Parser(command.Parser):
    """A parser that ends in one line, whatever ends it."""

    def fail(self, message: str) -> NoReturn:
        """End with one line and status 1."""
        self.exit(1, f"{self.prog}: failed: {message}\n")

    @contextmanager
    def reported(self, *failures: type[Exception]) -> Iterator[None]:
        """End with one line where a tool fails or one of these is raised, or input is bad."""
        try:
            yield
        except (ToolFailed, *failures) as error:
            self.fail(str(error))
        except (ValueError, OSError, ToolMissing, FolderError) as error:
            self.error(str(error))


def add_bits(parser: argparse.ArgumentParser):
    """Add the option that is short for some of those of :func:`add_numbers`."""
    parser.add_argument("--bits", type=integer, metavar="N",
                        help="2 to 16; short for --weights sNn --activations sN --output sN "
                             "--zero-points activations, each of which can be given too; 1 is "
                             "short for --weights binary --activations bit --output bit")


def add_numbers(parser: argparse.ArgumentParser, *, parameters: bool = False):
    """Add the options of formats and contract, but for ``--bits``.

    Where asked also the one that fixes parameters, which :func:`config_of` leaves aside.
    """
    numbers = parser.add_argument_group("numbers")
    numbers.add_argument("--weights", metavar="FORMAT", help="format of the weights")
    numbers.add_argument("--activations", metavar="FORMAT", help="format of the activations")
    numbers.add_argument("--output", metavar="FORMAT",
                         help="format of the results; none with --requant none")
    numbers.add_argument("--zero-points", metavar="WHICH",
                         help=f"operands that have one: {', '.join(ZERO_POINTS)} (default: "
                              "activations, or none with --bits 1, and where activations are no "
                              "integers or weights block-scaled)")
    numbers.add_argument("--requant", default=CONTRACTS[0], metavar="CONTRACT",
                         help="how sums become results (default: %(default)s)")
    numbers.add_argument("--lut", metavar="FILE",
                         help="put results of 8 bits through a table: a JSON list of the levels "
                              "that codes 0 to 255 become, or `loaded`, where each parameter set "
                              "brings one")
    numbers.add_argument("--multiplier-bits", type=integer, metavar="N",
                         help="width of the multiplier, of contracts that leave it open "
                              "(default: 31)")
    if parameters:
        numbers.add_argument("--parameters", metavar="FILE",
                             help="fix the parameters, rather than load them: a JSON object that "
                                  "gives each field of a record (parameters.record in "
                                  "manifest.json) an integer, or a list of them with exactly "
                                  "--channels entries; clamps and zero points are levels of "
                                  "their format, a scale the bits of a float32")


def add_shape(parser: argparse.ArgumentParser):
    """Add the options of the tile's shape, and of the target."""
    shape = parser.add_argument_group("shape")
    for name, default, text in (
            ("rows", 4, "activation vectors of a job"),
            ("cols", 4, "weight vectors of a job; a multiple of 32 for a block-scaled output"),
            ("lanes", 4, "products per sum and cycle; a divisor of 32 for block-scaled operands"),
            ("depth", 1024, "most products per sum; sizes the accumulator"),
            ("outputs", 1, "results per cycle, a divisor of cols, and of 32 for a block-scaled "
                           "output"),
            ("channels", 256, "records of the parameter store")):
        shape.add_argument(f"--{name}", type=integer, default=default, metavar="N",
                           help=f"{text} (default: %(default)s)")
    shape.add_argument("--window", type=integer, metavar="N",
                       help="combined exponents that are summed exactly, of block-scaled operands "
                            f"only (default: {TileConfig.window})")
    shape.add_argument("--target", default="generic", metavar="TARGET",
                       help=f"whose cells the Verilog may use: {', '.join(EMITTED)} (default: "
                            "%(default)s)")


def parser() -> Parser:
    """Return the parser of the command line."""
    parser = Parser(
        prog="python -m hw.build", allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter, epilog=EPILOG,
        description="Emit a quantized multiply-accumulate tile as Verilog, verify it bit by bit\n"
                    "against the numpy reference, and estimate its area.")
    parser.add_argument("model", nargs="?", metavar="MODEL",
                        help="a TFLite or ONNX model; not readable yet")
    add_bits(parser)
    add_numbers(parser, parameters=True)
    add_shape(parser)

    flow = parser.add_argument_group("flow")
    flow.add_argument("--area", metavar="TARGETS",
                      help="where area is estimated, separated by commas (default: "
                           f"{','.join(TARGETS)})")
    flow.add_argument("--no-area", action="store_true", help="do not estimate area")
    flow.add_argument("--netlist", action="store_true",
                      help="write each synthesized netlist, as JSON and Verilog, and simulate the "
                           "Verilog one too")
    flow.add_argument("--pnr", action="store_true",
                      help="place and route for ECP5: placed LUTs and Fmax")
    flow.add_argument("--no-verify", action="store_true", help="do not simulate")
    flow.add_argument("--require-verilog", action="store_true",
                      help="fail where Verilator cannot run, rather than verify the design alone")
    flow.add_argument("--vcd", action="store_true",
                      help="write the waves of an Amaranth simulation of the vectors")

    output = parser.add_argument_group("output")
    output.add_argument("--out", default="build", metavar="DIR",
                        help="files go to DIR/NAME/ (default: %(default)s)")
    output.add_argument("--name", metavar="NAME",
                        help="of module and files (default: from formats and shape)")
    output.add_argument("--json", action="store_true", help="print the result as JSON")
    output.add_argument("--list", action="store_true",
                        help="list formats, contracts and targets, and end")
    return parser


def config_of(args: argparse.Namespace) -> TileConfig:
    """Return the configuration that the arguments describe, of loaded parameters.

    ``ValueError`` if there is none.
    """
    given = {"weights": args.weights, "activations": args.activations, "output": args.output}
    if args.bits is not None:
        if not 1 <= args.bits <= MAX_BITS:
            raise ValueError(f"Bits must be in range [1, {MAX_BITS}], not {args.bits}")
        weights, others = f"s{args.bits}n", f"s{args.bits}"
        if args.bits == 1:
            weights, others = "binary", "bit"
        short = {"weights": weights, "activations": others}
        if args.requant != "none":
            short["output"] = others
        given = {name: short.get(name) if text is None else text
                 for name, text in given.items()}
    for name in ("weights", "activations"):
        if given[name] is None:
            raise ValueError(f"{name.capitalize()} must be given, by --{name} or by --bits")
    if given["output"] is None and args.requant in CONTRACTS and args.requant != "none":
        raise ValueError("Output must be given, by --output or by --bits")
    formats = {}
    for name, text in given.items():
        try:
            formats[name] = None if text is None else parse(text)
        except ValueError as error:
            raise ValueError(f"{name.capitalize()}: {error}") from None
    movable = (args.bits != 1 and isinstance(formats["activations"], IntFormat)
               and not isinstance(formats["weights"], BlockScaled))
    config = TileConfig(
        **formats, contract=contract(args.requant, multiplier_bits=args.multiplier_bits),
        rows=args.rows, cols=args.cols, lanes=args.lanes, depth=args.depth, outputs=args.outputs,
        channels=args.channels, window=TileConfig.window if args.window is None else args.window,
        target=args.target, lut=lut_of(args.lut),
        zero_points=(("activations" if movable else "none") if args.zero_points is None
                     else args.zero_points))
    if args.window is not None and not config.block_scaled:
        raise ValueError("Window must be left out where no operand is block-scaled, "
                         f"not {args.window}")
    return config


def request_of(args: argparse.Namespace, argv: list[str]) -> Request:
    """Return what is asked for; ``ValueError`` where it cannot be."""
    if args.model is not None:
        raise ValueError(f"Model must be left out, for model files cannot be read yet, "
                         f"not {args.model!r}")
    if not args.out:
        raise ValueError("Out must name a folder, not ''")
    config = config_of(args)
    if args.parameters is not None:
        config = replace(config, parameters=parameters_of(args.parameters))
    if args.area is not None and args.no_area:
        raise ValueError(f"Area must not be off (--no-area) for --area {args.area!r}")
    names = list(TARGETS) if args.area is None else args.area.split(",")
    if set(names) - set(TARGETS):
        raise ValueError(f"Area must be some of {','.join(TARGETS)}, separated by commas, "
                         f"not {args.area!r}")
    areas = () if args.no_area else tuple(target(name) for name in dict.fromkeys(names))
    if args.pnr and not any(each.name == "ecp5" for each in areas):
        raise ValueError("Area must include ecp5 for --pnr, not "
                         f"{','.join(each.name for each in areas) or 'none'}")
    if args.netlist and not areas:
        raise ValueError("Area must be at least one target for --netlist, not none")
    if args.no_verify and args.require_verilog:
        raise ValueError("Verification must not be off (--no-verify) for --require-verilog")
    return Request(
        config=config, name=check_name(config.name if args.name is None else args.name),
        out=Path(args.out), areas=areas, verify=not args.no_verify,
        require_verilog=args.require_verilog, netlist=args.netlist, pnr=args.pnr, vcd=args.vcd,
        command=shlex.join(["python", "-m", "hw.build", *argv]))
