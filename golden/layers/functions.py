"""Layers that compute a function of one tensor: tables, softmax, leaky relu, sums, float means."""

from collections.abc import Sequence

import numpy as np

from golden.block_scaled import Levels
from golden.contracts import S32, Clamped, Rounding
from golden.formats import Format, IntFormat
from golden.layers.kind import Kind
from golden.networks import (
    FloatAveragePool,
    FloatReduce,
    FloatSoftmax,
    LeakyRelu,
    Lookup,
    Network,
    Reduce,
    Softmax,
    TableSoftmax,
)
from golden.ranges import Range, levels_range
from golden.requantize import check_parameters, requantize
from golden.runtimes.gemmlowp import multiply_by_quantized_multiplier
from golden.runtimes.onnx_functions import softmax as table_softmax
from golden.runtimes.onnx_pools import qlinear_average_pool
from golden.runtimes.tflite_softmax import MOST_ELEMENTS, check_output, float_softmax, softmax

__all__ = ["FLOAT_AVERAGE_POOL", "FLOAT_REDUCE", "FLOAT_SOFTMAX", "LEAKY_RELU", "LOOKUP",
           "REDUCE", "SOFTMAX", "TABLE_SOFTMAX"]

MOST_CODES = 1 << 16
"""Most entries of a table."""

S8 = IntFormat(8)

MOST_FACTOR = 148
"""Largest reciprocal of a softmax's output scale, for each element of a row: below ``e**5``."""

_TINY, _HUGE = (float(end) for end in (np.finfo(np.float32).tiny, np.finfo(np.float32).max))


def _formats(layer, network: Network) -> tuple[IntFormat, IntFormat]:
    input, output = network.quantization(layer.inputs[0]).format, layer.output.format
    for title, fmt in (("Input", input), ("Output", output)):
        if not isinstance(fmt, IntFormat):
            raise ValueError(f"{title} of layer {layer.name!r} must have an integer format, "
                             f"not {fmt}")
    return input, output  # pyright: ignore[reportReturnType]


def _fields(layer, allowed: dict[str, Format]):
    # Parameters by name, each within its format.
    if set(layer.parameters) != set(allowed):
        raise ValueError(f"Parameters of layer {layer.name!r} must be {', '.join(allowed)}, "
                         f"not {', '.join(layer.parameters)}")
    for name, fmt in allowed.items():
        fmt.check(layer.parameters[name], f"Parameter {name} of layer {layer.name!r}")


def _prove_lookup(layer: Lookup, network: Network, x: Sequence[Levels] | None):
    input, output = network.quantization(layer.inputs[0]).format, layer.output.format
    if 1 << input.bits > MOST_CODES:
        raise ValueError(f"Input of layer {layer.name!r} must have a format of at most 16 bits, "
                         f"not {input}")
    if layer.table.shape != (1 << input.bits,):
        raise ValueError(f"Table of layer {layer.name!r} must have {1 << input.bits} levels, one "
                         f"for each code of {input}, not shape {layer.table.shape}")
    output.check(layer.table, f"Table entry of layer {layer.name!r}")


def _run_lookup(layer: Lookup, network: Network, x: Sequence[Levels], sums: None) -> np.ndarray:
    return layer.table[network.quantization(layer.inputs[0]).format.encode(x[0])]


def _prove_softmax(layer: Softmax, network: Network, x: Sequence[Levels] | None):
    input, output = _formats(layer, network)
    if input != output or (input.bits, input.signed, input.narrow) not in (
            (8, True, False), (16, True, False)):
        raise ValueError(f"Input and output of layer {layer.name!r} must both be s8 or both s16, "
                         f"not {input} and {output}")
    if layer.tables not in ("float32", "float64"):
        raise ValueError(f"Tables of layer {layer.name!r} must be float32 or float64, "
                         f"not {layer.tables!r}")
    elements = network.tensors[layer.inputs[0]].shape[-1]
    if elements > MOST_ELEMENTS:
        raise ValueError(f"Rows of layer {layer.name!r} must have at most {MOST_ELEMENTS} "
                         f"elements, not {elements}")
    _fields(layer, {"multiplier": IntFormat(31, signed=False), "shift": IntFormat(6)})
    reach = 1 << input.bits
    # A left shift of the differences stays within int32, where they are not left out.
    if input.bits == 16 and (reach - 1) << max(layer.parameters["shift"], 0) > S32.max:
        raise ValueError(f"Parameter shift of layer {layer.name!r} must be at most "
                         f"{31 - input.bits}, not {layer.parameters['shift']}")


def _run_softmax(layer: Softmax, network: Network, x: Sequence[Levels], sums: None) -> np.ndarray:
    return softmax(x[0], layer.output.format, layer.parameters, layer.tables)


