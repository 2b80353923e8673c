"""Float networks, before they are quantized."""

from golden.floats.layers import (
    FloatAdd,
    FloatConcat,
    FloatConv2d,
    FloatDense,
    FloatLayer,
    FloatLinear,
    FloatMove,
    FloatPool,
    FloatReshape,
    FloatTranspose,
)
from golden.floats.network import FloatNetwork, float_tensors, run_float

__all__ = ["FloatAdd", "FloatConcat", "FloatConv2d", "FloatDense", "FloatLayer", "FloatLinear",
           "FloatMove", "FloatNetwork", "FloatPool", "FloatReshape", "FloatTranspose",
           "float_tensors", "run_float"]
