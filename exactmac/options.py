"""The command line of :mod:`exactmac.build`, and the options that others share with it."""

import argparse
import json
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from importlib import metadata
from typing import Any, NoReturn

from exactmac.__main__ import COMMANDS
from exactmac.files import lut_of, parameters_of
from golden import command
from golden.command import integer, number
from golden.contracts import (
    ADDING,
    CONTRACTS,
    MAX_ADDEND_BITS,
    MAX_MULTIPLIER_BITS,
    OPTIONS,
    Scaled,
)
from golden.formats import BLOCK, FLOATS, MAX_BITS, MAX_ODD_BITS
from golden.inner_products import INNER_PRODUCTS
from golden.kept import said
from golden.readers import RUNTIMES
from hw.flow import mapping
from hw.flow.mapping import TARGETS, Target
from hw.flow.nextpnr import DEVICES, FREQUENCY, SEEDS, SPEEDS
from hw.flow.tools import ToolFailed, ToolMissing
from hw.folder import FolderError
from hw.targets.fabric import FABRICS, GENERIC
from hw.tile.config import TileConfig
from hw.tile.inner_products import SMALLEST, smallest
from hw.tile.ports import Clocking

__all__ = ["NUMBERS", "Parser", "add_bits", "add_numbers", "add_shape", "area_of", "choices_of",
           "config_of", "add_model", "of_tile", "option", "parser"]

FIRST = ("--bits", "--requant", "--rows", "--cols", "--lanes", "--area")
"""Options of a build that ``--help`` shows."""

OTHERS = {
    "formats one by one": ("--weights", "--activations", "--output"),
    "files": ("--out", "--name"),
    "cells of a target": ("--target", "--dsp", "--optimize", "--prepared", "--inner-product"),
    "place and route": ("--pnr",),
    "all": ("--help-all",),
}
"""Options of a build that ``--help`` only names, by purpose."""

_WIDTH = 85


def _wrapped(words: Iterable[str]) -> str:
    # In the second column of the text below.
    return textwrap.fill(", ".join(words), _WIDTH, break_on_hyphens=False).replace(
        "\n", f"\n{'':11}")


NUMBERS = f"""\
formats    sN, uN: signed or unsigned integers of N bits, 1 to {MAX_BITS}; with an n (s8n) one
           level less, so that signed ones are symmetric
           oddN: odd integers of N bits, 1 to {MAX_ODD_BITS}
           ternary: -1, 0, 1; binary: -1, 1; bit: 0, 1
           {_wrapped(FLOATS)}: floats
           codebook:L/L...: these levels; codebookN:loaded=FORMAT: 2^N, loaded at run time
           mx_FORMAT: an exponent for each {BLOCK} elements of that format
contracts  {_wrapped(CONTRACTS)}
"""
"""What ``--help-all`` says of formats and contracts."""
EPILOG = f"""\
{NUMBERS}area of    {', '.join(TARGETS)}
           (--list tells more of formats, contracts and targets)

examples
  exactmac build --bits 4
  exactmac build model.tflite --rows 8 --cols 8 --lanes 8
  exactmac build --weights s4n --activations u8 --output u8 --requant tflite
  exactmac build --bits 8 --rows 8 --cols 8 --lanes 8 --area ecp5 --pnr
  exactmac build --bits 2 --requant none --no-area
  exactmac build --bits 4 --area-only --area ecp5

exit status  0 all that was asked for succeeded; 1 verification, or a run of a tool, failed;
             2 bad input, or a tool that was asked for is missing; 130 interrupted
"""


