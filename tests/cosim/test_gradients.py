"""Gradients of few bits in emitted Verilog: the codes of each step equal golden's."""

import numpy as np
import pytest

from golden.quantize.gradients import GRADIENT_BITS, train_layer
from sim.gradients import gradient_designs, gradient_on
from sim.layers.designs import Designs
from sim.verilator import available
from tests.compiled import compiled

pytestmark = pytest.mark.skipif(available() is not None, reason=str(available()))

BATCH = 32
SHAPE = dict(rows=2, cols=4, lanes=8, channels=12, batch=BATCH)


def equal(designs, bits, steps, seed=1, backends=compiled):
    """Train, and compare each step's gradient with the hardware's."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=(300, 9))
    labels = (x @ rng.normal(size=(9, 5))).argmax(axis=1)
    seen = set()
    for step in train_layer(x, labels, bits=bits, steps=steps, batch=BATCH, seed=seed, rng=rng):
        codes, largest = gradient_on(designs, backends, step.gradient)
        np.testing.assert_array_equal(codes, step.codes)
        assert largest == step.largest
        seen |= set(codes.ravel().tolist())
    assert seen <= set(range(2**bits)) and len(seen) > min(2**bits, 20) - 1


def test_the_design():
    """That which is emitted, without a compiler."""
    equal(gradient_designs(8, **SHAPE), 4, 2, backends=Designs("amaranth"))


@pytest.mark.slow
def test_every_width_on_one_tile():
    """Codes of fewer than 8 bits have a lower clamp."""
    for bits in GRADIENT_BITS:
        equal(gradient_designs(8, **SHAPE), bits, 3, seed=bits)


@pytest.mark.slow
@pytest.mark.parametrize("bits", [8, 4, 2])
def test_a_hundred_steps(bits):
    """On a tile whose output has that width."""
    equal(gradient_designs(bits, **SHAPE), bits, 100)


@pytest.mark.parametrize("bits", [1, 9])
def test_widths_that_are_refused(bits):
    with pytest.raises(ValueError, match=rf"^Bits must be in range \[2, 8\], not {bits}$"):
        gradient_designs(bits, **SHAPE)
