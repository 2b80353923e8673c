# amaranth: UnusedElaboratable=no

import re
from fractions import Fraction
from math import floor

import numpy as np
import pytest
from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from golden import elementwise, ops
from golden.contracts import ExactSum
from golden.contracts import parse as contract
from golden.formats import parse
from golden.networks import Quantization
from golden.unit_scales import parameters_of
from golden.units import Addition, Multiplication, Rescaling
from golden.units import parse as scheme
from hw.delay import FIFO_LATENCY
from hw.packing import unpack
from hw.targets.fabric import ECP5, GENERIC
from hw.units import Add, AveragePool, Concat, FusedAdd, MaxPool, Multiply, Rescale
from hw.units.pool import reciprocals
from hw.units.unit import CREDIT_LATENCY
from sim.components import beats_of, component_simulation
from sim.streams import run
from sim.units import run_concat, run_elementwise, run_pool

S3, U3, S4, S8, U8 = (parse(name) for name in ("s3", "u3", "s4", "s8", "u8"))
TFLITE, HALF_UP = contract("tflite"), contract("half_up")


def rescale(name="tflite", lanes=3):
    return Rescale(operation=Rescaling(contract(name), U8, S4), lanes=lanes)


def multiply(name="tflite", lanes=3):
    return Multiply(operation=Multiplication(contract(name), S3, U3, S4), lanes=lanes)


def add(name="tflite", lanes=3, subtract=False, by=None, fabric=GENERIC):
    way = scheme(name, contract=by and contract(by))
    unit = FusedAdd if name == "onnx" else Add
    return unit(operation=Addition(way, S3, U3, S4, subtract), lanes=lanes, fabric=fabric)


def concat(name="tflite", lanes=3, tensors=2):
    return Concat(operation=Rescaling(contract(name), S4, S4), tensors=tensors, lanes=lanes)


def average(lanes=3):
    return AveragePool(values=S4, lanes=lanes, window=9)


def maximum(lanes=3):
    return MaxPool(values=U3, lanes=lanes)


UNITS = {
    "rescale": rescale, "rescale-onnx": lambda: rescale("onnx"),
    "rescale-pulp_round": lambda: rescale("pulp_round"), "multiply": multiply,
    "multiply-onnx_zp_inside": lambda: multiply("onnx_zp_inside"), "add": add,
    "subtract": lambda: add(subtract=True), "add-int16": lambda: add("int16"),
    "add-int16-half_away": lambda: add("int16", by="half_away"), "add-onnx": lambda: add("onnx"),
    "add-onnx-ecp5": lambda: add("onnx", lanes=1, fabric=ECP5),
    "add-xnnpack": lambda: add("xnnpack"), "add-exact": lambda: add("exact"),
}


def parameters(operation, rng, count):
    """Scales of a bit or of many, and a clamp that is now and then felt."""
    formats = [*operation.operands.values(), operation.output]
    found = []
    for _ in range(count):
        scales = rng.uniform(0.2, 1, len(formats)) if rng.integers(2) \
            else 2.0**rng.integers(-2, 1, len(formats))
        scales[-1] *= 4 if isinstance(operation, Rescaling) else 1.5
        tensors = [Quantization(fmt, float(np.float32(scale)),
                                int(rng.integers(fmt.min, fmt.max + 1)))
                   for fmt, scale in zip(formats, scales, strict=True)]
        clamp = None if rng.integers(2) else (-3, 5)
        found.append(parameters_of(operation, *tensors, clamp=clamp))
    return found


