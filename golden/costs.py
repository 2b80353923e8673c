"""What a layer costs: products, bytes and energy, by shapes, formats and weights alone."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from math import prod
from typing import Literal

import numpy as np

from golden.energy import arithmetic_pj, macs_of, sums_of
from golden.formats import BLOCK, EXPONENT, BlockScaled
from golden.layers.elementwise import operations
from golden.layers.linear import output_of
from golden.networks import (
    Add,
    Concat,
    FloatAveragePool,
    FloatReduce,
    FloatSoftmax,
    Layer,
    LeakyRelu,
    Linear,
    Lookup,
    Mul,
    Network,
    Pool,
    Reduce,
    Rescale,
    Reshape,
    Softmax,
    TableSoftmax,
)
from golden.ranges import Range

__all__ = ["DRAM_WORD_PJ", "SRAM_BYTES", "SRAM_WORD_PJ", "Cost", "cost_of", "total"]

SRAM_BYTES = 468 * 1024
"""Bytes of memory on the chip: the 208 blocks of 18 kbit of the largest ECP5, 468 KB of 1024."""

SRAM_WORD_PJ, DRAM_WORD_PJ = 5.0, 640.0
"""Energy of 32 bits that are read from 8 KB of SRAM, or from DRAM."""

_WORD = 32
# Entries of the two tables of TFLite's softmax of int16, and of ONNX Runtime's.
_TABLES16, _TABLE8 = 2 * 513, 256


@dataclass(frozen=True)
class Cost:
    """Cost of a layer, or of several, for one sample.

    Parameters
    ----------
    macs : int
        Products of a weight and an activation, each added to a sum; those of padding count, too.
    bit_operations : int
        ``macs * weight bits * activation bits``.
    stored_bytes : int
        Weights, parameters, tables and constant inputs.
    moved_bytes : int
        The same, and the other inputs and the output, each of them once.
    memory : "SRAM" or "DRAM"
        Where all of these are: in SRAM if they fit :data:`SRAM_BYTES`. Several layers are in SRAM
        if each is.
    arithmetic_pj, sram_pj, dram_pj : float
        Energy in pJ of the operations (:func:`golden.energy.arithmetic_pj`), and of the bytes that
        move in each memory.
    """

    macs: int = 0
    bit_operations: int = 0
    stored_bytes: int = 0
    moved_bytes: int = 0
    memory: Literal["SRAM", "DRAM"] = "SRAM"
    arithmetic_pj: float = 0.0
    sram_pj: float = 0.0
    dram_pj: float = 0.0


def total(costs: Iterable[Cost]) -> Cost:
    """Return the sum of some costs."""
    costs = tuple(costs)
    return Cost(memory="DRAM" if any(each.memory == "DRAM" for each in costs) else "SRAM", **{
        field.name: sum(getattr(each, field.name) for each in costs)
        for field in fields(Cost) if field.name != "memory"})


def cost_of(layer: Layer, network: Network) -> Cost:
    """Return the cost of a layer for one sample.

    Codes are packed by their bits, each tensor by itself in whole bytes: a weight of 4 bits takes
    half a byte. A block of 32 block-scaled elements has a byte of exponent more. A parameter has
    the bits of its contract's field, once for each channel, or once if all channels share it;
    32 bits in a layer without a contract. A byte that moves takes a quarter of the energy of 32
    bits. A Reshape moves nothing.

    Parameters
    ----------
    layer : Layer
        Layer of ``network``.
    network : Network
    """
    sums, constants = sums_of(layer, network), {each.name for each in network.constants}
    inputs = dict.fromkeys(layer.inputs)
    stored = sum(_bytes(*each) for each in _stored(layer, network, sums)) + sum(
        _tensor_bytes(network, name) for name in inputs if name in constants)
    moved = 0 if isinstance(layer, Reshape) else stored + sum(
        _tensor_bytes(network, name) for name in (*inputs, layer.name) if name not in constants)
    macs, bits = macs_of(layer, network), 0
    if isinstance(layer, Linear):
        bits = layer.weight.format.bits * network.quantization(layer.inputs[0]).format.bits
    inside, words = moved <= SRAM_BYTES, moved * 8 / _WORD
    return Cost(macs=macs, bit_operations=macs * bits, stored_bytes=stored, moved_bytes=moved,
                memory="SRAM" if inside else "DRAM",
                arithmetic_pj=arithmetic_pj(layer, network, sums),
                sram_pj=words * SRAM_WORD_PJ if inside else 0.0,
                dram_pj=0.0 if inside else words * DRAM_WORD_PJ)


def _bytes(count: int, bits: int) -> int:
    return -(-count * bits // 8)


def _tensor_bytes(network: Network, name: str) -> int:
    shape, fmt = network.tensors[name].shape, network.quantization(name).format
    blocks = prod(shape[:-1]) * -(-shape[-1] // BLOCK) if isinstance(fmt, BlockScaled) else 0
    return _bytes(prod(shape), fmt.bits) + _bytes(blocks, EXPONENT.bits)


def _stored(layer: Layer, network: Network, sums: Range | None) -> Iterator[tuple[int, int]]:
    # Entries and their bits of each array that a layer has.
    out = layer.output.format
    match layer:
        case Linear():
            assert sums is not None
            yield layer.weights.size, layer.weight.format.bits
            for name, fmt in layer.contract.fields(sums, output_of(layer)).items():
                value = np.asarray(layer.parameters[name])
                yield 1 if (value == value.flat[0]).all() else value.size, fmt.bits
            for array, bits in ((layer.table, out.bits), (layer.exponents, EXPONENT.bits)):
                yield 0 if array is None else array.size, bits
        case Rescale() | Add() | Mul() | Concat():
            for each in operations(layer, network):
                yield from ((1, fmt.bits) for fmt in each.fields.values())
        case Reduce():
            assert sums is not None
            for name, fmt in layer.contract.fields(sums, out).items():
                yield int(name != "bias"), fmt.bits
        case Lookup():
            yield layer.table.size, out.bits
        case Softmax() | LeakyRelu():
            yield len(layer.parameters), _WORD
            if isinstance(layer, Softmax) and out.bits > 8:
                yield _TABLES16, 16
        case TableSoftmax():
            yield _TABLE8 + 1, _WORD
        case FloatReduce() | FloatAveragePool() | FloatSoftmax():
            yield 2, _WORD  # a factor and an offset
        case Pool() if layer.clamp is not None:
            yield 2, out.bits