def _prove_float_softmax(layer: FloatSoftmax, network: Network, x: Sequence[Levels] | None):
    input = network.quantization(layer.inputs[0])
    if input.format != S8:
        raise ValueError(f"Input of layer {layer.name!r} must be s8, not {input.format}")
    check_output(input, layer.output)
    if not 0 < np.float32(input.scale) * np.float32(layer.beta) <= _HUGE:
        raise ValueError(f"Scale times beta of layer {layer.name!r} must be a positive float32, "
                         f"not {input.scale} times {layer.beta}")


def _run_float_softmax(layer: FloatSoftmax, network: Network, x: Sequence[Levels], sums: None
                       ) -> np.ndarray:
    return float_softmax(x[0], network.quantization(layer.inputs[0]), layer.beta)


def _prove_leaky_relu(layer: LeakyRelu, network: Network, x: Sequence[Levels] | None):
    input, output = _formats(layer, network)
    _fields(layer, {"multiplier": IntFormat(31, signed=False), "shift": IntFormat(6),
                    "alpha_multiplier": S32, "alpha_shift": IntFormat(6)})
    try:
        _leaky_relu(layer, network, np.array([input.min, input.max]))
    except ValueError as error:
        raise ValueError(f"Layer {layer.name!r}: {error}") from error


def _leaky_relu(layer: LeakyRelu, network: Network, x) -> np.ndarray:
    p, output = layer.parameters, layer.output
    x = np.asarray(x) - network.quantization(layer.inputs[0]).scalar_zero_point()
    above = multiply_by_quantized_multiplier(np.maximum(x, 0), p["multiplier"], p["shift"])
    below = multiply_by_quantized_multiplier(np.minimum(x, 0), abs(p["alpha_multiplier"]),
                                             p["alpha_shift"])
    if p["alpha_multiplier"] < 0:
        below = -below
    return np.clip(np.where(x >= 0, above, below) + output.scalar_zero_point(),
                   output.format.min, output.format.max)


def _run_leaky_relu(layer: LeakyRelu, network: Network, x: Sequence[Levels], sums: None
                    ) -> np.ndarray:
    return _leaky_relu(layer, network, x[0])


def _reduced(layer: Reduce | FloatReduce, network: Network) -> int:
    # Number of elements of a sum.
    _formats(layer, network)
    if layer.kind not in ("mean", "sum"):
        raise ValueError(f"Kind of layer {layer.name!r} must be mean or sum, not {layer.kind!r}")
    shape = network.tensors[layer.inputs[0]].shape
    return int(np.prod([shape[axis - 1] for axis in layer.axes], dtype=object))


def _prove_reduce(layer: Reduce, network: Network, x: Sequence[Levels] | None) -> Range:
    count = _reduced(layer, network)
    if not isinstance(layer.contract, Clamped):
        raise ValueError(f"Contract of layer {layer.name!r} must scale, which "
                         f"{layer.contract.name} does not")
    input = network.quantization(layer.inputs[0])
    zero_point = input.scalar_zero_point()
    sums = (levels_range(input.format) - Range(zero_point, zero_point)) * Range(count, count)
    parameters = {**layer.parameters, "bias": 0}
    try:
        values = check_parameters(layer.contract, layer.output.format, parameters, unbiased=sums)
        if values["zero_point"] != layer.output.zero_point:
            raise ValueError(f"Parameter zero_point must be {layer.output.zero_point}, as the "
                             f"output's, not {values['zero_point']}")
        for end in (sums.lo, sums.hi):
            requantize([end], layer.contract, layer.output.format, parameters, unbiased=sums)
    except ValueError as error:
        raise ValueError(f"Layer {layer.name!r}: {error}") from error
    return sums


def _run_reduce(layer: Reduce, network: Network, x: Sequence[Levels], sums: Range) -> np.ndarray:
    levels = np.asarray(x[0]) - network.quantization(layer.inputs[0]).scalar_zero_point()
    total = levels.sum(axis=layer.axes, keepdims=layer.keep)
    y = requantize(total.reshape(-1, 1), layer.contract, layer.output.format,
                   {**layer.parameters, "bias": 0}, unbiased=sums)
    return y.reshape(total.shape)


def _float_factor(layer: FloatReduce, network: Network, count: int) -> np.float32:
    scales = np.float32(network.quantization(layer.inputs[0]).scale), np.float32(layer.output.scale)
    with np.errstate(over="ignore", under="ignore"):
        ratio = scales[0] / scales[1]
        return ratio * (np.float32(1) / np.float32(count)) if layer.kind == "mean" else ratio


def _prove_float_reduce(layer: FloatReduce, network: Network, x: Sequence[Levels] | None):
    count = _reduced(layer, network)
    _float_scales(layer, network)
    if layer.rounding not in (Rounding.HALF_EVEN, Rounding.HALF_AWAY):
        raise ValueError(f"Rounding of layer {layer.name!r} must be half_even or half_away, "
                         f"not {layer.rounding.value}")
    input = network.quantization(layer.inputs[0]).format
    most = S32.max // max(input.max, -input.min)
    if count > most:
        raise ValueError(f"Layer {layer.name!r} must sum at most {most} elements of {input}, "
                         f"not {count}")
    if not _TINY <= (factor := _float_factor(layer, network, count)) <= _HUGE:
        raise ValueError(f"Factor of layer {layer.name!r} must be a normal float32, not {factor}")


