import re

import numpy as np
import pytest

from golden import ops
from golden.contracts import parse as contract
from golden.formats import parse
from golden.requantize import requantize
from hw import drive
from hw.tile.config import TileConfig
from hw.tile.ports import ports
from sim import jobs
from sim.backend import Trace
from sim.vectors import random_parameters, random_phase


def tile(name="half_up", zero_points="both", weights="s4", activations="u4", output="s8", **shape):
    shape = dict(rows=3, cols=4, lanes=5, depth=24, channels=8, outputs=2) | shape
    return TileConfig(weights=parse(weights), activations=parse(activations),
                      output=None if name == "none" else parse(output), contract=contract(name),
                      zero_points=zero_points, **shape)


def field(number, lsb, bits, fmt=None):
    code = number >> lsb & (1 << bits) - 1
    return code - (1 << bits) if fmt is not None and fmt.signed and code >> bits - 1 else code


class Reference:
    """A backend that reads the beats as DESIGN describes them, one Python integer at a time."""

    def __init__(self, config):
        self.config, self.ports, self.jobs = config, ports(config), []
        self.design = config

    def run(self, inputs, outputs, *, stall=0.0, seed=0, max_cycles=None, before=()):
        c = self.config
        beats = {name: [int.from_bytes(row.tobytes(), "little") for row in each.data]
                 for name, each in inputs.items()}
        words, job = inputs["s_axis_parameters"], inputs["s_axis_job"]
        sets, start = [], 0
        for end in np.flatnonzero(words.last) + 1:
            sets.append((int(end), self.records(beats["s_axis_parameters"][start:end])))
            start = end
        assert start == len(words.last)
        closes = np.flatnonzero(words.last)
        position, results = 0, []
        for number, what in enumerate(beats["s_axis_job"]):
            bits = c.max_beats.bit_length()
            count, group = what & (1 << bits) - 1, what >> bits
            # Offered once its set is closed, before any later set can be; the tile itself holds
            # back those of the first.
            written = job.after["s_axis_parameters"][number]
            index = [end for end, _ in sets].index(written) if written else 0
            if index + 1 < len(sets):
                assert words.after["s_axis_job"][closes[index + 1]] > number
            self.jobs.append((count, group, index))
            sums = np.zeros((c.rows, c.cols), object)
            row_sums = np.zeros(c.rows, object)
            for beat in range(position, position + count):
                x = self.vectors(beats["s_axis_activations"][beat], c.rows, c.activations)
                w = self.vectors(beats["s_axis_weights"][beat], c.cols, c.weights)
                sums += x @ w.T
                row_sums += x.sum(axis=1)
                for name in ("s_axis_activations", "s_axis_weights"):
                    assert inputs[name].last[beat] == (beat == position + count - 1)
            position += count
            record = {name: np.array([each[name] for each in sets[index][1]][
                group * c.cols:(group + 1) * c.cols]) for name in c.record}
            if "weight_zero_point" in record:
                sums = sums - row_sums[:, None] * record.pop("weight_zero_point")
            results.append(requantize(sums, c.contract, c.output, record, unbiased=c.unbiased))
        assert position == len(beats["s_axis_weights"]) == len(beats["s_axis_activations"])
        packed = drive.output_beats(c, np.array(results))
        assert outputs == len(packed.last)
        return Trace({"m_axis_o": packed}, 0, {}, {}, {})

    def vectors(self, number, count, fmt):
        lanes = self.config.lanes
        assert number < 1 << count * lanes * fmt.bits
        return np.array([field(number, k * fmt.bits, fmt.bits, fmt)
                         for k in range(count * lanes)], object).reshape(count, lanes)

    def records(self, words):
        c = self.config
        result = []
        for start in range(0, len(words), c.words):
            number = sum(word << 32 * k for k, word in enumerate(words[start:start + c.words]))
            record, lsb = {}, 0
            for name, fmt in c.record.items():
                record[name] = field(number, lsb, fmt.bits, fmt)
                lsb += fmt.bits
            assert number >> lsb == 0
            result.append(record)
        return result


def own_parameters(config, rng, channels, bias=500):
    parameters = {"bias": rng.integers(-bias, bias, channels)}
    if config.contract.name != "none":
        parameters |= {
            "multiplier": rng.integers(1 << 29, 1 << 31, channels),
            "shift": rng.integers(33, 38, channels), "zero_point": rng.integers(-9, 9, channels),
            "clamp_min": rng.integers(-128, -100, channels),
            "clamp_max": rng.integers(100, 128, channels)}
    return parameters


