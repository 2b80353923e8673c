"""Search for a small program of a heap; the same heap gives the same program."""

import gzip
import json
import sys
import zlib
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from golden.command import replace_file
from golden.formats import Format, IntFormat, parse
from golden.inner_products import Folded
from golden.ranges import Range
from hw.flow.cache import cache_folder
from hw.heap.compiler import MOST_HALVES, NoProgram, compiled
from hw.heap.folded import activations_heap, folded_products_heap, pair_sums_heap
from hw.heap.heap import Heap
from hw.heap.magnitudes import magnitudes_heap
from hw.heap.policy import Policy
from hw.heap.products import product_heaps
from hw.heap.program import Program

__all__ = ["BITS", "Found", "FoldedPrograms", "SHIPPED", "folded_heaps",
           "folded_programs", "magnitudes_program", "program_of", "searched", "shipped", "size_of"]

SHIPPED = Path(__file__).with_name("shipped.json")
"""Choices of programs that a longer search found; :mod:`hw.heap.longer` writes them."""

BITS = 1 << 16
"""Bits of a heap times policies that are tried: a second or two."""

FRESH = 0.25
"""Share of the tries that begin anew; the others change a few choices of the best one."""

FLIP_FLOPS = 1.3
"""Flip-flops that go with a LUT: more of them count as LUTs."""

_REVISION = 7  # of compiler and search: another one, another program


class FoldedPrograms(NamedTuple):
    """Programs of an inner product of codes, as :mod:`hw.heap.folded` has their heaps.

    Only Winograd's has the first.
    """

    sums: Program | None
    products: Program
    activations: Program


class Found(NamedTuple):
    """Result of a search: the index of the heap, the policy, and the program."""

    form: int
    policy: Policy
    program: Program


def searched(heaps: Sequence[Heap], *, tries: int | None = None, most: int = MOST_HALVES,
             first: int = 0) -> Found:
    """Return the smallest program of so many tries: the fewest LUTs, then flip-flops.

    Parameters
    ----------
    heaps : sequence of Heap
        Heaps of the same sum; the best is taken.
    tries : int, optional
        Tries for each heap; by default as many as :data:`BITS` allows, from 24 to 1,000.
    most : int
        Most halves of a chain (:func:`hw.heap.compiler.compiled`).
    first : int
        Seed of the first try; the next ones follow.
    """
    return min((_searched(form, heap, range(first, first + (tries or _tries(heap))), most)
                for form, heap in enumerate(heaps)), key=lambda found: size_of(found.program))


