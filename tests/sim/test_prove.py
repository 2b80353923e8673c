"""Proofs hold, and what is wrong is refuted with an input that shows it."""

import re
from unittest.mock import Mock

import pytest
from amaranth.hdl import Const, Mux

from exactmac import prove
from golden.contracts import ADDING, Rounding
from golden.formats import BlockScaled, IntFormat, parse
from hw.blocks.select import SelectDot
from hw.flow.tools import ToolFailed
from hw.requantize import float32, levels, scale, shared_exponent, thresholds
from hw.targets import base
from hw.targets.fabric import ECP5
from hw.units import fused_add
from sim import claims
from sim.claims import thresholds as claimed_thresholds
from sim.products import ProductMismatch

U4 = IntFormat(4, signed=False)
CODEBOOK, PAPER = parse("codebook:-9/-4/-1/0/2/3/11"), parse("cfloat8_1_4_3:denormals=paper")
MX = BlockScaled(parse("e2m1"))
MULTIPLIERS = 263


@pytest.mark.parametrize("claim", [
    *(claims.multiplier(parse(w), parse(a)) for w, a in (("s5", "u4"), ("odd3", "odd2"))),
    claims.shifter(Rounding.HALF_EVEN), claims.requantizer("half_even", U4),
    claims.requantizer("stochastic", U4),
    claims.requantizer("half_up", U4, fabric=ECP5),
    *(pytest.param(claims.requantizer(name, IntFormat(4), fabric=ECP5), marks=pytest.mark.slow)
      for name in ("half_even", "half_away", "zero", "floor", "tflite_single", "stochastic")),
    claims.bisection(parse("u5n")),
    claims.fused(28), claims.fused(-36),
    claims.guarded("half_up"), claims.to_levels("half_even", parse("odd4")),
    claims.to_levels("pulp", parse("e2m1")),
    claims.preferred_exponent(MX),
    claims.level_of_exponent("floor", BlockScaled(parse("codebook:-9/-2/0/3"))),
    claims.conversion(), claims.float_product(), claims.float_requantizer(U4), claims.inside(U4),
], ids=lambda claim: f"{claim.subject} {claim.instance}")
@pytest.mark.thinned(2)
def test_a_claim_holds(claim):
    """Some of all (:func:`test_everything_is_proven`), and those of a fabric with cells."""
    prove.prove(claim)


def test_every_contract_with_a_multiplier_is_claimed():
    claimed = {claim.instance.split()[0] for claim in claims.claims()
               if claim.subject == "requantizer, product free"}
    assert claimed == {"half_up", "half_even", "half_away", "floor", "zero", "tflite",
                       "tflite_single", "tflite_int16x8", "q31", "precise", "rndnu", "pulp",
                       "pulp_round", "nvdla", "stochastic"}
    added = [claim.instance for claim in claims.claims() if "addend" in claim.instance]
    assert added == [f"{name} (addend_bits 48, signed_multiplier True) to {output}"
                     for name in ADDING for output in ("s8", "u4")]
    multipliers = [claim.instance for claim in claims.claims() if claim.subject == "multiplier"]
    assert {f"{x}{m} x {y}{n}" for x in "su" for y in "su" for m in range(1, 7)
            for n in range(1, 7)} < set(multipliers)
    assert len(multipliers) == MULTIPLIERS
    assert {"s2n x s5", "odd6 x s2n", "binary x u6", "odd3 x odd3"} < set(multipliers)


def test_a_wrong_rounding_is_refuted(monkeypatch):
    round_up = base.round_up
    monkeypatch.setattr(base, "round_up", lambda shifted, sticky, rounding: round_up(
        shifted, sticky, Rounding.HALF_UP))
    with pytest.raises(prove.Refuted, match=r"^requantizer, product free half_even to s4 differs "
                                            r"from its definition at .*shift = "):
        prove.prove(claims.requantizer("half_even", IntFormat(4)))


@pytest.mark.parametrize("narrow", [32, 47])
def test_an_addend_that_is_cut_is_refuted(monkeypatch, narrow):
    claim = claims.requantizer("half_up", U4, addend_bits=48)
    product = scale.product

    def cut(pipe, chosen, total):
        pipe.hold("addend", pipe["addend"][:narrow].as_signed())
        return product(pipe, chosen, total)

    monkeypatch.setattr(scale, "product", cut)
    refuted(claim, "addend")


