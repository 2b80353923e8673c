# amaranth: UnusedElaboratable=no
"""Tiles whose output is a codebook that is loaded with each parameter set."""

import re
from dataclasses import replace

import numpy as np
import pytest

from golden.contracts import parse as contract
from golden.formats import Codebook, parse
from golden.requantize import requantize
from hw import drive
from hw.bus.axi_tile import AxiTile
from hw.tile.config import TileConfig
from sim import jobs
from sim.pysim import AmaranthSimulation
from sim.vectors import corner_phase, random_phase
from tests.hw.tiles import check, simulation

SHAPES = {
    "1x1x1": dict(rows=1, cols=1, lanes=1, depth=6, channels=3, outputs=1),
    "3x4x5/2": dict(rows=3, cols=4, lanes=5, depth=24, channels=8, outputs=2),
}


def tile(output="codebook4:loaded=s8", name="half_even", weights="s4", activations="u4", **shape):
    return TileConfig(weights=parse(weights), activations=parse(activations), output=parse(output),
                      contract=contract(name), **SHAPES["3x4x5/2"] | shape)


def refuse(message, kind=ValueError):
    return pytest.raises(kind, match=f"^{re.escape(message)}$")


@pytest.mark.parametrize("shape, name, output, operands", [
    ("3x4x5/2", "half_even", "codebook4:loaded=s8", ("codebook2:loaded=s6", "codebook3:loaded=u4")),
    ("1x1x1", "zero", "codebook1:loaded=s16", ("s4", "codebook2:loaded=s6")),
    ("1x1x1", "pulp", "codebook3:loaded=u7", ("s4", "u4")),
    ("3x4x5/2", "floor", "codebook2:loaded=s1", ("s4", "e2m1"))])
def test_tile_is_golden(rng, shape, name, output, operands):
    config = tile(output, name, *operands, **SHAPES[shape])
    check(config, [random_phase(config, rng, jobs=9), corner_phase(config, rng),
                   random_phase(config, rng, jobs=3)], stalls=(0.0, 0.5))


def test_weight_zero_points(rng):
    """Two cycles more until the table is read."""
    config = tile(name="half_away", zero_points="both")
    check(config, [random_phase(config, rng, jobs=5) for _ in range(3)], stalls=(0.0, 0.5))


def test_latency(rng):
    """That of a fixed codebook."""
    made = AxiTile(tile())
    assert made.tile.latency == AxiTile(tile("codebook:-9/0/5")).tile.latency
    phase = random_phase(tile(), rng, jobs=1)
    _, trace = jobs.run(tile(), AmaranthSimulation(made, made.ports), [phase])
    assert trace.first["m_axis_o"] - trace.final["s_axis_weights"] == made.tile.latency


@pytest.mark.parametrize("shape", ["1x1x1", "3x4x5/2"])
def test_one_level_changes_while_jobs_are_under_way(rng, shape):
    """Sets of one or two jobs each, whose results are near the level that changes."""
    config = tile("codebook2:loaded=s6", **SHAPES[shape] | dict(channels=1))
    tables = [(-9, -2, 4, 11), (-9, 1, 4, 11), (-9, 1, 3, 11), (-9, 1, 3, 5), (-4, 1, 3, 5),
              (-4, 1, 3)]
    phases = []
    for index in range(40):
        book = Codebook(tables[rng.integers(len(tables))])
        each = random_phase(config, rng, jobs=1 + index % 2)
        records = len(each.parameters["bias"])
        p = {"bias": rng.integers(-12, 13, records), "multiplier": np.full(records, 1),
             "shift": np.full(records, 1), "clamp_min": np.full(records, book.min),
             "clamp_max": np.full(records, book.max)}
        phases.append(replace(
            each, parameters=p, formats={**each.formats, "output": book},
            beats=np.ones_like(each.beats),
            activations=each.activations[:len(each.beats)],
            weights=rng.integers(-1, 2, each.weights[:len(each.beats)].shape)))
    want = jobs.expected(config, phases)
    ends = np.cumsum([len(phase.beats) for phase in phases])[:-1]
    codes = [phase.formats["output"].encode(part) for phase, part in zip(
        phases, np.split(want, ends), strict=True)]
    assert np.unique(np.concatenate(codes)).tolist() == [0, 1, 2, 3]
    check(config, phases, stalls=(0.0, 0.3, 0.7))


