# amaranth: UnusedElaboratable=no

import pytest

from golden.formats import parse
from hw.blocks import block_for
from hw.flow import mapping
from hw.flow.compare import compare, compared_shape
from hw.targets.fabric import GENERIC


def block(weights, activations, rows, cols, lanes):
    return block_for(fabric=GENERIC, weights=parse(weights), activations=parse(activations),
                     rows=rows, cols=cols, lanes=lanes)


@pytest.mark.parametrize("weights, activations, shape, compared", [
    ("binary", "bit", (4, 4, 4), (4, 4, 4)), ("odd4", "odd4", (4, 4, 4), (4, 4, 4)),
    ("odd4", "odd4", (8, 8, 4), (2, 2, 4)), ("odd8", "odd8", (1, 4, 8), (1, 2, 8)),
    ("odd8", "odd8", (4, 4, 8), (1, 1, 8)), ("e4m3fn", "e4m3fn", (4, 4, 4), (1, 1, 1)),
    ("cfloat8_1_5_2", "s16", (4, 4, 4), (1, 1, 1))])
def test_what_takes_long_is_compared_in_small(weights, activations, shape, compared):
    assert compared_shape(block(weights, activations, *shape)) == compared


def test_a_block_beside_the_plain_one():
    found = compare(block("binary", "binary", 2, 1, 16), mapping.parse("ice40"))
    assert (found.rows, found.cols, found.lanes) == (2, 1, 16)
    assert found.chosen.target == found.plain.target == "ice40"
    # One compressor of full adders against 16 products and their tree.
    assert 0 < found.chosen.lut < found.plain.lut / 1.5
    assert 0 < found.chosen.ff < found.plain.ff / 2
