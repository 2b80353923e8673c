"""What a tile's sums take with each inner product."""

from dataclasses import replace

import pytest

from golden.formats import parse
from hw.tile.config import TileConfig
from hw.tile.dsps import block_of
from hw.tile.inner_products import inner_products, smallest

WIDE = {"weights": parse("s2"), "activations": parse("s2"), "cols": 16, "lanes": 8}
TILE = TileConfig.of(weights="s4n", activations="s4", output="s4", lanes=4, target="ecp5", dsp=0)


def test_a_rows_term_is_shared_by_its_columns():
    narrow, wide = (inner_products(replace(TILE, cols=cols)) for cols in (4, 8))
    cell = block_of(replace(TILE, inner_product="winograd")).cell
    # Four rows, and one output that subtracts.
    width = replace(TILE, inner_product="winograd").accumulator.width
    term = cell.programs.activations.luts + (2 + TILE.outputs / 4) * width
    assert narrow["winograd"] == (4 * (4 * sum(cell.luts) + term), 0)
    assert wide["winograd"].lut - 2 * narrow["winograd"].lut == -4 * term
    assert wide["direct"] == (2 * narrow["direct"].lut, 0)


@pytest.mark.parametrize("choices, name", [
    ({"cols": 1, "rows": 1}, "direct"), (WIDE, "codes"), (WIDE | {"cols": 1}, "direct"),
    ({"zero_points": "both"}, "direct"), ({"target": "generic", "dsp": None}, "direct")])
def test_the_smallest_depends_on_the_shape(choices, name):
    tile = replace(TILE, **choices)
    assert smallest(tile) == replace(tile, inner_product=name)


def test_dsps_are_counted():
    found = inner_products(replace(TILE, dsp=None))
    # One for two products.
    assert (found["direct"].dsp, found["winograd"].dsp) == (64, 32)


@pytest.mark.parametrize("choices, names", [
    ({"lanes": 3}, ["direct", "codes"]), ({"weights": parse("u4")}, ["direct", "winograd"]),
    ({"zero_points": "both"}, ["direct"]),
    ({"target": "generic", "dsp": None}, [])])
def test_where_there_is_no_choice(choices, names):
    assert list(inner_products(replace(TILE, **choices))) == names