@pytest.mark.parametrize("name", UNITS)
@pytest.mark.thinned(2)
def test_every_pair_with_stalls(name, rng):
    unit = UNITS[name]()
    operation = unit.operation
    levels = [fmt.levels() for fmt in operation.operands.values()]
    operands = [x.ravel() for x in np.meshgrid(*levels)]
    sets = parameters(operation, rng, 4)
    want = np.stack([elementwise.compute(operation, operands, p) for p in sets])
    backend = component_simulation(unit, "unit", "amaranth")
    for stall in (0.0, 0.5):
        got, trace = run_elementwise(unit, backend, operands, sets, stall=stall)
        np.testing.assert_array_equal(got, want)
        assert trace.last.sum() == 1 and trace.last[-1]
    assert len(np.unique(want)) > 8


@pytest.mark.parametrize("name", UNITS)
def test_latency(name, rng):
    unit = UNITS[name]()
    operands = [np.full(unit.lanes, fmt.max) for fmt in unit.operation.operands.values()]
    _, trace = run_elementwise(unit, component_simulation(unit, "unit", "amaranth"), operands,
                               parameters(unit.operation, rng, 1))
    first = max(trace.first[f"s_axis_{i.removeprefix('i_')}"] for i in unit.operation.operands)
    assert trace.first["m_axis_o"] - first == unit.latency == unit.stages + FIFO_LATENCY


def test_stages_are_composed():
    scaling = {"tflite": 5, "onnx": 11, "pulp_round": 5, "q31": 5, "half_up": 4}
    for name, stages in scaling.items():
        assert rescale(name).stages == concat(name).stages == 3 + stages
        assert multiply(name).stages == 4 + stages
    assert multiply("onnx_zp_inside").stages == 26
    assert add().stages == 5 + 2 * scaling["tflite"]
    assert add("int16", by="q31").stages == 5 + 2 * scaling["q31"]
    assert add("int16").stages == 5 + 2 * scaling["half_up"]
    assert add("onnx").stages == 16
    assert (average().stages, maximum().stages) == (4, 2)


@pytest.mark.parametrize("make", [rescale, add, concat, average, maximum])
def test_a_beat_per_cycle(make, rng):
    """For so long that a queue too short would show, and no longer."""
    unit, beats = make(), 60
    backend = component_simulation(unit, "unit", "amaranth")
    if isinstance(unit, Concat):
        _, trace = run_concat(unit, backend, [rng.integers(-8, 8, (20, n, 3)) for n in (1, 2)],
                              parameters(unit.operation, rng, 2))
    elif isinstance(unit, AveragePool | MaxPool):
        _, trace = run_pool(unit, backend, rng.integers(0, 8, (beats, 1, 3)), (0, 7))
    else:
        operands = [rng.integers(fmt.min, fmt.max + 1, beats * 3)
                    for fmt in unit.operation.operands.values()]
        _, trace = run_elementwise(unit, backend, operands, parameters(unit.operation, rng, 1))
    assert trace.final["m_axis_o"] - trace.first["m_axis_o"] == beats - 1


@pytest.mark.parametrize("make", [rescale, multiply, concat, average])
def test_output_ready_reaches_no_input(make):
    """Blocked, a unit takes what its queue holds; unblocked, it takes more one cycle later."""
    unit, taken = make(), []

    async def testbench(ctx):
        streams = [getattr(unit, name) for name in unit.inputs]
        if isinstance(unit, Concat):
            del streams[1:]
        for one in streams:
            ctx.set(one.valid, 1)
        if isinstance(unit, AveragePool):
            ctx.set(unit.i.payload, {"last": 1})
        for _ in range(40):
            taken.append(ctx.get(streams[0].ready))
            await ctx.tick()
        ctx.set(unit.o.ready, 1)
        assert [ctx.get(one.ready) for one in streams] == [0] * len(streams)
        await ctx.tick()
        assert [ctx.get(one.ready) for one in streams] == [1] * len(streams)

    run(unit, testbench)
    assert sum(taken) == unit.latency + CREDIT_LATENCY


