"""Heaps: what is summed, what is compiled, and what the programs compute."""

import numpy as np
import pytest

from golden.formats import parse
from golden.ranges import dot_range
from hw.heap import (
    Program,
    addend,
    addend_format,
    affine,
    compiled,
    product_format,
    product_heaps,
    searched,
)
from hw.heap.policy import Policy
from sim.heaps import check

FORMATS = ["s1", "ternary", "u1", "s4", "u8", "binary", "odd4"]


def bits_of(values, width):
    return (values[..., None] >> np.arange(width) & 1).reshape(len(values), -1)


def inputs_of(weights, activations, lanes, rng, count, produced=0):
    """Wires of random codes that the formats have, and the sums."""
    def drawn(fmt):
        levels = fmt.levels()
        return levels[rng.integers(len(levels), size=(count, lanes))]

    x, w = drawn(activations), drawn(weights)
    wires = [bits_of(fmt.encode(each[:, produced:]).astype(np.int64), fmt.bits)
             for fmt, each in ((activations, x), (weights, w))]
    for own, other, levels in ((activations, weights, x), (weights, activations, w)):
        if factor := addend(own, other):
            codes = (levels - affine(own).offset) // affine(own).scale
            wires.append(bits_of(codes.sum(axis=1) * factor,
                                 addend_format(own, other, lanes).width))
    one, other = ((levels - affine(fmt).offset) // affine(fmt).scale
                  for fmt, levels in ((activations, x), (weights, w)))
    wires.append(bits_of((one * other)[:, :produced], product_format(weights, activations).width))
    return np.concatenate(wires, axis=1).T, (x * w).sum(axis=1)


def heaps_of(weights, activations, lanes, more: int | None = 0, produced=0):
    """Heaps with an accumulator, of the sum's width and more, if ``more`` is not None."""
    width = dot_range(weights, activations, lanes).format.width
    return product_heaps(weights, activations, lanes, total=0 if more is None else width + more,
                         produced=produced)


@pytest.mark.parametrize("weights", FORMATS)
@pytest.mark.parametrize("activations", FORMATS)
@pytest.mark.parametrize("lanes", [1, 5])
@pytest.mark.parametrize("more, produced", [(None, 0), (0, 0), (4, 0), (1, 1)])
@pytest.mark.thinned(2)
def test_a_heap_is_the_sum_and_its_program_too(weights, activations, lanes, more, produced, rng):
    weights, activations = parse(weights), parse(activations)
    if produced and weights == activations == parse("binary"):
        with pytest.raises(ValueError, match="^Produced must be 0 for two binary formats, not 1$"):
            heaps_of(weights, activations, lanes, more, produced)
        return
    wires, sums = inputs_of(weights, activations, lanes, rng, 300, produced)
    for heap in heaps_of(weights, activations, lanes, more, produced):
        np.testing.assert_array_equal(heap.value(wires), sums % 2**heap.width)
        before = rng.integers(0, 2**heap.total, 300)
        expected = (before + sums) % 2**(heap.total or heap.width)
        for seed in range(2):
            program = compiled(heap, Policy(seed))
            result = program.value(wires, bits_of(before, heap.total).T)
            np.testing.assert_array_equal(result, expected)
            check(heap, program)
            assert Program.from_json(program.to_json()) == program


def test_a_search_repeats_itself_and_gains():
    heaps = heaps_of(parse("s4"), parse("s4"), 8)
    short, long, again = (searched(heaps, tries=tries).program for tries in (1, 60, 60))
    assert long == again and long.luts < short.luts


def test_the_smaller_form_is_taken():
    """Ternary weights select: fewer bits than products of two bits."""
    heaps = heaps_of(parse("ternary"), parse("s8"), 4)
    products, selected = (searched([heap], tries=10).program.luts for heap in heaps)
    assert searched(heaps, tries=10).program.luts == selected < products


def test_shorter_chains_have_more_halves():
    [heap] = heaps_of(parse("s4"), parse("s4"), 8)
    long, short = (compiled(heap, Policy(0), most=most) for most in (72, 24))
    assert max(map(len, short.chains)) <= 24 < max(map(len, long.chains)) <= 72
    assert short.luts > long.luts
