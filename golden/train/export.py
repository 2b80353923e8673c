"""A trained network becomes a network of this project: its levels, steps and biases, exactly."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from golden.floats import FloatMove, FloatNetwork, run_float
from golden.formats import Codebook, IntFormat
from golden.networks import Network, Quantization
from golden.quantize import Weights, quantize_network
from golden.train.loop import Trained
from golden.train.models import Scheme, input_estimate, weight_estimate
from golden.train.start import linear_layers

__all__ = ["CONTRACT", "OUTPUT", "exported", "floated", "output_for", "source_of"]

CONTRACT = "half_up"

OUTPUT = IntFormat(16)
"""Format of the last layer's result, which is no layer's input."""


def floated(network: FloatNetwork, trained: Trained) -> FloatNetwork:
    """Return a float network with the weights and biases that were trained."""
    return replace(network, layers=tuple(
        replace(layer, weights=trained.parameters[layer.name]["weights"],
                bias=trained.parameters[layer.name]["bias"])
        if layer.name in trained.parameters else layer for layer in network.layers))


def exported(network: FloatNetwork, trained: Trained, scheme: Scheme, calibration: np.ndarray, *,
             name: str) -> Network:
    """Return the golden network of a trained one, with contract ``half_up``.

    Every layer's weights and input have the levels that training saw, and the float32 steps. A bias
    is the integer that training snapped it to.

    Parameters
    ----------
    network : FloatNetwork
        Network that was trained.
    trained : Trained
    scheme : Scheme
        Scheme that it was trained with.
    calibration : array of float
        Examples of the input, for the range of the last layer's result alone.
    name : str
        Name of the network.
    """
    given: dict[str, Quantization | Weights] = {}
    layers: dict[str, Any] = {}
    for index, layer in enumerate(linear_layers(network)):
        own = trained.parameters[layer.name]
        fmt = scheme.activations if index else scheme.input
        # Of DoReFa not the nearest float32, with which a half, a common pixel, would be no tie.
        input_step = 1 / fmt.max if scheme.estimator == "dorefa" else float(
            input_estimate(np.zeros((1, 1), np.float32), own, fmt, scheme).step)
        made = weight_estimate(own, scheme)
        levels = np.asarray(made.levels).astype(np.int64)
        step = np.broadcast_to(np.asarray(made.step, np.float64).reshape(-1), len(levels))
        weights = scheme.weights
        if scheme.estimator == "codebook":
            weights = Codebook(np.unique(np.floor(own["table"] + np.float32(0.5))).astype(int))
        given[source_of(network, layer.inputs[0])] = Quantization(
            fmt, input_step / 2.0**fmt.unit)
        given[f"{layer.name}.weights"] = Weights(
            levels, Quantization(weights, step / 2.0**weights.unit))
        unit = step * input_step
        layers[layer.name] = replace(
            layer, weights=levels * step.reshape(-1, *[1] * (levels.ndim - 1)),
            bias=np.floor(own["bias"] / unit + 0.5) * unit)
    real = replace(network, layers=tuple(layers.get(each.name, each) for each in network.layers))
    given[network.output] = output_for(run_float(real, calibration))
    return quantize_network(real, calibration, weights=scheme.weights,
                            activations=scheme.activations, contract=CONTRACT, given=given,
                            zero_points="none", name=name)


def output_for(values: np.ndarray) -> Quantization:
    """Quantization of outputs, with room for twice the largest of the examples."""
    return Quantization(OUTPUT, 2 * (float(np.abs(values).max()) or 1.0) / OUTPUT.max)


def source_of(network: FloatNetwork, tensor: str) -> str:
    """Name of the tensor whose quantization ``tensor`` has: that before layers that only move."""
    layers: Mapping[str, Any] = {layer.name: layer for layer in network.layers}
    while isinstance(layers.get(tensor), FloatMove):
        tensor = layers[tensor].inputs[0]
    return tensor