class Parser(command.Parser):
    """Parser whose errors are always one line.

    Parameters
    ----------
    first : sequence of str
        Options that ``--help`` shows; ``--help-all`` then shows all options.
    others : mapping of str to sequence of str
        Options that ``--help`` names under them, by purpose.
    **more
        Arguments of :class:`argparse.ArgumentParser`.
    """

    aliases = {"contract|requanti[sz](e|er|ation)": "requant"}

    def __init__(self, *, first: Sequence[str] = (),
                 others: Mapping[str, Sequence[str]] | None = None, **more: Any):
        super().__init__(**more)
        self._first = first
        self._others = others or {}
        self._json = False
        self.add_argument("--version", action="version", help="show the version and exit",
                          version=f"exactmac {metadata.version('exactmac')}")
        if first:
            self.add_argument("--help-all", action=_HelpAll, nargs=0,
                              help="show every option, all formats and contracts, and exit")

    def format_help(self) -> str:
        """Return the help of the first options; of all options, if there are no first ones."""
        if not self._first:
            return super().format_help()
        formatter = self._get_formatter()
        places = [action for action in self._actions if not action.option_strings]
        names = [f"[{action.metavar}]" if action.nargs == "?" else f"{action.metavar}"
                 for action in places]
        formatter.add_usage(" ".join([self.prog, *names, "[OPTIONS]"]), [], [], "usage: ")
        formatter.add_text(self.description)
        formatter.start_section("options that people use first")
        formatter.add_arguments([*places, *(action for action in self._actions
                                            if set(action.option_strings) & set(self._first))])
        formatter.end_section()
        formatter.add_text("\n".join(
            f"{purpose}: {' '.join(options)}" for purpose, options in self._others.items())
            or f"{self.prog} --help-all shows every option, all formats and contracts.")
        formatter.add_text("Commands\n" + "\n".join(
            f"  exactmac {name:<{max(map(len, COMMANDS))}}  {what}"
            for name, what in COMMANDS.items()))
        return formatter.format_help()

    def format_help_all(self) -> str:
        """Return the help of all options."""
        return super().format_help()

    def parse_args(self, args=None, namespace=None):
        """Parse as :class:`argparse.ArgumentParser` does; with ``--json``, errors are JSON."""
        self._json = "--json" in (sys.argv[1:] if args is None else args)
        return super().parse_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        """End with status 2, and one line; with ``--json``, an object ``{"error": message}``."""
        self._end(2, "error", message)

    def fail(self, message: str) -> NoReturn:
        """End with status 1, and the output of :meth:`error`."""
        self._end(1, "failed", message)

    def _end(self, status: int, what: str, message: str) -> NoReturn:
        if self._json:
            print(json.dumps({"error": message}))
            self.exit(status)
        self.exit(status, f"{self.prog}: {what}: {message}\n")

    @contextmanager
    def reported(self, *failures: type[Exception]) -> Iterator[None]:
        """End with one line if a tool fails, one of ``failures`` is raised, or input is bad."""
        try:
            yield
        except (ToolFailed, *failures) as error:
            self.fail(str(error))
        except OSError as error:
            self.error(said(error))
        except (ValueError, ToolMissing, FolderError) as error:
            self.error(str(error))


class _HelpAll(argparse.Action):
    def __call__(self, parser, namespace, values, option_string=None):
        assert isinstance(parser, Parser)
        print(parser.format_help_all(), end="")
        parser.exit()


def add_model(parser: argparse.ArgumentParser, what: str):
    """Add an optional MODEL and ``--runtime``."""
    parser.add_argument("model", metavar="MODEL", nargs="?",
                        help=f"{what}; a quantized TFLite, ONNX or QONNX file, or a saved network")
    parser.add_argument("--runtime", metavar="NAME",
                        help="runtime whose arithmetic a model has: "
                             + ", ".join(name for names in RUNTIMES.values() for name in names)
                             + " (default: the first that reads such a file)")


def add_bits(parser: argparse.ArgumentParser):
    """Add ``--bits``, which is short for some options of :func:`add_numbers`."""
    parser.add_argument("--bits", type=integer, metavar="N",
                        help=f"2 to {MAX_BITS}; short for --weights sNn --activations sN --output "
                             "sN --zero-points activations, each of which can be given too; 1 is "
                             "short for --weights binary --activations bit --output bit")


def add_numbers(parser: argparse.ArgumentParser, *, parameters: bool = False):
    """Add the options of formats and contract, without ``--bits``; optionally ``--parameters``."""
    numbers = parser.add_argument_group("numbers")
    for name in ("weights", "activations", "output"):
        _add(numbers, name, "FORMAT")
    _add(numbers, "zero_points", "WHICH",
         "(default: activations, but none where these have one bit or are no integers, or where "
         "weights are block-scaled)")
    _add(numbers, "contract", "CONTRACT")
    _add(numbers, "lut", "FILE", "(a JSON list)")
    numbers.add_argument("--multiplier-bits", type=integer, metavar="N",
                         help="width of the multiplier, of contracts that leave it open: 1 to "
                              f"{MAX_MULTIPLIER_BITS} (default: {Scaled.multiplier.width}, or "
                              f"{Scaled.multiplier.width + 1} with a sign)")
    numbers.add_argument("--addend-bits", type=integer, metavar="N",
                         help="width of an addend after the multiplication, signed, of contracts "
                              f"{', '.join(ADDING)}: 1 to {MAX_ADDEND_BITS} (default: no addend)")
    numbers.add_argument("--signed-multiplier", action="store_true", default=None,
                         help="a multiplier with a sign, for channels that scale by a negative "
                              "factor, of contracts that leave its width open")
    if parameters:
        _add(numbers, "parameters", "FILE",
             "(a JSON object: each field, of parameters.record in manifest.json, with an integer, "
             "or a list of exactly --channels of them; clamps and zero points are levels of their "
             "format, a scale the bits of a float32)")


