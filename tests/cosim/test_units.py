"""Units in emitted Verilog: every pair of 8-bit codes, with several parameter sets."""

import numpy as np
import pytest

from golden import elementwise, ops
from golden.contracts import parse as contract
from golden.formats import parse
from golden.networks import Quantization
from golden.unit_scales import parameters_of
from golden.units import Addition, Multiplication, Rescaling
from golden.units import parse as scheme
from hw.units import Add, AveragePool, Concat, FusedAdd, MaxPool, Multiply, Rescale
from sim.components import component_simulation
from sim.units import run_concat, run_elementwise, run_pool
from sim.verilator import available

pytestmark = pytest.mark.skipif(available() is not None, reason=str(available()))

S4, S8, U8, S16 = (parse(name) for name in ("s4", "s8", "u8", "s16"))
PAIRS = np.divmod(np.arange(1 << 16), 256)
STALLS = (0.0, 0.3)


def quantizations(formats, rng, magnify=1.0):
    """Scales of one bit, which make ties, or of all; the output's takes what comes."""
    *operands, output = formats
    scales = 2.0**rng.integers(-5, 1, len(operands)) if rng.integers(2) \
        else rng.uniform(0.02, 1, len(operands)).astype(np.float32)
    last = np.float32(magnify * max(scales) * 2.0**rng.uniform(-1, 1.5))
    return [Quantization(fmt, float(scale), int(rng.integers(fmt.min, fmt.max + 1)))
            for fmt, scale in zip(formats, [*scales, last], strict=True)]


