# amaranth: UnusedElaboratable=no
"""Requantizers to levels that are not integers."""

import numpy as np
import pytest

from golden.formats import parse
from golden.ranges import Range
from tests.hw.requantizers import ROUNDINGS

LEVELS = ["odd4", "e4m3fn", "cfloat8_1_4_3:denormals=paper", "codebook:-9/-4/-1/0/2/3/11"]
MORE_LEVELS = ["binary", "odd2", "odd8", "e2m1", "e3m2", "e5m2", "cfloat8_1_4_3",
               "cfloat8_1_5_2:denormals=paper", "codebook:-30/7", "codebook:-9/-8/-3/-1"]


@pytest.mark.parametrize("output", [
    *LEVELS, *(pytest.param(each, marks=pytest.mark.slow) for each in MORE_LEVELS)])
@pytest.mark.parametrize("name", [*ROUNDINGS, "pulp"])
@pytest.mark.thinned(3)
def test_levels_that_are_not_integers(rng, build, name, output):
    """Every sum of eight bits, by powers of two and odd multiples of them: every kind of tie."""
    if name == "zero" and not parse(output).contains(0):
        return  # refused, which test_contracts holds it to
    case = build(name, Range(-128, 127), output)
    case.check(nearly_every_place(case, rng))


def nearly_every_place(case, rng):
    """Every sum scaled to beyond the largest level, to a fraction of it, and to the smallest."""
    sums, parts = np.arange(case.sums.lo, case.sums.hi + 1), []
    multiplier, top = case.fields["multiplier"], case.output.max.bit_length()
    for power in (min(top - 8, 24), min(top - 7, 25), min(top - 2, 28), -3, -1):
        # Real scales 2**power and 0.75 * 2**power.
        for factor, more in ((1, 0), (3, 2)):
            shift = max(case.shifts.lo, more - power, 0)
            parts.append({"sum": sums, "bias": 0 * sums + int(rng.integers(-3, 4)),
                          "multiplier": 0 * sums + (factor << shift + power - more),
                          "shift": 0 * sums + shift}
                         | ({"addend": 0 * sums + int(rng.integers(-9, 9))}
                            if "addend" in case.fields else {}))
    assert max(part["multiplier"][0] for part in parts) <= multiplier.max
    return case.complete(rng, {name: np.concatenate([part[name] for part in parts])
                               for name in parts[0]})