@pytest.mark.parametrize("tensors, vectors", [(2, (1, 1)), (2, (4, 1)), (3, (2, 1, 3))])
def test_joined_with_stalls(tensors, vectors, rng):
    unit, runs = concat(tensors=tensors), 12
    values = [rng.integers(-8, 8, (runs, n, 3)) for n in vectors]
    sets = parameters(unit.operation, rng, tensors)
    want = elementwise.concat([unit.operation] * tensors, values, sets, axis=1)
    backend = component_simulation(unit, "unit", "amaranth")
    for stall in (0.0, 0.5):
        got, trace = run_concat(unit, backend, values, sets, stall=stall)
        np.testing.assert_array_equal(got, want)
        np.testing.assert_array_equal(
            np.flatnonzero(trace.last), np.arange(1, runs + 1) * sum(vectors) - 1)


def test_latency_of_a_join(rng):
    unit = concat()
    _, trace = run_concat(unit, component_simulation(unit, "unit", "amaranth"),
                          [rng.integers(-8, 8, (1, 1, 3))] * 2, parameters(unit.operation, rng, 2))
    assert trace.first["m_axis_o"] - trace.first["s_axis_0"] == unit.latency


@pytest.mark.parametrize("make", [average, maximum])
@pytest.mark.parametrize("clamp", [(0, 7), (2, 5)])
def test_pools_with_stalls(make, clamp, rng):
    unit = make()
    fmt, pool = unit.values, ops.average_pool if make is average else ops.max_pool
    windows = [rng.integers(fmt.min, fmt.max + 1, (n, 3)) for n in rng.integers(1, 10, 60)]
    want = np.stack([np.clip(pool(w.T[:, None, :, None], size=(1, len(w)), stride=(1, 1)),
                             *clamp).ravel() for w in windows])
    backend = component_simulation(unit, "unit", "amaranth")
    for stall in (0.0, 0.5):
        got, _ = run_pool(unit, backend, windows, clamp, stall=stall)
        np.testing.assert_array_equal(got, want)
    assert len(np.unique(want)) > 3


@pytest.mark.parametrize("make", [average, maximum])
def test_latency_of_a_pool(make):
    unit = make()
    _, trace = run_pool(unit, component_simulation(unit, "unit", "amaranth"),
                        [np.ones((4, 3), int)], (0, 7))
    assert trace.first["m_axis_o"] - trace.final["s_axis_i"] == unit.latency


class Fixed(wiring.Component):
    """A unit whose parameters are constants."""

    def __init__(self, unit, p):
        packed = unit.payloads["parameters"].pack({
            name: fmt.encode(np.array([p[name]])) for name, fmt in unit.operation.fields.items()})
        self.unit, self.record = unit, int.from_bytes(packed.tobytes(), "little")
        super().__init__({name: In(stream.Signature(getattr(unit, name).payload.shape()))
                          for name in unit.inputs}
                         | {"o": Out(stream.Signature(unit.o.payload.shape()))})

    def elaborate(self, platform):
        m = Module()
        m.submodules.unit = self.unit
        m.d.comb += self.unit.parameters.as_value().eq(self.record)
        for name in self.unit.inputs:
            wiring.connect(m, wiring.flipped(getattr(self, name)), getattr(self.unit, name))
        wiring.connect(m, self.unit.o, wiring.flipped(self.o))
        return m


def test_fixed_parameters(rng):
    unit = add("int16", lanes=4)
    p, = parameters(unit.operation, rng, 1)
    levels = [rng.integers(fmt.min, fmt.max + 1, (10, 4))
              for fmt in unit.operation.operands.values()]
    backend = component_simulation(Fixed(unit, p), "fixed", "amaranth")
    trace = backend.run({
        f"s_axis_{name}": beats_of(unit.payloads[f"i_{name}"], {"values": fmt.encode(x)})
        for (name, fmt), x in zip([("a", S3), ("b", U3)], levels, strict=True)}, 10)
    np.testing.assert_array_equal(S4.decode(unpack(trace.data, 4, 4)),
                                  elementwise.compute(unit.operation, levels, p))


