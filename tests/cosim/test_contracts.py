"""Every contract in emitted Verilog: all 16-bit sums, and a million over the range it takes.

And results that are no integers, by each rounding, on fewer sums and records: their levels have
proofs and tests of their own. Those that share an exponent are among them.
"""

from dataclasses import replace

import numpy as np
import pytest

from golden.block_scaled import Blocks
from golden.contracts import CONTRACTS, ExactSum
from golden.contracts import parse as contract
from golden.formats import BLOCK, parse
from hw.drive import Phase, resolved
from hw.tile.config import TileConfig
from sim.jobs import expected, run
from sim.simulation import simulation
from sim.vectors import random_codebooks, random_parameters, random_states
from sim.verilator import available

pytestmark = pytest.mark.skipif(available() is not None, reason=str(available()))

ROWS, COLS = 4, 2


def tile(name, output=None):
    """Sums of two products of 16-bit levels: any 16-bit sum, and nearly any of 32 bits."""
    output = output or {"none": None, "thresholds": "s4"}.get(name, "s8")
    return TileConfig(
        weights=parse("s16n"), activations=parse("s16"),
        contract=contract(name) if isinstance(name, str) else name,
        output=None if output is None else parse(output), rows=ROWS, cols=COLS, lanes=2, depth=2,
        outputs=2, channels=64)


def phase(config, rng, activations, weights, groups):
    """One-beat jobs."""
    formats = resolved(config, random_codebooks(config, rng))
    return Phase(formats, random_parameters(config, rng, config.groups * config.cols, formats),
                 groups, np.ones(len(groups), int), activations, weights,
                 random_states(config, rng, len(groups)))


def every_sum(config, rng, groups):
    """Each of 2**16 sums with each of so many groups of records: the sum times one."""
    sums = np.repeat(np.arange(-32768, 32768).reshape(-1, config.rows), groups, axis=0)
    activations = np.stack([sums, np.zeros_like(sums)], axis=2)
    weights = np.zeros((len(sums), config.cols, 2), int)
    weights[:, :, 0] = 1
    return phase(config, rng, activations, weights, np.arange(len(sums)) % groups)