def add_shape(parser: argparse.ArgumentParser, *, dsp: str = ""):
    """Add the options of the tile's shape; ``dsp`` is what else ``--dsp`` means."""
    shape = parser.add_argument_group("shape")
    for name in ("rows", "cols", "lanes", "depth", "outputs", "channels", "window"):
        _add(shape, name, "N", type=integer)
    for name, metavar in (("target", "TARGET"), ("optimize", "OPTIMIZE")):
        _add(shape, name, metavar)
    _add(shape, "inner_product", "HOW", f"(or {SMALLEST}: the one whose sums take the fewest LUTs "
                                        f"in this shape; default: {TileConfig.inner_product})")
    shape.add_argument("--prepared", action="store_true", default=None,
                       help=TileConfig.meaning("prepared"))
    _add(shape, "dsp", "N", dsp or "(default: all that save LUTs)", type=integer)


def _add(group: argparse._ArgumentGroup, name: str, metavar: str, more: str = "", **options: Any):
    # The option of a choice, with the choice's default.
    default = getattr(TileConfig, name, None)
    more = more or (f"(default: {getattr(default, 'name', default)})" if default else "")
    group.add_argument(option(name), dest=name, metavar=metavar, **options,
                       help=f"{TileConfig.meaning(name)} {more}".strip())


def area_of(name: str, cells: str) -> Target:
    """Return where to estimate the area of a tile.

    Parameters
    ----------
    name : str
        Target, as ``--area`` has it.
    cells : str
        Target whose cells the tile has; if its DSPs are among these, synthesis makes no others.

    Raises
    ------
    ValueError
        If there is no such target, or it lacks the cells.
    """
    fabric = FABRICS.get(cells, GENERIC)
    among = list(TARGETS) if fabric is GENERIC else [fabric.name]
    if name not in among:
        must = f"one of {', '.join(among)}" if len(among) > 1 else f"{cells} for --target {cells}"
        raise ValueError(f"Area must be {must}, not {name!r}")
    where = mapping.parse(name)
    return where.without_dsp() if fabric.most_dsp else where


def option(name: str) -> str:
    """Return the option of a choice."""
    return "--requant" if name == "contract" else f"--{name.replace('_', '-')}"


