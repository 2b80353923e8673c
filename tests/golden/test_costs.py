"""Products, bytes and energy of layers: counted by hand for each class of layer."""

from pathlib import Path

import numpy as np
import pytest

from golden import networks
from golden.contracts import parse as contract
from golden.costs import SRAM_BYTES, Cost, cost_of, total
from golden.energy import addition_pj, product_pj, sums_of
from golden.floats import FloatDense
from golden.formats import IntFormat, parse
from golden.layers import KINDS
from golden.networks import (
    FLOAT32,
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
    LeakyRelu,
    Lookup,
    Mul,
    Network,
    Pad,
    Pool,
    Quantization,
    Reduce,
    Rescale,
    Reshape,
    Slice,
    Softmax,
    Sub,
    TableSoftmax,
    Tensor,
    ToFloat,
    Transpose,
    TransposeConv2d,
)
from golden.quantize import quantize_network
from golden.readers import read
from golden.units import parse as scheme

HELLO = Path(__file__).parents[1] / "data" / "hello_world_int8.tflite"
S8, S4, U8, F32 = (Quantization(fmt) for fmt in (parse("s8"), parse("s4"), parse("u8"), FLOAT32))
TFLITE, ONNX, NONE = contract("tflite"), contract("onnx"), contract("none")
INSIDE = contract("onnx_zp_inside")
ONE = {"multiplier": 1 << 30, "shift": 1, "zero_point": 0, "clamp_min": -128, "clamp_max": 127}
IMAGE = (4, 4, 6)
WINDOW = dict(size=(2, 2), stride=(2, 2))


def layer(own, *inputs, output=S8, **fields):
    return own(name="y", inputs=inputs or ("a",), output=output, **fields)


def cost(own, *, input=S8, shape=(10,), others=(), constants=()):
    network = Network(name="n", inputs=(Tensor("a", input, shape), *others), layers=(own,),
                      constants=constants)
    return cost_of(own, network)


def linear(own, shape, *, weight=S8, contract=TFLITE, output=S8, **fields):
    channels = shape[0]
    ones = {"bias": np.arange(channels), **ONE}
    if contract is NONE:
        ones = {"bias": 0}
    elif contract.name.startswith("onnx"):
        ones = {**ones, "scale": 0x3F800000}
        del ones["multiplier"], ones["shift"]
    return layer(own, weights=np.ones(shape, int), weight=weight, contract=contract,
                 parameters=ones, output=output, **fields)


def numbers(own):
    return own.macs, own.stored_bytes, own.moved_bytes, round(own.arithmetic_pj, 9)


def test_hello_world_by_hand():
    network = read(HELLO)
    first, second, third = (cost_of(layer, network) for layer in network.layers)
    # A bias of 32 bits for each channel, one multiplier, shift, zero point and two ends.
    assert first.stored_bytes == 16 + 16 * 4 + 4 + 1 + 3
    assert (second.macs, second.bit_operations) == (256, 256 * 64)
    assert second.stored_bytes == 256 + 64 + 8 and second.moved_bytes == 328 + 16 + 16
    assert third.moved_bytes == 16 + 4 + 8 + 16 + 1
    # Products of 8 by 8 bits and sums of 16 to 32 bits; then scales of 31 bits.
    assert second.sram_pj == 360 / 4 * 5 and second.dram_pj == 0
    assert total([first, second, third]) == Cost(
        288, 18432, 444, 510, "SRAM",
        first.arithmetic_pj + second.arithmetic_pj + third.arithmetic_pj, 637.5, 0.0)


@pytest.mark.parametrize("bits, energy", [
    (1, 0.03), (8, 0.03), (9, 0.05), (16, 0.05), (17, 0.1), (32, 0.1), (33, 0.2), (65, 0.3)])
def test_additions_by_their_width(bits, energy):
    assert round(addition_pj(bits), 9) == energy


def test_products_by_both_widths():
    assert (product_pj(8, 8), product_pj(4, 8), product_pj(32, 2)) == (0.2, 0.1, 0.2)


