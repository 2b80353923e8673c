# amaranth: UnusedElaboratable=no
"""Tiles, layers and parameters that do not belong together are refused."""

import re
from dataclasses import replace

import numpy as np
import pytest

from golden import digits
from golden.contracts import parse as contract
from golden.formats import IntFormat, parse
from golden.networks import Quantization
from golden.quantize import quantize
from golden.units import Multiplication, Rescaling
from hw.bus.axi_tile import AxiTile
from hw.tile.config import TileConfig
from hw.tile.ports import ports
from hw.units import AveragePool, Concat, MaxPool, Multiply, Rescale
from sim import jobs
from sim.components import component_simulation
from sim.layers import run_layer, run_network
from sim.pysim import AmaranthSimulation
from sim.simulation import simulation
from sim.units import run_concat, run_elementwise, run_pool
from sim.vectors import digits_network, random_phase
from sim.verify import verify

CONFIG = TileConfig(weights=parse("s4n"), activations=parse("u4"), output=parse("u4"), rows=2,
                    cols=2, lanes=4, depth=64, channels=64)


def backend_of(config):
    tile = AxiTile(config)
    return AmaranthSimulation(tile, tile.ports)


@pytest.mark.parametrize("name, options, message", [
    ("floor", {}, "half_up with 31-bit multipliers, not floor with 31-bit multipliers"),
    ("half_up", {"multiplier_bits": 16},
     "half_up with 31-bit multipliers, not half_up with 16-bit multipliers"),
    ("half_up", {"addend_bits": 48, "signed_multiplier": True}, "half_up with 31-bit multipliers, "
     "not half_up with signed 32-bit multipliers and a 48-bit addend"),
    ("thresholds", {}, "half_up with 31-bit multipliers, not thresholds"),
])
def test_a_network_of_another_contract_is_refused(name, options, message):
    other = replace(CONFIG, contract=contract(name, **options))
    network = digits_network(other, digits.load())
    x = quantize(digits.load().images[:2], network.input)
    with pytest.raises(ValueError, match=f"^Contract of layer 'dense0' must be the tile's, "
                                         f"{message}$"):
        run_layer(CONFIG, backend_of(CONFIG), network, network.layers[0], x)
    with pytest.raises(ValueError, match="^Contract of layer 'dense0' must be"):
        run_network(CONFIG, backend_of(CONFIG), network, x)
    levels, _ = run_layer(other, backend_of(other), network, network.layers[0], x)
    assert levels.shape == (2, 64)


@pytest.mark.parametrize("own, given, refused", [
    ("u4", "odd4", True), ("e2m1", "e2m3", True), ("odd4", "odd4", False), ("s8", "u4", False),
    ("e5m2", "e5m2:specials=propagate", True), ("cfloat8_1_5_2", "cfloat8_1_5_2:bias=9", False),
    ("cfloat8_1_5_2", "cfloat8_1_5_2:denormals=paper", True)])
def test_a_network_of_another_output_is_refused(own, given, refused):
    tile, other = (replace(CONFIG, output=parse(output)) for output in (own, given))
    network = digits_network(other, digits.load())
    layer = network.layers[0]
    layer = replace(layer, output=Quantization(parse(given), scale=layer.output.scale,
                                               zero_point=layer.output.zero_point))
    x = quantize(digits.load().images[:1], network.input)
    if refused:
        with pytest.raises(ValueError, match=f"^Output of layer 'dense0' must be the tile's, "
                                             f"{own}, not {given}$"):
            run_layer(tile, backend_of(tile), network, layer, x)
    else:
        levels, _ = run_layer(tile, backend_of(tile), network, layer, x)
        expected, _ = run_layer(other, backend_of(other), network, layer, x)
        np.testing.assert_array_equal(levels, expected)


@pytest.mark.parametrize("change, names", [
    (dict(contract=contract("floor")), "contract"),
    (dict(contract=contract("half_up", multiplier_bits=16)), "contract"),
    (dict(rows=3, channels=2), "rows, channels"),
    (dict(output=parse("odd4")), "output"),
])
def test_a_backend_of_another_tile_is_refused(rng, change, names):
    config = replace(CONFIG, **change)
    phase = random_phase(config, rng, jobs=1)
    for use in (lambda backend: jobs.run(config, backend, [phase]),
                lambda backend: verify(config, backend, [phase], jobs.expected(config, [phase]),
                                       subject="design", simulator="Amaranth")):
        with pytest.raises(ValueError, match="^Backend must simulate the given tile, "
                                             f"not one that differs in {names}$"):
            use(backend_of(CONFIG))
    jobs.run(config, backend_of(config), [phase])


