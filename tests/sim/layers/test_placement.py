# amaranth: UnusedElaboratable=no
"""What each layer of a network runs on."""

import numpy as np
import pytest

from golden.formats import IntFormat, parse
from golden.networks import Lookup, Quantization, Softmax
from golden.run import run
from hw.requantize.lut import Lut
from hw.tile.config import TileConfig
from sim.layers import Designs, placement, run_placed
from tests.sim.layers.networks import dense, network_of

SIMULATED = Designs("amaranth")


def several():
    """Layers of two formats, one on a table, one without a unit, one too wide."""
    s8 = Quantization(parse("s8"), 4.0)
    return network_of(
        dense("a", "x", features=6),
        Lookup(name="f", inputs=("a",), output=s8, table=np.arange(256) // 2),
        Softmax(name="s", inputs=("f",), output=Quantization(parse("s8"), 1 / 256, -128),
                parameters={"multiplier": 1 << 30, "shift": 22}),
        dense("b", "s", features=3, weights="s4"),
        Lookup(name="wide", inputs=("a",), output=Quantization(parse("s16"), 4.0),
               table=np.arange(256)),
        dense("c", "f", features=3))


def test_every_layer_has_a_place():
    network = several()
    place = placement(network, rows=1, cols=2)
    assert [type(place.designs[name]) for name in "afbc"] == [TileConfig, Lut, TileConfig,
                                                              TileConfig]
    assert {tile.name: [layer.name for layer in layers]
            for tile, layers in place.tiles.items()} == {
        "mac_s8_s8_s8_1x2x4_d6": ["a", "c"], "mac_s4_s8_s8_1x2x4_d4": ["b"]}
    assert list(place.units) == ["f"]
    assert place.golden == {
        "s": "its kind has no unit",
        "wide": "Output of layer 'wide' must have a format of at most 8 bits to be looked up in "
                "hardware, not s16"}


def test_layers_run_on_several_tiles_and_in_golden(rng):
    network = several()
    x = rng.integers(-128, 128, (3, 6))
    golden = run(network, x)
    runs = list(run_placed(placement(network, rows=2, cols=2, lanes=2), x, SIMULATED))
    assert [each.layer for each in runs] == list(network.layers)
    for each in runs:
        np.testing.assert_array_equal(each.output, golden[each.layer.name])
    assert [each.trace is None for each in runs] == [False, False, True, False, True, False]


def test_formats_that_no_hardware_has():
    layer = dense("a", "x", features=6)
    wide = Quantization(IntFormat(32), 4.0)
    network = network_of(
        layer, Lookup(name="f", inputs=("x",), output=wide, table=np.arange(256)),
        dense("b", "f", features=6))
    assert placement(network).golden["b"] == (
        "Layer 'b': Activations must have at most 16 bits, not s32")


def test_a_shape_that_a_layer_cannot_have_is_refused():
    with pytest.raises(ValueError, match="^Layer 'a': Outputs must divide the 4 cols, not be 3$"):
        placement(several(), outputs=3)