@pytest.mark.parametrize("broken", [
    lambda pipe, total, bits, last, read: thresholds.count_apart(
        pipe, total, bits, last, lambda step, address: read(step, address ^ (step == 2))),
    lambda pipe, total, bits, last, read: thresholds.count_apart(pipe, total - 1, bits, last, read),
    lambda pipe, total, bits, last, read: thresholds.count_apart(
        pipe, total, bits, (1 << bits) - 1, read),
], ids=["address", "comparison", "missing"])
def test_a_wrong_bisection_is_refuted(monkeypatch, broken):
    monkeypatch.setattr(claimed_thresholds, "count_apart", broken)
    refuted(claims.bisection(parse("u5n")), "total")


def test_a_saturation_a_bit_too_narrow_is_refuted(monkeypatch):
    saturate = base.saturate
    monkeypatch.setattr(base, "saturate", lambda value, width: saturate(value, width - 1))
    with pytest.raises(prove.Refuted):
        prove.prove(claims.requantizer("floor", IntFormat(4)))


def refuted(claim, shown):
    with pytest.raises(prove.Refuted, match=rf"^{claim.subject} {re.escape(claim.instance)} "
                                            rf"differs from its definition at .*{shown} = "):
        prove.prove(claim)


@pytest.mark.parametrize("limit, distance", [("LEFT_PRODUCT", 27), ("LEFT_ADDEND", -35)])
def test_a_shift_too_short_is_refuted(monkeypatch, limit, distance):
    monkeypatch.setattr(fused_add, limit, abs(distance) - 3)
    claim = claims.fused(distance)
    assert (claim.subject, claim.instance) == ("multiply-add, product free", f"distance {distance}")
    refuted(claim, "product")


@pytest.mark.parametrize("module, broken, claim", [
    (base, "sticky_bit", claims.guarded("floor")),
    (base, "saturate", claims.to_levels("half_up", parse("e2m1"))),
    (levels, "clamp", claims.to_levels("floor", PAPER, shifted=True)),
], ids=["sticky", "saturation", "clamp"])
def test_a_code_that_is_not_the_nearest_is_refuted(monkeypatch, module, broken, claim):
    right = getattr(module, broken)
    monkeypatch.setattr(module, broken, {
        "sticky_bit": lambda value, shift: right(value | 1, shift),
        "saturate": lambda value, width: right(value, width - 1),
        "clamp": lambda place, lo, hi: right(place, lo, lo),
    }[broken])
    refuted(claim, "clamp_max")


def truncated(value, drop):
    return value[drop:]


@pytest.mark.parametrize("name, broken, claim", [
    ("nearest_even", truncated, claims.conversion()),
    ("Mux", lambda test, one, other: Mux(test, one, other | 1), claims.float_product()),
    ("Rounding", Mock(HALF_EVEN=Rounding.HALF_UP), claims.float_requantizer(U4)),
    pytest.param("nearest_even_at", lambda pipe, value, drop, width, name: value >> drop,
                 claims.inside_rounded(U4), marks=pytest.mark.slow),
    ("WHOLE", float32.WHOLE - 1, claims.inside(U4)),
], ids=["conversion", "product", "onnx", "sum rounded", "sum"])
def test_a_wrong_float32_is_refuted(monkeypatch, name, broken, claim):
    monkeypatch.setattr(float32, name, broken)
    refuted(claim, "total")


def test_every_kind_of_level_is_claimed():
    claimed = {tuple(claim.instance.split(" to ")) for claim in claims.claims()
               if claim.subject.startswith("requantizer to levels")}
    names = ("half_up", "half_even", "half_away", "floor", "zero", "pulp")
    outputs = ("odd4", "e2m1", "e4m3fn", str(PAPER), str(CODEBOOK), "codebook:43/54/93/97")
    assert claimed == {(name, output) for name in names for output in outputs} - {
        ("zero", "odd4"), ("zero", "codebook:43/54/93/97")}


