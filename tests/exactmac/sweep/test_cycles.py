# amaranth: UnusedElaboratable=no
"""Cycles by formula, equal to those of simulations."""

from dataclasses import replace

import numpy as np
import pytest

from exactmac.comparison import inputs_for
from exactmac.sweep.cycles import Set, TileCycles, network_cycles
from golden.contracts import parse as contract
from golden.formats import parse
from golden.networks import (
    Add,
    Concat,
    Lookup,
    Network,
    Pool,
    Quantization,
    Rescale,
    Tensor,
)
from golden.run import run
from golden.unit_scales import parameters_of
from golden.units import Addition, Rescaling
from golden.units import parse as scheme
from hw import drive
from hw.tile.config import TileConfig
from hw.tile.ports import ports
from sim.backend import Plan
from sim.layers import Designs, placement, run_placed
from sim.timing import Timing
from tests.hw.tiles import phase_of
from tests.sim.layers.networks import dense, network_of, source


def modelled(config, phases):
    """Cycles of the model that every simulation of a tile is compared with."""
    jobs = sum(len(phase.beats) for phase in phases)
    return Timing(config).cycles(Plan(ports(config), drive.streams(config, phases),
                                      jobs * config.steps, 0.0, 0))


def drawn(rng):
    """A random tile, phases of jobs, and their sets."""
    cols = int(rng.choice([1, 2, 6]))
    config = TileConfig.of(
        weights="s4", activations="s4", output="s8", rows=int(rng.choice([1, 2, 5])), cols=cols,
        lanes=int(rng.integers(1, 4)), depth=12, channels=int(rng.integers(1, 14)),
        outputs=int(rng.choice([each for each in range(1, cols + 1) if cols % each == 0])))
    phases, sets = [], []
    for _ in range(rng.integers(1, 6)):
        jobs, beats = int(rng.integers(1, 12)), int(rng.integers(1, config.max_beats + 1))
        phase = phase_of(config, rng, [beats] * jobs)
        repeats = bool(phases) and rng.random() < 0.4
        if repeats:
            phase = replace(phase, parameters=phases[-1].parameters)
        phases.append(phase)
        sets.append(Set(config.groups * cols * config.words, jobs, beats, repeats))
    return config, phases, sets


@pytest.mark.parametrize("case", range(24))
def test_sets_take_what_the_model_of_a_tile_says(case):
    config, phases, sets = drawn(np.random.default_rng(case))
    assert TileCycles(config).run(sets) == modelled(config, phases)


def test_one_set_is_the_formula_of_the_docstring():
    for case in range(8):
        config, _, [own, *_] = drawn(np.random.default_rng(case))
        tile, steps = TileCycles(config), config.steps
        assert tile.run([own]) == (own.words + 2 + (own.beats - 1) + (own.jobs - 1) * max(
            own.beats, steps) + tile.latency + steps)


@pytest.mark.parametrize("choices", [
    {}, {"channels": 2}, {"outputs": 2}, {"rows": 5}, {"lanes": 3}])
def test_a_layer_takes_what_the_model_says(choices):
    """Of several parameter sets where the store is smaller than the layer."""
    shape = {"rows": 2, "cols": 2, "lanes": 2} | choices
    network = network_of(dense("a", "x", features=6, channels=7), dense(
        "b", "a", features=7, channels=4, seed=1))
    assert_modelled(network, 9, **shape)


def assert_modelled(network, samples, **shape):
    place = placement(network, **shape)
    x = inputs_for(network, samples, 0)
    tensors = {**x, **run(network, x)}
    want = 0
    for layer in network.layers:
        config = place.designs[layer.name]
        want += modelled(config, drive.layer_schedule(
            config, layer, network.quantization(layer.inputs[0]),
            tensors[layer.inputs[0]]).phases)
    found, tiles = network_cycles(place, tensors, samples)
    assert found == want
    assert list(tiles) == list(place.tiles)


def test_a_simulated_network_takes_as_long():
    network = network_of(dense("a", "x", features=6, channels=5), dense(
        "b", "a", features=5, channels=3, seed=1))
    place = placement(network, rows=2, cols=2, lanes=2, channels=2)
    x = inputs_for(network, 3, 0)
    runs = list(run_placed(place, x, Designs("amaranth")))
    tensors = {**x, **{each.layer.name: each.output for each in runs}}
    assert network_cycles(place, tensors, 3)[0] == sum(each.trace.cycles for each in runs)


def pooled(kind):
    fmt = Quantization(parse("s8"), 0.5)
    layer = Pool(name="p", inputs=("x",), output=fmt, size=(3, 2), stride=(2, 1), kind=kind,
                 padding=((1, 1), (0, 1)))
    return Network(name="n", inputs=(Tensor("x", fmt, (5, 4, 6)),), layers=(layer,))


def looked_up():
    fmt = Quantization(parse("s8"), 0.5)
    return network_of(Lookup(name="t", inputs=("x",), output=fmt,
                             table=np.arange(256) - 128), tensor=source())


def joined():
    """A sum of tensors that are broadcast together, and what is rescaled and joined behind it."""
    s8, a, u = parse("s8"), Quantization(parse("s8"), 0.5, -3), Quantization(parse("s8"), 0.6, 11)
    sums, scaled = Addition(scheme("tflite"), s8, s8, s8), Rescaling(contract("tflite"), s8, s8)
    same = parameters_of(scaled, u, u)
    return Network(name="n", inputs=(Tensor("x", a, (3, 3, 6)), Tensor("y", a, (3, 6))), layers=(
        Add(name="sum", inputs=("x", "y"), output=u, scheme=sums.scheme,
            parameters=parameters_of(sums, a, a, u)),
        Rescale(name="rescaled", inputs=("sum",), output=u, contract=scaled.contract,
                parameters=same),
        Concat(name="joined", inputs=("rescaled", "sum"), output=u, axis=2,
               contract=scaled.contract, parameters=(same, same))))


@pytest.mark.parametrize("network", [pooled("max"), pooled("average"), looked_up(), joined()],
                         ids=["max", "average", "table", "joined"])
def test_units_take_as_long_as_simulated(network):
    place, x = placement(network), inputs_for(network, 3, 0)
    assert not place.golden and not place.tiles
    runs = list(run_placed(place, x, Designs("amaranth")))
    assert network_cycles(place, {}, 3) == (sum(each.trace.cycles for each in runs), {})
