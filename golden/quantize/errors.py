"""What quantization adds to each tensor of a network: noise, its largest step, saturation."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, isfinite, log10
from typing import Any

import numpy as np

from golden.affine import dequantize, quantize
from golden.block_scaled import Levels
from golden.floats import FloatNetwork, float_tensors
from golden.formats import EXPONENT_BIAS, BlockScaled
from golden.networks import Network, Quantization
from golden.run import run

__all__ = ["TensorError", "tensor_errors"]


@dataclass(frozen=True)
class TensorError:
    """A quantized tensor beside the float one.

    Parameters
    ----------
    name : str
    operator : str
        Kind of the layer that makes it; ``input`` for the network's input.
    quantization : Quantization
    noise_ratio : float
        Signal-to-quantization-noise ratio in dB: ``10 log10(sum(x**2) / sum((q - x)**2))`` of the
        float numbers ``x`` and the quantized ones ``q``; infinite if they are equal.
    most_steps : float
        Largest ``|q - x|``, in steps of the tensor (:attr:`~golden.networks.Quantization.step`).
    saturated : float
        Share of the float numbers that are beyond the format's ends by more than half a step.
    """

    name: str
    operator: str
    quantization: Quantization
    noise_ratio: float
    most_steps: float
    saturated: float

    def to_json(self) -> dict[str, Any]:
        """Everything in plain types; None for a ratio that is not finite."""
        own = self.quantization
        return {"name": self.name, "operator": self.operator, "format": str(own.format),
                "scale": np.asarray(own.scale).tolist(),
                "zero_point": np.asarray(own.zero_point).tolist(),
                "sqnr_db": self.noise_ratio if isfinite(self.noise_ratio) else None,
                "most_steps": self.most_steps, "saturated": self.saturated}


def tensor_errors(real: FloatNetwork, quantized: Network, x,
                  tensors: Mapping[str, Levels] | None = None) -> tuple[TensorError, ...]:
    """Error of each tensor of a quantized network, the input first.

    It is that of the tensor's own quantization and of all before it: each network computes from its
    own tensors.

    Parameters
    ----------
    real : FloatNetwork
    quantized : Network
        What :func:`golden.quantize.quantize_network` has made of it.
    x : array_like of float, ``(batch, *input_shape)``
    tensors : mapping of str to Levels, optional
        What :func:`golden.run.run` computes of these inputs; by default it runs.
    """
    numbers = float_tensors(real, x)
    levels = run(quantized, quantize(x, quantized.input)) if tensors is None else tensors
    kinds = {layer.name: type(layer).__name__ for layer in quantized.layers}
    return tuple(_error(name, kinds.get(name, "input"), numbers[name], levels[name],
                        quantized.quantization(name)) for name in numbers)


def _error(name: str, operator: str, x: np.ndarray, levels: Levels, own: Quantization
           ) -> TensorError:
    # A scale for each channel is of the last axis here, of the first there.
    scaled = np.ndim(own.scale) > 0
    found = (np.moveaxis(dequantize(np.moveaxis(np.asarray(levels), -1, 0), own), 0, -1) if scaled
             else dequantize(levels, own))
    error = found - x
    signal, noise = float(np.square(x).sum()), float(np.square(error).sum())
    ratio = inf if not noise else 10 * log10(signal / noise) if signal else -inf
    fmt, zero_point = own.format, own.zero_point
    end = 2.0**(own.exponents.hi - EXPONENT_BIAS) if isinstance(fmt, BlockScaled) else 1.0
    places = x / own.step
    beyond = (places > end * (fmt.max - zero_point) + end / 2) | (
        places < end * (fmt.min - zero_point) - end / 2)
    return TensorError(name, operator, own, ratio, float(np.abs(error / own.step).max()),
                       float(beyond.mean()))
