"""Which function turns which operator of TFLite into layers."""

from collections.abc import Callable, Mapping
from functools import partial

from golden.networks import Add, Layer, Sub
from golden.readers.tflite import functions, linear, moves
from golden.readers.tflite.file import Operator
from golden.readers.tflite.operands import Context

__all__ = ["OPERATORS"]

OPERATORS: Mapping[str, Callable[[Operator, Context], list[Layer]]] = {
    "CONV_2D": linear.convolution,
    "DEPTHWISE_CONV_2D": linear.convolution,
    "TRANSPOSE_CONV": linear.transpose_convolution,
    "FULLY_CONNECTED": linear.fully_connected,
    "ADD": partial(functions.add, kind=Add),
    "SUB": partial(functions.add, kind=Sub),
    "MUL": functions.multiply,
    "AVERAGE_POOL_2D": partial(functions.pool, kind="average"),
    "MAX_POOL_2D": partial(functions.pool, kind="max"),
    "MEAN": partial(functions.reduction, kind="mean"),
    "SUM": partial(functions.reduction, kind="sum"),
    "QUANTIZE": functions.quantize,
    "RELU": functions.relu,
    "RELU6": functions.relu,
    "RELU_N1_TO_1": functions.relu,
    "RELU_0_TO_1": functions.relu,
    "LEAKY_RELU": functions.leaky_relu,
    "HARD_SWISH": functions.table,
    "LOGISTIC": functions.table,
    "TANH": functions.table,
    "SOFTMAX": functions.softmax,
    "CONCATENATION": moves.concatenation,
    "RESHAPE": moves.reshape,
    "SQUEEZE": moves.reshape,
    "EXPAND_DIMS": moves.reshape,
    "PAD": moves.pad,
    "PADV2": moves.pad,
    "TRANSPOSE": moves.transpose,
    "SLICE": moves.slice_of,
    "STRIDED_SLICE": moves.strided_slice,
    "SPLIT": moves.split,
    "SPLIT_V": moves.split,
    "MAXIMUM": partial(moves.extreme, kind="maximum"),
    "MINIMUM": partial(moves.extreme, kind="minimum"),
}
"""Function of each operator, by the operator's name in the schema."""
