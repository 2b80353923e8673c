"""Heaps of magnitudes with signs, their programs, and the check of these."""

import numpy as np
import pytest

from golden.ranges import Range
from hw.heap import compiled
from hw.heap.magnitudes import magnitudes_heap
from hw.heap.policy import Policy
from sim.certificates import check_magnitudes
from sim.heaps import NotExact, check
from tests.hw.heap.test_heap import bits_of
from tests.sim.test_heaps import refused


def reach_of(width, lanes):
    most = ((1 << width) - 1) * lanes
    return Range(-most, most)


@pytest.mark.parametrize("width, lanes", [(1, 1), (1, 7), (3, 3), (6, 2), (13, 1), (9, 5), (40, 3)])
@pytest.mark.parametrize("more", [None, 0, 3])
def test_heaps_and_programs(width, lanes, more, rng):
    """All magnitudes and signs of at most 14 bits together; else corners and others."""
    bits, reach = lanes * (width + 1), reach_of(width, lanes)
    wires = (np.arange(1 << bits) >> np.arange(bits)[:, None] & 1 if bits <= 14 else
             np.concatenate([np.repeat(rng.integers(2, size=(2 * lanes, 100)),
                                       [width, 1] * lanes, axis=0),
                             rng.integers(2, size=(bits, 300))], axis=1))
    numbers = wires.reshape(lanes, width + 1, -1).astype(object)
    magnitudes = (numbers[:, :-1] * (1 << np.arange(width, dtype=object))[:, None]).sum(axis=1)
    sums = np.where(numbers[:, -1] == 1, -magnitudes, magnitudes).sum(axis=0)
    total = 0 if more is None else reach.format.width + more
    heap = magnitudes_heap(width, lanes, reach, total=total)
    np.testing.assert_array_equal(heap.value(wires), sums % (1 << heap.width))
    program = compiled(heap, Policy(lanes))
    check_magnitudes(program, width, lanes, reach)
    before = rng.integers(0, 1 << total, wires.shape[1])
    np.testing.assert_array_equal(program.value(wires, bits_of(before, total).T),
                                  (before + sums) % (1 << (total or heap.width)))


def test_changes_that_compute_another_sum_are_refused(rng):
    heap = magnitudes_heap(3, 4, reach_of(3, 4), total=8)
    wires = rng.integers(2, size=(heap.inputs, 400))
    refused(heap, compiled(heap, Policy(1)), wires, rng, 60)


def test_programs_of_another_heap_are_refused():
    program = compiled(magnitudes_heap(3, 4, reach_of(3, 4)), Policy(0))
    for width, lanes in ((4, 3), (2, 4), (3, 5)):
        with pytest.raises(NotExact):
            check_magnitudes(program, width, lanes, reach_of(width, lanes))
    # A sign's weight left out.
    heap = magnitudes_heap(3, 4, reach_of(3, 4))
    with pytest.raises(NotExact, match="Constants must be 0"):
        check(heap, compiled(type(heap)(heap.inputs, heap.range, heap.positive,
                                        constant=heap.constant + 8), Policy(0)))