def parser() -> Parser:
    """Return the parser of the command line."""
    parser = Parser(
        prog="exactmac build", allow_abbrev=False, first=FIRST, others=OTHERS,
        formatter_class=argparse.RawDescriptionHelpFormatter, epilog=EPILOG,
        description="Emit a quantized multiply-accumulate tile as Verilog, verify it bit by bit\n"
                    "against the numpy reference, and estimate its area.")
    add_model(parser, "a model whose file decides formats, zero points, contract and depth: the "
                      "tile that computes the most of it is built")
    parser.add_argument("--config", metavar="FILE",
                        help="a manifest.json, of the same version, whose tile to build again, "
                             "with its names of clock and reset; in place of --bits and of all "
                             "options of numbers and shape")
    add_bits(parser)
    add_numbers(parser, parameters=True)
    add_shape(parser, dsp="(of generic Verilog 0: no DSP on any target; default: all that save "
                          "LUTs, or that Yosys takes)")

    flow = parser.add_argument_group("flow")
    flow.add_argument("--area", metavar="TARGETS",
                      help="where area is estimated, separated by commas (default: "
                           f"{','.join(TARGETS)})")
    flow.add_argument("--no-area", action="store_true", help="do not estimate area")
    flow.add_argument("--area-only", action="store_true",
                      help="print the area as JSON, as area.json has it; write no files, and do "
                           "not simulate")
    flow.add_argument("--netlist", action="store_true",
                      help="write each synthesized netlist, as JSON and Verilog, and simulate the "
                           "Verilog one too")
    flow.add_argument("--pnr", action="store_true",
                      help="place and route for ECP5, in a harness of registers: placed LUTs, "
                           "Fmax and the critical path")
    flow.add_argument("--plot", action="store_true",
                      help="draw the area of each component on each target, as NAME_area.svg")
    flow.add_argument("--device", metavar="SIZE",
                      help=f"{', '.join(DEVICES)}: smallest device to place in (default: "
                           f"{DEVICES[0]})")
    flow.add_argument("--speed", type=integer, metavar="N",
                      help=f"speed grade of the device, {SPEEDS[0]} to {SPEEDS[-1]} (default: "
                           f"{SPEEDS[0]})")
    flow.add_argument("--seed", type=integer, metavar="N",
                      help="seed of the placer (default: the median of "
                           f"{', '.join(map(str, SEEDS))})")
    flow.add_argument("--frequency", type=number, metavar="MHZ",
                      help="frequency that placement aims for; to miss it is no failure "
                           f"(default: {FREQUENCY:g})")
    flow.add_argument("--no-verify", action="store_true", help="do not simulate")
    flow.add_argument("--require-verilog", action="store_true",
                      help="fail where Verilator cannot run, rather than verify the design alone")
    flow.add_argument("--vcd", action="store_true",
                      help="write the waves of an Amaranth simulation of the vectors")

    output = parser.add_argument_group("output")
    output.add_argument("--out", metavar="DIR", help="files go to DIR/NAME/ (default: build)")
    output.add_argument("--name", metavar="NAME",
                        help="name of module and files (default: formats, shape, and choices "
                             "other than the default)")
    output.add_argument("--clock-name", metavar="NAME",
                        help=f"name of the module's clock (default: {Clocking.clock}, or that of "
                             "--config)")
    output.add_argument("--reset-name", metavar="NAME",
                        help=f"name of the module's reset, active low (default: {Clocking.reset}, "
                             "or that of --config)")
    output.add_argument("--json", action="store_true",
                        help="print the result, or the error, as JSON")
    output.add_argument("--list", action="store_true",
                        help="list formats, contracts and targets, and end")
    return parser


def config_of(args: argparse.Namespace) -> TileConfig:
    """Return the configuration that the arguments describe; ``ValueError`` if there is none."""
    choices = choices_of(args)
    if (bits := choices.pop("bits", None)) is not None:
        if not 1 <= bits <= MAX_BITS:
            raise ValueError(f"Bits must be in range [1, {MAX_BITS}], not {bits}")
        weights, others = f"s{bits}n", f"s{bits}"
        if bits == 1:
            weights, others = "binary", "bit"
        short: dict[str, Any] = {"weights": weights, "activations": others}
        if args.contract != "none":
            short["output"] = others
        choices = short | choices
    for name in ("weights", "activations"):
        if name not in choices:
            raise ValueError(f"{name.capitalize()} must be given, by --{name} or by --bits")
    if "output" not in choices and args.contract in (None, *CONTRACTS) and args.contract != "none":
        raise ValueError("Output must be given, by --output or by --bits")
    for name, read in (("lut", lut_of), ("parameters", parameters_of)):
        if name in choices:
            choices[name] = read(choices[name])
    how, known = choices.get("inner_product"), (*INNER_PRODUCTS, SMALLEST)
    if how is not None and how not in known:
        raise ValueError(f"Inner product must be one of {', '.join(known)}, not {how!r}")
    by_size = how == SMALLEST
    if by_size:
        del choices["inner_product"]
    try:
        config = TileConfig.of(**choices)
        return smallest(config) if by_size else config
    except TypeError as error:
        raise ValueError(str(error)) from None


def choices_of(args: argparse.Namespace) -> dict[str, Any]:
    """Return the given options that decide a configuration, by name."""
    names = ("bits", *OPTIONS, *(each.name for each in fields(TileConfig)))
    return {name: value for name in names if (value := getattr(args, name, None)) is not None}


def of_tile(args: argparse.Namespace) -> argparse.Namespace:
    """Return the arguments without ``dsp`` where it is up to synthesis: of generic Verilog."""
    if FABRICS.get(getattr(args, "target", None) or GENERIC.name, GENERIC).most_dsp:
        return args
    return argparse.Namespace(**vars(args) | {"dsp": None})
