"""Tiles that layers need, and layers that share one."""

import re
from dataclasses import replace

import numpy as np
import pytest

from golden.contracts import parse as contract
from golden.formats import parse
from golden.networks import Conv2d, Lookup, Quantization, Reduce, Tensor
from golden.ranges import Range
from hw.drive import longest, tile_of, tiles_of
from tests.sim.layers.networks import dense, network_of, source


def tiles(network, **choices):
    return tiles_of(network, network.layers, **choices)


def test_a_tile_has_what_its_layer_needs():
    layer = dense("a", "x", features=6, weights="s4n", output="u8", requantization="tflite",
                  zero_point=[0, 2, 0], table=np.arange(256))
    tile = tile_of(network_of(layer, tensor=source("u4")), layer, rows=2, lanes=2)
    assert tile.to_json() == {
        **tile.to_json(), "weights": "s4n", "activations": "u4", "output": "u8",
        "contract": "tflite", "zero_points": "both", "lut": "loaded", "depth": 6, "rows": 2,
        "lanes": 2, "cols": 4}


def test_the_depth_is_that_of_the_longest_sum():
    network = network_of(dense("a", "x", features=6, channels=9), dense("b", "a", features=9))
    assert {tile.depth for tile in tiles(network).values()} == {9}
    assert {tile.depth for tile in tiles(network, lanes=16).values()} == {16}
    assert {tile.depth for tile in tiles(network, depth=10).values()} == {10}


def test_a_zero_point_of_one_bit():
    layer = dense("a", "x", features=6)
    for zero_point, named in ((0, "none"), (1, "activations")):
        network = network_of(layer, tensor=source("bit", zero_point=zero_point))
        assert tile_of(network, layer).zero_points == named


def test_thresholds_share_a_tile_of_one_output_alone():
    def layer(name, output):
        fmt = parse(output)
        borders = {f"threshold_{k}": np.zeros(3, int) for k in range(len(fmt.levels()) - 1)}
        own = dense(name, "x", features=6, output=output)
        return replace(own, contract=contract("thresholds"), parameters={
            "bias": np.zeros(3, int), **borders})

    one, other, third = tiles(network_of(layer("a", "s2"), layer("b", "s3"),
                                         layer("c", "s2"))).values()
    assert one == third and one != other


def test_groups_share_columns_as_far_as_the_contract_takes_their_sums():
    def layer(name, weights):
        return Conv2d(name=name, inputs=("x",), output=Quantization(parse("s16")), groups=32,
                      weights=np.ones((32, 5, 5, 1), int), weight=Quantization(parse(weights)),
                      contract=contract("tflite"), parameters={
                          "bias": 0, "multiplier": 1 << 30, "shift": 0, "zero_point": 0,
                          "clamp_min": -9, "clamp_max": 9})

    network = network_of(layer("a", "s4"), layer("b", "s8n"),
                         tensor=source("s16", shape=(9, 9, 32)))
    found = tiles(network, cols=32)
    # 800 products of 16 and 8 bits are more than 32 bits.
    assert [tile.depth for tile in found.values()] == [800, 25]


def test_groups_that_share_columns_have_longer_sums():
    layer = Conv2d(name="c", inputs=("x",), output=Quantization(parse("s8")), groups=4,
                   weights=np.ones((4, 3, 3, 1), int), weight=Quantization(parse("s8")),
                   contract=contract("half_up"), parameters={
                       "bias": 0, "multiplier": 1, "shift": 0, "zero_point": 0, "clamp_min": -128,
                       "clamp_max": 127})
    network = network_of(layer, tensor=source(shape=(5, 5, 4)))
    assert [longest(network, layer, cols=cols) for cols in (1, 2, 4, 8)] == [9, 18, 36, 36]
    assert [tile_of(network, layer, cols=cols).depth for cols in (1, 4)] == [9, 36]


@pytest.mark.parametrize("one, other, shared", [
    ({}, {}, {}),
    # The format that has the levels of both.
    ({"weights": "s8n"}, {"weights": "s8"}, {"weights": "s8"}),
    ({"weights": "s8"}, {"weights": "s8n"}, {"weights": "s8"}),
    ({"output": "s4"}, {"output": "s16"}, {"output": "s16"}),
    ({"zero_point": 3}, {}, {"zero_points": "both"}),
    ({"weights": "s4"}, {"weights": "s8"}, None),
    ({"weights": "u8"}, {"weights": "s8"}, None),
    ({"output": "u8"}, {"output": "s8"}, None),
    ({"requantization": "tflite"}, {}, None),
    ({"table": np.arange(-128, 128)}, {}, None)])
def test_layers_share_a_tile_that_computes_both(one, other, shared):
    network = network_of(dense("a", "x", features=6, **one), dense("b", "x", features=5 + 1,
                                                                   **other))
    first, second = tiles(network).values()
    assert (first == second) == (shared is not None)
    for name, value in (shared or {}).items():
        assert first.to_json()[name] == value


def test_sums_over_axes_join_a_tile_with_a_weight_of_1():
    def reduce(name):
        return Reduce(name=name, inputs=("x",), axes=(1,), keep=True, kind="sum",
                      output=Quantization(parse("s8"), 4.0), contract=contract("half_up"),
                      parameters={"bias": 0, "multiplier": 1, "shift": 0, "zero_point": 0,
                                  "clamp_min": -128, "clamp_max": 127})

    alone = tiles(network_of(reduce("r")))
    assert str(alone["r"].weights) == "u1"
    found = tiles(network_of(reduce("r"), dense("a", "x", features=6)))
    assert list(found) == ["r", "a"] and found["r"] == found["a"]
    found = tiles(network_of(reduce("r"), dense("a", "x", features=6,
                                                weights="codebook:-9/0/5")))
    assert found["r"] != found["a"]


def test_a_window_holds_every_exponent():
    layer = replace(dense("a", "x", features=64, channels=2),
                    weight=Quantization(parse("mx_e2m1"), 1.0), weights=np.ones((2, 64), int),
                    exponents=np.array([[120, 124], [121, 122]]))
    tensor = Tensor("x", Quantization(parse("mx_s8"), exponents=Range(125, 127)), (64,))
    assert tile_of(network_of(layer, tensor=tensor), layer).window == (127 - 125) + (124 - 120) + 1


def test_what_no_tile_computes_is_refused():
    network = network_of(dense("a", "x", features=6), dense("b", "x", features=7 - 1, channels=2),
                         dense("c", "a", features=3))
    with pytest.raises(ValueError, match="^Depth must be at least the 6 products of a sum of layer "
                                         "'a', not 5$"):
        tiles(network, depth=5)
    with pytest.raises(ValueError, match="^Layer 'a': Outputs must divide the 4 cols, not be 3$"):
        tiles(network, outputs=3)
    table = Lookup(name="f", inputs=("x",), output=Quantization(parse("s8")),
                   table=np.zeros(256, int))
    with pytest.raises(TypeError, match="^Layer must be one of sums to need a tile, not Lookup "
                                        "'f'$"):
        tile_of(network_of(table), table)
    deep = dense("d", "x", features=1 << 17, channels=1, requantization="tflite")
    message = "Layer 'd': Accumulator must be in range [-2147483648, 2147483647] of s32"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        tile_of(network_of(deep, tensor=source(shape=(1 << 17,))), deep)
