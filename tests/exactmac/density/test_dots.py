# amaranth: UnusedElaboratable=no
"""Designs that are measured, and their verification."""

from dataclasses import replace

import numpy as np
import pytest

from exactmac.density import dots
from exactmac.density.dots import DEPTH, DotProduct, stimulus, totals
from exactmac.density.entries import DOTS, ENTRIES, REQUANTIZERS, selected
from golden.formats import parse
from golden.ranges import dot_range
from hw.targets.fabric import ECP5, GENERIC
from sim.backend import Mismatch
from sim.verilator import available

needs_verilator = pytest.mark.skipif(available() is not None, reason=str(available()))


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(dots, "BEATS", 3000)


PLAIN = [("s4", "s3"), ("u3", "s5"), ("ternary", "s4"), ("ternary", "u3"), ("binary", "binary"),
         ("binary", "bit"), ("odd3", "odd2"), ("odd3", "s4")]


@needs_verilator
@pytest.mark.parametrize("lanes", [5, 16])
@pytest.mark.parametrize("weights, activations", [
    PLAIN[0], *(pytest.param(*each, marks=pytest.mark.slow) for each in PLAIN[1:])])
def test_plain_verilog_is_exact(few, weights, activations, lanes):
    dot = DotProduct(weights, activations, lanes)
    emitted = dot.plain()
    assert dot.verify(emitted) == 3000 - emitted.latency


@needs_verilator
@pytest.mark.parametrize("fabric", [GENERIC, ECP5], ids=lambda fabric: fabric.name)
@pytest.mark.parametrize("weights, activations", [
    ("s3", "u2"), pytest.param("odd3", "binary", marks=pytest.mark.slow),
    pytest.param("e2m1", "e2m1", marks=pytest.mark.slow)])
def test_built_dots_are_exact(few, weights, activations, fabric):
    dot = DotProduct(weights, activations, 4)
    emitted = dot.built(fabric)
    assert dot.verify(emitted) == 3000 - emitted.latency
    assert ("CCU2C" in emitted.verilog) is (fabric is ECP5)


@needs_verilator
def test_an_inner_product_of_codes_is_exact(few):
    dot = DotProduct("s3", "s2", 5, inner_product="codes")
    emitted = dot.built(ECP5)
    assert dot.verify(emitted) == 3000 - emitted.latency
    broken = replace(emitted, verilog=emitted.verilog.replace("INIT1(16'h", "INIT1(~16'h", 1))
    with pytest.raises(Mismatch):
        dot.verify(broken)


@needs_verilator
@pytest.mark.parametrize("old, new", [
    ("weight_3 = weights[9+:3]", "weight_3 = weights[6+:3]"),
    *(pytest.param(*each, marks=pytest.mark.slow) for each in (
        ("(clear_q[1])", "(clear_q[0])"), ("(valid_q[1])", "(1'b1)"),
        ("reg signed [7:0] sum_1_0", "reg signed [6:0] sum_1_0")))])
def test_faults_are_found(few, old, new):
    dot = DotProduct("s3", "s3", 4)
    emitted = dot.plain()
    assert emitted.verilog.count(old) == 1
    with pytest.raises(Mismatch, match=r"^total \d+ of 2,997 must be -?\d+, not -?\d+$"):
        dot.verify(replace(emitted, verilog=emitted.verilog.replace(old, new)))


@needs_verilator
def test_another_latency_is_found(few):
    dot = DotProduct("s3", "s3", 4)
    emitted = dot.plain()
    with pytest.raises(Mismatch):
        dot.verify(replace(emitted, latency=emitted.latency + 1))


@pytest.mark.parametrize("name", DOTS)
def test_totals_reach_every_end(rng, name):
    weights, activations = DOTS[name].formats
    w, a, valid, clear = stimulus(weights, activations, DOTS[name].lanes, rng)
    found, most = totals(w, a, valid, clear), dot_range(weights, activations, DEPTH)
    assert (int(found.min()), int(found.max())) == (most.lo, most.hi)
    # As one would compute them, beat by beat.
    total, want = 0, []
    for beat in range(2000):
        total = 0 if clear[beat] else total + int(w[beat] @ a[beat]) * int(valid[beat])
        want.append(total)
    assert found[:2000].tolist() == want
    assert clear[0] and 0 < (clear & valid).sum() < clear.sum() and 0.3 < valid.mean() < 0.95
    # So many products at most, from a clear on.
    counts = np.diff(np.cumsum(valid & ~clear)[np.flatnonzero(clear)]) * DOTS[name].lanes
    assert counts.max() == DEPTH and counts.min() < 100


def test_entries():
    assert len({entry.name for entry in ENTRIES}) == len(ENTRIES)
    ways = {}
    for entry in ENTRIES:
        ways.setdefault(entry.subject, []).append(entry.way)
    assert list(ways) == [*DOTS, *REQUANTIZERS, "tile of 4 bits"]
    assert len(ways["int8"]) == 6 and len(ways["int2"]) == 5 and len(ways["e4m3fn"]) == 2
    assert not any("booth" in way for way in ways["ternary x int8"])
    assert DOTS["binary x bit"].bits == 2 and ENTRIES[0].count == 16
    assert ways["half_up"] == ["exactmac on ecp5, prepared", "exactmac on generic"]
    assert len(ways["tile of 4 bits"]) == 4
    for entry in ENTRIES:
        maps = entry.subject not in DOTS and entry.way == "exactmac on generic"
        assert ("-nodsp" in " ".join(entry.target.passes)) is not maps
        assert ("-nowidelut" in " ".join(entry.target.passes)) is (entry.way != "plain Verilog")
    assert [entry.subject for entry in selected(["odd4", "int2"])] == ["int2"] * 5 + ["odd4"] * 5
    with pytest.raises(ValueError, match="^Only must be some of int8, .* 4 bits, .*, tile by "
                                         "contract, not 'int9'$"):
        selected(["int2", "int9"])


def test_no_plain_verilog_of_other_formats():
    for weights, activations in (("e4m3fn", "s8"), ("bit", "bit"), ("s8", "codebook:1/2/4")):
        assert not DotProduct(weights, activations).has_plain()
    assert parse("ternary") == parse("s2n")
