# amaranth: UnusedElaboratable=no
"""Layers of every kind that has hardware: on a tile or a unit, equal to golden."""

import re
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import numpy as np
import pytest

from golden import digits
from golden.block_scaled import Blocks, parts
from golden.contracts import parse as contract
from golden.formats import parse
from golden.multipliers import linear_parameters
from golden.networks import (
    Add,
    Concat,
    Conv2d,
    Dense,
    LeakyRelu,
    Lookup,
    Mul,
    Network,
    Pool,
    Quantization,
    Reduce,
    Rescale,
    Softmax,
    Tensor,
    TransposeConv2d,
)
from golden.quantize import quantize
from golden.readers import read
from golden.run import run as run_golden
from golden.unit_scales import parameters_of
from golden.units import Addition, Multiplication, Rescaling
from golden.units import parse as scheme
from hw.drive import layer_schedule
from hw.requantize.lut import Lut
from hw.tile.config import TileConfig
from sim import jobs
from sim.layers import run_layer, run_network, schedule_of
from sim.layers.designs import Designs
from sim.layers.on_units import UNITS
from sim.simulation import simulation
from sim.units import run_lookup
from sim.vectors import digits_network
from sim.verilator import available
from tests.compiled import compiled

HELLO = Path(__file__).parents[2] / "data" / "hello_world_int8.tflite"
S4N, S8, S16, U4, U8, ODD4 = map(parse, ("s4n", "s8", "s16", "u4", "u8", "odd4"))
BYTES = TileConfig(weights=S8, activations=S8, output=S8, contract=contract("tflite"),
                   zero_points="both", rows=2, cols=4, lanes=4, outputs=4, depth=60, channels=8)
HALF_UP = contract("half_up")
SIMULATED = Designs("amaranth")

tile_of = cache(partial(simulation, simulator="amaranth"))
needs_verilator = pytest.mark.skipif(available() is not None, reason=str(available()))


