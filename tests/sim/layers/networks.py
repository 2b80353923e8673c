"""Small networks for tests of what layers run on."""

import numpy as np

from golden.contracts import parse as contract
from golden.formats import parse
from golden.multipliers import linear_parameters
from golden.networks import Dense, Network, Quantization, Tensor

__all__ = ["dense", "network_of", "source"]


def source(fmt="s8", shape=(6,), zero_point=0):
    """Return an input tensor."""
    return Tensor("x", Quantization(parse(fmt), 0.5, zero_point), shape)


def dense(name, before, *, features, channels=3, weights="s8", output="s8", zero_point=0,
          requantization="half_up", seed=0, **more):
    """Return a fully connected layer of random weights."""
    rng, fmt, own = np.random.default_rng(seed), parse(weights), contract(requantization)
    levels, target = fmt.levels(), Quantization(parse(output), 4.0)
    parameters = linear_parameters(own, 0.5, np.full(channels, 0.25), 4.0,
                                   own.takes or parse("s16"))
    return Dense(
        name=name, inputs=(before,), output=target, contract=own,
        weights=levels[rng.integers(len(levels), size=(channels, features))],
        weight=Quantization(fmt, 0.25, zero_point), parameters=parameters | {
            "bias": rng.integers(-9, 9, channels), "zero_point": np.zeros(channels, int),
            "clamp_min": np.full(channels, target.format.min),
            "clamp_max": np.full(channels, target.format.max)}, **more)


def network_of(*layers, tensor=None):
    """Return a network of layers."""
    return Network(name="n", inputs=(tensor or source(),), layers=layers)
