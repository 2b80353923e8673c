"""Quantized networks as plain data: tensors, layers and their connections. No arithmetic."""

from golden.networks.layers import (
    Add,
    Concat,
    Conv2d,
    Dense,
    Layer,
    Linear,
    Mul,
    Pool,
    Rescale,
    Sub,
)
from golden.networks.network import INPUT, Network, Tensor
from golden.networks.quantization import Quantization, check_scale

__all__ = ["Quantization", "Tensor", "Layer", "Linear", "Dense", "Conv2d", "Pool", "Rescale",
           "Add", "Sub", "Mul", "Concat", "Network", "INPUT", "check_scale"]
