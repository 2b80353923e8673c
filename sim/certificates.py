"""Proofs of the programs that blocks have: each computes the heap that it stands for."""

from golden.formats import Format
from golden.inner_products import Folded
from golden.ranges import Range, dot_range
from hw.blocks.floats import FloatHeapGrid
from hw.blocks.folded import FoldedGrid
from hw.blocks.heaps import HeapGrid
from hw.blocks.interface import Block
from hw.heap.folded import activations_heap, folded_products_heap, pair_sums_heap
from hw.heap.magnitudes import magnitudes_heap
from hw.heap.products import product_heaps
from hw.heap.program import Program
from hw.heap.search import FoldedPrograms
from sim.heaps import NotExact, check

__all__ = ["check_folded", "check_magnitudes", "check_products", "prove"]


def prove(block: Block) -> str | None:
    """Prove the programs of a block's heaps, and say what was proven; None if it has none.

    Raises
    ------
    NotExact
        If a program has not been shown to compute its heap's sum.
    """
    if isinstance(block, HeapGrid):
        program = block.cell.sum.program
        check_products(program, block.weights, block.activations, block.lanes, block.produced)
        return f"the bit heap of a sum, {program.luts} LUTs, cell by cell, for all inputs"
    if isinstance(block, FoldedGrid):
        cell = block.cell
        programs = cell.programs
        check_folded(programs, cell.kind, cell.weights, cell.activations, cell.lanes,
                     cell.produced)
        return (f"the bit heaps of a sum, {' + '.join(map(str, cell.luts))} LUTs, and of a row's "
                f"term, {programs.activations.luts} LUTs, cell by cell, for all inputs")
    if isinstance(block, FloatHeapGrid):
        cell = block.cell
        program = cell.sum.program
        check_magnitudes(program, cell.width, cell.lanes,
                         dot_range(cell.weights, cell.activations, cell.lanes))
        said = f"the bit heap of a sum, {program.luts} LUTs"
        if (product := cell.product) is not None:
            check_products(product, *cell.significands, 1)
            said += f", and of a product, {product.luts} LUTs"
        return f"{said}, cell by cell, for all inputs"
    return None


def check_products(program: Program, weights: Format, activations: Format, lanes: int,
                   produced: int = 0):
    """Raise :class:`NotExact` unless a program computes a sum of products.

    Parameters
    ----------
    program : Program
    weights, activations : Format
    lanes : int
        Number of products.
    produced : int
        Number of the products that multipliers make.
    """
    errors = []
    for heap in product_heaps(weights, activations, lanes, total=program.total,
                              produced=produced):
        try:
            return check(heap, program)
        except NotExact as error:
            errors.append(error)
    raise errors[0]


def check_magnitudes(program: Program, width: int, lanes: int, reach: Range):
    """Raise :class:`NotExact` unless a program computes a sum of magnitudes with signs.

    Parameters
    ----------
    program : Program
    width, lanes, reach
        Those of :func:`hw.heap.magnitudes.magnitudes_heap`.
    """
    check(magnitudes_heap(width, lanes, reach, total=program.total), program)


def check_folded(programs: FoldedPrograms, kind: Folded, weights: Format, activations: Format,
                 lanes: int, produced: int = 0):
    """Raise :class:`NotExact` unless programs compute an inner product of codes.

    Each is checked for its own heap. The sums of codes are digits of one number, which each fit
    their place: if the number is exact, so is each of them.

    Parameters
    ----------
    programs : FoldedPrograms
    kind : str
        Inner product.
    weights, activations : Format
    lanes : int
        Number of products.
    produced : int
        Number of the cell's products that multipliers make.
    """
    if programs.sums is not None:
        check(pair_sums_heap(weights, activations, lanes), programs.sums)
    check(folded_products_heap(kind, weights, activations, lanes, total=programs.products.total,
                               produced=produced), programs.products)
    check(activations_heap(kind, weights, activations, lanes), programs.activations)
