"""What a claim compares."""

import pytest
from amaranth.hdl import Cat, Const, Module, Signal

from exactmac import prove
from sim.claims.base import Claim, circuit


@pytest.mark.parametrize("bit, holds", [(0, True), (1, False)])
def test_a_bit_above_the_definition_is_compared(bit, holds):
    x = Signal(2, name="x")
    claim = Claim("part", "wide", lambda: circuit(Module(), (x,), Cat(x, Const(bit, 1)), x))
    if holds:
        prove.prove(claim)
    else:
        with pytest.raises(prove.Refuted, match="^part wide differs from its definition at "):
            prove.prove(claim)
