"""Heaps of Winograd's inner product, their programs, and the check of these."""

from dataclasses import replace

import numpy as np
import pytest

from golden.formats import IntFormat, parse
from golden.winograd import offset, products_range, weights_term
from hw.heap import PairPrograms, compiled, shipped_pairs
from hw.heap.longer import DEPTH, PAIRS
from hw.heap.pairs import activations_heap, pair_products_heap, pair_sums_heap
from hw.heap.policy import Policy
from sim.certificates import check_pairs
from sim.heaps import NotExact
from tests.hw.heap.test_heap import bits_of
from tests.sim.test_heaps import refused

# Every code of two lanes, or too many.
EVERY = [(IntFormat(2), IntFormat(2)), (IntFormat(2), IntFormat(5, signed=False)),
         (IntFormat(4, signed=False), IntFormat(2)), (IntFormat(3), IntFormat(4))]
SOME = [(IntFormat(8), IntFormat(8), 4), (IntFormat(8), IntFormat(8, signed=False), 2),
        (IntFormat(5, signed=False), IntFormat(16), 6)]


def inputs_of(weights, activations, lanes, rng):
    """Levels of activations and weights: all, if there are at most 2^14, or corners and others."""
    bits = lanes * (weights.width + activations.width)
    if bits <= 14:
        codes = np.arange(1 << bits)[:, None] >> np.arange(bits) & 1
    else:
        corners = rng.integers(2, size=(100, 2 * lanes)).repeat(
            [activations.width] * lanes + [weights.width] * lanes, axis=1)
        tops = np.cumsum([activations.width] * lanes + [weights.width] * lanes) - 1
        corners[50:, tops] ^= 1
        codes = np.concatenate([corners, rng.integers(2, size=(300, bits))])
    ends = np.cumsum([activations.width] * lanes + [weights.width] * lanes)[:-1]
    parts = np.split(codes, ends, axis=1)
    levels = [fmt.decode((part << np.arange(fmt.width)).sum(axis=1)) for fmt, part in zip(
        [activations] * lanes + [weights] * lanes, parts, strict=True)]
    return codes.T, np.stack(levels[:lanes], axis=1), np.stack(levels[lanes:], axis=1)


@pytest.mark.parametrize("weights, activations, lanes", [
    *((*formats, 2) for formats in EVERY), *SOME])
@pytest.mark.parametrize("more", [None, 0, 3])
def test_heaps_and_programs(weights, activations, lanes, more, rng):
    wires, a, w = inputs_of(weights, activations, lanes, rng)
    width = products_range(weights, activations, lanes // 2).format.width
    total = 0 if more is None else width + more
    heaps = (pair_sums_heap(weights, activations, lanes),
             pair_products_heap(weights, activations, lanes, total=total),
             activations_heap(weights, activations, lanes))
    programs = PairPrograms(*(compiled(heap, Policy(seed)) for seed, heap in enumerate(heaps)))
    assert programs.sums.latency == 1
    check_pairs(programs, weights, activations, lanes)
    sums = programs.sums.value(wires)
    np.testing.assert_array_equal(sums, heaps[0].value(wires))
    digits = np.array([[int(number) >> k & 1 for number in sums]
                       for k in range(heaps[1].inputs)])
    before = rng.integers(0, 1 << total, a.shape[0])
    found = programs.products.value(digits, bits_of(before, total).T)
    term = programs.activations.value(wires[:lanes * activations.width])
    own, other = a + offset(activations), w + offset(weights)
    np.testing.assert_array_equal(term, (own[:, ::2] * own[:, 1::2]).sum(axis=1)
                                  + offset(weights) * own.sum(axis=1))
    pairs = ((own[:, ::2] + other[:, 1::2]) * (own[:, 1::2] + other[:, ::2])).sum(axis=1)
    np.testing.assert_array_equal(found, (before + pairs) % (1 << (total or width)))
    np.testing.assert_array_equal(pairs - term, (a * w).sum(axis=1)
                                  + weights_term(w, weights, activations))


@pytest.mark.parametrize("which", range(3))
def test_changes_that_compute_another_sum_are_refused(which, rng):
    weights, activations, lanes = IntFormat(3), IntFormat(2, signed=False), 4
    total = products_range(weights, activations, lanes // 2).format.width
    heap = (pair_sums_heap(weights, activations, lanes),
            pair_products_heap(weights, activations, lanes, total=total),
            activations_heap(weights, activations, lanes))[which]
    wires = rng.integers(2, size=(heap.inputs, 400))
    if which == 1:  # sums that occur
        wires, _, _ = inputs_of(weights, activations, lanes, rng)
        sums = compiled(pair_sums_heap(weights, activations, lanes), Policy(1)).value(wires)
        wires = np.array([[int(number) >> k & 1 for number in sums]
                          for k in range(heap.inputs)])
    refused(heap, compiled(heap, Policy(1)), wires, rng, 60)


def test_all_shapes_are_shipped():
    assert {(weights, activations, lanes) for weights, activations, lanes, _ in shipped_pairs()
            } == {(parse(weights), parse(activations), lanes)
                  for weights, activations, lanes in PAIRS}
    assert DEPTH == 1024  # of the default tile


@pytest.mark.parametrize("which", range(3))
def test_programs_of_another_heap_are_refused(which):
    shape, total = (IntFormat(3), IntFormat(3), 4), 10
    heaps = (pair_sums_heap(*shape), pair_products_heap(*shape, total=total),
             activations_heap(*shape))
    programs = PairPrograms(*(compiled(heap, Policy(0)) for heap in heaps))
    check_pairs(programs, *shape)
    with pytest.raises(NotExact):
        # Its first register delays another wire.
        wire, source = programs[which].registers[0]
        registers = ((wire, source + 1), *programs[which].registers[1:])
        check_pairs(PairPrograms(*(replace(each, registers=registers) if place == which else each
                                   for place, each in enumerate(programs))), *shape)
