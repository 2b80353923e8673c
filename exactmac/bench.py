"""The command ``exactmac bench``: what a tile costs in time, and arithmetic in area."""

if __name__ == "__main__":
    from golden.command import run
    run("exactmac.bench")


import sys
from collections.abc import Sequence

from exactmac import timing
from exactmac.density import command as density
from exactmac.options import Parser

__all__ = ["BENCHES", "main"]

BENCHES = {
    "time": ("time to emit, to compile and to simulate a tile", timing.main),
    "density": ("placed area and speed of dot products, beside plain Verilog", density.main),
}
"""What can be measured: its meaning, and the function of its arguments."""


def parser() -> Parser:
    """Return the parser of the first word."""
    parser = Parser(prog="exactmac bench", allow_abbrev=False,
                    description="Measure. " + "; ".join(
                        f"exactmac bench {name}: {what}" for name, (what, _) in BENCHES.items())
                    + ". Each has a --help.")
    parser.add_argument("what", metavar="WHAT", help=" or ".join(BENCHES))
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the measurement that the first argument names; return the exit status."""
    argv = sys.argv[1:] if argv is None else argv
    what, rest = "".join(argv[:1]), list(argv[1:])
    if what not in BENCHES:
        arguments = parser()
        if what in ("", "-h", "--help", "--version"):
            arguments.parse_args([what])
        arguments.error(f"What must be one of {', '.join(BENCHES)}, not {what!r}")
    return BENCHES[what][1](rest)