def _run_float_reduce(layer: FloatReduce, network: Network, x: Sequence[Levels], sums: None
                      ) -> np.ndarray:
    f, levels, output = np.float32, np.asarray(x[0]), layer.output
    count = _reduced(layer, network)
    factor = _float_factor(layer, network, count)
    offset = f(output.scalar_zero_point()) - f(
        count * network.quantization(layer.inputs[0]).scalar_zero_point()) * factor
    real = levels.sum(axis=layer.axes, keepdims=layer.keep).astype(f) * factor + offset
    # A float64 holds the half that is added to a float32.
    wide = real.astype(np.float64)
    rounded = np.rint(wide) if layer.rounding is Rounding.HALF_EVEN else np.trunc(
        wide + np.copysign(0.5, wide))
    return np.clip(rounded, output.format.min, output.format.max).astype(np.int64)


def _float_scales(layer, network: Network):
    for name, each in ((layer.inputs[0], network.quantization(layer.inputs[0])),
                       (layer.name, layer.output)):
        each.scalar_zero_point(f"Zero point of tensor {name!r}")
        if np.ndim(each.scale) or not _TINY <= each.scale <= _HUGE:
            raise ValueError(f"Scale of tensor {name!r} must be one, and a normal float32, "
                             f"not {each.scale}")


def _prove_table_softmax(layer: TableSoftmax, network: Network, x: Sequence[Levels] | None):
    input, output = _formats(layer, network)
    if max(input.bits, output.bits) > 8:
        raise ValueError(f"Input and output of layer {layer.name!r} must have at most 8 bits, "
                         f"not {input} and {output}")
    _float_scales(layer, network)
    elements = network.tensors[layer.name].shape[-1]
    if elements > 1 and (
            1 / float(np.float32(layer.output.scale)) > MOST_FACTOR * elements):
        # Beyond, the entries of the table times the factor overflow.
        raise ValueError(f"Scale of tensor {layer.name!r} must be at least "
                         f"1 / {MOST_FACTOR * elements} for rows of {elements} elements, "
                         f"not {layer.output.scale}")


def _prove_float_average_pool(layer: FloatAveragePool, network: Network,
                              x: Sequence[Levels] | None):
    _formats(layer, network)
    _float_scales(layer, network)


def _run_float_average_pool(layer: FloatAveragePool, network: Network, x: Sequence[Levels],
                            sums: None) -> np.ndarray:
    input, output = network.quantization(layer.inputs[0]), layer.output
    source, result = _formats(layer, network)
    (top, bottom), (left, right) = layer.padding
    y = qlinear_average_pool(
        np.moveaxis(np.asarray(x[0]), -1, 1), float(input.scale), input.scalar_zero_point(),
        float(output.scale), output.scalar_zero_point(), source=source, output=result,
        kernel_shape=layer.size, strides=layer.stride, pads=(top, left, bottom, right),
        count_include_pad=layer.count_padding)
    return np.moveaxis(y, 1, -1)


def _run_table_softmax(layer: TableSoftmax, network: Network, x: Sequence[Levels], sums: None
                       ) -> np.ndarray:
    input, output = network.quantization(layer.inputs[0]), layer.output
    return table_softmax(x[0], float(input.scale), float(output.scale),
                            output.scalar_zero_point(), output=_formats(layer, network)[1])


def _pass(layer, network: Network):
    # Scales are in the table, or in parameters that the runtime makes by a rule of its own.
    pass


LOOKUP = Kind(_prove_lookup, _run_lookup, _pass)
"""Proof and run of tables."""

SOFTMAX = Kind(_prove_softmax, _run_softmax, _pass)
"""Proof and run of TFLite's softmax."""

FLOAT_SOFTMAX = Kind(_prove_float_softmax, _run_float_softmax, _pass)
"""Proof and run of LiteRT's softmax of int8."""

LEAKY_RELU = Kind(_prove_leaky_relu, _run_leaky_relu, _pass)
"""Proof and run of TFLite's leaky relu."""

REDUCE = Kind(_prove_reduce, _run_reduce, _pass)
"""Proof and run of sums and means over axes."""

FLOAT_REDUCE = Kind(_prove_float_reduce, _run_float_reduce, _pass)
"""Proof and run of LiteRT's sums and means over axes."""

TABLE_SOFTMAX = Kind(_prove_table_softmax, _run_table_softmax, _pass)
"""Proof and run of ONNX Runtime's softmax."""

FLOAT_AVERAGE_POOL = Kind(_prove_float_average_pool, _run_float_average_pool, _pass)
"""Proof and run of ONNX Runtime's average pool."""
