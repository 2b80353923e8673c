"""What JAX computes of a chain of float layers, and what is trained of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from golden.floats import (
    FloatConv2d,
    FloatLinear,
    FloatNetwork,
    FloatReshape,
    float_tensors,
)
from golden.formats import Format
from golden.quantize import least_error, quantize_weights
from golden.train.codebooks import codebook_for
from golden.train.estimators import (
    Estimate,
    binary,
    dorefa_activations,
    dorefa_weights,
    learned_levels,
    learned_step,
    snapped,
    ternary,
)
from golden.train.start import linear_layers

__all__ = ["Parameters", "Scheme", "forward", "input_estimate", "start_parameters", "tensors",
           "weight_estimate"]

Parameters = Mapping[str, Mapping[str, Any]]
"""What is trained: of each layer by name, arrays by name."""


@dataclass(frozen=True, kw_only=True)
class Scheme:
    """How the layers of a network are quantized while it is trained.

    Parameters
    ----------
    estimator : str
        Estimator of the weights: ``step`` for learned steps, ``dorefa``, ``ternary``, ``binary``,
        or ``codebook`` for learned levels.
    weights : Format
        Format of the weights; of ``codebook`` one of as many levels as are learned.
    input, activations : Format
        Formats of the network's input and of every other layer's input.
    margin : float
        Margin of the inputs' gradient, as of :func:`golden.train.estimators.learned_step`.
    """

    estimator: str
    weights: Format
    input: Format
    activations: Format
    margin: float = 0.0


def start_parameters(network: FloatNetwork, scheme: Scheme | None, calibration: np.ndarray
                     ) -> dict[str, dict[str, np.ndarray]]:
    """Return what is trained first: a float network's numbers, with steps of the least error.

    Parameters
    ----------
    network : FloatNetwork
        A chain.
    scheme : Scheme, optional
        None for training without quantization.
    calibration : array of float
        Examples of the input.
    """
    made = {}
    tensors = float_tensors(network, calibration)
    for index, layer in enumerate(linear_layers(network)):
        own = {"weights": layer.weights, "bias": layer.biases()}
        if scheme is not None:
            fmt = scheme.activations if index else scheme.input
            own["input"] = np.log(least_error(tensors[layer.inputs[0]], fmt, zero_point=False).step)
            own |= _weight_start(layer.weights, scheme)
        made[layer.name] = {name: np.asarray(value, np.float32) for name, value in own.items()}
    return made


def _weight_start(weights: np.ndarray, scheme: Scheme) -> dict[str, Any]:
    rest = [1] * (weights.ndim - 1)
    if scheme.estimator == "step":
        _, chosen = quantize_weights(weights, scheme.weights, ranges="least_error")
        return {"step": np.log(np.asarray(chosen.step).reshape(-1, *rest))}
    if scheme.estimator == "dorefa":
        # DoReFa's weights lie in -1 .. 1: a gain for each channel, as a normalization has.
        gain = np.abs(np.tanh(weights)).max()
        return {"gain": np.full((len(weights), *rest), np.log(gain))}
    if scheme.estimator == "codebook":
        sizes = np.abs(weights).reshape(len(weights), -1).max(axis=1).reshape(-1, *rest)
        count = 1 << scheme.weights.bits
        book, step = codebook_for(weights / sizes, count)
        return {"step": np.log(sizes * step), "table": np.array(book.table)}
    return {}


def weight_estimate(own: Mapping[str, Any], scheme: Scheme) -> Estimate:
    """Quantized weights of a layer, of what is trained."""
    import jax.numpy as jnp

    weights = own["weights"]
    match scheme.estimator:
        case "step":
            return learned_step(weights, jnp.exp(own["step"]), scheme.weights)
        case "codebook":
            return learned_levels(weights, jnp.exp(own["step"]), own["table"])
        case "ternary":
            return ternary(weights)
        case "binary":
            return binary(weights)
    assert scheme.estimator == "dorefa"
    gain = jnp.exp(own["gain"])
    made = dorefa_weights(weights, scheme.weights.bits)
    return Estimate(gain * made.real, made.levels, gain * made.step)


def forward(network: FloatNetwork, parameters: Parameters, x, scheme: Scheme | None):
    """Output of a chain for a batch in JAX, quantized by a scheme if there is one."""
    return tensors(network, parameters, x, scheme)[network.output]


def tensors(network: FloatNetwork, parameters: Parameters, x, scheme: Scheme | None
            ) -> dict[str, Any]:
    """Every tensor of a chain for a batch in JAX; those that layers of sums read are quantized.

    A layer's own tensor is not yet quantized as the next layer's input.
    """
    import jax.numpy as jnp

    made, first = {network.input: x}, True
    for layer in network.layers:
        x = made[layer.inputs[0]]
        if isinstance(layer, FloatReshape):
            made[layer.name] = x.reshape(len(x), *layer.target)
            continue
        assert isinstance(layer, FloatLinear)
        own = parameters[layer.name]
        weights, bias = own["weights"], own["bias"]
        if scheme is not None:
            fmt = scheme.input if first else scheme.activations
            x, first = input_estimate(x, own, fmt, scheme), False
            made_weights = weight_estimate(own, scheme)
            step = jnp.broadcast_to(x.step * made_weights.step.reshape(-1), bias.shape)
            x, weights, bias = x.real, made_weights.real, snapped(bias, step)
        sums = _sums(layer, x, weights) + bias
        # An unsigned format of the next layer's input cuts off what is below 0, with a gradient of
        # its own.
        clipped = layer.least == 0 and (scheme is None or scheme.activations.min < 0)
        made[layer.name] = jnp.maximum(sums, 0) if clipped else sums
    return made


def input_estimate(x, own: Mapping[str, Any], fmt: Format, scheme: Scheme) -> Estimate:
    """Quantized input of a layer."""
    import jax.numpy as jnp

    if scheme.estimator == "dorefa":
        return dorefa_activations(x, fmt.bits)
    return learned_step(x, jnp.exp(own["input"]), fmt, margin=scheme.margin)


def _sums(layer: FloatLinear, x, weights):
    import jax

    if not isinstance(layer, FloatConv2d):
        return x @ weights.T
    return jax.lax.conv_general_dilated(
        x, weights, layer.stride, layer.padding, rhs_dilation=layer.dilation,
        dimension_numbers=("NHWC", "OHWI", "NHWC"), feature_group_count=layer.groups)
