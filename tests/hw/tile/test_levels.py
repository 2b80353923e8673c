# amaranth: UnusedElaboratable=no
"""Formats other than integers on a tile: what does not show in its parts."""

import re

import numpy as np
import pytest

from golden.contracts import parse as contract
from golden.formats import INFINITY, NAN, parse
from golden.multipliers import scale_parameters
from golden.networks import Quantization
from hw import emit
from hw.bus.axi_tile import AxiTile
from hw.tile.config import TileConfig
from sim.jobs import expected
from sim.vectors import random_phase


def tile(weights, activations, output):
    return TileConfig(weights=parse(weights), activations=parse(activations), output=parse(output),
                      rows=1, cols=1, lanes=2, depth=16, channels=1)


def text(config):
    """The Verilog, but for the line that says what it is."""
    return emit.verilog(AxiTile(config), "tile").split("\n", 1)[1]


@pytest.mark.slow
def test_an_exponent_bias_is_not_in_the_hardware():
    one = tile("cfloat8_1_4_3", "cfloat8_1_5_2", "cfloat8_1_4_3")
    other = tile("cfloat8_1_4_3:bias=0", "cfloat8_1_5_2:bias=63", "cfloat8_1_4_3:bias=40")
    assert text(one) == text(other)
    paper = tile("cfloat8_1_4_3:denormals=paper", "cfloat8_1_5_2", "cfloat8_1_4_3")
    assert text(one) != text(paper)


@pytest.mark.parametrize("bias", [0, 3, 9])
def test_a_bias_moves_the_shift(bias):
    """At run time it changes by other parameters: eight steps more of a weight's bias, 8 places."""
    usual, moved = (Quantization(parse(f"cfloat8_1_4_3:bias={each}"), 0.75)
                    for each in (bias, bias + 8))
    way, sums = contract("half_up"), parse("s16")
    before, after = (scale_parameters(way, float(each.step) * 2.0**-4, sums)
                     for each in (usual, moved))
    assert after["shift"] - before["shift"] == 8
    assert after["multiplier"] == before["multiplier"]


def test_names_of_modules():
    config = tile("cfloat8_1_4_3:bias=12", "codebook:-1/0/5", "e4m3fn")
    assert re.fullmatch(
        "mac_cfloat8_1_4_3_bias_12_codebook2_e4m3fn_1x1x2_d16_c1_[0-9a-f]{6}", config.name)


@pytest.mark.parametrize("output", ["e5m2", "s8"])
def test_specials_need_an_output_that_has_them(output):
    with pytest.raises(ValueError, match=rf"^Output must be a format whose specials propagate, as "
                                         rf"an operand's do, not {output}$"):
        tile("e4m3fn:specials=propagate", "s8", output)


def test_vectors_have_specials_that_reach_the_output(rng):
    """NaN, both infinities and numbers: each among the results that the Verilog is held to."""
    config = TileConfig(
        weights=parse("e5m2:specials=propagate"), activations=parse("e5m2:specials=propagate"),
        output=parse("e5m2:specials=propagate"), rows=2, cols=2, lanes=2, depth=32)
    want = expected(config, [random_phase(config, rng, jobs=400)])
    assert {NAN, INFINITY, -INFINITY} <= set(want.ravel().tolist())
    assert (np.abs(want) < NAN).mean() > 0.3