def linear(kind, rng, source, config, *sizes, **options):
    """Layer behind a tensor, whose results spread over the output's levels."""
    name, fmt, output = f"{kind.__name__}_of_{source.name}", config.weights, config.output
    x = source.quantization
    real = rng.uniform(0.5, 1, sizes[0])
    zero_points = rng.integers(fmt.min // 3, fmt.max // 3, sizes[0]) if (
        config.zero_points == "both") else 0
    target = Quantization(
        output, float(0.4 * x.scale * fmt.max * x.format.max * np.sqrt(np.prod(sizes[1:]))
                      / output.max),
        int(rng.integers(output.min // 4, output.max // 4)) if config.zero_points != "none" else 0)
    levels = fmt.levels()
    return kind(
        name=name, inputs=(source.name,), output=target, contract=config.contract,
        weights=levels[rng.integers(len(levels), size=sizes)],
        weight=Quantization(fmt, real, zero_points),
        parameters=fields(config, rng.integers(-99, 99, sizes[0]), target, x.scale, real),
        **options)


def fields(config, bias, output, *scales):
    fmt = output.format
    return {"bias": bias, "clamp_min": fmt.min, "clamp_max": fmt.max - 1,
            **{name: value for name, value in (("zero_point", output.zero_point),)
               if name in config.record},
            **linear_parameters(config.contract, *scales, output.scale, config.sum_format)}


def mean(source, config, axes, keep):
    output = Quantization(config.output, source.quantization.scale / 8, 3)
    count = np.prod([source.shape[axis - 1] for axis in axes])
    parameters = fields(config, 0, output, source.quantization.scale, [1 / count])
    return Reduce(name=f"mean_of_{source.name}", inputs=(source.name,), axes=axes, keep=keep,
                  kind="mean", output=output, contract=config.contract,
                  parameters={name: np.asarray(value).item() for name, value in parameters.items()})


def network_of(source, *layers):
    """Network of layers, each made from the tensor before it."""
    network = Network(name="layers", inputs=(source,))
    for layer in layers:
        network = Network(name="layers", inputs=(source,), layers=(
            *network.layers, layer(network.tensors[network.outputs[0]])))
    return network


def check(config, network, rng, batch=1, least=10, tile=None):
    x = {each.name: each.quantization.format.levels()[rng.integers(
        len(each.quantization.format.levels()), size=(batch, *each.shape))]
        for each in network.inputs}
    y, traces = run_network(config, tile or tile_of(config), network, x, units=SIMULATED)
    golden = run_golden(network, x)
    np.testing.assert_array_equal(y, golden[network.outputs[0]])
    assert len(traces) == len(network.layers)
    for layer in network.layers:
        tensor = golden[layer.name]
        assert len(np.unique(tensor)) >= min(least, tensor.size // 3), layer.name
    return traces


@pytest.mark.parametrize("tile", [
    tile_of, pytest.param(compiled, marks=[pytest.mark.slow, needs_verilator])],
    ids=["amaranth", "verilog"])
def test_layers_of_sums(tile, rng):
    """Stride, dilation, unequal padding, groups, both zero points, a parameter per channel."""
    source = Tensor("image", Quantization(S8, 0.5, -30), (6, 5, 3))
    network = network_of(
        source,
        lambda x: linear(Conv2d, rng, x, BYTES, 8, 3, 2, 3, stride=(2, 1), dilation=(1, 2),
                         padding=((1, 0), (2, 1))),
        lambda x: linear(Conv2d, rng, x, BYTES, 4, 2, 2, 4, stride=(1, 2), groups=2),
        lambda x: linear(Conv2d, rng, x, BYTES, 8, 2, 2, 1, padding=((1, 1), (0, 1)), groups=4),
        lambda x: linear(TransposeConv2d, rng, x, BYTES, 4, 3, 3, 8, stride=(2, 2), offset=(1, 1),
                         size=(6, 6)),
        lambda x: mean(x, BYTES, (1, 2), False),
        lambda x: linear(Dense, rng, x, BYTES, 3, 4))
    check(BYTES, network, rng, tile=tile(BYTES))


@pytest.mark.parametrize("config", [
    # More channels than the store holds; surplus rows, columns and lanes.
    TileConfig(weights=S4N, activations=U4, output=U4, zero_points="activations", rows=2, cols=2,
               lanes=3, depth=40, channels=2),
    # Every output draws by its place in the tensor.
    TileConfig(weights=S4N, activations=U4, output=U4, contract=contract("stochastic"), rows=3,
               cols=2, lanes=8, depth=40, channels=4),
    # No weight of 0: groups share no product, and surplus lanes add up.
    TileConfig(weights=ODD4, activations=U4, output=U4, contract=contract("half_even"),
               zero_points="none", rows=2, cols=4, lanes=8, depth=40, channels=4),
], ids=["half_up", "stochastic", "odd"])
def test_layers_of_4_bits(config, rng):
    zero_point = 0 if config.zero_points == "none" else 5
    network = network_of(
        Tensor("image", Quantization(U4, 0.5, zero_point), (3, 4, 4)),
        lambda x: linear(Conv2d, rng, x, config, 4, 2, 2, 2, padding=((1, 0), (0, 0)), groups=2),
        lambda x: linear(TransposeConv2d, rng, x, config, 3, 2, 1, 4, stride=(1, 2), offset=(0, 0),
                         size=(2, 6)),
        # Golden sums over axes without draws.
        *[] if config.draws else [lambda x: mean(x, config, (2,), True)])
    check(config, network, rng, least=4)


@pytest.mark.parametrize("names", [
    ("mx_e2m1", "mx_s8", "mx_s8"), ("mx_e2m1", "s8", "s8")], ids=str)
def test_blocks_of_several_axes(names):
    """Jobs of 2 x 2 vectors of the digits network, with the results that golden has for jobs."""
    weights, activations, output = map(parse, names)
    config = TileConfig(weights=weights, activations=activations, output=output, rows=1, cols=32,
                        lanes=2, depth=64, channels=64)
    data = digits.load()
    network = digits_network(config, data)
    x = quantize(data.images[:4], network.input)
    schedule = layer_schedule(config, network.layers[0], network.input, split(x))
    results = schedule.output(jobs.expected(config, schedule.phases))
    golden = parts(split(run_golden(network, x)["dense0"]))
    assert list(golden) == list(parts(results))
    for name, expected in golden.items():
        np.testing.assert_array_equal(parts(results)[name], expected)


def split(tensor):
    """The same tensor with its first axis in two."""
    arrays = [each.reshape(2, -1, each.shape[-1]) for each in parts(tensor).values()]
    return Blocks(*arrays) if len(arrays) > 1 else arrays[0]


def test_two_images_of_two_inputs(rng):
    """Inputs by name, a constant, and layers on units: every kind."""
    a = Tensor("a", Quantization(S8, 0.5, -3), (3, 3, 6))
    b = Tensor("b", Quantization(S8, 0.3, 7), (3, 6))
    c = Tensor("c", Quantization(U8, 0.2, 100), (6,), rng.integers(0, 256, 6))
    u, v = Quantization(S8, 0.6, 11), Quantization(U8, 0.9, 31)
    sums, products = Addition(scheme("tflite"), S8, S8, S8), Multiplication(HALF_UP, S8, U8, U8)
    fused, scaled = Addition(scheme("onnx"), U8, U8, S8), Rescaling(contract("tflite"), S8, S8)
    same = parameters_of(scaled, u, u)
    layers = (
        Add(name="sum", inputs=("a", "b"), output=u, scheme=sums.scheme,
            parameters=parameters_of(sums, a.quantization, b.quantization, u)),
        Mul(name="product", inputs=("sum", "c"), output=v, contract=HALF_UP,
            parameters=parameters_of(products, u, c.quantization, v)),
        Add(name="fused", inputs=("product", "c"), output=u, scheme=fused.scheme,
            parameters=parameters_of(fused, v, c.quantization, u)),
        Rescale(name="rescaled", inputs=("fused",), output=u, contract=scaled.contract,
                parameters=parameters_of(scaled, u, Quantization(S8, 0.7, u.zero_point))),
        Concat(name="joined", inputs=("rescaled", "sum", "fused"), output=u, axis=2,
               contract=scaled.contract, parameters=(same, same, same)),
        Pool(name="largest", inputs=("joined",), output=u, kind="max", size=(2, 2), stride=(2, 3),
             padding=((1, 0), (0, 1)), clamp=(-100, 90)),
        Pool(name="average", inputs=("largest",), output=u, kind="average", size=(2, 3),
             stride=(1, 1), padding=((0, 1), (1, 1))),
        LeakyRelu(name="leaky", inputs=("average",), output=u, parameters={
            "multiplier": 1 << 30, "shift": 1, "alpha_multiplier": 3 << 28, "alpha_shift": -1}),
        Lookup(name="table", inputs=("leaky",), output=Quantization(U4),
               table=rng.integers(0, 16, 256)))
    network = Network(name="units", inputs=(a, b), constants=(c,), layers=layers)
    check(BYTES, network, rng, batch=2)


def test_a_model_of_a_file(rng):
    """All layers of hello world, with tflite-micro's arithmetic."""
    config = replace(BYTES, zero_points="activations", depth=16, channels=16)
    traces = check(config, read(HELLO, "tflite-micro"), rng, batch=5, least=4)
    assert [len(trace.data) for trace in traces] == [3 * 4 * 2, 3 * 4 * 2, 3 * 2]


@pytest.mark.parametrize("units", [
    SIMULATED, pytest.param(Designs(), marks=[pytest.mark.slow, needs_verilator])],
    ids=["amaranth", "verilog"])
def test_every_code_is_looked_up(units, rng):
    unit, table = Lut(outputs=4, codes=None), rng.permutation(256)
    codes = rng.permutation(np.arange(-1, 257) % 256).reshape(2, 129)
    for stall in (0.0, 0.4):
        results, _ = run_lookup(unit, units(unit), codes, table, stall=stall)
        np.testing.assert_array_equal(results, table[codes])


def test_equal_units_are_simulated_once():
    units = Designs("amaranth")
    assert units(Lut(outputs=1, codes=None)) is units(Lut(outputs=1, codes=None))
    assert units(Lut(outputs=2, codes=None)) is not units(Lut(outputs=1, codes=None))


def refused(layer, source, message, config=BYTES):
    network = Network(name="refused", inputs=(source,), layers=(layer,))
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        run_layer(config, tile_of(config), network, layer,
                  np.zeros((1, *source.shape), dtype=np.int64), units=SIMULATED)


def test_layers_without_hardware_are_refused():
    """All of them are named, before anything runs."""
    s8 = Quantization(S8, 1 / 256, -128)
    layers = [Softmax(name=name, inputs=("x",), output=s8, parameters={"multiplier": 1, "shift": 0})
              for name in ("one", "two")]
    network = Network(name="n", inputs=(Tensor("x", s8, (3,)),), layers=layers)
    kinds = ", ".join(kind.__name__ for kind in UNITS)
    message = (f"Layers must be of kinds that have hardware, Linear, Reduce, {kinds}, "
               "not Softmax 'one', Softmax 'two'")
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        run_network(BYTES, tile_of(BYTES), network, np.zeros((1, 3), dtype=int))
    refused(layers[0], network.inputs[0], message.replace(", Softmax 'two'", ""))


def test_what_a_unit_cannot_do_is_refused():
    words, byte = Tensor("x", Quantization(S16), (2, 2, 4)), Tensor("x", Quantization(S8), (3,))
    table = Lookup(name="f", inputs=("x",), output=Quantization(S8), table=np.zeros(1 << 16, int))
    refused(table, words, "Input of layer 'f' must have a format of at most 8 bits to be looked up "
                          "in hardware, not s16")
    wide = replace(table, output=Quantization(S16), table=np.zeros(256, int))
    refused(wide, byte, "Output of layer 'f' must have a format of at most 8 bits to be looked up "
                        "in hardware, not s16")
    image = Tensor("x", Quantization(ODD4), (2, 2, 4))
    refused(Pool(name="p", inputs=("x",), output=Quantization(ODD4), kind="max", size=(2, 2),
                 stride=(1, 1)), image,
            "Format of layer 'p' must be an integer one to be pooled in hardware, not odd4")
    both = (Tensor("x", Quantization(S8), (3,)), Tensor("y", Quantization(U8), (3,)))
    joined = Concat(name="j", inputs=("x", "y"), output=Quantization(S8), contract=HALF_UP,
                    parameters=({}, {}))
    network = Network(name="refused", inputs=both, layers=(joined,))
    with pytest.raises(ValueError, match="^Inputs of layer 'j' must have one format to be joined "
                                         "in hardware, not s8, u8$"):
        run_layer(BYTES, tile_of(BYTES), network, joined, *[np.zeros((1, 3), int)] * 2,
                  units=SIMULATED)


def test_what_a_tile_cannot_do_is_refused(rng):
    source = Tensor("x", Quantization(S8), (8, 8, 4))
    large = linear(Conv2d, rng, source, BYTES, 2, 4, 4, 4)
    refused(large, source, "Depth must be at least the 64 products of a sum, not 60")
    other = replace(BYTES, weights=parse("codebook:-9/0/5"), zero_points="none")
    refused(mean(source, other, (1, 2), False), source,
            "Weights must be a format with level 1 for the sums of layer 'mean_of_x', "
            "not codebook:-9/0/5", other)
    refused(mean(source, BYTES, (1, 2), False), source,
            "Contract of layer 'mean_of_x' must be the tile's, half_up with 31-bit multipliers, "
            "not tflite with 31-bit multipliers", replace(BYTES, contract=HALF_UP))
    fixed = replace(BYTES, lut=tuple(range(-128, 128)))
    refused(mean(source, fixed, (1, 2), False), source,
            "Table of layer 'mean_of_x' must be the tile's", fixed)
    x = np.zeros((1, 8, 8, 4), dtype=np.int64)
    network = Network(name="refused", inputs=(source,), layers=(large,))
    with pytest.raises(ValueError, match="^Layer must be a Dense one to take blocks, not Conv2d "
                                         "'Conv2d_of_x'$"):
        schedule_of(BYTES, network, large, Blocks(x, x))
    pool = Pool(name="p", inputs=("x",), output=Quantization(S8), kind="max", size=(1, 1),
                stride=(1, 1))
    with pytest.raises(ValueError, match="^Layer must be one of sums to run on a tile, "
                                         "not Pool 'p'$"):
        schedule_of(BYTES, network, pool, x)
