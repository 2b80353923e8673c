"""Requantizers and tiles that are measured, and their verification."""

from dataclasses import replace

import numpy as np
import pytest

from exactmac.density.entries import REQUANTIZERS, TILE
from exactmac.density.requantizers import OUTPUT, RequantizerDesign, rows
from exactmac.density.tiles import TileDesign
from golden.ranges import levels_range
from golden.requantize import requantize
from hw.targets.fabric import ECP5, GENERIC
from sim.backend import Mismatch
from sim.verilator import available

pytestmark = pytest.mark.skipif(available() is not None, reason=str(available()))
NARROW = RequantizerDesign("q31", width=18)


@pytest.mark.parametrize("design", REQUANTIZERS.values(), ids=REQUANTIZERS)
def test_rows_are_of_the_contract_and_show_the_rounding(design):
    levels = rows(design, np.random.default_rng(1))
    sums = levels.pop("sum")
    results = requantize(sums, design.contract, OUTPUT, levels,
                         unbiased=levels_range(design.sums))
    inside = (results > levels["clamp_min"]) & (results < levels["clamp_max"])
    assert inside.mean() > 0.35 and len(np.unique(results)) == 256
    assert {design.sums.min, design.sums.max} <= set(sums.tolist())


@pytest.mark.parametrize("design, fabric", [
    pytest.param(design, fabric, id=f"{name}-{fabric.name}",
                 marks=() if (design, fabric) == (NARROW, ECP5) else pytest.mark.slow)
    for name, design in REQUANTIZERS.items() for fabric in (ECP5, GENERIC)])
def test_results_are_golden(design, fabric):
    """A narrow total times the largest multiplier, less ``2**31``, is wider than a product."""
    emitted = design.built(fabric)
    assert emitted.prepared is (fabric is ECP5)
    assert design.verify(emitted) > 99_900


def test_a_fault_is_found():
    emitted = NARROW.built(ECP5)
    with pytest.raises(Mismatch, match=r"^result \d+ of 99,\d+ must be -?\d+, not -?\d+$"):
        NARROW.verify(replace(emitted, latency=emitted.latency - 1))


@pytest.mark.slow
def test_a_tile_is_verified():
    small = TileDesign(replace(TILE, rows=1, cols=2, lanes=2, depth=16, channels=4, target="ecp5"))
    emitted = small.built()
    assert emitted.cells and small.verify(emitted) > 1000
    with pytest.raises(Mismatch, match="^Verilog differs from golden in "):
        small.verify(replace(emitted, verilog=emitted.verilog.replace(
            "m_axis_o_tdata = ", "m_axis_o_tdata = ~", 1)))
