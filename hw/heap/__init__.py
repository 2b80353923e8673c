"""Bit heaps: what is summed, as data; and how it is compiled onto carry chains, as data too."""

from hw.heap.compiler import MOST_HALVES, compiled
from hw.heap.component import HeapSum
from hw.heap.heap import Bit, Heap
from hw.heap.products import (
    PRODUCED,
    addend,
    addend_format,
    affine,
    have_heaps,
    late_of,
    product_format,
    product_heaps,
)
from hw.heap.program import Half, Lookup, Program
from hw.heap.search import (
    FoldedPrograms,
    folded_programs,
    magnitudes_program,
    program_of,
    searched,
    shipped,
)

__all__ = ["Bit", "FoldedPrograms", "Half", "Heap", "HeapSum", "Lookup", "MOST_HALVES", "PRODUCED",
           "Program", "addend", "addend_format", "affine", "compiled", "folded_programs",
           "have_heaps", "late_of", "magnitudes_program", "product_format", "product_heaps",
           "program_of", "searched", "shipped"]
