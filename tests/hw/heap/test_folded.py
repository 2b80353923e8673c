"""Heaps of inner products of codes, their programs, and the check of these."""

from dataclasses import replace

import numpy as np
import pytest

from golden.formats import IntFormat, parse
from golden.inner_products import offset, products_range, weights_term
from hw.heap import FoldedPrograms, compiled, shipped
from hw.heap.folded import activations_heap, folded_products_heap, pair_sums_heap
from hw.heap.longer import DEPTH, FOLDED
from hw.heap.policy import Policy
from sim.certificates import check_folded
from sim.heaps import NotExact
from tests.hw.heap.test_heap import bits_of
from tests.sim.test_heaps import refused

# Every code of two lanes, or too many.
EVERY = [(IntFormat(2), IntFormat(2)), (IntFormat(2), IntFormat(5, signed=False)),
         (IntFormat(4, signed=False), IntFormat(2)), (IntFormat(3), IntFormat(4))]
SOME = [(IntFormat(8), IntFormat(8), 4), (IntFormat(8), IntFormat(8, signed=False), 2),
        (IntFormat(5, signed=False), IntFormat(16), 6)]


def inputs_of(weights, activations, lanes, rng):
    """Wires of codes, then levels of activations and weights.

    All, if there are at most 2^14, or corners and others; activations' codes are never negative.
    """
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
    numbers = [(part << np.arange(part.shape[1])).sum(axis=1) for part in parts]
    levels = [*(each - offset(activations) for each in numbers[:lanes]),
              *map(weights.decode, numbers[lanes:])]
    return codes.T, np.stack(levels[:lanes], axis=1), np.stack(levels[lanes:], axis=1)


def heaps_of(kind, weights, activations, lanes, total=0):
    """Heaps of an inner product: sums, which only Winograd's has, products and term."""
    return (pair_sums_heap(weights, activations, lanes) if kind == "winograd" else None,
            folded_products_heap(kind, weights, activations, lanes, total=total),
            activations_heap(kind, weights, activations, lanes))


def programs_of(heaps, seed=0):
    return FoldedPrograms(*(None if heap is None else compiled(heap, Policy(seed + place))
                            for place, heap in enumerate(heaps)))


def factors(programs, wires):
    """Wires of the products' factors: those of the codes, or digits of their sums."""
    if programs.sums is None:
        return wires
    return np.array([[int(number) >> k & 1 for number in programs.sums.value(wires)]
                     for k in range(programs.products.inputs)])


@pytest.mark.parametrize("kind, weights, activations, lanes", [
    *((kind, *formats, 2) for formats in EVERY for kind in ("codes", "winograd")
      if kind == "winograd" or formats[0].signed),
    *(("winograd", *shape) for shape in SOME), ("codes", IntFormat(8), IntFormat(8), 3),
    ("codes", IntFormat(5), IntFormat(16, signed=False), 5)])
@pytest.mark.parametrize("more", [None, 0, 3])
def test_heaps_and_programs(kind, weights, activations, lanes, more, rng):
    wires, a, w = inputs_of(weights, activations, lanes, rng)
    width = products_range(kind, weights, activations, lanes).format.width
    total = 0 if more is None else width + more
    heaps = heaps_of(kind, weights, activations, lanes, total)
    programs = programs_of(heaps)
    check_folded(programs, kind, weights, activations, lanes)
    if programs.sums is not None:
        assert programs.sums.latency == 1
        np.testing.assert_array_equal(programs.sums.value(wires), heaps[0].value(wires))
    before = rng.integers(0, 1 << total, a.shape[0])
    found = programs.products.value(factors(programs, wires), bits_of(before, total).T)
    term = programs.activations.value(wires[:lanes * activations.width])
    own, other = a + offset(activations), w + offset(weights)
    pairs, products = (own[:, ::2] * own[:, 1::2]).sum(axis=1) if kind == "winograd" else 0, (
        (own[:, ::2] + other[:, 1::2]) * (own[:, 1::2] + other[:, ::2])
        if kind == "winograd" else own * other).sum(axis=1)
    np.testing.assert_array_equal(term, pairs + offset(weights) * own.sum(axis=1))
    np.testing.assert_array_equal(found, (before + products) % (1 << (total or width)))
    np.testing.assert_array_equal(products - term, (a * w).sum(axis=1)
                                  + weights_term(kind, w, weights, activations))


@pytest.mark.parametrize("kind, which", [
    ("codes", 1), ("codes", 2), ("winograd", 0), ("winograd", 1), ("winograd", 2)])
def test_changes_that_compute_another_sum_are_refused(kind, which, rng):
    shape = IntFormat(3), IntFormat(2, signed=False), 4
    total = products_range(kind, *shape).format.width
    heaps = heaps_of(kind, *shape, total)
    heap, wires = heaps[which], rng.integers(2, size=(heaps[which].inputs, 400))
    if which == 1:  # sums that occur
        wires = factors(programs_of(heaps), inputs_of(*shape, rng)[0])
    refused(heap, compiled(heap, Policy(1)), wires, rng, 60)


def test_all_shapes_are_shipped():
    assert {(kind, weights, activations, lanes) for kind in ("codes", "winograd")
            for weights, activations, lanes, _ in shipped(kind)
            } == {(kind, parse(weights), parse(activations), lanes)
                  for kind, weights, activations, lanes in FOLDED}
    assert DEPTH == 1024  # of the default tile


@pytest.mark.parametrize("kind, which", [
    ("codes", 1), ("codes", 2), ("winograd", 0), ("winograd", 1), ("winograd", 2)])
def test_programs_of_another_heap_are_refused(kind, which):
    shape = IntFormat(3), IntFormat(3), 4
    programs = programs_of(heaps_of(kind, *shape, 10))
    check_folded(programs, kind, *shape)
    # Its first register delays another wire.
    program = programs[which]
    wire, source = program.registers[0]
    broken = replace(program, registers=((wire, source + 1), *program.registers[1:]))
    with pytest.raises(NotExact):
        check_folded(programs._replace(**{programs._fields[which]: broken}), kind, *shape)