def _tries(heap: Heap) -> int:
    bits = sum(len(own) for columns in (heap.positive, heap.negative) for own in columns.values())
    return min(max(BITS // max(bits, 1), 24), 1000)


def size_of(program: Program) -> tuple[float, int, int]:
    """Return what a search makes small: LUTs, or flip-flops where there are many; then each."""
    registers = len(program.registers) + program.total
    return max(program.luts, registers / FLIP_FLOPS), program.luts, registers


def _searched(form: int, heap: Heap, seeds: range, most: int) -> Found:
    best: Found | None = None
    for place, seed in enumerate(seeds):
        policy = Policy(seed, None if best is None or place < FRESH * len(seeds)
                        else best.policy)
        try:
            program = compiled(heap, policy, most=most)
        except NoProgram:
            continue
        if best is None or size_of(program) <= size_of(best.program):
            best = Found(form, policy, program)
    assert best is not None, "most policies lead to a program"
    return best


@cache
def program_of(weights: Format, activations: Format, lanes: int, *, total: int = 0,
               produced: int = 0, most: int = MOST_HALVES) -> Program:
    """Return the program of a sum of products.

    It is shipped for common shapes; else it is in the user's cache, or searched and kept there. A
    damaged file of the cache is replaced, and standard error says so.

    Parameters
    ----------
    weights, activations, lanes, total, produced
        Heaps of the sum, as for :func:`hw.heap.products.product_heaps`.
    most : int
        Most halves of a chain (:func:`hw.heap.compiler.compiled`).
    """
    heaps = product_heaps(weights, activations, lanes, total=total, produced=produced)
    return _program(f"{weights} {activations} {lanes} {total}", heaps, most, produced)


@cache
def folded_programs(kind: Folded, weights: Format, activations: Format, lanes: int, *,
                    total: int = 0, produced: int = 0, most: int = MOST_HALVES) -> FoldedPrograms:
    """Return the programs of an inner product, shipped or kept as :func:`program_of` does.

    Parameters
    ----------
    kind, weights, activations, lanes, total, produced
        Heaps of :mod:`hw.heap.folded`.
    most : int
        Most halves of a chain (:func:`hw.heap.compiler.compiled`).
    """
    heaps = folded_heaps(kind, weights, activations, lanes, total=total, produced=produced)
    products, term = (_program(name, [heap], most, given) for (name, heap), given in zip(
        heaps.items(), (produced, 0), strict=True))
    # Sums of two numbers leave nothing to choose.
    sums = (compiled(pair_sums_heap(weights, activations, lanes), Policy(0), most=most)
            if kind == "winograd" else None)
    return FoldedPrograms(sums, products, term)


@cache
def magnitudes_program(width: int, lanes: int, reach: Range, *, total: int = 0,
                       most: int = MOST_HALVES) -> Program:
    """Return the program of a sum of magnitudes with signs, shipped or kept likewise.

    Parameters
    ----------
    width, lanes, reach, total
        Heap of the sum, as for :func:`hw.heap.magnitudes.magnitudes_heap`.
    most : int
        Most halves of a chain (:func:`hw.heap.compiler.compiled`).
    """
    return _program(f"{width} {lanes} {reach.lo} {reach.hi} {total} magnitudes",
                    [magnitudes_heap(width, lanes, reach, total=total)], most)


def folded_heaps(kind: Folded, weights: Format, activations: Format, lanes: int, *, total: int,
                 produced: int = 0) -> dict[str, Heap]:
    """Return the heaps of products and of the activations' term, by the names of programs."""
    # A code has the levels that a narrow format leaves out, too.
    name = " ".join(str(IntFormat(fmt.bits, fmt.min < 0)) for fmt in (weights, activations))
    name += f" {lanes}"
    return {
        f"{name} {total} {kind}": folded_products_heap(kind, weights, activations, lanes,
                                                       total=total, produced=produced),
        f"{name} activations {kind}": activations_heap(kind, weights, activations, lanes)}


def _program(name: str, heaps: Sequence[Heap], most: int, produced: int = 0) -> Program:
    if not produced and (found := _shipped().get(name)) is not None:
        return compiled(heaps[found["form"]], Policy.of(found["choices"]), most=most)
    name = f"{_REVISION} {BITS} {most} {produced} {name}"
    place = (cache_folder("exactmac") / "heaps"
             / f"{sha256(name.encode()).hexdigest()[:32]}.json.gz")
    try:
        saved = json.loads(gzip.decompress(place.read_bytes()))
        if saved["digest"] == _digest(name, saved["program"]):
            return Program.from_json(saved["program"])
        fault = "is not what was kept"
    except FileNotFoundError:
        fault = None
    except (OSError, EOFError, ValueError, KeyError, TypeError, zlib.error):
        fault = "cannot be read"
    if fault is not None:
        sys.stderr.write(f"warning: {place} {fault}: its program is searched again\n")
    program = searched(heaps, most=most).program
    _keep(place, name, program)
    return program


def shipped(kind: str = "direct") -> list[tuple[Format, Format, int, int]]:
    """Return weights, activations, lanes and total of the inner products with shipped programs."""
    return [(parse(weights), parse(activations), int(lanes), int(total))
            for weights, activations, lanes, total, *more in map(str.split, _shipped())
            if total.isdigit() and more == ([] if kind == "direct" else [kind])]


@cache
def _shipped() -> Any:
    return json.loads(SHIPPED.read_text())


def _digest(name: str, program: Any) -> str:
    text = json.dumps([name, program], sort_keys=True, separators=(",", ":"))
    return sha256(text.encode()).hexdigest()


def _keep(place: Path, name: str, program: Program):
    # As it is read again, with lists in place of tuples.
    plain = json.loads(json.dumps(program.to_json()))
    text = json.dumps({"digest": _digest(name, plain), "program": plain}, separators=(",", ":"))
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        replace_file(place, gzip.compress(text.encode(), mtime=0))
    except OSError:
        pass  # another run searches again
