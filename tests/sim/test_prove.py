"""Proofs hold, and what is wrong is refuted with an input that shows it."""

import re

import pytest

from golden.contracts import Rounding
from golden.formats import IntFormat
from hw import scale
from hw.units import fused_add
from sim import prove

U4 = IntFormat(4, signed=False)


@pytest.mark.parametrize("claim", [
    prove.multiplier(IntFormat(5), U4), prove.multiplier(U4, IntFormat(1)),
    *(prove.shifter(rounding) for rounding in Rounding), prove.requantizer("half_even", U4),
    prove.requantizer("q31", IntFormat(8)), prove.requantizer("stochastic", U4),
    prove.fused(28), prove.fused(-36),
], ids=lambda claim: f"{claim.subject} {claim.instance}")
def test_a_claim_holds(claim):
    prove.prove(claim)


def test_every_contract_with_a_multiplier_is_claimed():
    claimed = {claim.instance.split()[0] for claim in prove.claims()
               if claim.subject.startswith("requantizer")}
    assert claimed == {"half_up", "half_even", "half_away", "floor", "zero", "tflite",
                       "tflite_single", "tflite_int16x8", "q31", "precise", "rndnu", "pulp",
                       "pulp_round", "nvdla", "stochastic"}
    assert sum(claim.subject == "multiplier" for claim in prove.claims()) == 144


def test_a_wrong_rounding_is_refuted(monkeypatch):
    round_up = scale.round_up
    monkeypatch.setattr(scale, "round_up", lambda shifted, sticky, rounding: round_up(
        shifted, sticky, Rounding.HALF_UP))
    with pytest.raises(prove.Refuted, match=r"^requantizer, product free half_even to s4 differs "
                                            r"from its definition at .*shift = "):
        prove.prove(prove.requantizer("half_even", IntFormat(4)))


def test_a_saturation_a_bit_too_narrow_is_refuted(monkeypatch):
    saturate = scale.saturate
    monkeypatch.setattr(scale, "saturate", lambda value, width: saturate(value, width - 1))
    with pytest.raises(prove.Refuted):
        prove.prove(prove.requantizer("floor", IntFormat(4)))


@pytest.mark.parametrize("limit, distance", [("LEFT_PRODUCT", 27), ("LEFT_ADDEND", -35)])
def test_a_shift_too_short_is_refuted(monkeypatch, limit, distance):
    monkeypatch.setattr(fused_add, limit, abs(distance) - 3)
    with pytest.raises(prove.Refuted, match=rf"^multiply-add, product free distance {distance} "
                                            r"differs from its definition at .*product = "):
        prove.prove(prove.fused(distance))


def test_bad_input(capsys):
    with pytest.raises(SystemExit) as end:
        prove.main(["--fast"])
    assert end.value.code == 2
    assert re.fullmatch(r"python -m sim\.prove: error: .*--fast\n", capsys.readouterr().err)


@pytest.mark.slow
def test_everything_is_proven(capsys):
    assert prove.main([]) == 0
    said = capsys.readouterr().out
    assert re.search(r"multiplier +144 +Yosys sat", said)
    assert re.search(r"requantizer, product free +30 +Yosys sat", said)
    assert re.search(r"multiply-add, product free +67 +Yosys sat", said)


