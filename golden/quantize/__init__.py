"""Choice of ranges for real numbers, and post-training quantization of networks."""

from golden.affine import asymmetric, dequantize, limits, quantize, round_to_step, symmetric
from golden.quantize.calibration import apart, highest_exponents, least_error, least_error_rows
from golden.quantize.equalize import equalize
from golden.quantize.errors import TensorError, tensor_errors
from golden.quantize.linear import Weights
from golden.quantize.network import ZeroPoints, quantize_network
from golden.quantize.scales import short_scales
from golden.quantize.weights import WeightRanges, quantize_weights

__all__ = [
    "equalize", "quantize_network", "quantize_weights", "TensorError", "tensor_errors",
    "ZeroPoints", "WeightRanges", "Weights", "short_scales",
    "asymmetric", "dequantize", "limits", "quantize", "round_to_step", "symmetric",
    "apart", "least_error", "least_error_rows", "highest_exponents",
]
