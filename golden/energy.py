"""Energy of a layer's operations: a model, from a table of single operations.

The table is that of M. Horowitz, "Computing's energy problem (and what we can do about it)", ISSCC
2014, for 45 nm at 0.9 V. Nothing here was measured on hardware.
"""

from math import prod

from golden.contracts import Contract, ExactSum, Onnx, Scaled, Thresholds
from golden.formats import Format
from golden.layers.elementwise import operations
from golden.layers.linear import sum_ends
from golden.networks import (
    Add,
    Centre,
    Concat,
    DynamicQuantize,
    Extreme,
    FloatAveragePool,
    FloatOperation,
    FloatReduce,
    FloatSoftmax,
    Layer,
    LeakyRelu,
    Linear,
    Mul,
    Network,
    Pool,
    Reduce,
    Rescale,
    Softmax,
    TableSoftmax,
    TransposeConv2d,
)
from golden.ranges import Range, levels_range, values_range
from golden.units import Addition, FusedScheme, Operation, Scheme

__all__ = ["FLOAT_ADDITION_PJ", "FLOAT_PRODUCT_PJ", "addition_pj", "arithmetic_pj", "macs_of",
           "product_pj", "sums_of"]

FLOAT_ADDITION_PJ, FLOAT_PRODUCT_PJ = 0.9, 3.7
"""Energy of an addition and of a multiplication in float32."""

_ADDITIONS_PJ = {8: 0.03, 16: 0.05, 32: 0.1}


def product_pj(a_bits: int, b_bits: int) -> float:
    """Energy of a product of integers: ``0.2 pJ * a_bits * b_bits / 64``."""
    return 0.2 * a_bits * b_bits / 64


