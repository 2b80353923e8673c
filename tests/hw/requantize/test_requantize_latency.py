# amaranth: UnusedElaboratable=no
"""When the results of a requantizer are there, and that a reset forgets them."""

import numpy as np
import pytest
from amaranth.lib import data

from golden.contracts import CONTRACTS as EVERY_CONTRACT
from golden.contracts import S32
from golden.contracts import parse as contract
from golden.formats import parse
from golden.lfsr import draws
from golden.ranges import dot_range, levels_range
from golden.requantize import requantize
from hw.requantize.requantizer import Requantizer
from hw.targets.fabric import ECP5, FABRICS
from hw.tile.config import TileConfig
from sim.streams import measure_latency, measure_throughput, transform
from sim.vectors import random_parameters
from tests.hw.requantizers import (
    ACTIVATIONS,
    CONTRACTS,
    DEPTH,
    ONE_SHIFT,
    WEIGHTS,
    Case,
    with_zero_points,
)
from tests.hw.resets import valid_after_reset

LATENCY = dict.fromkeys(ONE_SHIFT, 7) | {"none": 1, "tflite": 8, "tflite_single": 7,
                                         "stochastic": 8}


@pytest.mark.parametrize("zero_points", [False, True])
@pytest.mark.parametrize("name", CONTRACTS)
def test_latency_throughput_and_bubbles(rng, name, zero_points):
    sums = dot_range(WEIGHTS, ACTIVATIONS, DEPTH)
    case = Case(name, sums, "s8", zero_points=zero_points)
    rows = with_zero_points(case, rng, 30)
    if not zero_points:
        del rows["weight_zero_point"], rows["row_sum"]
    shape = case.dut.i.payload.shape()
    assert isinstance(shape, data.StructLayout)
    payloads = [shape.from_bits(row) for row in case.payloads(rows)]
    assert case.dut.latency == LATENCY[name] + 2 * zero_points
    assert measure_latency(case.dut, payloads[0]) == case.dut.latency
    assert measure_throughput(case.dut, payloads, len(payloads)) == 1
    received = transform(case.dut, payloads, len(payloads), stall_i=lambda: rng.random() < 0.4)
    np.testing.assert_array_equal(received, case.golden(rows))


@pytest.mark.parametrize("cycle", range(1, 9))
def test_a_reset_forgets_sums_under_way(cycle):
    dut = Case("tflite", levels_range(S32), "s8").dut
    assert not any(valid_after_reset(dut, [{"sum": 0}] * cycle))


LATENCIES = LATENCY | {
    "tflite_int16x8": 6, "onnx": 14, "onnx_zp_inside": 25, "q31": 8, "precise": 7, "rndnu": 7,
    "pulp": 8, "pulp_round": 8, "nvdla": 6, "thresholds": 3}
ECP5_LATENCIES = dict.fromkeys(LATENCIES, 11) | {
    "none": 1, "tflite_int16x8": 10, "onnx": 17, "onnx_zp_inside": 31, "q31": 10, "pulp": 12,
    "pulp_round": 12, "nvdla": 10, "thresholds": 3, "stochastic": 12}


@pytest.mark.parametrize("fabric, name", [
    pytest.param(fabric, name, id=f"{name}-{fabric.name}", marks=(
        pytest.mark.slow if fabric is ECP5 and name not in ("half_up", "tflite", "onnx") else ()))
    for fabric in FABRICS.values() for name in EVERY_CONTRACT])
def test_every_contract_has_its_latency_and_is_golden(rng, name, fabric):
    config = TileConfig(
        weights=WEIGHTS, activations=ACTIVATIONS, contract=contract(name), depth=DEPTH,
        output=None if name == "none" else parse("s4"))
    dut = Requantizer(contract=config.contract, accumulator=config.accumulator,
                      total=config.sum_format, output=config.output_format, record=config.record,
                      fabric=fabric)
    sums = rng.integers(config.unbiased.lo, config.unbiased.hi + 1, size=200)
    parameters = random_parameters(config, rng, len(sums))
    layout = dut.i.payload.shape()
    assert isinstance(layout, data.StructLayout)
    states = draws(5, sums.shape) if name == "stochastic" else None
    payloads = [layout.const({"sum": int(x), "parameters": {
        field: int(values[k]) for field, values in parameters.items()},
        **({} if states is None else {"state": int(states[k])})}) for k, x in enumerate(sums)]
    assert dut.latency == (ECP5_LATENCIES if fabric is ECP5 else LATENCIES)[name]
    assert measure_latency(dut, payloads[0]) == dut.latency
    assert measure_throughput(dut, payloads[:20], 20) == 1
    want = [requantize(np.array([x]), config.contract, config.output,
                       {field: values[k] for field, values in parameters.items()},
                       unbiased=config.unbiased,
                       draws=None if states is None else states[k:k + 1])[0]
            for k, x in enumerate(sums)]
    np.testing.assert_array_equal(transform(dut, payloads, len(payloads)), want)


@pytest.mark.parametrize("name, more", [("half_even", 0), ("pulp", 1)])
@pytest.mark.parametrize("output, latency", [
    ("odd4", 7), ("codebook:-9/0/5", 7), ("codebook2:loaded=s4", 7), ("e4m3fn", 9), ("mx_s4", 7),
    ("mx_e2m1", 7)])
def test_latency_to_levels(name, more, output, latency):
    dut = Case(name, levels_range(parse("s9")), output).dut
    assert dut.latency == latency + more
    assert measure_latency(dut, {"sum": 0}) == dut.latency
