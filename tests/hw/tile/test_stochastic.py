# amaranth: UnusedElaboratable=no
"""Contract ``stochastic`` on tiles: a tensor's draws, whatever the tile."""

import numpy as np
import pytest

from golden.contracts import parse as contract
from golden.formats import parse
from golden.lfsr import draws
from golden.requantize import requantize
from hw import drive, emit
from hw.bus.axi_tile import AxiTile
from hw.payload import Field, Payload
from hw.tile.config import TileConfig
from hw.tile.ports import ports
from sim import jobs
from sim.pysim import AmaranthSimulation
from sim.vectors import corner_phase, random_phase

SHAPES = {
    "1x1x8": dict(rows=1, cols=1, lanes=8, channels=3),
    "3x4x8": dict(rows=3, cols=4, lanes=8, channels=8),
    "3x4x8/2": dict(rows=3, cols=4, lanes=8, channels=8, outputs=2),
    "3x4x8/4": dict(rows=3, cols=4, lanes=8, channels=20, outputs=4),
    "2x6x3/3": dict(rows=2, cols=6, lanes=3, channels=14, outputs=3),
}


def tile(**shape):
    return TileConfig(weights=parse("s4"), activations=parse("u4"), output=parse("s8"),
                      contract=contract("stochastic"), depth=24, **shape)


def simulation(config):
    made = AxiTile(config)
    return AmaranthSimulation(made, made.ports)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.thinned(2)
def test_the_tensor_does_not_depend_on_the_tile(shape):
    """Rows, columns, requantizers, parameter sets: all ragged, all of the same draws."""
    rng = np.random.default_rng(11)
    vectors, channels = 7, 19
    x, w = rng.integers(16, size=(vectors, 8)), rng.integers(-8, 8, size=(channels, 8))
    p = {"bias": rng.integers(-500, 500, channels), "zero_point": np.full(channels, 3),
         "multiplier": rng.integers(1 << 30, 1 << 31, channels), "shift": np.full(channels, 36),
         "clamp_min": np.full(channels, -100), "clamp_max": np.full(channels, 127)}
    config = tile(**SHAPES[shape])
    for seed, stall in ((1, 0.0), (0xC0FFEE, 0.3)):
        levels, _ = jobs.matmul(config, simulation(config), x, w, p, first_draw=seed, stall=stall)
        want = requantize(x @ w.T, config.contract, config.output, p,
                          draws=draws(seed, (vectors, channels)))
        np.testing.assert_array_equal(levels, want)
    # Draws matter: no two seeds round alike, nor does any fixed rounding.
    for name in ("floor", "half_up"):
        assert (requantize(x @ w.T, contract(name), config.output, p) != want).any()
    assert (requantize(x @ w.T, config.contract, config.output, p,
                       draws=draws(1, (vectors, channels))) != want).any()


@pytest.mark.parametrize("stall", [0.0, 0.5])
@pytest.mark.parametrize("shape", ["1x1x8", "3x4x8/2", "3x4x8/4"])
def test_jobs_of_one_beat_keep_their_states(rng, shape, stall):
    """Jobs whose outputs leave without a gap, and jobs that wait for one another."""
    config = tile(**SHAPES[shape])
    phases = [random_phase(config, rng, jobs=12), corner_phase(config, rng)]
    levels, _ = jobs.run(config, simulation(config), phases, stall=stall)
    np.testing.assert_array_equal(levels, jobs.expected(config, phases))


def test_states_are_a_field_of_the_job():
    [job] = [port for port in ports(tile(**SHAPES["3x4x8"])) if port.stream == "i_job"]
    assert job.payload == Payload((Field("beats", 2), Field("group", 1),
                                   Field("states", 32, (3,))))
    assert job.payload.bits == 99
    other = TileConfig(weights=parse("s4"), activations=parse("u4"), output=parse("s8"))
    assert list(ports(other)[0].payload.placed) == ["beats", "group"]


def test_the_manifest_says_what_is_drawn():
    config = tile(**SHAPES["3x4x8"])
    said = emit.manifest(AxiTile(config), "name")["requantization"]["draws"]
    assert said["polynomial"] == "x^32 + x^16 + x^7 + x^2 + 1"
    assert said["sequence"] == "s[t + 32] = s[t + 16] ^ s[t + 7] ^ s[t + 2] ^ s[t]"
    assert set(said) == {"polynomial", "sequence", "state", "order"}
    other = TileConfig(weights=parse("s4"), activations=parse("u4"), output=parse("s8"))
    assert "draws" not in emit.manifest(AxiTile(other), "name")["requantization"]


@pytest.mark.parametrize("states, message", [
    (0, r"State must be in range \[1, 4294967295\], not 0"),
    (1 << 32, r"State must be in range \[0, 4294967295\] of u32, not 4294967296 at index \(0, 0\)"),
])
def test_bad_states(rng, states, message):
    config = tile(**SHAPES["1x1x8"])
    phase = random_phase(config, rng, jobs=1)
    assert phase.states is not None
    phase.states[0, 0] = states
    with pytest.raises(ValueError, match=f"^{message}$"):
        drive.streams(config, [phase])