def half_away(total, taps):
    magnitude = floor(Fraction(abs(total), taps) + Fraction(1, 2))
    return magnitude if total >= 0 else -magnitude


@pytest.mark.parametrize("fmt, window", [
    ("s8", 64), ("u8", 49), ("s4", 100), ("u1", 30), ("s16", 3), ("s8n", 17)])
def test_reciprocals_divide_every_sum(fmt, window):
    """The formula of the hardware, for all sums of all counts; and no fewer places would do."""
    fmt = parse(fmt)
    places, table = reciprocals(fmt, window)
    for taps in range(1, window + 1):
        totals = np.arange(fmt.min * taps, fmt.max * taps + 1)
        mean = (np.abs(totals) + taps // 2) * table[taps - 1] >> places
        exact = (2 * np.abs(totals) + taps) // (2 * taps)
        np.testing.assert_array_equal(mean, exact)
    for total in (fmt.min * window, fmt.min * window + window // 2, -window // 2, window // 2):
        assert half_away(total, window) == int(np.sign(total)) * (
            (abs(total) + window // 2) * table[-1] >> places)


@pytest.mark.parametrize("fmt, window", [("s16", 4096), ("u16", 1000), ("s8", 4096)])
def test_reciprocals_of_large_windows(fmt, window):
    """At both sides of every step of the quotient nothing slips, whatever the count."""
    fmt = parse(fmt)
    places, table = reciprocals(fmt, window)
    for taps in {1, 2, 3, 127, 641, 997, window - 1, window} & set(range(window + 1)):
        most = max(-fmt.min, fmt.max) * taps + taps // 2
        steps = np.arange(0, most + 1, taps, dtype=object)
        for dividends in (steps, steps[1:] - 1):
            np.testing.assert_array_equal(
                [d * table[taps - 1] >> places for d in dividends],
                [d // taps for d in dividends])


ONNX = Addition(scheme("onnx"), U8, U8, U8)


@pytest.mark.parametrize("make, error, message", [
    (lambda: rescale(lanes=0), ValueError, "Lanes must be a positive integer, not 0"),
    (lambda: concat(lanes=0), ValueError, "Lanes must be a positive integer, not 0"),
    (lambda: average(lanes=0), ValueError, "Lanes must be a positive integer, not 0"),
    (lambda: maximum(lanes=-1), ValueError, "Lanes must be a positive integer, not -1"),
    (lambda: concat(tensors=1), ValueError, "Tensors must be at least 2, not 1"),
    (lambda: AveragePool(values=S8, lanes=1, window=0), ValueError,
     "Window must be in range [1, 4096], not 0"),
    (lambda: AveragePool(values=S8, lanes=1, window=4097), ValueError,
     "Window must be in range [1, 4096], not 4097"),
    (lambda: Add(operation=ONNX, lanes=1), TypeError,
     "Scheme must be one with an intermediate format, not FusedScheme(name='onnx', "
     "source='ONNX Runtime: QLinearAdd, kernel for AVX2')"),
    (lambda: FusedAdd(operation=Addition(scheme("int16"), S8, S8, S8), lanes=1), TypeError,
     f"Scheme must be onnx, not {scheme('int16')!r}"),
])
def test_refused(make, error, message):
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        make()


def test_contract_without_hardware():
    class New(type(HALF_UP)):
        pass

    way = New("new")
    assert not isinstance(way, ExactSum)
    for make in (lambda: Rescale(operation=Rescaling(way, S8, S8), lanes=1),
                 lambda: Multiply(operation=Multiplication(way, S8, S8, S8), lanes=1),
                 lambda: Add(operation=Addition(scheme("int16", contract=way), S8, S8, S8),
                             lanes=1),
                 lambda: Concat(operation=Rescaling(way, S8, S8), tensors=2, lanes=1)):
        with pytest.raises(TypeError, match=r"^Contract must be one with hardware, not "):
            make()
