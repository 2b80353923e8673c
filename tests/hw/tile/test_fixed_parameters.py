# amaranth: UnusedElaboratable=no
"""Parameters that are fixed at build time: what holds them, what takes them, and the whole tile."""

import re
from dataclasses import replace

import numpy as np
import pytest
from amaranth.hdl import Const, Module, Value

from golden.contracts import CONTRACTS
from golden.contracts import parse as contract
from golden.formats import parse
from golden.requantize import requantize
from hw import drive, emit
from hw.bus.axi_tile import AxiTile
from hw.delay import delay
from hw.flow.mapping import TARGETS
from hw.flow.yosys import synthesize
from hw.requantize.requantizer import Requantizer
from hw.tile.config import TileConfig
from hw.tile.fixed_parameters import FixedParameters
from hw.tile.parameters import ParameterStore
from hw.tile.ports import ports
from sim import jobs
from sim.components import AxiComponent
from sim.pysim import AmaranthSimulation
from sim.streams import run
from sim.vectors import (
    corner_phase,
    random_parameters,
    random_phase,
    revealing_parameters,
    verification_phases,
)

RECORD = {"a": parse("s3"), "b": parse("u9"), "c": parse("odd4"), "d": parse("s1")}


def config(name="tflite", **changed):
    output = {"none": None, "thresholds": parse("s3")}.get(name, parse("s8"))
    return TileConfig(**dict(
        weights=parse("s4"), activations=parse("u4"), output=output, contract=contract(name),
        rows=2, cols=4, lanes=3, depth=20, outputs=2, channels=7) | changed)


def values(c, rng, per_channel):
    """Parameters that the contract takes with any sum."""
    return {name: tuple(each.tolist()) if per_channel else each.tolist()[0]
            for name, each in random_parameters(c, rng, c.channels).items()}


def fixed(c, rng, per_channel):
    """The same tile with parameters of its own, of which those per tensor hide no sum."""
    chosen = values(c, rng, True) if per_channel else revealing_parameters(c, 4) | {"bias": -17}
    return replace(c, parameters=tuple(chosen.items()))


