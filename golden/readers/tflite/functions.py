"""TFLite's operators of elements and of windows: sums, products, pools, means, functions."""

from collections.abc import Callable, Mapping
from math import prod
from typing import Any, Literal

from golden import contracts, units
from golden.contracts import S32, Clamped, Rounding
from golden.layer_scales import reduce_parameters
from golden.networks import (
    Add,
    FloatReduce,
    FloatSoftmax,
    Layer,
    LeakyRelu,
    Lookup,
    Mul,
    Pool,
    Reduce,
    Rescale,
    Softmax,
    Sub,
)
from golden.readers.model import Unsupported
from golden.readers.tflite import scales
from golden.readers.tflite.file import Operator
from golden.readers.tflite.operands import (
    TYPES,
    Context,
    activation_clamp,
    axes_of,
    check_image,
    check_types,
    format_of,
    operands,
    options_of,
    padding_of,
    quantization_of,
    same,
)
from golden.runtimes import tflite_softmax, tflite_tables, tflite_tables16
from golden.unit_scales import parameters_of
from golden.units import Addition, Multiplication, Rescaling

__all__ = ["add", "leaky_relu", "multiply", "pool", "quantize", "reduction", "relu", "softmax",
           "table"]

TFLITE = contracts.parse("tflite")
AT_ONCE = 16
"""Elements of int16 that LiteRT adds or subtracts at once where the processor can."""


def add(op: Operator, context: Context, kind: type[Add]) -> list[Layer]:
    """ADD and SUB."""
    a, b, y = operands(op, 2)
    name = "tflite" if y.type == "int8" else "tflite_int16"
    ratios = scales.ratios([quantization_of(a), quantization_of(b)], quantization_of(y))
    delegated = context.delegated(a, b, y) and all(
        2.0**-10 <= ratio < 2.0**8 for ratio in ratios)
    if delegated:
        name = "xnnpack"
    if (context.runtime == "litert" and y.type == "int16" and prod(y.shape) >= AT_ONCE
            and (kind is Sub or a.shape == b.shape)):
        raise Unsupported(f"Output of runtime litert must be int8, or have less than {AT_ONCE} "
                          f"elements, not {prod(y.shape)}: it rounds so many int16 elements at "
                          "once as the processor likes")
    scheme = units.parse(name)
    operation = Addition(scheme, format_of(a), format_of(b), format_of(y), kind is Sub)
    return [kind(**_elementwise(op, operation, delegated), scheme=scheme)]


def multiply(op: Operator, context: Context) -> list[Layer]:
    """MUL."""
    a, b, y = operands(op, 2)
    contract = TFLITE
    ratios = scales.ratios([quantization_of(a)], quantization_of(y))
    delegated = context.delegated(a, b, y) and bool(
        2.0**-16 <= ratios[0] * quantization_of(b).scale < 2.0**8)
    if delegated:
        contract = contracts.parse("litert")
    operation = Multiplication(contract, format_of(a), format_of(b), format_of(y))
    return [Mul(**_elementwise(op, operation, delegated), contract=contract)]


def _elementwise(op: Operator, operation: Addition | Multiplication, delegated: bool
                 ) -> dict[str, Any]:
    *inputs, y = operands(op, 2)
    check_types(*inputs, y)
    output = quantization_of(y)
    parameters = parameters_of(operation, *map(quantization_of, inputs), output,
                               clamp=activation_clamp(op, output, delegated))
    return dict(name=y.name, inputs=tuple(x.name for x in inputs), output=output,
                parameters=parameters)


def quantize(op: Operator, context: Context) -> list[Layer]:
    """QUANTIZE from levels to levels."""
    x, y = operands(op, 1)
    input, output = quantization_of(x, TYPES), quantization_of(y, TYPES)
    contract = TFLITE
    parameters = parameters_of(Rescaling(TFLITE, format_of(x), format_of(y)), input, output)
    if context.delegated(x, y) and (short := scales.short_factor(input, output)) is not None:
        contract = contracts.parse("half_up")
        parameters |= {"multiplier": short, "shift": scales.SHORT_SHIFT}
    return [Rescale(name=y.name, inputs=(x.name,), output=output, contract=contract,
                    parameters=parameters)]


def pool(op: Operator, context: Context, kind: Literal["average", "max"]) -> list[Layer]:
    """AVERAGE_POOL_2D and MAX_POOL_2D."""
    x, y = operands(op, 1)
    check_image(x)
    options, output = options_of(op), same(y, x)
    size = options["FilterHeight"], options["FilterWidth"]
    stride = options["StrideH"], options["StrideW"]
    delegated = (kind == "max" and context.delegated(x) and stride[0] <= size[0]
                 and stride[1] <= size[1])
    return [Pool(name=y.name, inputs=(x.name,), output=output, kind=kind, size=size, stride=stride,
                 padding=padding_of(op, x.shape[1:3], size, stride),
                 clamp=activation_clamp(op, output, delegated))]


