# amaranth: UnusedElaboratable=no
"""Every module of a tile belongs to a component."""

import re

import pytest

from hw.bus.axi_tile import AxiTile
from hw.shared import Emission
from hw.tile.components import COMPONENTS, component_around, component_of
from hw.tile.config import TileConfig

SMALL = {"rows": 1, "cols": 1, "lanes": 2, "depth": 8}
CONFIGS = {
    "plain": {"weights": "s4n", "activations": "s4", "output": "s4", **SMALL},
    "halves": {"weights": "s4n", "activations": "s4", "output": "s4", "rows": 5, "cols": 6},
    "split": {"weights": "binary", "activations": "u1", "output": "u1", **SMALL},
    "row sums": {"weights": "s4", "activations": "u4", "output": "u4", "zero_points": "both",
                 "outputs": 2, "rows": 2, "cols": 2, "lanes": 2},
    "flags": {"weights": "s4", "activations": "e5m2:specials=propagate",
              "output": "e5m2:specials=propagate", **SMALL},
    "tables": {name: "codebook2:loaded=s4" for name in ("weights", "activations", "output")}
              | SMALL,
    "table": {"weights": "s4", "activations": "s8", "output": "s8", "lut": "loaded", **SMALL},
    "scaled": {"weights": "mx_s4", "activations": "mx_s4", "output": "mx_s4", "rows": 1,
               "cols": 32, "lanes": 2},
    "drawn": {"weights": "s4", "activations": "s4", "output": "s4", "contract": "stochastic",
              **SMALL},
}


def instances(config):
    """Paths of all instances of modules of a tile, as they are emitted."""
    text = Emission("top").rtlil(AxiTile(config))
    modules = {name: re.findall(r"^ +cell \\(\S+) \\(\S+)$", body, re.MULTILINE)
               for name, body in re.findall(r"^module \\(\S+)$(.*?)^end$", text, re.M | re.S)}

    def walk(module, path):
        yield path
        for kind, name in modules[module]:
            if kind in modules:
                yield from walk(kind, f"{path}.{name}".lstrip("."))
    return list(walk("top", ""))


KNOWN = {
    ("plain", "tile.array.sums.cell_0_0.tree"): "block",
    ("halves", "tile.array.sums.first.cell_0_0"): "block",
    ("halves", "tile.array.sums.first"): "accumulators",
    ("split", "tile.array.sum_of_activations_0"): "block",
    ("row sums", "tile.array.row_sums"): "accumulators",
    ("row sums", "tile.results.requantizer_1"): "requantizers",
    ("flags", "tile.array.flags.cell_0_0"): "block",
    ("drawn", "tile.results.states"): "requantizers",
    ("tables", "tile.weights_table"): "tables",
    ("tables", "tile.results.output_table"): "tables",
    ("table", "tile.results.table_0"): "tables",
    ("scaled", "tile.results.shared_exponent"): "shared exponent",
    ("plain", "tile.results.store"): "parameter store",
    ("plain", "tile.results.results"): "queues",
    ("plain", "tile.entrance.queue"): "queues",
    ("plain", "tile.entrance"): "control",
}


def test_every_instance_belongs_to_a_component():
    """One test, as emitting the tiles takes its time."""
    paths = {name: instances(TileConfig.of(**config)) for name, config in CONFIGS.items()}
    common = {"block", "accumulators", "requantizers", "parameter store", "queues", "control"}
    more = {"tables": {"tables"}, "table": {"tables"}, "scaled": {"shared exponent"}}
    for name, each in paths.items():
        assert set(map(component_of, each)) == common | more.get(name, set()), name
    for (name, path), component in KNOWN.items():
        assert path in paths[name] and component_of(path) == component, (name, path)
    assert {component_of(path) for each in paths.values() for path in each} == set(COMPONENTS)


def test_an_unknown_instance_is_refused():
    with pytest.raises(ValueError, match=r"^Instance must be one of a component of the tile, "
                                         r"not 'tile\.sequencer'$"):
        component_of("tile.sequencer")


@pytest.mark.parametrize("name, component", [
    ("tile.results.requantizer_0.total[3]", "requantizers"), ("error", "control"),
    ("tile.array.sums.cell_0_1.sum.chain0_4", "block"), ("tile.entrance.memory.0.0", "control"),
    ("tile.results.store.memory_0_0.0.0", "parameter store"), ("elsewhere.x", "control")])
def test_a_wire_belongs_to_the_component_around_it(name, component):
    assert component_around(name) == component
