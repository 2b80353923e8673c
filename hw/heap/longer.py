"""Long searches for programs of common shapes: ``python -m hw.heap.longer [SECONDS [KIND]]``.

Each shape is searched for so many seconds, by default 120; the best choices so far are in
``shipped.json`` beside this file, and a better program replaces them. The kind is ``products``,
each by itself, or ``folded``, of inner products of codes; by default both.
"""

if __name__ == "__main__":
    from golden.command import run
    run("hw.heap.longer")


import json
import sys
import time
from collections.abc import Iterator, Sequence

from golden.formats import parse
from golden.inner_products import Folded, sums_range
from golden.ranges import dot_range
from hw.heap.compiler import compiled
from hw.heap.heap import Heap
from hw.heap.policy import Policy
from hw.heap.products import product_heaps
from hw.heap.search import SHIPPED, Found, folded_heaps, searched, size_of

__all__ = ["DEPTH", "FOLDED", "ROUND", "SHAPES", "main"]

SHAPES = [
    ("s8", "s8", 16), ("s4", "s4", 16), ("s2", "s2", 16), ("ternary", "s8", 16),
    ("binary", "binary", 64), ("binary", "bit", 64), ("odd4", "odd4", 16),
    *((f"s{bits}n", f"s{bits}", lanes) for lanes in (4, 8, 16) for bits in (8, 4, 2)),
]
"""Weights, activations and lanes."""

FOLDED: list[tuple[Folded, str, str, int]] = [
    ("winograd", "s8", "s8", 16), ("winograd", "s8", "s8", 8), ("winograd", "s8", "u8", 16),
    *(("codes", f"s{bits}", f"s{bits}", 16) for bits in (8, 4, 2)),
]
"""The same of inner products of codes, behind their name."""

ROUND = 500
"""Tries of a search that begins anew."""

DEPTH = 1024
"""Products of the largest sum: it decides the accumulator's width."""


def main() -> int:
    """Search for each shape, and write what is better; return the exit status."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 120.0
    saved = json.loads(SHIPPED.read_text()) if SHIPPED.exists() else {}
    kinds = sys.argv[2:] or list(KINDS)
    for name, heaps in (each for kind in kinds for each in KINDS[kind]()):
        rounds, start = 0, time.monotonic()
        candidates = [searched(heaps)]
        if name in saved:
            form, policy = saved[name]["form"], Policy.of(saved[name]["choices"])
            candidates.append(Found(form, policy, compiled(heaps[form], policy)))
        while (spent := time.monotonic() - start) < seconds:
            rounds += 1
            candidates.append(searched(heaps, tries=ROUND, first=rounds * ROUND))
        best = min(candidates, key=lambda found: size_of(found.program))
        saved[name] = {"form": best.form, "choices": best.policy.choices}
        SHIPPED.write_text(json.dumps(dict(sorted(saved.items())), separators=(",", ":"))
                           .replace("},\"", "},\n\"") + "\n")
        _, luts, registers = size_of(best.program)
        print(f"{name}: {luts} LUTs, {registers} flip-flops, {rounds} rounds in {spent:.0f} s",
              flush=True)
    return 0


# Names of programs, and the heaps that each may be of.
def _products() -> Iterator[tuple[str, Sequence[Heap]]]:
    for names in SHAPES:
        weights, activations, lanes = parse(names[0]), parse(names[1]), names[2]
        total = dot_range(weights, activations, DEPTH).format.width
        yield (f"{weights} {activations} {lanes} {total}",
               product_heaps(weights, activations, lanes, total=total))


def _folded() -> Iterator[tuple[str, Sequence[Heap]]]:
    for kind, *names, lanes in FOLDED:
        weights, activations = map(parse, names)
        total = sums_range(kind, weights, activations, DEPTH).format.width
        for name, heap in folded_heaps(kind, weights, activations, lanes, total=total).items():
            yield name, [heap]


KINDS = {"products": _products, "folded": _folded}
