"""Where a layer's cycles go: all are accounted for."""

from dataclasses import replace

import numpy as np
import pytest

from golden.contracts import parse as contract
from golden.energy import macs_of
from golden.formats import parse
from golden.networks import Conv2d, Quantization, Tensor, TransposeConv2d
from hw.tile.config import TileConfig
from sim.backend import Mistimed
from sim.layers import Designs, Usage, placement, run_placed, usage_of
from tests.sim.layers.networks import dense, network_of, source

SIMULATED = Designs("amaranth")
PARAMETERS = {"bias": 0, "multiplier": 1, "shift": 3, "zero_point": 0, "clamp_min": -128,
              "clamp_max": 127}
S8 = Quantization(parse("s8"), 1.0)


def usage(network, samples, **shape):
    place = placement(network, **shape)
    x = np.zeros((samples, *network.inputs[0].shape), int)
    [done] = run_placed(place, x, SIMULATED)
    assert done.schedule is not None and done.trace is not None
    [tile] = place.tiles
    found = usage_of(tile, done.schedule, done.trace)
    assert found.cycles == done.trace.cycles and found.capacity == tile.macs
    assert found.beats + found.parameters + found.weights + found.results + found.latency == (
        found.cycles)
    assert found.macs + found.idle_rows + found.idle_cols + found.idle_lanes == (
        found.beats * found.capacity)
    return found


def test_idle_rows_columns_and_lanes():
    """5 vectors on 2 rows, 7 channels on 4 columns, 6 factors on 4 lanes."""
    found = usage(network_of(dense("a", "x", features=6, channels=7)), 5, rows=2, cols=4, lanes=4,
                  outputs=4)
    assert (found.macs, found.beats) == (5 * 7 * 6, 3 * 2 * 2)
    assert found.idle_rows == 1 * 8 * 8 and found.idle_cols == 5 * 1 * 8
    assert found.idle_lanes == 5 * 7 * 2
    assert found.weights == 0 and found.utilization == found.macs / (found.cycles * 32)


def test_results_that_leave_slowly_are_waited_for():
    """16 outputs of a job, one a cycle, behind two beats."""
    network = network_of(dense("a", "x", features=8, channels=4), tensor=source(shape=(8,)))
    slow, quick = (usage(network, 40, rows=4, cols=4, lanes=4, outputs=outputs)
                   for outputs in (1, 4))
    assert slow.beats == quick.beats == 20
    assert quick.results < slow.results and slow.results >= 9 * (16 - 2) - 16
    # A set of 4 records of 3 words each comes first.
    assert slow.parameters == quick.parameters == 4 * 3


def test_each_set_of_parameters_is_waited_for():
    network = network_of(dense("a", "x", features=6, channels=8))
    one, two = (usage(network, 1, rows=1, cols=2, lanes=4, channels=channels)
                for channels in (8, 2))
    # The second bank takes a set while the first one is used, for 2 beats.
    assert one.parameters == 8 * 3 and 2 * 3 < two.parameters < 8 * 3


def test_zeros_between_groups_are_no_products():
    layer = Conv2d(name="c", inputs=("x",), output=S8, groups=4, parameters=PARAMETERS,
                   weights=np.ones((4, 2, 2, 1), int), weight=S8, contract=contract("half_up"))
    found = usage(network_of(layer, tensor=source(shape=(4, 4, 4))), 1, rows=3, cols=4, lanes=4,
                  outputs=4)
    assert found.macs == 9 * 4 * 4
    # All four groups share one product of 16 factors.
    assert found.beats == 3 * 4 and found.idle_lanes == found.beats * 48 - found.macs


def test_outputs_without_a_tap_are_no_products():
    layer = TransposeConv2d(name="t", inputs=("x",), output=S8, parameters=PARAMETERS,
                            weights=np.ones((2, 1, 1, 3), int), weight=S8, stride=(2, 2),
                            offset=(0, 0), size=(3, 3), contract=contract("half_up"))
    network = network_of(layer, tensor=Tensor("x", S8, (2, 2, 3)))
    found = usage(network, 1, rows=2, cols=2, lanes=2, depth=4)
    assert found.macs == macs_of(layer, network) == 4 * 3 * 2


@pytest.mark.parametrize("stride, taps, offset, size", [
    ((1, 1), (3, 3), (1, 1), (4, 4)), ((2, 3), (3, 2), (0, 1), (5, 6)), ((1, 2), (3, 4), (2, 3),
                                                                          (2, 3))])
def test_taps_of_a_transposed_convolution(stride, taps, offset, size):
    layer = TransposeConv2d(name="t", inputs=("x",), output=S8, parameters=PARAMETERS,
                            weights=np.ones((2, *taps, 3), int), weight=S8, stride=stride,
                            offset=offset, size=size, contract=contract("half_up"))
    network = network_of(layer, tensor=Tensor("x", S8, (4, 4, 3)))
    assert usage(network, 1, rows=2, cols=2, lanes=2).macs == macs_of(layer, network) > 0


def test_usages_are_added():
    one = Usage(cycles=10, macs=3, capacity=2, beats=4, parameters=1, weights=2, results=3,
                latency=0, idle_rows=1, idle_cols=2, idle_lanes=2)
    assert one + one == Usage(cycles=20, macs=6, capacity=2, beats=8, parameters=2, weights=4,
                              results=6, latency=0, idle_rows=2, idle_cols=4, idle_lanes=4)
    with pytest.raises(ValueError, match="^Capacity must be 2, as the other's, not 4$"):
        one + replace(one, capacity=4)


def test_a_transfer_in_another_cycle_is_an_error():
    [done] = run_placed(placement(network_of(dense("a", "x", features=6))),
                        np.zeros((1, 6), int), SIMULATED)
    assert isinstance(done.design, TileConfig)
    assert done.trace is not None and done.schedule is not None
    late = replace(done.trace, first={**done.trace.first, "m_axis_o": 1})
    with pytest.raises(Mistimed, match="^Cycles of the first transfers must be {.*}, not {.*}$"):
        usage_of(done.design, done.schedule, late)
