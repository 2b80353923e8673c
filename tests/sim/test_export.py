"""Files for a testbench of one's own are enough to drive a tile with, and to compare with."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest

from golden import digits
from golden.quantize import quantize
from hw.drive import Beats
from hw.tile.config import TileConfig
from hw.tile.ports import ports
from sim.export import export_network
from sim.simulation import simulation
from sim.vectors import digits_network

TILE = TileConfig(weights="s4n", activations="s4", output="s4", zero_points="activations",
                  cols=8, lanes=8, outputs=2, depth=64, channels=16)


def exported(tmp_path, images=6):
    data = digits.load()
    network = digits_network(TILE, data)
    export_network(TILE, network, quantize(data.images[:images], network.input), tmp_path / "out")
    return network


def read(file, port, waits):
    """Transfers of a file, by what docs/driving.md says of a line and no code of the project."""
    rows = [line.split("_") for line in file.read_text().splitlines()]
    after = {name: np.array([int(row[k], 16) for row in rows]) for k, name in enumerate(waits)}
    last = np.array([row[len(waits)] == "1" if port.last else False for row in rows])
    data = np.array([list(bytes.fromhex(row[-1])[::-1]) for row in rows], dtype=np.uint8)
    return Beats(data, last, after)


def test_a_tile_that_is_sent_the_files_answers_what_they_expect(tmp_path):
    network = exported(tmp_path)
    told = json.loads((tmp_path / "out" / "network.json").read_text())
    assert TileConfig.from_json(told["tile"]) == TILE
    assert [layer["name"] for layer in told["layers"]] == [each.name for each in network.layers]
    waits = {"i_job": ["s_axis_parameters"], "i_parameters": ["s_axis_job"]}
    backend = simulation(TILE, "amaranth")
    for layer in told["layers"]:
        beats = {port.stream: read(tmp_path / "out" / layer["name"] / f"{port.stream}.hex", port,
                                   waits.get(port.stream, [])) for port in ports(TILE)}
        assert {name: len(each.last) for name, each in beats.items()} == layer["transfers"]
        assert layer["transfers"]["o"] == layer["jobs"] * TILE.steps
        want = beats.pop("o")
        trace = backend.run({port.name: beats[port.stream] for port in ports(TILE)
                             if port.is_input}, len(want.last))
        np.testing.assert_array_equal(trace.data, want.data)
        np.testing.assert_array_equal(trace.last, want.last)


def test_a_folder_that_has_something(tmp_path):
    (tmp_path / "out").mkdir()
    exported(tmp_path)
    files = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    with pytest.raises(ValueError, match=re.escape(
            f"Export must go to a folder that is new or empty, not {tmp_path}/out")):
        exported(tmp_path)
    assert files == {path: path.read_bytes() for path in files}


@pytest.mark.parametrize("name", ["../mine", "a/b", "..", "/tmp/mine"])
def test_a_name_does_not_lead_out_of_the_folder(tmp_path, name):
    network = digits_network(TILE, digits.load())
    first, *rest = network.layers
    network = replace(network, layers=(replace(first, name=name), *(
        replace(layer, inputs=(name,)) for layer in rest)))
    with pytest.raises(ValueError, match="^Layer must have a name that a folder may have to be "
                                         f"exported, not {name!r}$"):
        export_network(TILE, network, np.zeros((1, 64), int), tmp_path / "out")
    assert not any(tmp_path.iterdir())
