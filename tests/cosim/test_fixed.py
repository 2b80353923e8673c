"""Emitted Verilog of tiles whose parameters are fixed, compiled, against golden."""

from dataclasses import replace

import numpy as np
import pytest

from golden.contracts import CONTRACTS
from golden.contracts import parse as contract
from golden.formats import parse
from hw.tile.config import TileConfig
from sim.jobs import expected
from sim.vectors import random_parameters, revealing_parameters, verification_phases
from sim.verify import verify
from sim.verilator import available
from tests.compiled import compiled

pytestmark = pytest.mark.skipif(available() is not None, reason=str(available()))

OUTPUTS = {"none": None, "thresholds": parse("s4")}


def tile(name, rng, per_channel, **changed):
    config = TileConfig(**dict(
        weights=parse("s8n"), activations=parse("s8"), output=OUTPUTS.get(name, parse("s8")),
        contract=contract(name), rows=2, cols=4, lanes=2, outputs=2, channels=7) | changed)
    if per_channel:
        chosen = {field: tuple(values.tolist())
                  for field, values in random_parameters(config, rng, 7).items()}
    else:
        chosen = revealing_parameters(config, 64) | {"bias": 1001}
    return replace(config, parameters=tuple(chosen.items()))


def check(config):
    phases, what = verification_phases(config)
    want = expected(config, phases)
    done = verify(config, compiled(config), phases, want, subject="Verilog",
                  simulator="Verilator")
    assert what.startswith("corners, random") and done.outputs == 2 * want.size
    assert len(np.unique(want)) > 2


@pytest.mark.parametrize("per_channel", [
    pytest.param(False, marks=pytest.mark.slow), True], ids=["per_tensor", "per_channel"])
def test_fixed_parameters(per_channel, rng):
    check(tile("tflite", rng, per_channel, zero_points="both"))


@pytest.mark.slow
@pytest.mark.parametrize("name, per_channel", [
    (name, bool(index % 2)) for index, name in enumerate(CONTRACTS)])
def test_fixed_parameters_of_every_contract(name, per_channel, rng):
    check(tile(name, rng, per_channel, zero_points="activations"))


@pytest.mark.slow
@pytest.mark.parametrize("output", ["odd4", "e4m3fn", "codebook:-30/-1/2/90"])
def test_fixed_parameters_of_other_levels(output, rng):
    check(tile("half_even", rng, True, output=parse(output)))
