# amaranth: UnusedElaboratable=no
"""Products of levels come out of compiled Verilog, all of them, and a wrong one is seen."""

import re

import numpy as np
import pytest

from golden.formats import parse
from hw.blocks import kind_for
from hw.blocks import split as blocks_split
from hw.blocks.floats import FloatDot
from hw.targets.fabric import ECP5
from sim import products
from sim.verilator import available

needs_verilator = pytest.mark.skipif(available() is not None, reason=str(available()))


def parsed(*names):
    return [tuple(map(parse, each.split(" x "))) for each in names]


ONE_OF_EACH_KIND = parsed(
    "s4 x u4", "binary x binary", "bit x bit", "bit x binary", "ternary x s5", "odd4 x binary",
    "odd3 x odd4", "s4 x odd3", "odd2 x odd2", "e2m1 x e3m2", "e2m1 x u4",
    "codebook:-9/-2/0/5 x odd3", "codebook:-9/-2/0/5/100 x s4")


@needs_verilator
def test_every_product_of_a_pair_for_each_kind_of_block():
    levels = [[products._numbers(fmt).sum() for fmt in pair] for pair in ONE_OF_EACH_KIND]
    assert products.check(ONE_OF_EACH_KIND) == np.prod(levels, axis=1).sum()
    assert ({kind_for(*pair) for pair in ONE_OF_EACH_KIND}
            == {kind_for(*pair) for pair in products.pairs()})


@needs_verilator
def test_products_wider_than_int64():
    assert products.check(parsed("cfloat8_1_5_2:denormals=paper x cfloat8_1_5_2",
                                 "e5m2 x binary")) == 1 << 16 | 248 << 1


@needs_verilator
@pytest.mark.parametrize("pairs", [
    parsed("e2m1 x e3m2", "e2m1 x u4", "codebook:-9/-2/0/5/100 x e2m3"),
    pytest.param(
        parsed("e4m3fn x e4m3fn", "e5m2 x e4m3fn", "s8 x e4m3fn", "e5m2 x odd8",
               "cfloat8_1_5_2:denormals=paper x cfloat8_1_5_2", "e5m2 x binary", "bit x e4m3fn"),
        marks=pytest.mark.slow)])
def test_every_product_of_floats_on_ecp5(pairs):
    products.check(pairs, "floats", fabric=ECP5)


def test_every_pair_of_at_most_16_bits():
    pairs = list(products.pairs())
    assert len(set(pairs)) == len(pairs) == 1924
    assert {pair[0] for pair in pairs} == {pair[1] for pair in pairs} == set(products.formats())
    assert max(w.bits + a.bits for w, a in pairs) == 16
    assert sorted(sum(products.batches(pairs), []), key=str) == sorted(pairs, key=str)


@pytest.mark.parametrize("name, codes", [
    ("e4m3fn", 254), ("e5m2", 248), ("cfloat8_1_4_3", 256), ("ternary", 3), ("odd4", 16),
    ("codebook:-7/-3/0/3/7", 5), ("u5", 32)])
def test_codes_that_are_compared(name, codes):
    fmt = parse(name)
    numbers = products._numbers(fmt)
    assert numbers.sum() == codes
    assert set(fmt.decode(np.flatnonzero(numbers)).tolist()) == set(fmt.levels().tolist())


@pytest.mark.parametrize("pair", parsed("e2m1 x e2m3"))
def test_a_sign_that_is_lost_is_seen(monkeypatch, pair):
    monkeypatch.setattr(FloatDot, "term", lambda dot, weight, activation: (
        weight.significand * activation.significand))
    with pytest.raises(products.ProductMismatch, match=(
            r"^Product of e2m1 -\d+ \(code \d+\) and e2m3 \d+ \(code \d+\) is \d+, not -\d+; "
            r"\d+ of 1024 differ$")):
        products.check([pair], simulator="amaranth")


def test_an_offset_that_is_wrong_is_seen(monkeypatch):
    times = blocks_split._times
    monkeypatch.setattr(blocks_split, "_times", lambda value, factor: times(
        value, -factor if factor == 2 else factor))
    with pytest.raises(products.ProductMismatch, match="^Product of odd3 "):
        products.check(parsed("odd3 x odd4"), simulator="amaranth")


@needs_verilator
def test_a_wide_product_that_is_wrong_is_seen(monkeypatch):
    monkeypatch.setattr(products, "_numbers", lambda fmt: np.arange(1 << fmt.bits) < 4)
    monkeypatch.setattr(type(parse("e5m2")), "decode", lambda fmt, codes: codes + 1)
    with pytest.raises(products.ProductMismatch, match=re.escape(
            "Product of cfloat8_1_5_2 1 (code 0) and cfloat8_1_5_2 1 (code 0) is 0, not 1; "
            "16 of 16 differ")):
        products.check(parsed("cfloat8_1_5_2 x cfloat8_1_5_2"))
