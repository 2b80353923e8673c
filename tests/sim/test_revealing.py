"""Parameters of the vectors."""

import pytest

from golden.formats import parse
from golden.ranges import dot_range
from golden.requantize import requantize
from hw.tile.config import TileConfig
from sim.vectors import revealing_parameters


@pytest.mark.parametrize("output", ["s4", "u8", "s16"])
def test_the_largest_sum_is_the_largest_level(output):
    """So that a sum without its highest bit shows."""
    tile = TileConfig(weights=parse("s4n"), activations=parse("s4"), output=parse(output))
    largest = dot_range(tile.weights, tile.activations, 512).magnitude
    results = requantize([largest, largest // 2], tile.contract, tile.output,
                         revealing_parameters(tile, 512), unbiased=tile.unbiased)
    middle = 0 if tile.output.min < 0 else (tile.output.max + 1) // 2
    assert results[0] == tile.output.max
    assert abs(2 * (results[1] - middle) - (tile.output.max - middle)) <= 2
