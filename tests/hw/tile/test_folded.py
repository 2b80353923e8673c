# amaranth: UnusedElaboratable=no
"""A tile of an inner product of codes: what it refuses, its totals, and the driver's fold."""

import re
from dataclasses import replace

import numpy as np
import pytest

from golden import ops
from golden.formats import IntFormat, parse
from golden.inner_products import weights_term
from golden.ranges import Range
from golden.requantize import requantize
from hw import drive
from hw.tile.array import MacArray
from hw.tile.config import TileConfig
from sim.jobs import expected, matmul
from sim.vectors import verification_phases
from sim.verify import verify
from sim.verilator import available
from tests.compiled import compiled

SHAPE = {"weights": "s3", "activations": "u2", "output": "s8", "rows": 2, "cols": 2, "lanes": 2,
         "depth": 32, "channels": 4, "target": "ecp5", "dsp": 0, "inner_product": "winograd"}
TILE = TileConfig.of(**SHAPE)
CODES = replace(TILE, inner_product="codes")


@pytest.mark.parametrize("other, message", [
    ({"target": "generic", "dsp": None}, "Inner product must be direct for target generic, which "
                                         "has no carry cells, not winograd"),
    ({"weights": "odd2"}, "Inner product must be direct for weights of format odd2, "
                          "not winograd"),
    ({"activations": "e2m1", "zero_points": "none"},
     "Inner product must be direct for activations of format e2m1, not winograd"),
    ({"weights": "codebook2:loaded=s4"}, "Inner product must be direct for weights of "
     "format codebook2:loaded=s4, not winograd"),
    ({"lanes": 3}, "Lanes must be even for inner product winograd, not 3"),
    ({"zero_points": "both"}, "Inner product must be direct where weights have zero points, not "
                              "winograd"),
    ({"parameters": {"bias": 0}}, "Inner product must be direct where parameters are fixed, since "
     "their bias is to have a term of the weights, not winograd"),
    ({"inner_product": "codes", "weights": "u3"}, "Inner product must be direct for weights "
     "without a sign, u3, not codes"),
    ({"inner_product": "codes", "zero_points": "both"}, "Inner product must be direct where "
     "weights have zero points, not codes"),
    ({"inner_product": "pairs"}, "Inner product must be one of direct, codes, winograd, not "
     "'pairs'")])
def test_what_is_refused(other, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        TileConfig.of(**SHAPE | other)


def test_what_follows_from_the_choice():
    # For each pair of lanes, weights of -4 and 3, activations of 0 and 3.
    assert TILE.sums == Range(16 * -24, 16 * 67)
    assert TILE.accumulator == TILE.sums.format == IntFormat(12)
    assert TILE.name == "mac_s3_u2_s8_2x2x2_d32_c4_ecp5_dsp0_winograd"
    # One beat of two lanes is added without a carry out of the accumulator.
    least = replace(TILE, weights=parse("s2"), activations=parse("s2"), depth=2)
    assert least.sums == Range(-12, 15) and least.accumulator == IntFormat(6)
    # Weights of -4 and 3, codes of activations of 0 and 3.
    assert CODES.sums == Range(32 * -12, 32 * 9)
    assert CODES.name == "mac_s3_u2_s8_2x2x2_d32_c4_ecp5_dsp0_codes"
    direct = replace(TILE, inner_product="direct")
    assert "term" not in MacArray(direct).o.payload.shape().members
    assert MacArray(TILE).latency > MacArray(direct).latency


@pytest.mark.skipif(available() is not None, reason=str(available()))
@pytest.mark.parametrize("tile", [TILE, CODES, replace(CODES, activations=parse("s2"))])
@pytest.mark.thinned(3)
def test_a_tile_in_its_verilog(rng, tile):
    """Vectors of a verification, then a product of matrices whose bias the driver has folded."""
    phases, _ = verification_phases(tile)
    verify(tile, compiled(tile), phases, expected(tile, phases), subject="Verilog",
           simulator="Verilator")
    # A depth that leaves a lane, more channels than a set, and another zero point.
    lo, hi = tile.activations.min, tile.activations.max
    x, w = rng.integers(lo, hi + 1, (3, 31)), rng.integers(-4, 4, (5, 31))
    x[0], w[0], w[1] = hi, -4, 3
    own = {"bias": rng.integers(-99, 100, 5), "multiplier": np.full(5, 1 << 30),
           "shift": np.full(5, 31), "zero_point": np.full(5, -3),
           "clamp_min": np.full(5, -128), "clamp_max": np.full(5, 127)}
    folded = drive.fold(tile, w, own, zero_point=1)
    found, _ = matmul(tile, compiled(tile), x, w, folded)
    sums = ops.matmul(x - 1, w.T)
    np.testing.assert_array_equal(found, requantize(
        sums, tile.contract, tile.output, own, unbiased=tile.unbiased))


def test_the_fold_takes_the_weights_term_from_the_bias(rng):
    w = rng.integers(-4, 4, (4, 5))
    own = {name: np.zeros(4, int) for name in TILE.record}
    folded = drive.fold(TILE, w, own)
    with_idle = np.concatenate([w, np.zeros((4, 1), int)], axis=1)
    np.testing.assert_array_equal(folded["bias"].astype(int), -weights_term(
        "winograd", with_idle, TILE.weights, TILE.activations))
    plain = drive.fold(replace(TILE, inner_product="direct"), w, own)
    assert not plain["bias"].any()


def test_a_bias_that_leaves_its_format_is_refused():
    own = {name: np.zeros(4, int) for name in TILE.record} | {"bias": np.full(4, -1 << 31)}
    with pytest.raises(ValueError, match="^Bias with zero points and the weights' term must be in "
                                         r"range \[-2147483648, 2147483647\] of s32, not "
                                         "-2147483652 at index 0$"):
        drive.fold(TILE, np.zeros((4, 2), int) + [[-2, -2]], own)
