"""The command line ``python -m golden.train``."""

import importlib
import json
import os
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from golden.command import Parser, integer
from golden.kept import kept_in, said
from golden.suggest import suggestion
from golden.train import packaged
from golden.train.table import INDEX, RESULTS, described, results, table

__all__ = ["main", "parser"]

PROG = "python -m golden.train"

PACKAGED = "digits"
"""Name of the packaged network among what is trained."""

NEEDED = {"sklearn": "scikit-learn", "jax": "JAX", "optax": "optax", "mnist1d": "mnist1d"}
"""Modules that training needs, and what they are called."""


def parser() -> Parser:
    """Return the parser of the command's arguments."""
    parser = Parser(prog=PROG, allow_abbrev=False, description=(
        "Train networks and quantize them, all results or some; or print the table of the "
        "committed results. Results are kept: an interrupted run goes on where it was."))
    parser.add_argument("--table", action="store_true",
                        help="print the committed results, and train nothing")
    parser.add_argument("--json", action="store_true", help="print the table as JSON")
    parser.add_argument("--only", metavar="NAME[,NAME...]",
                        help="results to make; --list names them (default: all)")
    parser.add_argument("--list", action="store_true", help="print the names of all results")
    parser.add_argument("--seeds", type=integer, metavar="N",
                        help="at most so many seeds of each result, 0 to N - 1 (default: 10 or 3 "
                             "of each)")
    parser.add_argument("--out", default="build/train", metavar="FOLDER",
                        help="folder of the results (default: %(default)s)")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Parse the arguments, then train or print the table; return the exit status."""
    own = parser()
    args = own.parse_args(argv)
    try:
        if args.table or args.json:
            if args.only or args.list or args.seeds is not None:
                raise ValueError("Options --only, --list and --seeds must be without --table and "
                                 "--json, which print all committed results")
            known = results().values()
            print(json.dumps([described(each) for each in known], indent=1) if args.json
                  else table(known))
            return 0
        return _train(args)
    except ModuleNotFoundError as error:
        if error.name not in NEEDED:
            raise
        own.error(f"{NEEDED[error.name]} is not installed; "
                  "run: pip install 'exactmac[train]'")
    except OSError as error:
        own.error(said(error))
    except ValueError as error:
        own.error(str(error))


def _train(args) -> int:
    from golden.train.recipes import RECIPES

    names = [PACKAGED, *RECIPES]
    if args.list:
        print("\n".join(names))
        return 0
    chosen = names if args.only is None else args.only.split(",")
    for name in chosen:
        if name not in names:
            raise ValueError(f"Only must be names that --list prints, not {name!r}"
                             f"{suggestion(name, names)}")
    if args.seeds is not None and args.seeds < 1:
        raise ValueError(f"Seeds must be at least 1, not {args.seeds}")
    recipes = [RECIPES[name] for name in chosen if name != PACKAGED]
    if args.seeds is not None and recipes and args.seeds > (
            most := max(each.seeds for each in recipes)):
        raise ValueError(f"Seeds must be at most {most}, those of the results to make, "
                         f"not {args.seeds}")
    out = _folder(args.out)
    # One thread adds in one order, on any number of cores; read once, when JAX is imported.
    os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")
    # A missing package is found before anything is made.
    for module in NEEDED if recipes else ["sklearn"]:
        importlib.import_module(module)
    with kept_in(out, partial(_kept, out)):
        if PACKAGED in chosen:
            packaged.train(out / "digits.npz")
        if not recipes:
            return 0
        _trained(recipes, out, args.seeds)
    made = results(out)
    print(table(made.values()))
    print(_compared(made))
    return 0


def _trained(recipes: Sequence[Any], out: Path, seeds: int | None):
    from golden.train.work import Work

    work = Work(out)
    steps = [(recipe, step) for recipe in recipes
             for step in work.steps(recipe, seeds or 1 << 30)]
    begin = time.monotonic()
    for done, (recipe, step) in enumerate(steps):
        line = step()
        spent = time.monotonic() - begin
        left = spent / (done + 1) * (len(steps) - done - 1)
        print(f"{done + 1}/{len(steps)} {recipe.name}: {line}; {spent:.0f} s, "
              f"about {left:.0f} s left", file=sys.stderr, flush=True)


def _kept(folder: Path) -> str:
    # Results of the index: one that could not be written to it is made again.
    try:
        records = json.loads((folder / INDEX).read_text())["results"].values()
        count = sum(len(each["seeds"]) for each in records)
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        count = 0
    return f"{count} results are kept in {folder}"


def _compared(made) -> str:
    # How many networks have the codes of the committed ones.
    known = results() if (RESULTS / "results.json").exists() else {}
    pairs = [(digest, known[name].digests[known[name].seeds.index(seed)])
             for name, each in made.items() if name in known
             for seed, digest in zip(each.seeds, each.digests, strict=True)
             if seed in known[name].seeds]
    same = sum(own == other for own, other in pairs)
    return f"{same} of {len(pairs)} networks equal the committed ones"


def _folder(text: str) -> Path:
    if not text:
        raise ValueError("Out must name a folder, not ''")
    folder = Path(text)
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"Out must be a folder, not the file {folder}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".exactmac_probe"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise OSError(f"Out must be writable, not {folder} ({error.strerror})") from error
    return folder
