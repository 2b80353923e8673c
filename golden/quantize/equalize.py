"""Cross-layer equalization: weights of neighbouring layers get ranges alike, channel by channel."""

from collections.abc import Iterator
from dataclasses import replace
from math import inf

import numpy as np

from golden.floats import (
    FloatConv2d,
    FloatDense,
    FloatLayer,
    FloatLinear,
    FloatMove,
    FloatNetwork,
    FloatPool,
)

__all__ = ["equalize"]

MOST_PASSES = 100
"""Most times that all pairs of layers are gone through."""

NEAR = 1e-6
"""Passes end when no channel's scale is farther from 1."""


def equalize(network: FloatNetwork) -> FloatNetwork:
    """Return a network of the same function, with weights that one scale a layer suits better.

    The definition is that of Nagel et al., arXiv 1906.04721, section 4.1. Channel ``i`` between two
    layers of sums is divided by ``s = sqrt(r1 / r2)`` in the first, weights and bias, and
    multiplied by it in the second, where ``r1`` and ``r2`` are the largest magnitudes of its
    weights in both. Both are then ``sqrt(r1 r2)``. A pair has nothing between it that a positive
    factor could not pass: no clip but a ReLU, pools, reshapes and transposes, and nothing else
    reads the tensors. All pairs are gone through until no scale differs from 1, as a layer may be
    in two of them. A channel whose weights are all 0 in one of the layers stays.

    The function is the same in real numbers; float64 rounds. Activations change their ranges, so
    calibrate afterwards.

    Parameters
    ----------
    network : FloatNetwork
    """
    pairs = list(_pairs(network))
    layers = {layer.name: layer for layer in network.layers}
    for _ in range(MOST_PASSES):
        farthest = 0.0
        for first, second, channels in pairs:
            layers[first], layers[second], scales = _equalized(
                _linear(layers[first]), _linear(layers[second]), channels)
            farthest = max(farthest, np.abs(scales - 1).max())
        if farthest <= NEAR:
            break
    return replace(network, layers=tuple(layers.values()))


def _pairs(network: FloatNetwork) -> Iterator[tuple[str, str, np.ndarray]]:
    # Names of two layers, and the channel of the first that each input of the second belongs to.
    for first in network.layers:
        if not isinstance(first, FloatLinear) or not _positive(first):
            continue
        channels = np.broadcast_to(np.arange(len(first.weights)), network.shapes[first.name])
        layer: FloatLayer = first
        while len(readers := network.readers(layer.name)) == 1 and len(readers[0].inputs) == 1:
            [layer] = readers
            if isinstance(layer, FloatLinear):
                # Each position must have the channels of every other one.
                rows = channels.reshape(-1, channels.shape[-1])
                if (rows == rows[0]).all():
                    yield first.name, layer.name, rows[0]
                break
            if not isinstance(layer, FloatMove | FloatPool) or not _positive(layer):
                break
            # A window sees one channel, whose number is its maximum.
            passes = replace(layer, kind="max") if isinstance(layer, FloatPool) else layer
            channels = passes.unclipped(channels[None].astype(float))[0].astype(int)


def _positive(layer: FloatLayer) -> bool:
    # Whether a positive factor passes the clip.
    return layer.least in (0, -inf) and layer.most == inf


def _linear(layer: FloatLayer) -> FloatLinear:
    assert isinstance(layer, FloatLinear)
    return layer


def _equalized(first: FloatLinear, second: FloatLinear, channels: np.ndarray
               ) -> tuple[FloatLinear, FloatLinear, np.ndarray]:
    # Both layers, and what the channels of the first were divided by.
    outputs = len(first.weights)
    own = np.abs(first.weights).reshape(outputs, -1).max(axis=1)
    others = np.zeros(outputs)
    np.maximum.at(others, channels, _input_ranges(second))
    used = (own > 0) & (others > 0)
    scales = np.sqrt(np.divide(own, others, out=np.ones(outputs), where=used))
    return (replace(first, weights=first.weights / _outward(scales, first), bias=(
                None if first.bias is None else first.bias / scales)),
            replace(second, weights=second.weights * _inward(scales[channels], second)), scales)


def _outward(scales: np.ndarray, layer: FloatLinear) -> np.ndarray:
    return scales.reshape(-1, *[1] * (layer.weights.ndim - 1))


def _inward(scales: np.ndarray, layer: FloatLinear) -> np.ndarray:
    # Scales of the inputs, in the shape of weights.
    if isinstance(layer, FloatDense):
        return scales
    assert isinstance(layer, FloatConv2d)
    each = len(layer.weights) // layer.groups
    return np.repeat(scales.reshape(layer.groups, 1, 1, -1), each, axis=0)


def _input_ranges(layer: FloatLinear) -> np.ndarray:
    # Largest magnitude of the weights of each input.
    sizes = np.abs(layer.weights)
    if isinstance(layer, FloatDense):
        return sizes.max(axis=0)
    assert isinstance(layer, FloatConv2d)
    return sizes.reshape(layer.groups, -1, sizes.shape[-1]).max(axis=1).ravel()
