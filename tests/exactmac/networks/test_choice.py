"""``exactmac build MODEL``: the tile of most of a model, and what its other layers need."""

import json

import numpy as np
import pytest

from exactmac import build
from exactmac.files import saved_of
from exactmac.networks.choice import SHAPE, choice_of
from exactmac.options import parser
from exactmac.request import request_of
from golden import saved
from golden.formats import parse
from golden.networks import Lookup, Quantization
from hw.flow.mapping import TARGETS
from tests.commands import outcome
from tests.sim.layers.networks import dense, network_of


@pytest.fixture
def net(tmp_path):
    path = tmp_path / "net.npz"
    s8, s16 = (Quantization(parse(name), 4.0) for name in ("s8", "s16"))
    saved.save(network_of(
        dense("a", "x", features=6, weights="s4"), dense("b", "a", features=3, channels=20),
        Lookup(name="f", inputs=("b",), output=s8, table=np.arange(256) // 2),
        Lookup(name="wide", inputs=("f",), output=s16, table=np.arange(256)),
        dense("c", "f", features=20, weights="s8n")), path)
    return path


def main(capsys, tmp_path, *arguments):
    return outcome(build.main, capsys, *arguments, "--out", tmp_path / "out")


def test_the_tile_that_computes_most(net, capsys, tmp_path):
    """Of layers b and c; everything that the file decides, and the shape that is asked for."""
    status, out, _ = main(capsys, tmp_path, net, "--no-verify", "--no-area", "--rows", "2",
                          "--json")
    manifest = json.loads(out)
    assert status == 0 and manifest["name"] == "mac_s8_s8_s8_2x4x4_d20_o4"
    assert manifest["model"] == {
        "network": "n", "arithmetic": "as it was saved", "layers": ["b", "c"], "others": {
            "a": "tile mac_s4_s8_s8_2x4x4_d6_o4", "f": "unit Lut",
            "wide": "golden alone: Output of layer 'wide' must have a format of at most 8 bits to "
                    "be looked up in hardware, not s16"}}
    saved_manifest = json.loads((tmp_path / "out" / manifest["name"] / "manifest.json").read_text())
    assert saved_manifest["model"] == manifest["model"]
    assert saved_of(str(tmp_path / "out" / manifest["name"] / "manifest.json"))[0].to_json() == (
        manifest["config"])


def test_the_summary_names_the_other_layers(net, capsys, tmp_path):
    status, out, err = main(capsys, tmp_path, net, "--no-verify", "--no-area", "--requant",
                            "half_even")
    assert status == 0
    for line in ("model        n, with contract half_even: 2 layers on this tile",
                 "others       a: tile mac_s4_s8_s8_4x4x4_half_even_d6_o4", "f: unit Lut",
                 f"try: exactmac network {net} --requant half_even"):
        assert line in out
    assert err.startswith("exactmac build: warning: contract half_even is not that of the saved")


def test_every_choice_of_a_shape_is_kept(net):
    given = {"rows": 3, "cols": 2, "lanes": 6, "depth": 40, "outputs": 1, "channels": 8,
             "target": "ecp5", "optimize": "speed", "prepared": True, "inner_product": "winograd",
             "dsp": 3}
    assert set(given) == set(SHAPE)
    options = [f"--{name.replace('_', '-')}{'' if value is True else f'={value}'}"
               for name, value in given.items()]
    config = choice_of(parser().parse_args([str(net), *options])).config
    assert {name: getattr(config, name) for name in SHAPE} == given


def test_dsps_of_generic_verilog_are_up_to_synthesis(net):
    """A model's tile has no limit, and area is estimated without any."""
    args = parser().parse_args([str(net), "--dsp", "0", "--area", "ecp5"])
    request = request_of(args, [])
    assert request.config.dsp is None
    assert request.areas == (TARGETS["ecp5"].without_dsp(),)


@pytest.mark.parametrize("arguments, message", [
    ("{net} --dsp 4", "Dsp must be 0 or left out for target generic, not 4"),
    ("{net} --target ecp5 --inner-product smallest",
     "Inner product must be one of direct, codes, winograd for a model, not smallest"),
    ("{net} --bits 4", "--bits must be left out for {net}, which decides it, not 4"),
    ("{net} --output u8", "--output must be left out for {net}, which decides it, not u8"),
    ("{net} --config a.json", "Config must be left out for {net}, not 'a.json'"),
    ("--bits 4 --runtime litert", "Runtime must be left out without a MODEL, not litert"),
    ("{net} --depth 4", "Depth must be at least the 20 products of a sum of layer 'c', not 4"),
    ("nowhere.tflite", "Model must be a file that can be read, not nowhere.tflite"),
])
def test_bad_input(net, capsys, tmp_path, arguments, message):
    status, out, err = main(capsys, tmp_path, *arguments.format(net=net).split())
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"exactmac build: error: {message.format(net=net)}")
    assert not (tmp_path / "out").exists()


def test_a_model_without_sums(capsys, tmp_path):
    path = tmp_path / "table.npz"
    saved.save(network_of(Lookup(name="f", inputs=("x",), output=Quantization(parse("s8")),
                                 table=np.arange(256) // 2)), path)
    status, _, err = main(capsys, tmp_path, path)
    assert (status, err) == (2, "exactmac build: error: Model must have a layer of sums that a "
                                f"tile computes, not {path}\n")
