# amaranth: UnusedElaboratable=no
"""Blocks of bit heaps, on the ECP5's carry cells."""

import numpy as np
import pytest

from golden.formats import parse
from hw.blocks import block_for
from hw.blocks.floats import FloatGrid, FloatHeapGrid
from hw.blocks.heaps import HeapGrid
from hw.emit import modules
from hw.targets.fabric import ECP5, GENERIC
from hw.tile.config import TileConfig
from sim.jobs import expected
from sim.streams import measure_latency, measure_throughput, transform
from sim.vectors import verification_phases
from sim.verify import verify
from sim.verilator import available
from tests.compiled import compiled
from tests.hw.blocks.test_blocks import golden_sums, payloads, random_beats, sums_of

needs_verilator = pytest.mark.skipif(available() is not None, reason=str(available()))


def block(weights, activations, rows, cols, lanes, fabric=ECP5):
    return block_for(fabric=fabric, weights=parse(weights), activations=parse(activations),
                     rows=rows, cols=cols, lanes=lanes)


@pytest.mark.parametrize("weights, activations", [
    ("s4n", "s4"), ("u8", "s8"), ("s16", "s16"), ("odd4", "u4"), ("ternary", "s4"),
    ("binary", "binary")])
def test_integers_and_odd_levels_have_heaps_where_the_fabric_has_cells(weights, activations):
    assert type(block(weights, activations, 1, 1, 4)) is HeapGrid
    assert type(block(weights, activations, 1, 1, 4, GENERIC)) is not HeapGrid


@pytest.mark.parametrize("weights, activations", [
    ("e4m3fn", "s4"), ("e2m1", "odd3"), ("codebook:-9/-2/0/5/100", "e5m2")])
def test_floats_have_heaps_of_magnitudes_there(weights, activations):
    assert type(block(weights, activations, 1, 1, 4)) is FloatHeapGrid
    assert type(block(weights, activations, 1, 1, 4, GENERIC)) is FloatGrid


@pytest.mark.parametrize("weights, activations", [
    ("codebook:-9/-2/0/5/100", "s4"), ("e2m1", "odd2"), ("e2m1", "ternary")])
def test_other_formats_have_not(weights, activations):
    assert type(block(weights, activations, 1, 1, 4)) is not HeapGrid


@pytest.mark.parametrize("weights, activations", [
    ("s4n", "s4"), ("u3", "s5"), ("s1", "s1"), ("u1", "s1"), ("u4", "u4"), ("odd4", "odd3"),
    ("s4", "odd2"), ("binary", "bit"), ("binary", "binary"), ("ternary", "s4"), ("u3", "ternary"),
    ("e2m1", "e2m1"), ("e4m3fn", "s4"), ("u3", "e5m2"), ("e3m2", "odd3"),
    ("codebook:-9/-2/0/5/100", "e2m3"), ("cfloat8_1_5_2:denormals=paper", "cfloat8_1_4_3")])
@pytest.mark.parametrize("rows, cols, lanes", [(2, 2, 1), (1, 2, 5)])
@pytest.mark.thinned(2)
def test_block_is_golden(rng, weights, activations, rows, cols, lanes):
    dut = block(weights, activations, rows, cols, lanes)
    a, w = random_beats(rng, dut, 24)
    received = transform(dut, payloads(dut, a, w), 24, stall_i=lambda: rng.random() < 0.3)
    np.testing.assert_array_equal(sums_of(dut, received), golden_sums(a, w))


@pytest.mark.parametrize("weights, activations, produced", [
    ("s4n", "s4", 1), ("u3", "s5", 5), ("odd4", "odd3", 2), ("ternary", "s4", 3)])
def test_products_of_dsps(weights, activations, produced, rng):
    dut = HeapGrid(weights=parse(weights), activations=parse(activations), rows=1, cols=2, lanes=5,
                   fabric=ECP5, produced=produced)
    a, w = random_beats(rng, dut, 24)
    received = transform(dut, payloads(dut, a, w), 24, stall_i=lambda: rng.random() < 0.3)
    np.testing.assert_array_equal(sums_of(dut, received), golden_sums(a, w))
    # Equal multipliers share a module.
    assert modules(dut, "block").count(" product_") >= produced


def test_every_pair_of_levels():
    dut = block("s4", "s4", 1, 1, 1)
    levels = dut.activations.levels()
    a, w = (axis.reshape(-1, 1, 1) for axis in np.meshgrid(levels, levels))
    received = transform(dut, payloads(dut, a, w), len(a))
    np.testing.assert_array_equal(sums_of(dut, received), golden_sums(a, w))


def test_latency_and_throughput(rng):
    dut = block("s4", "s4", 1, 2, 5)
    beats = payloads(dut, *random_beats(rng, dut, 12))
    assert measure_latency(dut, beats[0]) == dut.latency
    assert measure_throughput(dut, beats, 12) == 1


def test_cells_are_instances_in_the_verilog():
    dut = block("s4", "s4", 2, 2, 4)
    text = modules(dut, "block")
    program = dut.cell.sum.program
    assert 2 * text.count("CCU2C #(") == program.luts - len(program.lookups)
    # Equal cells share a module.
    assert text.count("\nmodule ") == 3


@needs_verilator
@pytest.mark.parametrize("weights, activations, lanes", [
    ("binary", "bit", 5), ("s4n", "s4", 3), pytest.param("s8", "u8", 4, marks=pytest.mark.slow),
    pytest.param("odd4", "s4", 4, marks=pytest.mark.slow)])
@pytest.mark.thinned(2)
def test_a_tile_of_heaps_in_its_verilog(weights, activations, lanes):
    config = TileConfig.of(weights=weights, activations=activations, output="s8", rows=1, cols=2,
                           lanes=lanes, depth=64, channels=4, target="ecp5")
    phases, _ = verification_phases(config)
    verify(config, compiled(config), phases, expected(config, phases), subject="Verilog",
           simulator="Verilator")
