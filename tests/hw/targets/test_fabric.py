# amaranth: UnusedElaboratable=no
"""A fabric that takes more registers changes cycles, and no result."""

from dataclasses import replace

import numpy as np
import pytest

from golden import elementwise, ops
from golden.contracts import CONTRACTS
from hw.requantize.requantizer import Requantizer
from hw.shared import constructed
from hw.targets.fabric import FABRICS, GENERIC, Fabric
from hw.tile.tile import MacTile
from sim.components import component_simulation
from sim.units import run_concat, run_elementwise, run_pool
from sim.vectors import random_phase
from tests import gallery
from tests.hw.tiles import check
from tests.hw.units.test_units import UNITS, average, concat, maximum, parameters


class Slow(Fabric):
    """Registers before and behind: two more of a product, and others of what else there is."""

    def multiply(self, stages, a, b, name, shape=None):
        early = super().multiply(stages, a, b, f"{name}_early", shape)
        return stages.register(stages.register(early, f"{name}_between"), name)

    def add(self, stages, a, b, name, shape=None, **how):
        return stages.register(super().add(stages, a, b, f"{name}_early", shape, **how), name)

    def shift_left(self, stages, value, places, name, shape=None):
        early = super().shift_left(stages, value, places, f"{name}_early", shape)
        return stages.register(stages.register(early, f"{name}_between"), name)

    def shift_right(self, stages, value, places, name, shape=None):
        early = super().shift_right(stages, value, places, f"{name}_early", shape)
        return stages.register(early, name)


SLOW = Slow("slow")
MORE = {"multiply": 2, "add": 1, "shift_left": 2, "shift_right": 1}
TILES = {name: config for name, config in gallery.SMALL.items()
         if name not in ("3x6x5/3", "table")}
TILES |= {f"{name}_contract": gallery.small("s8n", "s8", gallery.OUTPUTS.get(name, "s8"), name,
                                   zero_points="both", depth=6, channels=2)
          for name in CONTRACTS if name != "none"}


@pytest.fixture
def slow(monkeypatch):
    monkeypatch.setitem(FABRICS, SLOW.name, SLOW)


def of_slow(unit):
    return type(unit)(**{name: getattr(unit, name) for name in constructed(unit)}
                      | {"fabric": SLOW})


# Of contracts alike, one by default.
USUAL = {f"{name}_contract" for name in ("half_up", "tflite", "onnx_zp_inside", "stochastic")}


@pytest.mark.parametrize("name", [
    pytest.param(name, marks=[pytest.mark.slow] if name == "shared exponent" or (
        name.endswith("_contract") and name not in USUAL) else []) for name in TILES])
@pytest.mark.thinned(2)
def test_a_tile_of_a_slow_fabric_is_exact(slow, name, rng):
    config = replace(TILES[name], target="slow")
    assert config.fabric is SLOW
    assert MacTile(config).latency > MacTile(TILES[name]).latency or name == "sums"
    check(config, [random_phase(config, rng, jobs=3) for _ in range(2)], stalls=(0.0, 0.4))


@pytest.mark.parametrize("name", UNITS)
@pytest.mark.thinned(2)
def test_a_unit_of_a_slow_fabric_is_exact(name, rng):
    usual = UNITS[name]()
    unit, operation = of_slow(usual), usual.operation
    assert unit.latency > usual.latency
    operands = [rng.integers(fmt.min, fmt.max + 1, 90) for fmt in operation.operands.values()]
    sets = parameters(operation, rng, 4)
    got, _ = run_elementwise(unit, component_simulation(unit, "unit", "amaranth"), operands, sets)
    np.testing.assert_array_equal(
        got, np.stack([elementwise.compute(operation, operands, p) for p in sets]))


def test_a_join_of_a_slow_fabric_is_exact(rng):
    unit = of_slow(concat())
    assert unit.latency > concat().latency
    values = [rng.integers(-8, 8, (12, n, 3)) for n in (4, 1)]
    sets = parameters(unit.operation, rng, 2)
    got, _ = run_concat(unit, component_simulation(unit, "unit", "amaranth"), values, sets)
    np.testing.assert_array_equal(
        got, elementwise.concat([unit.operation] * 2, values, sets, axis=1))


@pytest.mark.parametrize("make, pool", [(average, ops.average_pool), (maximum, ops.max_pool)])
def test_a_pool_of_a_slow_fabric_is_exact(make, pool, rng):
    unit = of_slow(make())
    windows = [rng.integers(0, 8, (n, 3)) for n in rng.integers(1, 10, 60)]
    got, _ = run_pool(unit, component_simulation(unit, "unit", "amaranth"), windows, (0, 7))
    np.testing.assert_array_equal(got, np.stack([
        pool(w.T[:, None, :, None], size=(1, len(w)), stride=(1, 1)).ravel() for w in windows]))


def test_each_operation_is_asked_of_the_fabric():
    """What half_up does, counted: a product, a shift, and sums with bias and zero point."""
    def latency(fabric):
        config = gallery.tile("s4n", "s4", "s4")
        return Requantizer(contract=config.contract, accumulator=config.accumulator,
                           total=config.sum_format, output=config.output, record=config.record,
                           fabric=fabric).latency

    assert latency(GENERIC) == 7
    assert latency(SLOW) == 7 + MORE["multiply"] + MORE["shift_right"] + 2 * MORE["add"]
