# amaranth: UnusedElaboratable=no
"""Tables behind the requantizers of a tile, after any contract."""

import re
from dataclasses import replace

import numpy as np
import pytest

from golden.contracts import parse as contract
from golden.formats import parse
from golden.networks import Quantization
from golden.requantize import requantize
from golden.tables import FUNCTIONS, identity, lookup, tabulate
from hw import drive
from hw.bus.axi_tile import AxiTile
from hw.tile.config import LUT_WORDS, TileConfig
from sim import jobs
from sim.pysim import AmaranthSimulation
from sim.vectors import corner_phase, random_phase

TABLE = tuple(tabulate(FUNCTIONS["hard_swish"], Quantization(parse("s8"), 0.05, -10),
                       Quantization(parse("s8"), 0.03, 4)).tolist())
SHAPES = {
    "1x1x1": dict(rows=1, cols=1, lanes=1, depth=6, channels=3),
    "3x4x5": dict(rows=3, cols=4, lanes=5, depth=24, channels=8),
    "3x4x5/4": dict(rows=3, cols=4, lanes=5, depth=24, channels=8, outputs=4),
}


def tile(lut, name="half_up", output="s8", **shape):
    return TileConfig(weights=parse("s4"), activations=parse("u4"), output=parse(output),
                      contract=contract(name), lut=lut, **SHAPES["3x4x5"] | shape)


def simulation(config):
    made = AxiTile(config)
    return AmaranthSimulation(made, made.ports)


@pytest.mark.parametrize("lut", [TABLE, "loaded"], ids=["fixed", "loaded"])
@pytest.mark.parametrize("shape, name, output", [
    ("1x1x1", "half_up", "s8"), ("3x4x5", "onnx", "s8n"), ("3x4x5/4", "stochastic", "s8"),
    ("3x4x5", "tflite", "u8"), ("1x1x1", "half_even", "e4m3fn"), ("3x4x5", "floor", "odd8")])
@pytest.mark.thinned(3)
def test_tile_is_golden(rng, lut, shape, name, output):
    if lut is TABLE and output != "s8":
        lut = tuple(np.resize(rng.permutation(parse(output).levels()), 256).tolist())
    config = tile(lut, name, output, **SHAPES[shape])
    phases = [random_phase(config, rng, jobs=9), corner_phase(config, rng),
              random_phase(config, rng, jobs=3)]
    want = jobs.expected(config, phases)
    backend = simulation(config)
    for stall in (0.0, 0.5):
        levels, _ = jobs.run(config, backend, phases, stall=stall)
        np.testing.assert_array_equal(levels, want)
    # The tables did something.
    plain = replace(config, lut=None)
    assert (want != jobs.expected(plain, phases)).any()


def test_latency(rng):
    for lut in (TABLE, "loaded"):
        config = tile(lut)
        made = AxiTile(config)
        assert made.tile.latency == AxiTile(replace(config, lut=None)).tile.latency + 1
        phase = random_phase(config, rng, jobs=1)
        _, trace = jobs.run(config, AmaranthSimulation(made, made.ports), [phase])
        assert trace.first["m_axis_o"] - trace.final["s_axis_weights"] == made.tile.latency


def test_a_matrix_product(rng):
    """A table for every layer, where it is loaded; without one, nothing changes."""
    x, w = rng.integers(16, size=(5, 9)), rng.integers(-8, 8, size=(10, 9))
    p = {"bias": np.zeros(10, int), "multiplier": np.full(10, 1 << 30), "shift": np.full(10, 32),
         "zero_point": np.full(10, -3), "clamp_min": np.full(10, -128),
         "clamp_max": np.full(10, 127)}
    plain = requantize(x @ w.T, contract("half_up"), parse("s8"), p)
    config = tile("loaded")
    for table in (None, np.array(TABLE), rng.permutation(np.arange(-128, 128))):
        levels, _ = jobs.matmul(config, simulation(config), x, w, p, table=table)
        np.testing.assert_array_equal(
            levels, plain if table is None else lookup(table, plain, parse("s8")))
    levels, _ = jobs.matmul(tile(TABLE), simulation(tile(TABLE)), x, w, p)
    np.testing.assert_array_equal(levels, lookup(TABLE, plain, parse("s8")))
    for lut in (None, TABLE):
        with pytest.raises(ValueError,
                           match=r"^Table must be left out for a tile that loads none$"):
            jobs.matmul(tile(lut), simulation(tile(lut)), x, w, p, table=np.array(TABLE))


@pytest.mark.parametrize("outputs", [1, 2])
def test_a_table_stays_until_the_last_result_has_been_looked_up(outputs):
    """The words of a set after the next wait for its bank, and then come at once, the first first.

    All results are of the codes in that word, and the table is written over as soon as it may.
    """
    config = tile("loaded", rows=2, cols=2, lanes=1, depth=200, channels=2, outputs=outputs)
    rng, phases = np.random.default_rng(3), []
    for _ in range(6):
        each = random_phase(config, rng, jobs=2)
        beats = np.full(2, 180)
        ones = np.ones((360, 2, 1), int)
        p = each.parameters | {"multiplier": np.zeros(2, int), "zero_point": np.array([1, 3]),
                               "clamp_min": np.full(2, -128), "clamp_max": np.full(2, 127)}
        phases.append(replace(each, parameters=p, beats=beats, activations=ones, weights=ones))
    want = jobs.expected(config, phases)
    assert len(np.unique(want)) > 6
    levels, _ = jobs.run(config, simulation(config), phases)
    np.testing.assert_array_equal(levels, want)


def test_the_words_of_a_set(rng):
    config = tile("loaded")
    phase = random_phase(config, rng, jobs=1)
    words = drive.streams(config, [phase])["s_axis_parameters"]
    assert LUT_WORDS == config.head.get("lut", 0) == 64
    assert len(words.data) == 64 + 8 * config.words and words.last.tolist()[-1]
    assert phase.table is not None
    assert words.data[:64].reshape(-1).tolist() == [level % 256 for level in phase.table.tolist()]
    np.testing.assert_array_equal(identity(parse("u8")), np.arange(256))
    with pytest.raises(ValueError, match=r"^Table must have 256 levels, not shape \(3,\)$"):
        drive.streams(config, [replace(phase, table=np.zeros(3, int))])


@pytest.mark.parametrize("lut, output, message", [
    ("loaded", "s4", "Lut must be for an output of 8 bits, not s4"),
    (TABLE, "u16", "Lut must be for an output of 8 bits, not u16"),
    (TABLE[:-1], "s8", "Lut must have 256 levels, not 255"),
    ((*TABLE[:-1], 128), "s8",
     "Lut level must be in range [-128, 127] of s8, not 128 at index 255"),
])
def test_bad_tables(lut, output, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        tile(lut, output=output)


@pytest.mark.parametrize("lut", ["table", list(TABLE), 3])
def test_what_is_no_table(lut):
    with pytest.raises(TypeError, match=(
            f"^{re.escape(f'Lut must be a tuple of levels, loaded or None, not {lut!r}')}$")):
        tile(lut)
