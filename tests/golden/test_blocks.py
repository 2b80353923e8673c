"""Requantization block by block equals that of the whole, and names the same places."""

import numpy as np
import pytest

import golden.requantize
from golden import speed
from golden.contracts import CONTRACTS, LFSR_BITS
from golden.contracts import parse as contract
from golden.formats import parse
from golden.requantize import requantize
from tests.golden.definitions import parameters

S4, S8 = parse("s4"), parse("s8")


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(golden.requantize, "BLOCK", 32)


@pytest.mark.parametrize("shape, dtype", [
    ((31,), object), ((7, 9), np.int32), ((2, 3, 16), np.int64), ((3, 33), np.int32),
    ((97, 1), np.int64)])
@pytest.mark.parametrize("name", CONTRACTS)
def test_blocks_equal_single_rows(name, shape, dtype, rng):
    """Rows of fewer, as many and more channels than a block has, the last block a short one."""
    way, output = contract(name), None if name == "none" else S4
    sums = rng.integers(-1000, 1000, shape).astype(dtype)
    p = {"bias": 0} if output is None else parameters(name, S4)
    p["bias"] = rng.integers(-500, 500, shape[-1])
    for scale in set(p) & {"multiplier", "scale"}:
        p[scale] = p[scale] + rng.integers(0, 2, shape[-1])
    draws = rng.integers(1, 1 << LFSR_BITS, shape) if name == "stochastic" else None
    result = requantize(sums, way, output, p, draws=draws)
    assert result.shape == shape and result.dtype == np.int64
    rows, channels = sums.reshape(-1, shape[-1]), range(shape[-1])
    alone = [[requantize(
        [row[channel]], way, output,
        {field: np.broadcast_to(value, shape[-1])[channel] for field, value in p.items()},
        draws=None if draws is None else draws.reshape(rows.shape)[place, channel, None])[0]
        for channel in channels] for place, row in enumerate(rows)]
    assert result.reshape(rows.shape).tolist() == alone


@pytest.mark.parametrize("name, changed, place, value, message", [
    ("tflite", {"bias": 1}, (6, 2), 2**31 - 1,
     r"^Sum plus bias must be in range .* of s32, not 2147483648 at index \(6, 2\)$"),
    ("tflite", {"shift": 3}, (5, 8), 2**30,
     r"^Sum plus bias, shifted left, must be in range .*, not 8589934592 at index \(5, 8\)$"),
    ("tflite_single", {"multiplier": 2**31 - 1, "shift": 5}, (4, 0), 2**30,
     r"^Scaled sum must be in range .* of s32, not 34359738352 at index \(4, 0\)$"),
])
def test_a_refusal_names_the_place(name, changed, place, value, message):
    sums = np.zeros((7, 9), dtype=np.int32)
    sums[place] = value
    with pytest.raises(ValueError, match=message):
        requantize(sums, contract(name), S8, parameters(name, S8, **changed))


@pytest.mark.parametrize("name", CONTRACTS)
def test_empty_arrays(name):
    output = None if name == "none" else S4
    p = {"bias": 0} if output is None else parameters(name, S4)
    for shape, channels in [((0,), 1), ((3, 0), 1), ((0, 3), 1), ((0, 3), 3), ((2, 0, 5), 5)]:
        draws = np.empty(shape, dtype=np.int64) if name == "stochastic" else None
        result = requantize(np.empty(shape, dtype=np.int32), contract(name), output,
                            p | {"bias": np.arange(channels)}, draws=draws)
        assert result.shape == shape and result.dtype == np.int64, channels


def test_a_transposed_array(rng):
    sums = rng.integers(-1000, 1000, (9, 7))
    p = parameters("half_up", S8) | {"bias": np.arange(9)}
    np.testing.assert_array_equal(
        requantize(sums.T, contract("half_up"), S8, p),
        requantize(np.ascontiguousarray(sums.T), contract("half_up"), S8, p))


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("name", CONTRACTS)
def test_speed_of_every_contract(name, per_channel):
    assert speed.accumulators_per_second(name, per_channel=per_channel, count=640, runs=1) > 0


def test_speed_prints_a_line_per_contract(monkeypatch, capsys):
    monkeypatch.setattr(speed, "accumulators_per_second", lambda name, per_channel: 4e7)
    assert speed.main([]) == 0
    title, *lines = capsys.readouterr().out.splitlines()
    assert title == "M accumulators/s per core   per tensor   per channel"
    assert [line.split() for line in lines] == [[name, "40", "40"] for name in CONTRACTS]


def test_speed_has_no_options(capsys):
    with pytest.raises(SystemExit) as end:
        speed.main(["--help"])
    assert end.value.code == 0 and "how fast golden requantizes" in capsys.readouterr().out
    with pytest.raises(SystemExit) as end:
        speed.main(["half_up"])
    assert end.value.code == 2
    assert capsys.readouterr().err == (
        "python -m golden.speed: error: unrecognized arguments: half_up\n")
