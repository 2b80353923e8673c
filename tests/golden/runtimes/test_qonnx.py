"""Contract ``thresholds`` against QONNX, which FINN's networks are made of.

Its function for MultiThreshold is called without the operator around it.
"""

import numpy as np
import pytest

from golden.contracts import parse as contract
from golden.formats import parse
from golden.requantize import requantize
from tests.golden.runtimes.comparisons import compares

multithreshold = pytest.importorskip(
    "qonnx.custom_op.general.multithreshold", reason="qonnx is not installed").multithreshold


@compares("thresholds", "multithreshold")
@pytest.mark.parametrize("name", ["u1", "binary", "ternary", "s2", "u4", "s4", "odd4", "s4n", "u6",
                                  "s8", "codebook:-7/-3/0/1/30"])
@pytest.mark.parametrize("near", [False, True])
def test_multithreshold(name, near, rng):
    """112,000 sums for each format, of the whole of int32, or at and next to the thresholds."""
    fmt = parse(name)
    levels = fmt.levels()
    thresholds = np.sort(rng.integers(-2**31, 2**31, (8, len(levels) - 1)), axis=1)
    thresholds[:, -1] = thresholds[:, max(len(levels) - 3, 0)]  # two may be equal
    thresholds.sort(axis=1)
    if near:
        around = np.take_along_axis(
            thresholds, rng.integers(0, len(levels) - 1, (8, 14_000)), axis=1).T
        sums = np.clip(around + rng.integers(-1, 2, around.shape), -2**31, 2**31 - 1)
    else:
        sums = rng.integers(-2**31, 2**31, (14_000, 8))
    ladder = {f"threshold_{k}": each for k, each in enumerate(thresholds.T, 1)}
    found = requantize(sums, contract("thresholds"), fmt, {"bias": 0, **ladder})
    # float64 holds every sum.
    places = multithreshold(sums.astype(np.float64), thresholds.astype(np.float64))
    np.testing.assert_array_equal(found, levels[places.astype(np.int64)])
    step = np.diff(levels)
    if (step == step[0]).all():
        scaled = multithreshold(sums.astype(np.float64), thresholds.astype(np.float64),
                                out_scale=float(step[0]), out_bias=float(levels[0]))
        np.testing.assert_array_equal(found, scaled)
    return found.size
