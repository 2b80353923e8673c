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
    PairPrograms,
    magnitudes_program,
    pair_programs,
    program_of,
    searched,
    shipped,
    shipped_pairs,
)

__all__ = ["Bit", "Half", "Heap", "HeapSum", "Lookup", "MOST_HALVES", "PRODUCED", "PairPrograms",
           "Program", "addend", "addend_format", "affine", "compiled", "have_heaps", "late_of",
           "magnitudes_program",
           "pair_programs", "product_format", "product_heaps", "program_of", "searched", "shipped",
           "shipped_pairs"]