def test_every_simulation_knows_its_design():
    assert simulation(CONFIG, "amaranth").design == CONFIG
    assert backend_of(CONFIG).design is not None and backend_of(CONFIG).ports == ports(CONFIG)
    unit = MaxPool(values=S8, lanes=1)
    assert component_simulation(unit, "unit", "amaranth").design is unit


S8 = IntFormat(8)
HALF_UP, FLOOR = contract("half_up"), contract("floor")
RESCALING = Rescaling(input=S8, output=S8, contract=HALF_UP)
X = np.array([[[1]], [[2]]])

RUNS = {
    MaxPool: lambda unit, backend: run_pool(unit, backend, [X[0], X[1]], (-128, 127)),
    AveragePool: lambda unit, backend: run_pool(unit, backend, [X[0], X[1]], (-128, 127)),
    Concat: lambda unit, backend: run_concat(unit, backend, [X, X], [{}, {}]),
    Rescale: lambda unit, backend: run_elementwise(unit, backend, [X], [{}]),
    Multiply: lambda unit, backend: run_elementwise(unit, backend, [X, X], [{}]),
}


@pytest.mark.parametrize("unit, other, message", [
    (AveragePool(values=S8, lanes=1, window=4), MaxPool(values=S8, lanes=1), "MaxPool"),
    (AveragePool(values=S8, lanes=1, window=4), AveragePool(values=S8, lanes=1, window=5),
     "one that differs in window"),
    (MaxPool(values=S8, lanes=1), MaxPool(values=IntFormat(8, signed=False), lanes=2),
     "one that differs in values, lanes"),
    (Concat(operation=RESCALING, tensors=2, lanes=1),
     Concat(operation=replace(RESCALING, contract=FLOOR), tensors=2, lanes=1),
     "one that differs in operation"),
    (Rescale(operation=RESCALING, lanes=1), Rescale(operation=RESCALING, lanes=2),
     "one that differs in lanes"),
    (Multiply(operation=Multiplication(a=S8, b=S8, output=S8, contract=HALF_UP), lanes=1),
     Multiply(operation=Multiplication(a=S8, b=S8, output=S8, contract=FLOOR), lanes=1),
     "one that differs in operation"),
    (MaxPool(values=S8, lanes=1), CONFIG, "tile"),
])
def test_a_backend_of_another_unit_is_refused(unit, other, message):
    backend = (backend_of(other) if isinstance(other, TileConfig)
               else component_simulation(other, "other", "amaranth"))
    with pytest.raises(ValueError, match=f"^Backend must simulate the given {type(unit).__name__}, "
                                         f"not {message}$"):
        RUNS[type(unit)](unit, backend)


def test_a_unit_is_no_tile(rng):
    backend = component_simulation(MaxPool(values=S8, lanes=1), "unit", "amaranth")
    with pytest.raises(ValueError, match="^Backend must simulate the given tile, not MaxPool$"):
        jobs.run(CONFIG, backend, [random_phase(CONFIG, rng, jobs=1)])


def test_a_backend_of_an_equal_unit_is_taken():
    backend = component_simulation(MaxPool(values=S8, lanes=1), "unit", "amaranth")
    levels, _ = run_pool(MaxPool(values=parse("s8"), lanes=1), backend, [X[0], X[1]], (-128, 127))
    assert levels.tolist() == [[1], [2]]


FIXED = {"bias": 0, "multiplier": 1 << 30, "shift": 0, "zero_point": 0, "clamp_min": -128,
         "clamp_max": 127}


@pytest.mark.parametrize("changed, message", [
    (dict(shift=31), "Sum plus bias, shifted left, must be in range [-2147483648, 2147483647] of "
                     "s32, not -14431090114560 at index 0"),
    (dict(bias=2**31 - 1), "Sum plus bias must be in range [-2147483648, 2147483647] of s32, "
                           "not 2147490367 at index 0"),
])
def test_fixed_parameters_that_the_contract_refuses(rng, changed, message):
    config = replace(CONFIG, output=parse("s8"), contract=contract("tflite"),
                     parameters=tuple((FIXED | {"shift": -3}).items()))
    bad = replace(config, parameters=tuple((FIXED | changed).items()))
    phase = random_phase(config, rng, jobs=1)
    jobs.run(config, simulation(config, "amaranth"), [phase])
    for use in (lambda: simulation(bad, "amaranth"),
                lambda: jobs.run(bad, backend_of(bad), [phase])):
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            use()