# Sums of 10 products by 1 have 12 bits: 0.05 pJ for an addition, SCALED for a product by a
# multiplier of 31 bits. A difference of two levels has 9. An operand of a sum is shifted left by
# 20 bits, scaled to 31, added, scaled again from 32.
SCALED = 0.2 * 12 * 31 / 64
S9 = 0.2 * 9 * 31 / 64
ADDED = 2 * 0.2 * 29 * 31 / 64 + 0.1 + 0.2 * 32 * 31 / 64
CASES = [
    (linear(Dense, (3, 10)), {}, 30, 30 + 12 + 4 + 1 + 3, 13,
     30 * 0.25 + 3 * (0.05 + SCALED + 0.03)),
    (linear(Dense, (3, 10), weight=S4), {}, 30, 15 + 20, 13,
     30 * 0.15 + 3 * (0.05 + SCALED + 0.03)),
    (linear(Dense, (3, 10), contract=ONNX), {}, 30, 30 + 12 + 4 + 3, 13,
     30 * 0.25 + 3 * (0.05 + 3.7 + 0.03)),
    (linear(Dense, (3, 10), contract=INSIDE), {}, 30, 30 + 12 + 4 + 3, 13,
     30 * 0.25 + 3 * (0.05 + 3.7 + 0.9)),
    (linear(Dense, (3, 10), contract=NONE, output=Quantization(IntFormat(33))), {}, 30,
     30 + 4, 10 + 13, 30 * 0.25 + 3 * 0.05),
    (linear(Dense, (3, 10), table=np.arange(256) - 128), {}, 30, 50 + 256, 13,
     30 * 0.25 + 3 * (0.05 + SCALED + 0.03)),
    (linear(Conv2d, (6, 3, 3, 1), groups=6, padding=((1, 1), (1, 1))), dict(shape=IMAGE),
     16 * 54, 54 + 24 + 8, 192, 864 * 0.25 + 96 * (0.05 + SCALED + 0.03)),
    (linear(TransposeConv2d, (3, 2, 2, 6), stride=(2, 2), offset=(0, 0), size=(8, 8)),
     dict(shape=IMAGE), 16 * 72, 72 + 12 + 8, 96 + 192,
     1152 * 0.25 + 192 * (0.05 + 0.2 * 13 * 31 / 64 + 0.03)),
    (layer(Pool, kind="average", **WINDOW), dict(shape=IMAGE), 0, 0, 96 + 24,
     24 * (4 * 0.05 + 0.2 * 100 / 64)),
    (layer(Pool, kind="max", clamp=(0, 9), **WINDOW), dict(shape=IMAGE), 0, 2, 96 + 24,
     24 * 4 * 0.03),
    (layer(FloatAveragePool, **WINDOW), dict(shape=IMAGE), 0, 8, 96 + 24, 24 * (5 * 0.9 + 3.7)),
    (layer(Rescale, contract=TFLITE, parameters=ONE | {"input_zero_point": 0}), {}, 0,
     1 + 4 + 1 + 3, 20, 10 * (0.05 + S9 + 0.03)),
    (layer(Concat, "a", "a", contract=TFLITE, parameters=(ONE | {"input_zero_point": 0},) * 2),
     {}, 0, 18, 30, 20 * (0.05 + S9 + 0.03)),
    (layer(Mul, "a", "a", contract=ONNX, parameters={
        "a_zero_point": 0, "b_zero_point": 0, "scale": 0x3F800000, "zero_point": 0,
        "clamp_min": -128, "clamp_max": 127}), {}, 0, 2 + 4 + 3, 20,
     10 * (2 * 0.05 + 0.2 * 81 / 64 + 3.7 + 0.03)),
    (layer(Add, "a", "a", scheme=scheme("tflite"), parameters={}), {}, 0, 20, 20,
     10 * (2 * 0.05 + ADDED + 0.03)),
    (layer(Sub, "a", "a", scheme=scheme("tflite"), parameters={}), {}, 0, 20, 20,
     10 * (2 * 0.05 + ADDED + 0.03)),
    (layer(Add, "a", "a", scheme=scheme("onnx"), parameters={}), {}, 0, 14, 20, 10 * 2 * 4.6),
    (layer(Reduce, axes=(1, 2), keep=False, kind="mean", contract=TFLITE, parameters=ONE),
     dict(shape=IMAGE), 0, 8, 102, 96 * 0.05 + 6 * (SCALED + 0.03)),
    (layer(FloatReduce, axes=(1, 2), keep=True, kind="sum"), dict(shape=IMAGE), 0, 8, 102,
     96 * 0.05 + 6 * 4.6),
    (layer(Lookup, table=np.zeros(256, int), output=S4), {}, 0, 128, 15, 0),
    (layer(Softmax, parameters={"multiplier": 1 << 30, "shift": 1}), {}, 0, 8, 20,
     10 * (0.06 + 0.1 + 0.2 * 1024 / 64)),
    (layer(Softmax, parameters={"multiplier": 1 << 30, "shift": 1},
           output=Quantization(parse("s16"))), dict(input=Quantization(parse("s16"))), 0,
     8 + 2 * 513 * 2, 40, 10 * (0.1 + 0.1 + 0.2 * 1024 / 64)),
    (layer(FloatSoftmax), {}, 0, 8, 20, 10 * (0.03 + 1.8 + 3.7)),
    (layer(TableSoftmax), {}, 0, 257 * 4, 20, 10 * (0.03 + 1.8 + 3.7)),
    (layer(LeakyRelu, parameters=dict.fromkeys(
        ("multiplier", "shift", "alpha_multiplier", "alpha_shift"), 1)), {}, 0, 16, 20,
     10 * (0.05 + S9 + 0.03)),
    (layer(Reshape, target=(2, 5)), {}, 0, 0, 0, 0),
    (layer(Transpose, axes=(0, 2, 1, 3)), dict(shape=IMAGE), 0, 0, 192, 0),
    (layer(Pad, widths=((1, 1),), level=0), {}, 0, 0, 22, 0),
    (layer(Slice, first=(0,), count=(5,), step=(2,)), {}, 0, 0, 15, 0),
    (layer(Extreme, "a", "a", kind="maximum"), {}, 0, 0, 20, 10 * 0.03),
    (layer(DynamicQuantize, part="levels", output=U8), dict(input=F32), 0, 0, 50, 10 * 4.6),
    (layer(DynamicQuantize, part="scale", output=F32), dict(input=F32), 0, 0, 44, 20 * 0.9),
    (layer(Centre, "a", "z", output=Quantization(parse("s9"))),
     dict(others=(Tensor("z", S8, ()),)), 0, 0, 10 + 1 + 12, 10 * 0.05),
    (layer(ToFloat, output=F32), {}, 0, 0, 50, 0),
    (layer(FloatOperation, kind="mul", output=F32), dict(input=F32), 0, 0, 80, 37),
    (layer(FloatOperation, kind="relu", output=F32), dict(input=F32), 0, 0, 80, 9),
]


