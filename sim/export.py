"""Files for a testbench of one's own: the inputs of a tile, and its expected outputs."""

import json
from collections.abc import Iterator
from pathlib import Path

from golden.block_scaled import Levels
from golden.networks import Network
from golden.run import run
from hw.drive import Phase, output_beats, streams
from hw.emit.testbench import vectors
from hw.folder import install, workspace
from hw.tile.config import TileConfig
from hw.tile.ports import ports
from sim.jobs import expected
from sim.layers import schedule_of

__all__ = ["check_export", "export_network"]


def _layer_phases(config: TileConfig, network: Network, x: Levels) -> Iterator[list[Phase]]:
    # Sets and jobs of each layer, on golden's input to it.
    tensors = {network.inputs[0].name: x, **run(network, x)}
    for layer in network.layers:
        yield schedule_of(config, network, layer, tensors[layer.inputs[0]]).phases


def check_export(place: Path):
    """Refuse a place that is no folder, or has something in it."""
    if place.is_symlink() or place.exists() and not (place.is_dir() and not any(place.iterdir())):
        raise ValueError(f"Export must go to a folder that is new or empty, not {place}")


def export_network(config: TileConfig, network: Network, x: Levels, place: Path):
    """Write, for each layer, the transfers of every port of a tile that runs it.

    ``<layer>/<stream>.hex`` has a line for each transfer, like the vectors of a shipped testbench;
    docs/driving.md describes a line. The lines of ``o`` are the outputs that golden expects.
    ``network.json`` has the tile, and the layers in order with their numbers of jobs and transfers.

    Parameters
    ----------
    config : TileConfig
    network : Network
        Network of layers of sums.
    x : array ``(vectors, features)``, or Blocks
        Levels of the network's input.
    place : Path
        New or empty folder. It is written whole or not at all.

    Raises
    ------
    ValueError
        If the folder is neither new nor empty, a layer does not fit this tile, or its name cannot
        name a folder.
    FolderError
        If the folder cannot be written.
    """
    check_export(place)
    for layer in network.layers:
        if layer.name in ("", ".", "..") or set(layer.name) & {"/", "\\", "\0"}:
            raise ValueError("Layer must have a name that a folder may have to be exported, "
                             f"not {layer.name!r}")
    layers = []
    with workspace(place) as work:
        folder = work / "export"
        folder.mkdir()
        for layer, schedule in zip(network.layers, _layer_phases(config, network, x), strict=True):
            beats = streams(config, schedule)
            beats["m_axis_o"] = output_beats(config, expected(config, schedule), schedule)
            (folder / layer.name).mkdir()
            for port in ports(config):
                each = beats[port.name]
                (folder / layer.name / f"{port.stream}.hex").write_text(
                    vectors(port, each.data, each.last, each.after))
            layers.append({"name": layer.name, "jobs": sum(len(each.beats) for each in schedule),
                           "transfers": {port.stream: len(beats[port.name].last)
                                         for port in ports(config)}})
        (folder / "network.json").write_text(json.dumps(
            {"tile": config.to_json(), "layers": layers}, indent=2) + "\n")
        install(folder, place, work / "before", [])
