# amaranth: UnusedElaboratable=no
"""Arrays that are measured, and their verification."""

from dataclasses import replace

import pytest

from exactmac.density.arrays import Array
from exactmac.density.entries import ARRAYS, CONTRACT_TILES, ENTRIES, LARGE
from golden.contracts import CONTRACTS
from sim.backend import Mismatch
from sim.verilator import available

SMALL = Array("s2", "winograd", rows=2, cols=2, lanes=2)


def test_arrays():
    ecp5 = "exactmac on ecp5"
    assert [(each.subject, each.way, each.count, each.bits) for each in LARGE[:3]] == [
        ("int8 array", f"{ecp5}, winograd", 512, 16), ("int4 array", f"{ecp5}, codes", 512, 8),
        ("int2 array", f"{ecp5}, codes", 512, 4)]
    assert {array.config.macs for array in ARRAYS.values()} == {512}


def test_a_tile_for_each_contract():
    tiles = {each.way: each for each in LARGE[3:]}
    assert [*tiles] == [*CONTRACTS] and {each.subject for each in LARGE[3:]} == {CONTRACT_TILES}
    [usual] = [each for each in ENTRIES if each.unit == "tile" and each.way == "exactmac on ecp5"]
    assert tiles["half_up"].emit().verilog == usual.emit().verilog
    assert tiles["half_up"].target == usual.target


@pytest.mark.skipif(available() is not None, reason=str(available()))
def test_an_array_is_verified_and_faults_are_found(monkeypatch):
    monkeypatch.setattr("exactmac.density.arrays.BEATS", 4000)
    emitted = SMALL.built()
    assert SMALL.verify(emitted) >= 4 * 4
    # Another table of the first chain's second half.
    before, cell, after = emitted.verilog.partition(".INIT1(16'h")
    other = "1" if after[0] == "0" else "0"
    broken = replace(emitted, verilog=before + cell + other + after[1:])
    with pytest.raises(Mismatch, match=r"^total \d+ of [\d,]+ is wrong, or missing$"):
        SMALL.verify(broken)