@pytest.mark.parametrize("outputs", [1, 2])
def test_a_table_stays_until_the_last_result_has_been_found_in_it(outputs):
    """The words of a set after the next wait for its bank, and then come at once, the first first.

    All results are of 0, next to the lowest level of one table or of the other.
    """
    config = tile("codebook2:loaded=s6", rows=2, cols=2, lanes=1, depth=200, channels=2,
                  outputs=outputs)
    rng, phases = np.random.default_rng(3), []
    for low in (-1, -1, -3, -3, -1, -1):
        each = random_phase(config, rng, jobs=2)
        book, ones = Codebook([low, 2, 7, 9]), np.ones((120, 2, 1), int)
        p = each.parameters | {"multiplier": np.zeros(2, int), "clamp_min": np.full(2, low),
                               "clamp_max": np.full(2, 9)}
        phases.append(replace(each, parameters=p, beats=np.full(2, 60), activations=ones,
                              weights=ones, formats={**each.formats, "output": book}))
    want = jobs.expected(config, phases)
    assert want[:, 0, 0].tolist() == [-1] * 4 + [2] * 4 + [-1] * 4
    levels, _ = jobs.run(config, simulation(config), phases)
    np.testing.assert_array_equal(levels, want)


def test_a_matrix_product(rng):
    book = parse("codebook:-100/-17/-3/0/2/9/60")
    x, w = rng.integers(16, size=(5, 9)), rng.integers(-8, 8, size=(10, 9))
    p = {"bias": np.zeros(10, int), "multiplier": np.full(10, 1 << 30), "shift": np.full(10, 32),
         "clamp_min": np.full(10, -17), "clamp_max": np.full(10, 60)}
    config, books = tile(), {"output": book}
    levels, _ = jobs.matmul(config, simulation(config), x, w, p, codebooks=books)
    np.testing.assert_array_equal(levels, requantize(x @ w.T, contract("half_even"), book, p))
    assert len(np.unique(levels)) == 6
    with refuse("Codebook of output must be given for codebook4:loaded=s8"):
        next(drive.matmul_phases(config, x, w, p))
    with refuse("Codebook of output must be left out for s8, which is not loaded"):
        next(drive.matmul_phases(tile("s8"), x, w, p, codebooks=books))
    with refuse("Table of codebook4:loaded=s8 must be in range [-128, 127] of s8, not 128 at "
                "index 1"):
        next(drive.matmul_phases(config, x, w, p, codebooks={"output": Codebook([0, 128])}))
    [phase] = drive.matmul_phases(tile(channels=12), x, w, p, codebooks=books)
    with refuse("Clamp minimum must be one of -100/-17/-3/0/2/9/60 of a codebook, "
                "not 1 at index 0"):
        drive.streams(config, [replace(phase, parameters=p | {"clamp_min": np.full(12, 1)})])
    with refuse("Codes must be those of a loaded codebook, not of codebook4:loaded=s8", TypeError):
        drive.output_beats(config, levels)


def test_towards_a_zero_that_a_table_has_not(rng):
    """The contract is the tile's, the table the sender's: golden refuses it."""
    config = tile(name="zero")
    phase = random_phase(config, rng, jobs=1)
    p = phase.parameters | {"clamp_min": np.full(8, -1), "clamp_max": np.full(8, 2)}
    with refuse("Output must be a format with a level 0 for contract zero, not codebook:-1/2"):
        jobs.expected(config, [replace(phase, parameters=p,
                                       formats={**phase.formats, "output": Codebook([-1, 2])})])


def test_the_words_of_a_set(rng):
    """Tables of the weights, the activations and the output: levels, the highest repeated."""
    config = tile(weights="codebook1:loaded=s3", activations="codebook2:loaded=u4")
    phase = random_phase(config, rng, jobs=1)
    books = {"weights": Codebook([-1, 3]), "activations": Codebook([2, 3, 5]),
             "output": Codebook([-7, -1, 0, 99])}
    p = phase.parameters | {"clamp_min": np.full(8, -1), "clamp_max": np.full(8, 99)}
    phase = replace(phase, parameters=p, formats=books,
                    weights=np.full_like(phase.weights, 3),
                    activations=np.full_like(phase.activations, 5))
    assert config.head == {"weights": 2, "activations": 4, "output": 16}
    words = drive.streams(config, [phase])["s_axis_parameters"].data.view("<i4")[:, 0].tolist()
    assert words[:22] == [-1, 3, 2, 3, 5, 5, -7, -1, 0] + [99] * 13
    # Ends of the clamp are places in the table.
    assert [fmt.bits for name, fmt in config.record.items() if name.startswith("clamp")] == [4, 4]
    assert words[22 + 2] >> 5 & 0xFF == 1 + (3 << 4)
