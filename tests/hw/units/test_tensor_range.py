# amaranth: UnusedElaboratable=no
"""Ends of tensors on streams: stalls on both sides, tensors of any length, latency."""

import numpy as np
import pytest

from golden.formats import IntFormat, parse
from hw.units.tensor_range import TensorRange
from sim.components import component_simulation
from sim.ranges import track, transfers_of


@pytest.mark.parametrize("name, outputs", [("s8", 1), ("u8", 4), ("s21", 3)])
def test_many_tensors(name, outputs, rng):
    fmt = IntFormat(21) if name == "s21" else parse(name)
    tensors = []
    for _ in range(20):
        size = int(rng.integers(1, 40))
        ends = np.sort(rng.integers(fmt.min, fmt.max, 2, endpoint=True))
        tensors.append(rng.integers(ends[0], ends[1], size, endpoint=True))
    unit = TensorRange(results=fmt, outputs=outputs)
    backend = component_simulation(unit, "tensor_range", "amaranth")
    transfers = [transfers_of(tensor, outputs) for tensor in tensors]
    for stall in (0.0, 0.4):
        found, trace = track(unit, backend, transfers, stall=stall, seed=3)
        assert found.tolist() == [[int(each.min()), int(each.max())] for each in tensors]
        if not stall:
            # A transfer per cycle; between two tensors the latency, and the ends' own cycle.
            count = sum(len(levels) for levels, _ in transfers)
            assert trace.cycles <= count + len(tensors) * (unit.latency + 1) + 5


def test_what_does_not_count_is_left_out():
    """Where nothing counts, the ends are those of the format, exchanged."""
    fmt = parse("s8")
    unit = TensorRange(results=fmt, outputs=2)
    backend = component_simulation(unit, "tensor_range", "amaranth")
    levels = np.array([[100, 3], [-100, 4]])
    found, _ = track(unit, backend, [(levels, np.array([[False, True], [False, True]])),
                                     (levels, np.zeros((2, 2), bool)),
                                     (levels, np.ones((2, 2), bool))])
    assert found.tolist() == [[3, 4], [fmt.max, fmt.min], [-100, 100]]


@pytest.mark.parametrize("outputs, latency", [(1, 1), (2, 2), (3, 3), (8, 4)])
def test_latency(outputs, latency):
    """From a tensor of one transfer to its ends."""
    unit = TensorRange(results=parse("s8"), outputs=outputs)
    assert unit.latency == latency
    backend = component_simulation(unit, "tensor_range", "amaranth")
    _, trace = track(unit, backend, [transfers_of(np.arange(outputs), outputs)])
    assert trace.first["m_axis_o"] - trace.first["s_axis_i"] == latency


def test_another_unit_is_refused():
    unit, other = (TensorRange(results=parse("s8"), outputs=n) for n in (1, 2))
    backend = component_simulation(other, "tensor_range", "amaranth")
    with pytest.raises(ValueError, match="^Backend must simulate the given TensorRange, not one "
                                         "that differs in outputs$"):
        track(unit, backend, [transfers_of(np.arange(3), 1)])


@pytest.mark.parametrize("changed, error, message", [
    ({"results": 8}, TypeError, r"^Results must be a Format, not 8$"),
    ({"outputs": 0}, ValueError, r"^Outputs must be a positive integer, not 0$"),
])
def test_messages(changed, error, message):
    with pytest.raises(error, match=message):
        TensorRange(**{"results": parse("s8"), "outputs": 1} | changed)
