"""Proof and run of each kind of layer: a table by the classes of :mod:`golden.networks`."""

from collections.abc import Mapping

from golden.layers.elementwise import ELEMENTWISE
from golden.layers.functions import (
    FLOAT_AVERAGE_POOL,
    FLOAT_REDUCE,
    FLOAT_SOFTMAX,
    LEAKY_RELU,
    LOOKUP,
    REDUCE,
    SOFTMAX,
    TABLE_SOFTMAX,
)
from golden.layers.kind import Kind
from golden.layers.linear import LINEAR
from golden.layers.moves import MOVE
from golden.layers.pool import POOL
from golden.layers.reals import CENTRE, DYNAMIC_QUANTIZE, FLOAT_OPERATION, TO_FLOAT
from golden.networks import (
    Add,
    Centre,
    Concat,
    Conv2d,
    Dense,
    DynamicQuantize,
    Extreme,
    FloatAveragePool,
    FloatOperation,
    FloatReduce,
    FloatSoftmax,
    Layer,
    LeakyRelu,
    Lookup,
    Mul,
    Pad,
    Pool,
    Reduce,
    Rescale,
    Reshape,
    Slice,
    Softmax,
    Sub,
    TableSoftmax,
    ToFloat,
    Transpose,
    TransposeConv2d,
)

__all__ = ["KINDS", "Kind", "kind_of"]

KINDS: Mapping[type[Layer], Kind] = {
    Dense: LINEAR, Conv2d: LINEAR, TransposeConv2d: LINEAR, Pool: POOL, Rescale: ELEMENTWISE,
    Add: ELEMENTWISE, Sub: ELEMENTWISE, Mul: ELEMENTWISE, Concat: ELEMENTWISE, Reshape: MOVE,
    Transpose: MOVE, Pad: MOVE, Slice: MOVE, Extreme: MOVE, Lookup: LOOKUP, Softmax: SOFTMAX,
    LeakyRelu: LEAKY_RELU, Reduce: REDUCE, FloatReduce: FLOAT_REDUCE,
    FloatAveragePool: FLOAT_AVERAGE_POOL, FloatSoftmax: FLOAT_SOFTMAX,
    TableSoftmax: TABLE_SOFTMAX, DynamicQuantize: DYNAMIC_QUANTIZE, Centre: CENTRE,
    ToFloat: TO_FLOAT, FloatOperation: FLOAT_OPERATION}


def kind_of(layer: Layer) -> Kind:
    """Return the kind of a layer; ``TypeError`` if it has none."""
    if type(layer) not in KINDS:
        raise TypeError(f"Layer must be one of golden.networks, not {layer!r}")
    return KINDS[type(layer)]
