"""The command ``exactmac``: a subcommand and its options."""

import json
import sys
from importlib.metadata import version
from typing import NoReturn

from golden.command import run
from golden.suggest import suggestion

__all__ = ["COMMANDS", "DEFAULT", "main"]

COMMANDS = {
    "build": "write, verify and measure a tile",
    "quantize": "make a network of levels of a float ONNX model",
    "network": "run a model, or the digits network, on the emitted Verilog",
    "compare": "compare every tensor of a model with installed runtimes",
    "explain": "say whose answer a model gives, operator by operator",
    "sweep": "compute every combination of options, and mark the best ones",
    "study": "show on one page what each bit costs and saves",
    "bench": "measure simulators, and the placed area of arithmetic",
    "prove": "prove parts of the hardware, or count the faults that are found",
}
"""Subcommands; ``exactmac --bits 4`` is short for ``exactmac build --bits 4``."""

# Modules of subcommands that have another name: exactmac.quantize is a function.
_MODULES = {"quantize": "quantize_model"}

DEFAULT = "build"
"""Subcommand of a command line that begins with an option."""


def main() -> NoReturn:
    """Run the subcommand that the first argument names, or else :data:`DEFAULT`."""
    if sys.argv[1:] == ["--version"]:
        print(f"exactmac {version('exactmac')}")
        sys.exit(0)
    name = DEFAULT
    if len(sys.argv) > 1 and not sys.argv[1].startswith("-"):
        name = sys.argv.pop(1)
    if name not in COMMANDS:
        message = (f"Command must be one of {', '.join(COMMANDS)}, not {name!r}"
                   f"{suggestion(name, COMMANDS)}")
        if "--json" in sys.argv:
            print(json.dumps({"error": message}))
        else:
            sys.stderr.write(f"exactmac: error: {message}\n")
        sys.exit(2)
    run(f"exactmac.{_MODULES.get(name, name)}", f"exactmac {name}")


if __name__ == "__main__":
    main()
