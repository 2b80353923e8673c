"""Parameters that a driver prepares."""

import itertools

import numpy as np
import pytest

from golden.contracts import parse as contract
from golden.formats import parse
from golden.ranges import Range
from hw.tile.prepared import may_be_prepared, prepared_formats, prepared_levels

SUMS = Range(-1000, 1000)


@pytest.mark.parametrize("output", ["s4", "s4n", "u4", "s1", "u1"])
def test_every_zero_point_and_clamp(output):
    """The clamp as the additions compute it, for every distance that matters."""
    fmt = parse(output)
    record = contract("half_up").fields(SUMS, fmt)
    formats = prepared_formats(record)
    assert list(formats) == [{"zero_point": "offset", "clamp_min": "room"}.get(name, name)
                             for name in record]
    ends = [(zero_point, lo, hi) for zero_point, lo, hi in itertools.product(
        record["zero_point"].levels().tolist(), fmt.levels().tolist(), fmt.levels().tolist())
        if lo <= hi]
    zero_point, lo, hi = np.array(ends).T
    rows = dict.fromkeys(record, np.zeros(len(ends), int)) | {
        "zero_point": zero_point, "clamp_min": lo, "clamp_max": hi}
    levels = prepared_levels(record, rows)
    for name, each in formats.items():
        each.check(levels[name], name)
    above = (1 << fmt.bits) - 1 - levels["room"]
    for number in range(-40, 41):
        distance = number + levels["offset"]
        result = hi - np.maximum(above - np.maximum(distance, 0), 0)
        np.testing.assert_array_equal(result, np.clip(number + zero_point, lo, hi))


@pytest.mark.parametrize("name, output, may", [
    ("half_up", "s8", True), ("tflite", "u8", True), ("stochastic", "s4", True),
    ("onnx", "s8", True), ("onnx_zp_inside", "s8", False), ("half_up", "e4m3fn", False),
    ("half_up", "odd4", False), ("thresholds", "s4", False)])
def test_contracts_that_may_be_prepared(name, output, may):
    chosen, fmt = contract(name), parse(output)
    assert may_be_prepared(chosen, chosen.fields(SUMS, fmt)) == may