@pytest.mark.parametrize("name, broken, claim", [
    ("leading_zeros", lambda pipe, value: Const(3), claims.preferred_exponent(MX)),
    ("sign_of", lambda fmt, code: (code[0], code[0]), claims.preferred_exponent(MX)),
    ("nearest_code", lambda pipe, value, right, rounding, fmt: levels.nearest_code(
        pipe, value, right + 1, rounding, fmt), claims.level_of_exponent("half_even", MX)),
    ("EXPONENT_BIAS", 128, claims.level_of_exponent("floor", MX)),
], ids=["digits", "signs", "shift", "bias"])
def test_a_wrong_exponent_is_refuted(monkeypatch, name, broken, claim):
    monkeypatch.setattr(shared_exponent, name, broken)
    refuted(claim, "right")


def test_every_kind_of_block_is_claimed():
    made = [claim for claim in claims.claims() if "exponent" in claim.subject]
    elements = ("s4", "u4", "odd4", "e2m1", str(CODEBOOK), "codebook:-100/-7/0/3",
                "codebook:1/24/44/71")
    assert {claim.instance for claim in made if claim.subject.startswith("preferred")} == {
        f"mx_{element}" for element in elements}
    names = ("half_up", "half_even", "half_away", "floor", "zero")
    assert {tuple(claim.instance.split(" to ")) for claim in made
            if claim.subject.startswith("levels")} == {
        (name, f"mx_{element}") for name in names for element in elements} - {
        ("zero", "mx_odd4"), ("zero", "mx_codebook:1/24/44/71")}


def test_a_claim_that_the_solver_cannot_read_is_not_refuted():
    broken = claims.Claim("nothing", "at all", lambda: "module")
    with pytest.raises(ToolFailed, match="nothing at all: ERROR: "):
        prove.prove(broken)


def test_bad_input(capsys):
    with pytest.raises(SystemExit) as end:
        prove.main(["--fast"])
    assert end.value.code == 2
    assert re.fullmatch(r"exactmac prove: error: .*--fast\n", capsys.readouterr().err)


def test_help_says_what_is_done_by_default(capsys):
    with pytest.raises(SystemExit) as end:
        prove.main(["--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert end.value.code == 0 and "every pair of codes (default: all)" in said


def test_a_selection_without_its_sign_is_refuted(monkeypatch):
    monkeypatch.setattr(SelectDot, "term", lambda dot, weight, activation: Mux(
        weight[0], activation.plus, 0))
    with pytest.raises(prove.Refuted, match="^multiplier s2n x s4 differs from its definition"):
        prove.prove(claims.multiplier(parse("ternary"), parse("s4")))


def test_a_product_that_differs_fails(monkeypatch, capsys):
    monkeypatch.setattr(prove, "batches", lambda pairs: [pairs[:1]])

    def differs(batch, name):
        raise ProductMismatch("Product of s1 and s1 is 1")

    monkeypatch.setattr(prove, "check", differs)
    with pytest.raises(SystemExit) as end:
        prove.main(["--only", "products"])
    assert end.value.code == 1
    assert capsys.readouterr().err == (
        "exactmac prove: failed: Product of s1 and s1 is 1\n")


@pytest.mark.slow
def test_everything_is_proven(capsys):
    assert prove.main([]) == 0
    said = capsys.readouterr().out
    assert re.search(rf"multiplier +{MULTIPLIERS} +Yosys sat", said)
    assert re.search(r"product, 1,924 pairs of formats +23,462,593 +simulation of all", said)
    assert re.search(r"requantizer, product free +40 +Yosys sat", said)
    assert re.search(r"thresholds in memories, reads free +8 +Yosys sat", said)
    assert re.search(r"shift to levels, product free +6 +Yosys sat", said)
    assert re.search(r"requantizer to levels, product free +22 +Yosys sat", said)
    assert re.search(r"requantizer to levels, shifted free +12 +Yosys sat", said)
    assert re.search(r"preferred exponent, product free +7 +Yosys sat", said)
    assert re.search(r"levels of an exponent, product free +33 +Yosys sat", said)
    assert re.search(r"int32 to float32 +1 +Yosys sat", said)
    assert re.search(r"float32 product, product free +1 +Yosys sat", said)
    assert re.search(r"float32 requantizer, product free +2 +Yosys sat", said)
    assert re.search(r"float32 plus zero point, float32 free +2 +Yosys sat", said)
    assert re.search(r"float32 requantizer, sum free +2 +Yosys sat", said)
    assert re.search(r"multiply-add, product free +67 +Yosys sat", said)