def reduction(op: Operator, context: Context, kind: Literal["mean", "sum"]) -> list[Layer]:
    """MEAN and SUM over axes behind the batch."""
    x, places, y = operands(op, 2)
    check_types(x, y)
    input, output = quantization_of(x), quantization_of(y)
    axes = axes_of(places, len(x.shape), context)
    if 0 in axes or not axes:
        raise Unsupported(f"Axes must be behind the batch, not {axes}")
    fields: dict[str, Any] = dict(name=y.name, inputs=(x.name,), output=output, axes=axes,
                                  keep=bool(options_of(op)["KeepDims"]), kind=kind)
    if kind == "sum" and context.runtime == "litert-reference":
        raise Unsupported("Runtime must be tflite-micro or litert, not litert-reference, which "
                          "reads the levels as unsigned bytes")
    if context.delegated(x, y):
        return [FloatReduce(**fields)]
    if kind == "sum" and context.runtime == "litert":
        return [FloatReduce(**fields, rounding=Rounding.HALF_AWAY)]
    count = prod(x.shape[axis] for axis in axes) if kind == "mean" else 1
    assert isinstance(TFLITE, Clamped)
    parameters = {**reduce_parameters(TFLITE, input, output, count, S32),
                  "zero_point": output.scalar_zero_point(), "clamp_min": output.format.min,
                  "clamp_max": output.format.max}
    return [Reduce(**fields, contract=TFLITE, parameters=parameters)]


def relu(op: Operator, context: Context) -> list[Layer]:
    """RELU rescales; the others clamp levels."""
    x, y = operands(op, 1)
    check_types(x, y)
    input, output = quantization_of(x), quantization_of(y)
    scaling = scales.relu(input, output, context.runtime)
    if op.name != "RELU":
        same(y, x)
        scaling = scales.identity()
    lo, hi = scales.activation_clamp(op.name, output)
    return [Rescale(name=y.name, inputs=(x.name,), output=output, contract=TFLITE,
                    parameters={"input_zero_point": input.scalar_zero_point(), **scaling,
                                "zero_point": output.scalar_zero_point(), "clamp_min": lo,
                                "clamp_max": hi})]


def leaky_relu(op: Operator, context: Context) -> list[Layer]:
    """LEAKY_RELU."""
    x, y = operands(op, 1)
    check_types(x, y)
    input, output = quantization_of(x), quantization_of(y)
    alpha = options_of(op)["Alpha"]
    if context.delegated(x, y) and (table := scales.short_leaky_relu(input, output, alpha)
                                    ) is not None:
        return [Lookup(name=y.name, inputs=(x.name,), output=output, table=table)]
    return [LeakyRelu(name=y.name, inputs=(x.name,), output=output,
                      parameters=scales.leaky_relu(input, output, alpha, context.runtime))]


def table(op: Operator, context: Context) -> list[Layer]:
    """HARD_SWISH, LOGISTIC and TANH."""
    x, y = operands(op, 1)
    check_types(x, y)
    input, output = quantization_of(x), quantization_of(y)
    kernels: Mapping[str, Callable] = (
        tflite_tables.KERNELS if x.type == "int8" else tflite_tables16.KERNELS)
    if (kernel := kernels.get(op.name.lower())) is None:
        raise Unsupported(f"Type of tensor {x.name!r} must be int8, not {x.type}")
    return [Lookup(name=y.name, inputs=(x.name,), output=output, table=kernel(input, output))]


def softmax(op: Operator, context: Context) -> list[Layer]:
    """SOFTMAX over the last axis."""
    x, y = operands(op, 1)
    input, output = quantization_of(x), quantization_of(y)
    if context.delegated(x, y):
        # By LiteRT's own kernel: the delegate leaves it, and reference kernels have fixed point.
        return [FloatSoftmax(name=y.name, inputs=(x.name,), output=output,
                             beta=options_of(op)["Beta"])]
    # LiteRT: the product of scale and beta in float32, the tables in float64.
    product, tables = "float64", "float32"
    if x.type == "int16" and context.runtime != "tflite-micro":
        product, tables = "float32", "float64"
    return [Softmax(name=y.name, inputs=(x.name,), output=output, tables=tables,
                    parameters=tflite_softmax.parameters_of(input, output, options_of(op)["Beta"],
                                                            product))]
