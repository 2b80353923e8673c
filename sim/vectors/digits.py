"""Digits network as jobs of a tile."""

from dataclasses import replace
from math import inf

import numpy as np

from golden import digits
from golden.contracts import ExactSum
from golden.formats import Codebook, Format, LoadedCodebook
from golden.networks import Linear, Network
from golden.quantize import quantize
from golden.run import run as run_golden
from hw.drive import Phase
from hw.tile.config import TileConfig
from sim.layers import schedule_of

__all__ = ["IMAGES", "digits_network", "digits_phases"]

IMAGES = 16
"""Test images of the digits network among the vectors."""


def digits_phases(config: TileConfig, images: int) -> list[Phase]:
    """Every layer of :func:`digits_network` on its first test images.

    Raises
    ------
    ValueError
        If the network cannot be quantized to the tile's formats or does not fit the tile.
    """
    data = digits.load()
    network = digits_network(config, data)
    tensors = run_golden(network, quantize(data.images[:images], network.input))
    schedule = []
    for layer in network.layers:
        schedule += schedule_of(config, network, layer, tensors[layer.inputs[0]]).phases
    return schedule


def digits_network(config: TileConfig, data: digits.Digits) -> Network:
    """Return the digits network in the formats of a tile.

    If another layer cannot take the output, a tile gets the first layer alone; for contract
    ``none``, whose output is the exact sum, without its ReLU. A tile's fixed table follows every
    layer; a loaded table changes nothing. The table of a loaded codebook has levels that are
    closer together near 0.
    """
    output = None if config.output is None else _table_of(config.output)
    if isinstance(config.contract, ExactSum):
        data = replace(data, layers=(replace(data.layers[0], relu=False, least=-inf),))
    elif output != _table_of(config.activations):
        data = replace(data, layers=data.layers[:1])
    weights, activations = _table_of(config.weights), _table_of(config.activations)
    network = digits.quantized(data, weights=weights, activations=activations,
                               output=output, requantization=config.contract,
                               zero_points=config.zero_points, window=config.window)
    if not isinstance(config.lut, tuple):
        return network
    table = np.array(config.lut)
    return replace(network, layers=tuple(replace(layer, table=table) if isinstance(layer, Linear)
                                         else layer for layer in network.layers))


def _table_of(fmt: Format) -> Format:
    """Codebook that is loaded for the digits network; other formats are returned as they are."""
    if not isinstance(fmt, LoadedCodebook):
        return fmt
    count = 1 << fmt.bits
    places = np.linspace(0, 1, count) if fmt.min == 0 else np.linspace(-1, 1, max(count - 1, 2))
    return Codebook(np.unique(np.rint(fmt.max * places * np.abs(places)).astype(int)).tolist())
