"""Distances of tensors, and outputs in which one operator answers otherwise."""

from dataclasses import replace

import numpy as np
import pytest

from exactmac.explanation.differences import Effects, difference, distances, plain
from golden import digits
from golden.block_scaled import Blocks
from golden.contracts import parse as contract
from golden.formats import IntFormat, parse
from golden.networks import FLOAT32, Network, Quantization, Tensor
from golden.ranges import Range
from golden.readers import Model
from golden.run import prove, run
from tests.known_networks import resnet


def tensor(fmt, **fields):
    return Network(name="n", inputs=(Tensor("x", Quantization(fmt, **fields), (3,)),))


def test_distances_in_levels():
    network = tensor(parse("s8"))
    a, b = np.array([[1, -5, 7], [0, 3, 3]]), np.array([[1, 5, 7], [0, 3, -128]])
    assert distances(network, "x", a, b).tolist() == [[0, 10, 0], [0, 0, 131]]
    assert difference(network, "x", a, b) == (2, 131, (0, 1))
    assert difference(network, "x", a, a) == (0, 0, None)


def test_distances_of_float32():
    network = tensor(FLOAT32)
    a = np.float32([[0.0, 1.0, -1.0]])
    b = np.array([[-0.0, np.nextafter(np.float32(1), np.float32(2)), -1.0]], np.float32)
    assert distances(network, "x", a, b).tolist() == [[0, 1, 0]]
    assert distances(network, "x", np.float32([[-1e-45, 0, 0]]), np.float32([[1e-45, 0, 0]])
                     ).tolist() == [[2, 0, 0]]


def test_distances_of_blocks():
    network = tensor(parse("mx_s4"), exponents=Range(120, 123))
    a, b = (Blocks(np.array([levels]), np.array([[code]]))
            for levels, code in (([1, 2, -3], 122), ([2, 5, -6], 121)))
    assert plain(network, "x", a).tolist() == [[4, 8, -12]]
    assert distances(network, "x", a, b).tolist() == [[0, 2, 0]]


def effects(network, x, labels=None):
    proof = prove(network)
    return Effects(Model(network, "golden", {}, ()), proof, run(network, x, proof), labels)


@pytest.mark.parametrize("drawn", [False, True])
def test_outputs_are_those_of_the_whole_network(drawn, rng):
    """Only samples that differ are computed; what is drawn at random needs all of them."""
    network = digits.quantized(
        digits.load(), weights=parse("s4n"), activations=parse("s4"),
        requantization=contract("stochastic" if drawn else "half_up"))
    x = rng.integers(-8, 8, (40, 64))
    labels = rng.integers(0, 10, 40)
    own = effects(network, x, labels)
    other = own.tensors["dense0"].copy()
    other[[3, 20, 21], :40] ^= 1
    expected = run(network, x, own.proof, given={"dense0": other})["dense1"]
    assert (expected != own.tensors["dense1"]).any()
    far, accuracy = own.of("dense0", other)
    assert far.count == (expected != own.tensors["dense1"]).sum()
    assert far.largest == np.abs(expected - own.tensors["dense1"]).max()
    assert accuracy == digits.accuracy(expected, labels)
    assert own.accuracy() == digits.accuracy(own.tensors["dense1"], labels)
    assert own.accuracy({"dense1": expected}) == accuracy


def test_an_output_itself_differs(rng):
    network = resnet(size=8)
    own = effects(network, rng.integers(-128, 128, (4, 8, 8, 3)))
    [name] = network.outputs
    other = own.tensors[name].copy()
    other[2, ..., 5] ^= 3
    assert own.of(name, other)[0][:2] == (1, np.abs(other - own.tensors[name]).max())
    assert own.of(name, other)[1] is None and own.accuracy() is None


def test_classes_by_real_numbers_where_channels_have_scales(rng):
    """Exact sums of channels with scales of their own."""
    network = digits.quantized(digits.load(), weights=parse("s4n"), activations=parse("s8"))
    last = network.layers[-1]
    scale = np.array([1.0] * 9 + [100.0])
    sums = replace(last, contract=contract("none"), parameters={"bias": np.zeros(10, int)},
                   output=Quantization(IntFormat(20), scale))
    own = effects(replace(network, layers=(network.layers[0], sums)),
                  rng.integers(-128, 128, (9, 64)), np.zeros(9, int))
    levels = np.array([[50] + [0] * 8 + [1]] * 9)
    assert own.accuracy({"dense1": levels}) == 0
    levels[:, 0] = 101
    assert own.accuracy({"dense1": levels}) == 1