def every_sum_in_blocks(config, rng):
    """Each of 2**16 sums in two columns of a block of 32: a multiple of 16, plus 0 to 15."""
    sums = np.arange(-32768, 32768, BLOCK // 2).reshape(-1, config.rows)
    activations = np.stack([sums, np.ones_like(sums)], axis=2)
    weights = np.ones((len(sums), config.cols, 2), int)
    weights[:, :, 1] = np.arange(config.cols) % (BLOCK // 2)
    return phase(config, rng, activations, weights, np.zeros(len(sums), int))


def random_sums(config, rng, outputs):
    """Sums of every size up to 2**31, positive and negative."""
    jobs = -(-outputs // (config.rows * config.cols))
    size = 2.0 ** rng.uniform(0, 15, (jobs, 1, 1))
    activations = np.rint(rng.uniform(-size, size, (jobs, config.rows, 2))).astype(int)
    weights = rng.integers(-32767, 32768, (jobs, config.cols, 2))
    return phase(config, rng, activations, weights, rng.integers(config.groups, size=jobs))


DEFAULT = ("onnx", "thresholds")
"""Contracts that are compared by default; all are in CI."""

LEVELS = [
    ("half_up", "odd4"), ("half_even", "binary"), ("half_away", "odd8"),
    ("half_even", "e4m3fn"), ("half_up", "cfloat8_1_4_3:denormals=paper"), ("floor", "e5m2"),
    ("zero", "e2m3"), ("half_away", "e2m1"), ("half_even", "cfloat8_1_5_2"), ("pulp", "e3m2"),
    ("half_even", "codebook:-90/-40/-7/0/1/2/60/99"), ("thresholds", "e2m1"),
    ("thresholds", "binary"), ("precise", "odd2"),
    *((name, "codebook4:loaded=s8") for name in ("half_up", "zero", "pulp_round")),
    ("half_even", "codebook3:loaded=u15"), ("half_away", "codebook3:loaded=u15"),
    ("floor", "codebook:43/54/93/97"),
]


@pytest.mark.parametrize("name, output", [
    *(pytest.param(name, None, marks=[] if name in DEFAULT else [pytest.mark.slow])
      for name in CONTRACTS),
    *(pytest.param(*each, marks=pytest.mark.slow) for each in LEVELS),
    *(pytest.param("thresholds", output, marks=pytest.mark.slow)
      for output in ("s8", "u6", "e4m3fn")),
    *(pytest.param(contract(name, addend_bits=48, signed_multiplier=True), output,
                   id=f"{name}-addend-{output}", marks=pytest.mark.slow)
      for name, output in (("half_up", "u8"), ("half_even", "s8"), ("half_even", "e4m3fn")))])
@pytest.mark.thinned(2)
def test_verilog_is_golden(rng, name, output):
    config = tile(name, output)
    groups, count = (8, 10**6) if output is None else (4, 4 * 10**5)
    phases = [every_sum(config, rng, groups),
              *(random_sums(config, rng, count // 4) for _ in range(4))]
    want = expected(config, phases)
    # An optimized model takes longer to compile, and saves as much on a million sums.
    levels, _ = run(config, simulation(config, fast=output is None), phases)
    np.testing.assert_array_equal(levels, want)
    jobs = 2**16 * groups // ROWS
    assert want[:jobs].size == 2**16 * COLS * groups and want[jobs:].size >= count
    # Not all of them saturated: the output has all its levels, none of them most of the time.
    if not isinstance(config.contract, ExactSum):
        assert config.output is not None
        levels, counts = np.unique(want, return_counts=True)
        every = np.unique(np.concatenate(
            [each.formats["output"].levels() for each in phases]))
        # Each phase has a table of its own, where it is loaded, with a fifth of the sums. Of many
        # thresholds the outermost are nearly the largest sums, of which there are few.
        share = 0.75 if config.apart else 0.8 if "loaded" in str(config.output) else 0.9
        assert len(levels) > share * len(every)
        assert counts.max() < want.size * 0.75


@pytest.mark.slow
@pytest.mark.parametrize("name, output, count", [
    *((*each, 4 * 10**5) for each in (
        ("half_even", "mx_e2m1"), ("half_even", "mx_e4m3fn"), ("half_up", "mx_s8"))),
    *((*each, 10**5) for each in (
        ("half_away", "mx_e3m2"), ("floor", "mx_odd4"), ("pulp", "mx_cfloat8_1_4_3"),
        ("zero", "mx_e5m2"), ("rndnu", "mx_codebook:-9/-2/0/3/5"), ("pulp_round", "mx_ternary")))])
def test_verilog_shares_exponents_as_golden_does(rng, name, output, count):
    # Of few rows and requantizers, all alike: compiling more takes longer than running these.
    config = replace(tile(name, "s8"), output=parse(output), rows=2, cols=BLOCK, outputs=2)
    phases = [every_sum_in_blocks(config, rng),
              *(random_sums(config, rng, count // 4) for _ in range(4))]
    want = expected(config, phases)
    found, _ = run(config, simulation(config), phases)
    assert isinstance(want, Blocks) and isinstance(found, Blocks)
    np.testing.assert_array_equal(found.levels, want.levels)
    np.testing.assert_array_equal(found.exponents, want.exponents)
    jobs = len(phases[0].beats)
    assert want.levels[:jobs].size == 2**16 * 2
    assert want.levels[jobs:].size >= count
    levels, counts = np.unique(want.levels, return_counts=True)
    assert len(levels) > 0.8 * len(parse(output).levels())
    assert counts.max() < want.levels.size * 0.9
    assert len(np.unique(want.exponents)) > 10