@pytest.mark.parametrize("channels, outputs", [(1, 1), (5, 1), (8, 2), (6, 2), (4, 4), (16, 4)])
def test_a_read_per_cycle(rng, channels, outputs):
    levels = {name: tuple(rng.choice(fmt.levels(), channels).tolist())
              for name, fmt in RECORD.items()}
    dut = FixedParameters(record=RECORD, values=levels, channels=channels, outputs=outputs)
    order = rng.integers(channels // outputs, size=40).tolist()
    seen = []

    async def testbench(ctx):
        assert ctx.get(dut.ready)
        for index in order:
            ctx.set(dut.address.index, index)
            for _ in range(dut.latency):
                await ctx.tick()
            seen.append([{name: int(fmt.decode(ctx.get(dut.records[k][name]) % (1 << fmt.bits)))
                          for name, fmt in RECORD.items()} for k in range(outputs)])

    run(dut, testbench)
    assert dut.latency == ParameterStore.latency
    assert seen == [[{name: levels[name][index * outputs + k] for name in RECORD}
                     for k in range(outputs)] for index in order]


@pytest.mark.parametrize("zero_points", ["activations", "both"])
@pytest.mark.parametrize("name", [name for name in CONTRACTS if name != "stochastic"])
def test_constants_in_a_requantizer(rng, name, zero_points):
    """Every field a constant, of several channels, against golden."""
    c = config(name, zero_points=zero_points)
    for channel in range(3):
        chosen = values(c, rng, per_channel=False)
        row_sum = c.row_sum if zero_points == "both" else None
        dut = Requantizer(contract=c.contract, accumulator=c.accumulator, total=c.sum_format,
                          output=c.output_format, record=c.record, fixed=chosen, row_sum=row_sum)
        x, w = rng.integers(0, 16, (30, c.depth)), rng.integers(-8, 8, (30, c.depth))
        x[0], w[0], x[1], w[1] = 15, -8, 15, 7
        sums, rows = (x * w).sum(axis=1), x.sum(axis=1)
        received = []

        async def testbench(ctx, dut=dut, sums=sums, rows=rows, row_sum=row_sum, got=received):
            for k in range(sums.size + dut.latency):
                ctx.set(dut.i.valid, k < sums.size)
                ctx.set(dut.i.p["sum"], int(sums[k % sums.size]))
                if row_sum:
                    ctx.set(dut.i.p.row_sum, int(rows[k % sums.size]))
                if ctx.get(dut.o.valid):
                    got.append(ctx.get(dut.o.payload))
                await ctx.tick()

        run(dut, testbench)
        zero_point = chosen.pop("weight_zero_point", 0)
        want = requantize(sums - rows * zero_point, c.contract, c.output, chosen,
                          unbiased=c.unbiased)
        assert received == want.tolist(), channel


def test_a_constant_has_no_past():
    five = Const(5)
    assert delay(Module(), five, 3, "five") is five


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tflite", "half_up", "onnx"])
def test_constants_make_a_requantizer_smaller(tmp_path, name):
    """In every kind of cell; multiplied by a constant in LUTs and carries, if not in fewer DSPs."""
    c = config(name, depth=1024)
    areas = []
    for number, own in enumerate([{}, revealing_parameters(c, c.depth) | {"bias": 1001}]):
        dut = Requantizer(contract=c.contract, accumulator=c.accumulator, total=c.sum_format,
                          output=c.output_format, record=c.record, fixed=own)
        text = tmp_path / f"{number}.v"
        text.write_text(emit.modules(AxiComponent(dut), "dut"))
        areas.append(synthesize([text], "dut", TARGETS["ecp5"]))
    loaded, own = areas
    assert own.total < loaded.total and 3 * own.ff < 2 * loaded.ff and own.dsp <= loaded.dsp


@pytest.mark.parametrize("per_channel", [False, True], ids=["per_tensor", "per_channel"])
def test_tile_is_golden(rng, per_channel):
    c = fixed(config(zero_points="both"), rng, per_channel)
    made = AxiTile(c)
    assert not hasattr(made.tile, "i_parameters")
    assert made.tile.latency == AxiTile(replace(c, parameters=None)).tile.latency
    backend = AmaranthSimulation(made, made.ports)
    phases = [random_phase(c, rng, jobs=9), corner_phase(c, rng)]
    want = jobs.expected(c, phases)
    assert len(np.unique(want)) > 3
    for stall in (0.0, 0.5):
        levels, trace = jobs.run(c, backend, phases, stall=stall)
        np.testing.assert_array_equal(levels, want)
        assert stall or trace.first["s_axis_job"] == 0  # nothing to wait for


def test_no_port_and_no_words(rng):
    c = fixed(config(), rng, per_channel=True)
    names = [port.name for port in ports(c)]
    assert names == ["s_axis_job", "s_axis_activations", "s_axis_weights", "m_axis_o"]
    phases, what = verification_phases(c)
    beats = drive.streams(c, phases)
    assert sorted(beats) == sorted(names[:-1])
    assert all(each.after == {} for each in beats.values())
    assert what.startswith("corners, random (not the digits network: ")
    assert {name.rsplit("_", 1)[0] for name in AxiTile(c).signature.members
            } == {"aclk", "aresetn", "error", *names}


@pytest.mark.parametrize("per_channel", [False, True], ids=["per_tensor", "per_channel"])
def test_matmul_takes_only_these_parameters(rng, per_channel):
    c = fixed(config(depth=6), rng, per_channel)
    made = AxiTile(c)
    backend = AmaranthSimulation(made, made.ports)
    own = {name: np.array(value if per_channel else [value] * 7) for name, value in c.parameters}
    weights = rng.integers(-8, 8, (7, 5))
    # Surplus lanes and columns; and fewer channels than the tile has.
    activations = rng.integers(0, 16, (3, 5))
    for channels in (7, 5):
        mine = {name: value[:channels] for name, value in own.items()}
        levels, _ = jobs.matmul(c, backend, activations, weights[:channels], mine)
        np.testing.assert_array_equal(levels, requantize(
            activations @ weights[:channels].T, c.contract, c.output, mine, unbiased=c.unbiased))
    other = {**own, "zero_point": own["zero_point"].copy()}
    has = other["zero_point"][6]
    other["zero_point"][6] = new = -has - 1
    with pytest.raises(ValueError, match=rf"^Zero point of channel 6 must be {has}, which is "
                                         rf"fixed in the tile, not {new}$"):
        jobs.matmul(c, backend, activations, weights, other)


def test_surplus_records_are_as_the_last(rng):
    c = fixed(config(channels=7), rng, per_channel=True)
    for name, value in c.parameters:
        assert c.fixed_per_channel[name] == (*value, value[-1])
    assert c.fixed == {} and not fixed(config(), rng, per_channel=False).fixed_per_channel


def test_fields_that_never_differ_are_not_stored(rng):
    c = config()
    chosen = values(c, rng, per_channel=True) | {"zero_point": 3, "clamp_min": -128}
    c = replace(c, parameters=tuple(chosen.items()))
    store = FixedParameters(record={name: c.record[name] for name in c.fixed_per_channel},
                            values=c.fixed_per_channel, channels=c.groups * c.cols,
                            outputs=c.outputs)
    assert list(store.record) == ["bias", "multiplier", "shift", "clamp_max"]
    assert len(Value.cast(store.records)) == 2 * (32 + 31 + 6 + 8)


def test_configurations_are_values(rng):
    some, other = (fixed(config(), rng, per_channel=True) for _ in range(2))
    assert some == replace(some) and hash(some) == hash(replace(some)) and some != other
    digests = {c.describe()["parameters"] for c in (some, other, config())}
    assert None in digests and len(digests) == 3
    assert all(re.fullmatch("fixed, [0-9a-f]{8}", each) for each in digests - {None})


OWN = dict(bias=0, multiplier=1 << 30, shift=-3, zero_point=0, clamp_min=-128, clamp_max=127)


def test_equal_tiles_are_equal_values():
    """Whatever the order of their parameters, and whether what is alike is listed per channel."""
    one = config(parameters=tuple(OWN.items()))
    for parameters in (tuple(reversed(OWN.items())), tuple((OWN | {"shift": (-3,) * 7}).items())):
        other = config(parameters=parameters)
        assert other == one and hash(other) == hash(one) and other.digest == one.digest
    assert one.parameters == tuple(OWN.items()) and one.fixed == OWN
    assert config(parameters=tuple((OWN | {"shift": (-3,) * 6 + (-4,)}).items())) != one


@pytest.mark.parametrize("changed, error, message", [
    ({"parameters": OWN}, TypeError,
     "Parameters must be a tuple of fields and values, or None, not {'bias': 0, "),
    ({"scale": 3}, ValueError, "Parameters must be bias, multiplier, shift, zero_point, clamp_min, "
     "clamp_max, not bias, multiplier, shift, zero_point, clamp_min, clamp_max, scale "
     "(having scale)"),
    ({"bias": None}, TypeError, "Bias must be an integer, or a list of one per channel, not None"),
    ({"bias": True}, TypeError, "Bias must be an integer, or a list of one per channel, not True"),
    ({"bias": (0,) * 6 + (0.5,)}, TypeError,
     "Bias must be an integer, or a list of one per channel, not 0.5 at index 6"),
    ({"bias": (0,) * 6}, ValueError,
     "Bias must be one value, or a list of 7, one per channel, not a list of 6"),
    ({"bias": ()}, ValueError,
     "Bias must be one value, or a list of 7, one per channel, not a list of 0"),
    ({"clamp_max": 128}, ValueError, "Clamp maximum must be in range [-128, 127] of s8, not 128"),
    ({"clamp_max": (0, 0, 0, 128, 0, 0, 0)}, ValueError,
     "Clamp maximum must be in range [-128, 127] of s8, not 128 at index 3"),
    ({"lut": "loaded"}, ValueError, "Lut must not be loaded where parameters are fixed"),
])
def test_messages(changed, error, message):
    options = {"parameters": tuple((OWN | changed).items())}
    if "parameters" in changed or "lut" in changed:
        options = {"parameters": tuple(OWN.items())} | changed
    with pytest.raises(error, match=f"^{re.escape(message)}"):
        config(**options)


def test_a_missing_field():
    some = tuple(item for item in OWN.items() if item[0] != "shift")
    for parameters, found in (
            (some, r"bias, multiplier, zero_point, clamp_min, clamp_max \(lacking shift\)"),
            ((), "none")):
        with pytest.raises(ValueError, match=f"^Parameters must be bias, multiplier, shift, "
                                             f"zero_point, clamp_min, clamp_max, not {found}$"):
            config(parameters=parameters)
