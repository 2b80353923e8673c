# amaranth: UnusedElaboratable=no
"""Inner products of codes as blocks."""

import re
from itertools import product

import numpy as np
import pytest

from golden.formats import parse
from golden.inner_products import weights_term
from hw.blocks import block_for
from hw.blocks.folded import EDGE, FoldedDot, FoldedGrid, FoldedTerm
from hw.emit import modules
from hw.targets.fabric import ECP5
from sim.certificates import check_folded
from sim.streams import measure_latency, measure_throughput, transform
from tests.hw.blocks.test_blocks import golden_sums, payloads, random_beats, sums_of


def block(weights, activations, rows, cols, lanes, kind="winograd"):
    return block_for(fabric=ECP5, weights=parse(weights), activations=parse(activations),
                     rows=rows, cols=cols, lanes=lanes, inner_product=kind)


def expected(dut, a, w):
    return golden_sums(a, w) + weights_term(dut.kind, w, dut.weights, dut.activations)[:, None]


@pytest.mark.parametrize("weights, activations, rows, cols, lanes, kind", [
    ("s4n", "s4", 2, 2, 2, "winograd"), ("u3", "s5", 1, 2, 6, "winograd"),
    ("ternary", "u2", 2, 1, 4, "winograd"), ("s4n", "s4", 2, 2, 3, "codes"),
    ("s3", "u5", 1, 2, 5, "codes"), ("ternary", "s2", 2, 1, 1, "codes")])
def test_block_is_golden(rng, weights, activations, rows, cols, lanes, kind):
    dut = block(weights, activations, rows, cols, lanes, kind)
    a, w = random_beats(rng, dut, 24)
    received = transform(dut, payloads(dut, a, w), 24, stall_i=lambda: rng.random() < 0.3)
    np.testing.assert_array_equal(sums_of(dut, received), expected(dut, a, w))


@pytest.mark.parametrize("kind, weights, activations, lanes, produced", [
    ("winograd", "s4", "u3", 6, 2), ("winograd", "s3", "s3", 4, 2), ("codes", "s4", "s3", 5, 2),
    ("codes", "s3", "u4", 2, 2)])
def test_products_of_dsps(rng, kind, weights, activations, lanes, produced):
    dut = FoldedGrid(kind=kind, weights=parse(weights), activations=parse(activations), rows=1,
                     cols=2, lanes=lanes, fabric=ECP5, produced=produced)
    a, w = random_beats(rng, dut, 24)
    received = transform(dut, payloads(dut, a, w), 24, stall_i=lambda: rng.random() < 0.3)
    np.testing.assert_array_equal(sums_of(dut, received), expected(dut, a, w))
    check_folded(dut.cell.programs, kind, dut.weights, dut.activations, lanes, produced)
    # Equal multipliers share a module.
    assert modules(dut, "block").count(" product_") >= produced


@pytest.mark.parametrize("kind", ["codes", "winograd"])
def test_every_pair_of_levels(kind):
    """All levels of two lanes: 16 vectors of activations meet 16 of weights."""
    dut = block("s2", "s2", 4, 4, 2, kind)
    pairs = np.array(list(product(dut.weights.levels().tolist(), repeat=2))).reshape(4, 4, 2)
    a, w = pairs[np.arange(16) // 4], pairs[np.arange(16) % 4]
    received = transform(dut, payloads(dut, a, w), 16)
    np.testing.assert_array_equal(sums_of(dut, received), expected(dut, a, w))


def test_latency_and_throughput(rng):
    dut = block("s4", "s4", 1, 2, 2)
    beats = payloads(dut, *random_beats(rng, dut, 12))
    assert measure_latency(dut, beats[0]) == dut.latency
    assert measure_throughput(dut, beats, 12) == 1


def test_a_term_that_takes_longer_delays_the_cells(rng, monkeypatch):
    """The codes wait in front of the cells, once for each vector."""
    monkeypatch.setattr(FoldedGrid, "latency", block("s4", "s4", 1, 2, 2).latency + 3)
    dut = block("s4", "s4", 1, 2, 2)
    a, w = random_beats(rng, dut, 12)
    received = transform(dut, payloads(dut, a, w), 12, stall_i=lambda: rng.random() < 0.3)
    np.testing.assert_array_equal(sums_of(dut, received), expected(dut, a, w))
    assert measure_latency(dut, payloads(dut, a, w)[0]) == dut.latency


def test_cells_are_instances_in_the_verilog():
    dut = block("s4", "s4", 2, 2, 2)
    text, programs = modules(dut, "block"), dut.cell.programs
    assert 2 * text.count("CCU2C #(") == sum(
        program.luts - len(program.lookups) for program in programs)
    # Block, cell, register, term, and three heaps: equal cells share a module, so do equal terms.
    assert text.count("\nmodule ") == 7


def test_what_cannot_be_built_is_refused():
    s4 = parse("s4")
    with pytest.raises(ValueError, match="^Lanes must be even for inner product winograd, not 3$"):
        block("s4", "s4", 1, 1, 3)
    with pytest.raises(ValueError, match="^Inner product must be direct for weights of "
                                         "format odd2, not winograd$"):
        FoldedDot(kind="winograd", weights=parse("odd2"), activations=s4, lanes=2, fabric=ECP5)
    with pytest.raises(ValueError, match=r"^Products of DSPs must be in range \[0, 1\], not 2$"):
        FoldedDot(kind="winograd", weights=s4, activations=s4, lanes=2, fabric=ECP5, produced=2)
    least = block("s4", "s4", 1, 1, 2).term(99)._program.latency + EDGE
    with pytest.raises(ValueError, match=re.escape(
            f"Latency must be at least {least}, not {least - 1}") + "$"):
        FoldedTerm(kind="winograd", weights=s4, activations=s4, lanes=2, fabric=ECP5,
                   latency=least - 1)
