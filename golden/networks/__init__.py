"""Quantized networks as plain data: tensors, layers and their connections. No arithmetic."""

from golden.networks.functions import (
    FloatAveragePool,
    FloatReduce,
    FloatSoftmax,
    LeakyRelu,
    Lookup,
    Reduce,
    Softmax,
    TableSoftmax,
)
from golden.networks.layers import Add, Concat, Layer, Mul, Pool, Rescale, Sub
from golden.networks.linear import Conv2d, Dense, Linear, TransposeConv2d
from golden.networks.moves import Extreme, Move, Pad, Reshape, Slice, Transpose
from golden.networks.network import INPUT, Network, Tensor
from golden.networks.quantization import Quantization, check_scale
from golden.networks.reals import (
    FLOAT32,
    Centre,
    DynamicQuantize,
    Float32,
    FloatOperation,
    ToFloat,
)

__all__ = ["Quantization", "Tensor", "Layer", "Linear", "Dense", "Conv2d", "TransposeConv2d",
           "Pool", "Rescale", "Add", "Sub", "Mul", "Concat", "Move", "Reshape", "Transpose", "Pad",
           "Slice", "Extreme", "Lookup", "Softmax", "LeakyRelu", "Reduce", "FloatReduce",
           "FloatAveragePool", "FloatSoftmax", "TableSoftmax", "Float32", "FLOAT32",
           "DynamicQuantize", "Centre", "ToFloat", "FloatOperation", "Network", "INPUT",
           "check_scale"]
