"""A run that keeps the outputs alone: the same levels, in less memory."""

import tracemalloc

import numpy as np
import pytest

from golden.run import prove, run
from tests.known_networks import mobilenet, resnet


@pytest.mark.parametrize("build", [mobilenet, resnet])
def test_outputs_only(rng, build):
    """Memory stays below three times what the largest layer takes and gives, as int64."""
    network = build()
    x = rng.integers(-128, 128, (1, *network.inputs[0].shape))
    proof = prove(network)
    everything = run(network, x, proof)
    tracemalloc.start()
    kept = run(network, x, proof, outputs_only=True)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert list(kept) == list(network.outputs)
    np.testing.assert_array_equal(kept[network.outputs[0]], everything[network.outputs[0]])
    largest = max(sum(everything[name].nbytes for name in (*layer.inputs, layer.name))
                  for layer in network.layers)
    assert peak < 3 * largest
