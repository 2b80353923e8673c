"""Dynamic quantization in emitted Verilog: tracker, then tile with that scale and zero point."""

import numpy as np
import pytest

from golden.formats import parse
from golden.quantize.dynamic import CONTRACTS, quantize_dynamic, run_dynamic
from sim import dynamic
from sim.backend import Mismatch
from sim.dynamic import dynamic_designs, run_dynamic_on
from sim.verilator import available
from tests.compiled import compiled
from tests.golden.dynamic_networks import batches, mlp

pytestmark = pytest.mark.skipif(available() is not None, reason=str(available()))

SHAPE = dict(rows=2, cols=2, lanes=4, outputs=2, depth=16, channels=12)


def equal(one, other):
    assert (one.input.scale, one.input.zero_point) == (other.input.scale, other.input.zero_point)
    for name in ("levels", "sums", "output"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), name)


@pytest.mark.parametrize("contract", [
    pytest.param(CONTRACTS[0], marks=pytest.mark.slow), CONTRACTS[1]])
def test_batch_by_batch(rng, contract):
    """Two layers, batches of other ranges; all rows, columns and lanes ragged."""
    layers = quantize_dynamic(mlp(rng), parse("s8n"))
    designs = dynamic_designs(layers, contract, **SHAPE)
    scales = set()
    for x in batches(rng, 6, 7):
        found = run_dynamic_on(designs, compiled, layers, x)
        for one, golden in zip(found, run_dynamic(layers, x, contract), strict=True):
            equal(one, golden)
        scales |= {done.input.scale for done in found}
    assert len(scales) == 12


def test_surplus_rows_and_columns_do_not_count(rng, monkeypatch):
    """With them the range would be another: a tracker that counts them is seen."""
    layers = quantize_dynamic(mlp(rng), parse("s8n"))
    transfers = dynamic.tile_transfers

    def all_kept(*arguments):
        levels, keep = transfers(*arguments)
        assert not keep.all()
        return levels, np.ones_like(keep)

    monkeypatch.setattr(dynamic, "tile_transfers", all_kept)
    [x] = batches(rng, 1, 7)
    # Rows that only fill a job have codes 0 of the activations, whose zero point is not 0.
    with pytest.raises(Mismatch, match=r"^Range of layer dense0 differs from golden: \["):
        run_dynamic_on(dynamic_designs(layers, **SHAPE), compiled, layers, x - x.max() / 2)


def test_another_range_is_seen(rng, monkeypatch):
    layers = quantize_dynamic(mlp(rng), parse("s8n"))
    monkeypatch.setattr(dynamic, "track", lambda *_: (np.array([[0, 1]]), None))
    [x] = batches(rng, 1, 7)
    with pytest.raises(Mismatch, match=r"^Range of layer dense0 differs from golden: \[0, 1\] "):
        run_dynamic_on(dynamic_designs(layers, **SHAPE), compiled, layers, x)