def verify(unit, name, operands, sets):
    """Count of the outputs compared."""
    backend = component_simulation(unit, name)
    operation = unit.operation
    want = np.stack([elementwise.compute(operation, operands, p) for p in sets])
    for seed, stall in enumerate(STALLS):
        got, trace = run_elementwise(unit, backend, operands, sets, stall=stall, seed=seed)
        np.testing.assert_array_equal(got, want)
        beats = len(sets) * -(-operands[0].size // unit.lanes)
        if not stall:  # a beat per cycle, but for the change from set to set
            assert trace.cycles <= beats + len(sets) * (unit.latency + 3)
    assert len(np.unique(want)) == operation.output.max - operation.output.min + 1
    return want.size


def pairs(operation):
    return [fmt.decode(codes) for fmt, codes in zip(operation.operands.values(), PAIRS,
                                                    strict=True)]


def sums(way, rng, *, formats=(S8, S8, S8), subtract=False, count=6):
    operation = Addition(way, *formats, subtract)
    sets = [parameters_of(operation, *quantizations(formats, rng)) for _ in range(count)]
    unit = FusedAdd if way.name == "onnx" else Add
    return operation, unit(operation=operation, lanes=2), sets


def negligible_terms():
    """Products and offsets at ties, beside something that only just counts, or does not."""
    def bits(value):
        return int(np.float32(value).view(np.uint32))

    # 96.5, a tie of the output; and three times the last, halfway between 96.5 and the float32
    # above, of which the former is even.
    exact, between = bits(96.5), bits(8432299 * 2.0**-18)
    little, least = bits(1.99 * 2.0**-40), bits(1.99 * 2.0**-64)
    for scale in (exact, between):
        for offset in (least, least | 1 << 31, 0):
            yield {"a_scale": scale, "b_scale": little, "offset": offset}
    for offset in (exact, exact | 1 << 31):
        yield {"a_scale": little, "b_scale": little, "offset": offset}


@pytest.mark.parametrize("way", [scheme("tflite"), pytest.param(
    scheme("onnx"), marks=pytest.mark.slow)], ids=lambda way: way.name)
def test_every_sum(way, rng):
    operation, unit, sets = sums(way, rng)
    if way.name == "onnx":
        sets += [p | {"clamp_min": -128, "clamp_max": 127} for p in negligible_terms()]
    assert verify(unit, f"sum_{way.name}", pairs(operation), sets) == len(sets) * 2**16


@pytest.mark.slow
@pytest.mark.parametrize("way, formats, subtract", [
    (scheme("tflite"), (S8, S8, S8), True),
    (scheme("tflite"), (U8, S8, U8), False),
    (scheme("int16"), (S8, S8, S8), False),
    (scheme("int16"), (U8, S8, U8), True),
    (scheme("int16", contract=contract("tflite")), (S8, S8, S8), False),
    (scheme("int16", contract=contract("half_even")), (S8, U8, S8), True),
    (scheme("int16", contract=contract("pulp_round")), (S8, S8, S8), False),
    (scheme("int16", contract=contract("onnx")), (S8, S8, S8), False),
    (scheme("onnx"), (U8, U8, U8), False),
    (scheme("onnx"), (S8, U8, S8), False),
    (scheme("xnnpack"), (S8, S8, S8), True),
    (scheme("exact"), (S8, U8, S8), False),
])
def test_every_other_sum(way, formats, subtract, rng):
    operation, unit, sets = sums(way, rng, formats=formats, subtract=subtract, count=12)
    assert verify(unit, "sum", pairs(operation), sets) == 12 * 2**16


@pytest.mark.slow
def test_fused_sums_of_any_exponents(rng):
    """Where products cancel with the offset, vanish in it, or make it vanish."""
    operation = Addition(scheme("onnx"), S8, U8, S8)
    sets = []
    for k in range(64):
        exponents = rng.integers([-40, -40, -64], [20, 20, 30])
        if k % 2:  # near each other
            exponents = rng.integers(-12, 6) + rng.integers(0, 9, 3)
        if k % 4 == 3:
            exponents[2] = min(exponents[:2].max() + 7, 29)
        bits = (exponents + 127 << 23) + rng.integers(1 << 23, size=3) * rng.integers(0, 2, 3)
        bits[2] = 0 if k % 16 == 0 else bits[2] + (int(rng.integers(2)) << 31)
        a, b, offset = bits.tolist()
        sets.append({"a_scale": a, "b_scale": b, "offset": offset, "clamp_min": -128,
                     "clamp_max": 127})
    unit = FusedAdd(operation=operation, lanes=2)
    assert verify(unit, "sum", pairs(operation), sets) == 64 * 2**16


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tflite_int16", "int16"])
def test_sums_of_16_bits(name, rng):
    formats = (S16, S16, S16)
    operation = Addition(scheme(name), *formats)
    ends = np.array([S16.min, S16.min + 1, -1, 0, 1, S16.max - 1, S16.max])
    operands = [np.concatenate([x.ravel(), rng.integers(S16.min, S16.max + 1, 1 << 17)])
                for x in np.meshgrid(ends, ends)]
    backend_sets = []
    for _ in range(8):
        tensors = [Quantization(S16, q.scale, 0) for q in quantizations(formats, rng)]
        backend_sets.append(parameters_of(operation, *tensors))
    unit = Add(operation=operation, lanes=2)
    backend = component_simulation(unit, "sum")
    want = np.stack([elementwise.compute(operation, operands, p) for p in backend_sets])
    got, _ = run_elementwise(unit, backend, operands, backend_sets)
    np.testing.assert_array_equal(got, want)


@pytest.mark.slow
@pytest.mark.parametrize("name, formats", [
    ("tflite", (S8, S8, S8)), ("onnx_zp_inside", (U8, U8, U8)), ("onnx", (S8, U8, S8)),
    ("half_up", (U8, S8, U8)), ("half_even", (S8, S8, S4))])
def test_every_product(name, formats, rng):
    operation = Multiplication(contract(name), *formats)
    sets = [parameters_of(operation, *quantizations(formats, rng, 0.7))
            for _ in range(12)]
    unit = Multiply(operation=operation, lanes=2)
    assert verify(unit, "product", pairs(operation), sets) == 12 * 2**16


@pytest.mark.slow
@pytest.mark.parametrize("name, formats", [
    ("tflite", (S8, U8)), ("tflite", (S16, S8)), ("tflite", (S8, S8)), ("half_even", (S16, U8)),
    ("onnx", (U8, S8)), ("onnx_zp_inside", (U8, S8))])
def test_every_level_rescaled(name, formats, rng):
    operation = Rescaling(contract(name), *formats)
    magnify = 2.0**(formats[0].width - formats[1].width)
    sets = [parameters_of(operation, *quantizations(formats, rng, magnify))
            for _ in range(24)]
    for p in sets[:12]:  # a few that take the output to both of its ends
        p["zero_point"] = int(rng.integers(formats[1].min, formats[1].max + 1))
    unit = Rescale(operation=operation, lanes=4)
    operands = [formats[0].levels()]
    assert verify(unit, "rescaled", operands, sets) == 24 << formats[0].width


@pytest.mark.parametrize("tensors, vectors", [
    pytest.param(2, (3, 1), marks=pytest.mark.slow), (3, (1, 5, 2))])
def test_joined(tensors, vectors, rng):
    operation, lanes, runs = Rescaling(contract("tflite"), S8, S8), 2, 200
    unit = Concat(operation=operation, tensors=tensors, lanes=lanes)
    backend = component_simulation(unit, f"joined_{tensors}")
    values = [rng.integers(-128, 128, (runs, n, lanes)) for n in vectors]
    made = Quantization(S8, 0.5, 3)
    taken = [made, Quantization(S8, 0.3, -20), Quantization(S8, 1.0, 7)][:tensors]
    sets = [parameters_of(operation, q, made) for q in taken]
    want = elementwise.concat([operation] * tensors, values, sets, axis=1)
    np.testing.assert_array_equal(want[:, :vectors[0]], values[0])
    for seed, stall in enumerate(STALLS):
        got, trace = run_concat(unit, backend, values, sets, stall=stall, seed=seed)
        np.testing.assert_array_equal(got, want)
        ends = np.zeros(want.shape[:2], bool)
        ends[:, -1] = True
        np.testing.assert_array_equal(trace.last, ends.ravel())
        if not stall:
            assert trace.cycles <= runs * sum(vectors) + unit.latency + 3


def every_sum(fmt, taps):
    """Windows with each sum there is of so many levels."""
    sums = np.arange(fmt.min * taps, fmt.max * taps + 1)
    base, more = np.divmod(sums, taps)
    return base[:, None] + (np.arange(taps) < more[:, None])


def averaged(fmt, unit, counts):
    """Number of windows compared: all sums of each of the counts of taps, some where many."""
    lanes, windows, want = unit.lanes, [], []
    for taps in counts:
        rows = every_sum(fmt, taps)[::1 if taps <= 128 else 97]
        rows = np.concatenate([rows, np.repeat(rows[:1], -len(rows) % lanes, axis=0)])
        windows += list(rows.reshape(-1, lanes, taps).transpose(0, 2, 1))
        means = ops.average_pool(rows[:, None, :, None], size=(1, taps), stride=(1, 1))
        want.append(means.reshape(-1, lanes))
    backend = component_simulation(unit, f"average_{unit.window}")
    got, _ = run_pool(unit, backend, windows, (fmt.min, fmt.max))
    np.testing.assert_array_equal(got, np.concatenate(want))
    return got.size


@pytest.mark.parametrize("fmt, window", [
    (S8, 9), pytest.param(parse("u4"), 20, marks=pytest.mark.slow)], ids=str)
def test_every_average(fmt, window):
    unit = AveragePool(values=fmt, lanes=8, window=window)
    assert averaged(fmt, unit, range(1, window + 1)) >= sum(
        (fmt.max - fmt.min) * n for n in range(1, window + 1))


@pytest.mark.slow
@pytest.mark.parametrize("fmt, window, counts", [
    (S8, 64, range(1, 65)), (U8, 49, range(1, 50)), (S8, 1024, [128, 641]),
    (S16, 16, [1, 2, 3, 7, 9, 16])], ids=str)
def test_every_average_of_large_windows(fmt, window, counts):
    averaged(fmt, AveragePool(values=fmt, lanes=16, window=window), counts)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [AveragePool, MaxPool])
def test_pools_with_stalls(kind, rng):
    more = {"window": 12} if kind is AveragePool else {}
    unit = kind(values=S8, lanes=4, **more)
    windows = [rng.integers(-128, 128, (n, 4)) >> rng.integers(0, 7)
               for n in rng.integers(1, 13, 400)]
    backend = component_simulation(unit, f"{kind.__name__.lower()}_stalled")
    pool = ops.average_pool if kind is AveragePool else ops.max_pool
    for clamp in ((-128, 127), (-1, 30)):
        want = np.stack([np.clip(pool(w.T[:, None, :, None], size=(1, len(w)), stride=(1, 1)),
                                 *clamp).ravel() for w in windows])
        for seed, stall in enumerate(STALLS):
            got, _ = run_pool(unit, backend, windows, clamp, stall=stall, seed=seed)
            np.testing.assert_array_equal(got, want)
