"""Untrained networks: the shapes of what is trained, and its first numbers."""

import numpy as np

from golden.floats import FloatConv2d, FloatDense, FloatLinear, FloatNetwork, FloatReshape

__all__ = ["linear_layers", "start"]


def start(name: str, seed: int) -> FloatNetwork:
    """Return an untrained network for data: 64-64-10 for digits, a small 1-D one for mnist1d.

    Weights are normal numbers of variance ``2 / fan-in``, biases 0. The 1-D network has three
    convolutions, of 24, 32 and 32 outputs and stride 2, and a fully connected layer.

    Parameters
    ----------
    name : str
        Name of the data, one of :data:`golden.train.data.DATA`.
    seed : int
    """
    rng = np.random.default_rng([seed, 1])

    def weights(*shape: int) -> np.ndarray:
        return rng.normal(size=shape) * np.sqrt(2 / np.prod(shape[1:]))

    def dense(outputs: int, inputs: int, *, relu: bool = False) -> FloatDense:
        return FloatDense(weights(outputs, inputs), np.zeros(outputs), relu)

    def convolution(outputs: int, taps: int, inputs: int) -> FloatConv2d:
        return FloatConv2d(weights(outputs, 1, taps, inputs), np.zeros(outputs), relu=True,
                           stride=(1, 2))

    if name == "digits":
        return FloatNetwork.chain([dense(64, 64, relu=True), dense(10, 64)], (64,), name=name)
    assert name == "mnist1d"
    # Without padding, so that formats without a level 0 can be its input: widths 40, 18, 8, 3.
    return FloatNetwork.chain([
        convolution(24, 5, 1), convolution(32, 3, 24), convolution(32, 3, 32),
        FloatReshape(target=(96,)), dense(10, 96)], (1, 40, 1), name=name)


def linear_layers(network: FloatNetwork) -> list[FloatLinear]:
    """Layers that have weights, in order."""
    return [layer for layer in network.layers if isinstance(layer, FloatLinear)]
