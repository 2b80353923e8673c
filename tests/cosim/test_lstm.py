"""An LSTM of 32 units in emitted Verilog: every tensor of 16 steps equals golden's."""

import numpy as np
import pytest

from sim.lstm import lstm_tile, run_lstm_on
from sim.verilator import available
from tests.compiled import compiled
from tests.golden.quantize.test_lstm import STEPS, example

pytestmark = [pytest.mark.skipif(available() is not None, reason=str(available())),
              pytest.mark.slow]


def test_sixteen_steps():
    """Tracker, tables, tile, products and sum: eight designs, each compiled once."""
    _, lstm, x, steps = example()
    tile = lstm_tile(lstm, rows=4, cols=4, lanes=8, channels=128)
    found = list(run_lstm_on(tile, compiled, lstm, x))
    assert len(found) == STEPS
    for one, golden in zip(found, steps, strict=True):
        assert (one.input.scale, one.input.zero_point) == (
            golden.input.scale, golden.input.zero_point)
        for name in ("codes", "gates", "cell", "output"):
            np.testing.assert_array_equal(getattr(one, name), getattr(golden, name), name)
