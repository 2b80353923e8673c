"""A picture of the networks needs no name."""

import pytest

from exactmac import network
from exactmac.networks import digits
from hw.flow.yosys import Area


@pytest.mark.parametrize("name, file", [([], "network.svg"), (["own.svg"], "own.svg")])
def test_a_picture_has_a_default_name(tmp_path, monkeypatch, capsys, name, file):
    area = Area("ecp5", (), lut=1, carry=0, ff=1, dsp=0, ram=0, transistors=None, seconds=1.0)
    result = digits.Result(
        weights="binary", activations="u1", output="u1", contract="half_up", table="",
        float_accuracy=1.0, golden_accuracy=0.5, hardware_accuracy=0.5, compared=1, cycles=1,
        utilisation=1.0, bit_operations=1)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(digits, "simulation", lambda *arguments: None)
    monkeypatch.setattr(digits, "run_digits", lambda *arguments: result)
    monkeypatch.setattr(digits, "AxiTile", lambda config: None)
    monkeypatch.setattr(digits.emit, "verilog", lambda *arguments: "")
    monkeypatch.setattr(digits, "synthesize", lambda *arguments: area)
    arguments = "--bits 1..8 --area ecp5 --csv T --plot".split()
    assert network.main([*arguments, *name]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["T", file])
    assert (tmp_path / file).read_bytes().startswith(b"<?xml")
    assert len((tmp_path / "T").read_text().splitlines()) == 1 + 8
    assert "0 mismatches" in capsys.readouterr().out
