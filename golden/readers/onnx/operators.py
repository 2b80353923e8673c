"""Which function turns which operator of ONNX into layers."""

from collections.abc import Callable, Mapping

from golden.readers.onnx import functions, linear, moves, reals
from golden.readers.onnx.context import Context
from golden.readers.onnx.file import Node

__all__ = ["MICROSOFT", "OPERATORS"]

MICROSOFT = "com.microsoft"

OPERATORS: Mapping[tuple[str, str], Callable[[Node, Context], None]] = {
    ("", "QLinearConv"): linear.qlinear_conv,
    ("", "QLinearMatMul"): linear.qlinear_matmul,
    (MICROSOFT, "QGemm"): linear.qgemm,
    (MICROSOFT, "QLinearAdd"): functions.qlinear_add,
    (MICROSOFT, "QLinearMul"): functions.qlinear_mul,
    (MICROSOFT, "QLinearConcat"): moves.qlinear_concat,
    (MICROSOFT, "QLinearAveragePool"): functions.qlinear_average_pool,
    (MICROSOFT, "QLinearGlobalAveragePool"): functions.qlinear_global_average_pool,
    (MICROSOFT, "QLinearLeakyRelu"): functions.qlinear_leaky_relu,
    (MICROSOFT, "QLinearSigmoid"): functions.qlinear_sigmoid,
    (MICROSOFT, "QLinearSoftmax"): functions.qlinear_softmax,
    ("", "DynamicQuantizeLinear"): reals.dynamic_quantize_linear,
    ("", "MatMulInteger"): reals.matmul_integer,
    ("", "ConvInteger"): reals.conv_integer,
    ("", "Cast"): reals.cast,
    ("", "MaxPool"): functions.max_pool,
    ("", "Relu"): functions.relu,
    ("", "Clip"): functions.clip,
    ("", "Concat"): moves.concat,
    ("", "Reshape"): moves.reshape,
    ("", "Flatten"): moves.flatten,
    ("", "Squeeze"): moves.squeeze,
    ("", "Unsqueeze"): moves.unsqueeze,
    ("", "Transpose"): moves.transpose,
    ("", "Slice"): moves.slice_of,
    ("", "Split"): moves.split,
    ("", "Pad"): moves.pad,
    ("", "Identity"): moves.identity,
}
"""Function of each operator on levels, by its domain and its name."""
