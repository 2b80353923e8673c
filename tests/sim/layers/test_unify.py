# amaranth: UnusedElaboratable=no
"""Networks whose sums and joins are unified run on tiles and units, in both new ways."""

import pytest

from golden.affine import quantize
from golden.quantize import quantize_network
from golden.quantize.unify import WAYS
from sim.layers import placement, run_placed
from tests.golden.quantize.test_unify import residual
from tests.sim.layers.test_placement import SIMULATED


@pytest.mark.parametrize("way", WAYS[1:])  # the first is that of all other networks
def test_every_layer_equals_golden(rng, way):
    network, x = residual(rng), rng.normal(size=(20, 12))
    made = quantize_network(network, x, weights="s4n", activations="s4", contract="half_up",
                            unify=way)
    place = placement(made, rows=2, cols=2, lanes=2)
    # A wide sum is joined with another tensor.
    assert set(place.golden) == ({"join"} if way == "more_bits" else set())
    runs = list(run_placed(place, quantize(x[:2], made.input), SIMULATED))
    assert len(runs) == len(made.layers)