def addition_pj(bits: int) -> float:
    """Energy of an addition or a comparison of integers.

    0.03 pJ up to 8 bits, 0.05 up to 16, and 0.1 for each 32 bits.
    """
    for width, energy in _ADDITIONS_PJ.items():
        if bits <= width:
            return energy
    return _ADDITIONS_PJ[32] * -(-bits // 32)


def macs_of(layer: Layer, network: Network) -> int:
    """Products of a weight and an activation that a layer forms of one sample, padding included.

    A pixel of a transposed convolution's output has the taps that reach it, of input pixels or of
    padding.
    """
    if not isinstance(layer, Linear):
        return 0
    if isinstance(layer, TransposeConv2d):
        channels, *taps, depth = layer.weights.shape
        reaching = (sum(len(range((place + offset) % stride, count, stride))
                        for place in range(size))
                    for size, offset, stride, count in zip(layer.size, layer.offset, layer.stride,
                                                           taps, strict=True))
        return channels * depth * prod(reaching)
    return (prod(network.tensors[layer.name].shape) // len(layer.weights)
            * layer.weights.size)


def sums_of(layer: Layer, network: Network) -> Range | None:
    """Range of the exact sums that a layer forms over its inputs' levels; None if it forms none."""
    if isinstance(layer, Linear):
        return values_range(sum_ends(layer, network))
    if isinstance(layer, Reduce | FloatReduce):
        input = network.quantization(layer.inputs[0])
        shape, zero = network.tensors[layer.inputs[0]].shape, input.scalar_zero_point()
        return (levels_range(input.format) - Range(zero, zero)).times(
            prod(shape[axis - 1] for axis in layer.axes))
    if isinstance(layer, Pool) and layer.kind == "average":
        return levels_range(layer.output.format).times(prod(layer.size))
    return None


def arithmetic_pj(layer: Layer, network: Network, sums: Range | None) -> float:
    """Energy of a layer's operations on one sample, in pJ.

    - A product of integers: :func:`product_pj` of the widths of both factors.
    - An addition or a comparison: :func:`addition_pj`.
    - In float32 0.9 pJ for an addition, 3.7 pJ for a product.

    A multiply-accumulate is a product and an addition as wide as the layer's sums. Then each result
    adds a bias, is multiplied by its multiplier, or by a float32 scale, and adds a zero point; with
    contract ``thresholds`` it is compared once for each of its bits. Sums and differences of two
    tensors, products and joins subtract zero points and scale likewise. A pool adds or compares
    each tap; an average is divided by a product with a reciprocal as wide as the sum. A softmax
    compares, subtracts, adds and multiplies each element once. Exponentials, and choosing an entry
    of a table, count nothing.

    Parameters
    ----------
    layer : Layer
        Layer of ``network``.
    network : Network
    sums : Range or None
        What :func:`sums_of` returns.
    """
    shape, output = network.tensors[layer.name].shape, layer.output.format
    inputs = [prod(network.tensors[name].shape) for name in layer.inputs]
    taken, count = network.quantization(layer.inputs[0]).format.bits, prod(shape)
    bits = 0 if sums is None else sums.format.width
    match layer:
        case Linear():
            product = product_pj(layer.weight.format.bits, taken)
            return macs_of(layer, network) * (product + addition_pj(bits)) + count * (
                addition_pj(bits) + _scaled_pj(layer.contract, bits, output))
        case Rescale() | Add() | Mul() | Concat():
            own = operations(layer, network)
            counts = inputs if isinstance(layer, Concat) else [count]
            return sum(number * _operation_pj(each)
                       for number, each in zip(counts, own, strict=True))
        case Reduce():
            return inputs[0] * addition_pj(bits) + count * _scaled_pj(layer.contract, bits, output)
        case FloatReduce():
            return inputs[0] * addition_pj(bits) + count * (FLOAT_PRODUCT_PJ + FLOAT_ADDITION_PJ)
        case Pool(kind="average"):
            return count * (prod(layer.size) * addition_pj(bits) + product_pj(bits, bits))
        case Pool():
            return count * prod(layer.size) * addition_pj(output.bits)
        case FloatAveragePool():
            return count * ((prod(layer.size) + 1) * FLOAT_ADDITION_PJ + FLOAT_PRODUCT_PJ)
        case Softmax():
            return count * (2 * addition_pj(taken) + addition_pj(32) + product_pj(32, 32))
        case FloatSoftmax() | TableSoftmax():
            return count * (addition_pj(taken) + 2 * FLOAT_ADDITION_PJ + FLOAT_PRODUCT_PJ)
        case LeakyRelu():
            centred = taken + 1
            return count * (addition_pj(centred) + product_pj(centred, 31)
                            + addition_pj(output.bits))
        case Extreme() | Centre():
            return count * addition_pj(output.bits)
        case FloatOperation():
            return count * (FLOAT_PRODUCT_PJ if layer.kind == "mul" else FLOAT_ADDITION_PJ)
        case DynamicQuantize(part="levels"):
            return count * (FLOAT_PRODUCT_PJ + FLOAT_ADDITION_PJ)
        case DynamicQuantize():
            return 2 * inputs[0] * FLOAT_ADDITION_PJ  # comparisons with the least and the largest
        case _:
            return 0.0


def _operation_pj(operation: Operation) -> float:
    # One element of an elementwise operation.
    formats = list(operation.operands.values())
    if isinstance(operation, Addition) and isinstance(operation.scheme, FusedScheme):
        return len(formats) * (FLOAT_PRODUCT_PJ + FLOAT_ADDITION_PJ)
    centred = [(levels_range(fmt) - levels_range(fmt)).format.width for fmt in formats]
    energy = sum(map(addition_pj, centred)) + _scaled_pj(
        operation.contract, operation.sums.format.width, operation.output)
    if isinstance(operation, Addition):
        scheme = operation.scheme
        assert isinstance(scheme, Scheme) and isinstance(scheme.contract, Scaled)
        return energy + addition_pj(scheme.intermediate.width) + sum(product_pj(
            operation.scaled(fmt).format.width, scheme.contract.multiplier.width)
            for fmt in formats)
    return energy + (product_pj(*centred) if len(centred) > 1 else 0.0)


def _scaled_pj(contract: Contract, bits: int, output: Format) -> float:
    # A sum of so many bits that becomes a result.
    zero_point = addition_pj(output.bits)
    match contract:
        case ExactSum():
            return 0.0
        case Thresholds():
            return output.bits * addition_pj(bits)
        case Onnx():
            return FLOAT_PRODUCT_PJ + (FLOAT_ADDITION_PJ if contract.inside else zero_point)
        case Scaled():
            return product_pj(bits, contract.multiplier.width) + zero_point
    raise TypeError(f"Contract must be one of golden.contracts, not {contract!r}")