@pytest.mark.parametrize("weights, activations", [("s4", "u4"), ("u8", "s8"), ("s3n", "s3")])
def test_folding_is_an_identity(rng, weights, activations):
    config = tile("none", weights=weights, activations=activations, depth=40)
    w_format, x_format = parse(weights), parse(activations)
    x = rng.integers(x_format.min, x_format.max + 1, size=(20, 33))
    w = rng.integers(w_format.min, w_format.max + 1, size=(9, 33))
    zero_points = rng.integers(w_format.min, w_format.max + 1, size=9)
    bias = rng.integers(-1000, 1000, size=9)
    for zx in (x_format.min, x_format.max, 0):
        folded = drive.fold(config, w, {"bias": bias}, zero_point=zx,
                           weight_zero_points=zero_points)
        assert list(folded) == list(config.record)
        np.testing.assert_array_equal(folded["weight_zero_point"], zero_points)
        # What the tile computes is what was meant.
        tile_sums = x @ w.T - x.sum(axis=1)[:, None] * zero_points + folded["bias"]
        np.testing.assert_array_equal(
            tile_sums, (x - zx) @ (w - zero_points[:, None]).T + bias)


def test_folding_for_a_tile_without_weight_zero_points(rng):
    config = tile(zero_points="activations")
    x, w = rng.integers(16, size=(5, 24)), rng.integers(-8, 8, size=(6, 24))
    own = own_parameters(config, rng, 6) | {"zero_point": 3}
    folded = drive.fold(config, w, own, zero_point=7)
    assert list(folded) == list(config.record)
    np.testing.assert_array_equal(x @ w.T + folded["bias"], (x - 7) @ w.T + own["bias"])
    for name in own.keys() - {"bias"}:
        np.testing.assert_array_equal(folded[name], np.broadcast_to(own[name], 6))
    # Without zero points nothing changes, on any tile.
    same = drive.fold(tile(zero_points="none"), w, own)
    assert all((same[name] == own[name]).all() for name in own)


@pytest.mark.parametrize("vectors, channels, depth", [
    (3, 4, 5), (1, 1, 1), (7, 6, 23), (2, 8, 24), (4, 9, 11), (6, 25, 7), (10, 16, 6)])
@pytest.mark.parametrize("name, zero_points", [("half_even", "both"), ("none", "both"),
                                               ("half_up", "activations")])