@pytest.mark.parametrize("own, where, macs, stored, tensors, energy", CASES, ids=[
    type(case[0]).__name__ for case in CASES])
def test_each_class_of_layer(own, where, macs, stored, tensors, energy):
    """Numbers of entries and of bytes, and the energy of the table's operations."""
    moved = 0 if isinstance(own, Reshape) else stored + tensors
    assert numbers(cost(own, **where)) == (macs, stored, moved, round(energy, 9))


def test_no_class_is_left_out():
    assert {type(case[0]) for case in CASES} == set(KINDS)
    assert {getattr(networks, name) for name in networks.__all__} >= set(KINDS)


@pytest.mark.parametrize("count, memory", [
    (SRAM_BYTES // 2, "SRAM"), (SRAM_BYTES // 2 + 1, "DRAM")])
def test_what_does_not_fit_comes_from_dram(count, memory):
    own = cost(layer(Transpose, axes=(0, 1)), shape=(count,))
    energy = 2 * count / 4
    assert own.moved_bytes == 2 * count and own.memory == memory
    assert (own.sram_pj, own.dram_pj) == ((energy * 5, 0) if memory == "SRAM" else
                                          (0, energy * 640))
    assert total([own, Cost()]) == own


def test_constants_are_stored_and_move_once():
    half = Tensor("c", S8, (10,), np.ones(10, int))
    own = layer(Mul, "a", "c", contract=ONNX, parameters={
        "a_zero_point": 0, "b_zero_point": 0, "scale": 0x3F800000, "zero_point": 0,
        "clamp_min": -128, "clamp_max": 127})
    assert numbers(cost(own, constants=(half,)))[1:3] == (9 + 10, 9 + 10 + 20)


def test_block_scaled_weights_have_exponents(rng):
    network = quantize_network(
        [FloatDense(rng.standard_normal((3, 40)))], rng.standard_normal((8, 40)),
        weights="mx_e2m1", activations="mx_s8", output="s8", contract="half_up")
    [own] = network.layers
    fields = own.contract.fields(sums_of(own, network), own.output.format)
    parameters = sum(-(-fmt.bits * (3 if len(set(np.ravel(own.parameters[name]).tolist())) > 1
                                    else 1) // 8) for name, fmt in fields.items())
    found = cost_of(own, network)
    # Two blocks a channel; two of the input.
    assert found.stored_bytes == 3 * 40 // 2 + 3 * 2 + parameters
    assert found.moved_bytes == found.stored_bytes + 40 + 2 + 3
    assert (found.macs, found.bit_operations) == (120, 120 * 4 * 8)


def test_thresholds_are_compared_once_for_each_bit(rng):
    network = quantize_network(
        [FloatDense([[0.5, -0.25]])], rng.standard_normal((8, 2)), weights="s4n",
        activations="s4", contract="thresholds")
    [own] = network.layers
    found, bits = cost_of(own, network), sums_of(own, network).format.width
    fields = own.contract.fields(sums_of(own, network), own.output.format)
    assert len(fields) == 16  # a bias, and a threshold in front of all levels but the least
    assert found.stored_bytes == 1 + sum(-(-fmt.bits // 8) for fmt in fields.values())
    assert round(found.arithmetic_pj, 9) == round(
        2 * (0.2 * 16 / 64 + addition_pj(bits)) + addition_pj(bits) * 5, 9)
