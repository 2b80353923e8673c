"""Shares of a tile's DSPs."""

from dataclasses import replace

from hw.blocks.folded import FoldedGrid
from hw.blocks.heaps import HeapGrid
from hw.tile.config import TileConfig
from hw.tile.dsps import Shares, block_of, requantizer_of, saved, shares


def config(weights="s4n", activations="s4", output="s4", **choices):
    return TileConfig.of(**{"weights": weights, "activations": activations, "output": output,
                            "target": "ecp5"} | choices)


def test_what_saves_more_comes_first():
    """A requantizer's two products of 18 bits and less save more than those of 4 bits."""
    sizes = requantizer_of(config()).multipliers
    assert sizes and min(map(saved, sizes)) > saved(16) > 0
    for dsp, expected in ((0, (0, 0)), (1, (1, 0)), (len(sizes), (len(sizes), 0)),
                          (len(sizes) + 16, (len(sizes), 1)), (None, (len(sizes), 4))):
        assert shares(config(dsp=dsp)) == Shares(*expected)


def test_all_requantizers_and_all_cells_get_as_many():
    two = config(outputs=2)
    count = len(requantizer_of(two).multipliers)
    assert shares(config(outputs=2, dsp=2 * count - 1)) == Shares(count - 1, 0)
    assert shares(config(outputs=2, dsp=2 * count + 31)) == Shares(count, 1)


def test_products_that_save_nothing_get_none():
    assert shares(config("s2n", "s2", "s2")).products == 0
    assert shares(config("binary", "binary", "s4", zero_points="none")).products == 0


def test_no_more_than_the_largest_device_has():
    large = config("s8n", "s8", "s8", rows=4, cols=8, lanes=8)
    count = shares(large)
    assert count.products == (156 - count.requantizer) // 32


def test_parts_have_their_shares():
    block, products = block_of(config(dsp=20)), shares(config(dsp=20)).products
    assert isinstance(block, HeapGrid) and block.cell.produced == products > 0
    assert requantizer_of(config(dsp=1)).fabric.dsp == 1


def test_the_largest_products_of_a_requantizer_come_first():
    """That of the weights' zero point is the first that is computed, and the smallest."""
    tile = config("s8n", "s8", "s8", zero_points="both", lanes=1)
    sizes = requantizer_of(tile).multipliers
    assert min(sizes) == sizes[0] < sorted(sizes)[1]
    for dsp in range(len(sizes) + 1):
        few = requantizer_of(replace(tile, dsp=dsp)).multipliers
        assert sorted(few) == sorted(sizes)[len(sizes) - dsp:]


def test_another_block_has_dsps_for_all_lanes_or_for_none():
    some, none = (block_of(config("codebook:-9/-2/0/5", "s8", "s8", dsp=dsp, rows=1, cols=1))
                  for dsp in (None, 3))
    assert none.fabric.dsp == 0 and some.fabric.dsp is None


def test_a_product_of_two_lanes_takes_a_dsp():
    paired = config("s8n", "s8", "s8", lanes=8, dsp=40, inner_product="winograd")
    assert shares(paired).products == (40 - shares(paired).requantizer) // 16 > 0
    block = block_of(paired)
    assert isinstance(block, FoldedGrid) and block.produced == shares(paired).products
    everything = config("s8n", "s8", "s8", lanes=4, rows=1, cols=2, inner_product="winograd")
    assert shares(everything).products == 2
