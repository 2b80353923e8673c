# amaranth: UnusedElaboratable=no
"""Tiles that exactmac.build makes again, from what a manifest has of their configuration."""

import json
import os
import re

import pytest

from exactmac.options import parser
from exactmac.request import request_of
from hw import emit
from hw.bus.axi_tile import AxiTile
from hw.tile.ports import Clocking
from tests.exactmac.test_build import CONFIG, files, refused, run


def test_a_build_is_made_again_from_its_manifest(tmp_path):
    """All that decides the tile is in it."""
    (tmp_path / "table.json").write_text(json.dumps([*range(127, -129, -1)]))
    choices = "--weights mx_codebook:-1/0/5 --activations s4 --output s8 --requant half_even " \
              "--multiplier-bits 9 --rows 1 --cols 2 --lanes 2 --depth 31 --outputs 2 " \
              "--channels 5 --window 9"
    run(*choices.split(), "--lut", str(tmp_path / "table.json"), "--no-area", "--no-verify",
        out=tmp_path / "old")
    [name] = os.listdir(tmp_path / "old")
    assert re.fullmatch("mac_mx_codebook2_s4_s8_1x2x2_half_even_m9_d31_o2_c5_w9_lut_[0-9a-f]{6}",
                        name)
    file = tmp_path / "old" / name / "manifest.json"
    run("--config", str(file), "--no-area", "--no-verify", out=tmp_path / "new")
    old, new = (files(tmp_path / out / name) for out in ("old", "new"))
    for found in (old, new):
        del found["manifest.json"]
    assert new == old


def test_a_configuration_alone_or_in_a_manifest(tmp_path):
    file = tmp_path / "file.json"
    for saved in (CONFIG.to_json(), {"name": "old", "config": CONFIG.to_json()}):
        file.write_text(json.dumps(saved))
        for name in ([], ["--name", "mine"]):
            argv = ["--config", str(file), *name]
            request = request_of(parser().parse_args(argv), argv)
            assert request.config == CONFIG and request.clocking == Clocking()
            assert request.name == ("mine" if name else CONFIG.name)


@pytest.mark.parametrize("more, names", [
    ("", ("clk", "rst_n")), ("--clock-name aclk", ("aclk", "rst_n")),
    ("--reset-name resetn", ("clk", "resetn"))])
def test_names_of_clock_and_reset_are_those_of_the_manifest(tmp_path, more, names):
    file = tmp_path / "manifest.json"
    file.write_text(json.dumps(emit.manifest(AxiTile(CONFIG, Clocking("clk", "rst_n")), "old")))
    argv = ["--config", str(file), *more.split()]
    assert request_of(parser().parse_args(argv), argv).clocking == Clocking(*names)


@pytest.mark.parametrize("text, reason", [
    ("{}", "Configuration must be of version 3, not None"),
    ('{"config": {"version": 1}}', "Configuration must be of version 3, not 1"),
    ("[]", "Configuration must be an object, not of type list"),
    (json.dumps(CONFIG.to_json() | {"rows": "4"}), "Rows must be an integer, not '4'"),
    (json.dumps(CONFIG.to_json() | {"outputs": 3}), "Outputs must divide the 4 cols, not be 3"),
])
def test_bad_configurations(tmp_path, capsys, text, reason):
    file = tmp_path / "file.json"
    file.write_text(text)
    line = refused(capsys, "--config", str(file), out=tmp_path / "out")
    assert line == f"Config must be that of a tile, not the contents of {file} ({reason})"


def test_a_configuration_with_a_choice_twice(tmp_path, capsys):
    file = tmp_path / "file.json"
    file.write_text('{"version": 1, "rows": 4, "rows": 5}')
    line = refused(capsys, "--config", str(file), out=tmp_path / "out")
    assert line == "Config must have each field once, not rows 2 times"