def test_matrices_of_any_size(rng, name, zero_points, vectors, channels, depth):
    config = tile(name, zero_points)
    x, w = rng.integers(16, size=(vectors, depth)), rng.integers(-8, 8, size=(channels, depth))
    zx = 9
    zw = rng.integers(-8, 8, size=channels) if zero_points == "both" else 0
    own = own_parameters(config, rng, channels)
    folded = drive.fold(config, w, own, zero_point=zx, weight_zero_points=zw)
    backend = Reference(config)
    levels, _ = jobs.matmul(config, backend, x, w, folded)
    direct = ops.dense(x, w, x_zero_point=zx, w_zero_point=zw)
    np.testing.assert_array_equal(
        levels, requantize(direct, config.contract, config.output, own))
    # Whole blocks; a set for each store full of channels.
    blocks, sets = -(-vectors // 3), -(-channels // 8)
    assert {index for _, _, index in backend.jobs} == set(range(sets))
    groups = sum(-(-min(8, channels - 8 * k) // 4) for k in range(sets))
    assert len(backend.jobs) == blocks * groups
    assert {count for count, _, _ in backend.jobs} == {-(-depth // 5)}


@pytest.mark.parametrize("name, zero_points, shape", [
    ("tflite", "none", {}), ("half_away", "both", dict(weights="u3", activations="s5")),
    ("none", "none", dict(rows=1, cols=1, lanes=1, outputs=1, channels=1, depth=3)),
    ("floor", "both", dict(weights="s16", activations="u16", lanes=2)),
    ("tflite_single", "activations", dict(output="u16", outputs=4, channels=5))])
def test_beats_and_expectations(rng, name, zero_points, shape):
    config = tile(name, zero_points, **shape)
    phases = [random_phase(config, rng, jobs=count) for count in (5, 1, 3)]
    want = jobs.expected(config, phases)
    assert want.shape == (9, config.rows, config.cols)
    backend = Reference(config)
    levels, trace = jobs.run(config, backend, phases)
    np.testing.assert_array_equal(levels, want)
    assert [index for _, _, index in backend.jobs] == [0] * 5 + [1] + [2] * 3
    assert trace.last.sum() == 9
    for port in ports(config):
        if port.is_input:
            beats = drive.streams(config, phases)[port.name]
            assert beats.data.shape[1] == port.bytes


@pytest.mark.parametrize("weights, activations", [
    ("odd4", "odd4"), ("binary", "binary"), ("odd2", "u4"), ("s4", "odd3")])
def test_lanes_that_are_left_add_nothing(rng, weights, activations):
    config = tile("none", "none", weights, activations)
    for depth in (1, 4, 5, 13, 24):
        x = rng.choice(config.activations.levels(), size=(3, depth))
        w = rng.choice(config.weights.levels(), size=(4, depth))
        bias = rng.integers(-99, 99, size=4)
        [phase] = drive.matmul_phases(config, x, w, drive.fold(config, w, {"bias": bias}))
        np.testing.assert_array_equal(jobs.expected(config, [phase])[0], x @ w.T + bias)


def test_output_beats_and_levels(rng):
    config = tile(output="s5", outputs=4)
    levels = rng.integers(-16, 16, size=(6, 3, 4))
    beats = drive.output_beats(config, levels)
    assert beats.data.shape == (18, 3)
    assert beats.last.tolist() == [False, False, True] * 6
    for step, row in enumerate(levels.reshape(-1, 4)):
        assert int.from_bytes(beats.data[step].tobytes(), "little") == sum(
            (int(level) & 31) << 5 * k for k, level in enumerate(row))
    np.testing.assert_array_equal(drive.output_levels(config, beats.data), levels)


def refuse(message):
    return pytest.raises(ValueError, match=f"^{re.escape(message)}$")


def test_bad_zero_points(rng):
    w = rng.integers(-8, 8, size=(4, 6))
    own = own_parameters(tile(), rng, 4)
    with refuse("Activation zero point must be 0 for a tile with zero points none, not 3"):
        drive.fold(tile(zero_points="none"), w, own, zero_point=3)
    for zero_points in ("none", "activations"):
        with refuse("Weight zero points must be 0 for a tile with zero points "
                    f"{zero_points}, not -2"):
            drive.fold(tile(zero_points=zero_points), w, own,
                      weight_zero_points=np.array([0, -2, 0, 5]))
    with refuse("Activation zero point must be in range [0, 15] of u4, not 16"):
        drive.fold(tile(), w, own, zero_point=16)
    with refuse("Weight zero point must be in range [-8, 7] of s4, not 8 at index 1"):
        drive.fold(tile(), w, own, weight_zero_points=np.array([0, 8, 0, 0]))


def test_bias_that_leaves_its_format():
    w = np.array([[1, 2], [3, 4]])
    own = {"bias": np.array([0, (1 << 31) - 1])}
    with refuse("Bias with zero points must be in range [-2147483648, 2147483647] of s32, "
                "not 2147483668 at index 1"):
        drive.fold(tile("none", activations="s4"), w, own, zero_point=-3)


def test_bad_matrices(rng):
    config = tile()
    parameters = random_parameters(config, rng, 4)
    with refuse("Weights must have the 6 columns of the activations, not 7"):
        list(drive.matmul_phases(config, np.zeros((3, 6), int), np.zeros((4, 7), int), parameters))
    for depth, message in ((0, "Activations must have at least 1 column, not 0"),
                           (25, "Depth must be at least the 25 products of a sum, not 24")):
        with refuse(message):
            list(drive.matmul_phases(config, np.zeros((3, depth), int),
                                    np.zeros((4, depth), int), parameters))


@pytest.mark.parametrize("name, value, message", [
    ("bias", 1 << 31, "Bias must be in range [-2147483648, 2147483647] of s32, not 2147483648"),
    ("shift", -1, "Shift must be in range [0, 63] of u6, not -1"),
    ("clamp_min", 128, "Clamp minimum must be in range [-128, 127] of s8, not 128"),
    ("weight_zero_point", 8, "Weight zero point must be in range [-8, 7] of s4, not 8")])
def test_parameters_outside_their_fields(rng, name, value, message):
    config = tile()
    phase = random_phase(config, rng, jobs=1)
    phase.parameters[name][2] = value
    with refuse(f"{message} at index 2"):
        drive.streams(config, [phase])


def test_operands_outside_their_formats(rng):
    config = tile()
    phase = random_phase(config, rng, jobs=1)
    phase.weights[0, 0, 0] = 8
    with refuse("Level must be in range [-8, 7] of s4, not 8 at index (0, 0, 0)"):
        drive.streams(config, [phase])


def test_codebooks_that_are_loaded(rng):
    config = tile("none", "none", "codebook2:loaded=s6", "u4")
    book = parse("codebook:-9/-1/7/30")
    w, x = rng.choice(book.levels(), size=(4, 13)), rng.integers(16, size=(3, 13))
    bias, books = rng.integers(-99, 99, size=4), {"weights": book}
    folded = drive.fold(config, w, {"bias": bias}, codebooks=books)
    [phase] = drive.matmul_phases(config, x, w, folded, codebooks=books)
    np.testing.assert_array_equal(jobs.expected(config, [phase])[0], x @ w.T + bias)
    words = drive.streams(config, [phase])["s_axis_parameters"].data.view("<i4")[:, 0]
    assert words[:4].tolist() == [-9, -1, 7, 30]
    with refuse("Codebook of weights must be given for codebook2:loaded=s6"):
        drive.fold(config, w, {"bias": bias})
    with refuse("Codebook of activations must be left out for u4, which is not loaded"):
        drive.resolved(config, {"activations": book, "weights": book})


def test_a_sum_of_63_bits_with_its_bias(rng):
    """The sum is an int64, the total is none."""
    config = TileConfig(weights="cfloat8_1_5_2:denormals=paper", activations="e5m2", output=None,
                        contract="none", rows=1, cols=2, lanes=2, depth=12, channels=4)
    phase = random_phase(config, rng, jobs=3)
    got = jobs.expected(config, [phase])
    sums = jobs.sums_of(config, phase)
    assert sums.dtype == np.int64 and got.dtype == object
    columns = phase.group[:, None] * config.cols + np.arange(config.cols)
    np.testing.assert_array_equal(
        got, sums.astype(object) + phase.parameters["bias"][columns].astype(object)[:, None])
