import numpy as np

from hw.emit.stalls import PERIOD, SHARES, draws


def test_draws_are_the_same_each_time_and_others_for_each_port_and_seed():
    first = draws(3, 0)
    assert first.shape == (PERIOD, 3) and first.dtype == np.uint8
    np.testing.assert_array_equal(draws(3, 0), first)
    assert (first[:, 0] != first[:, 1]).mean() > 0.5
    assert (draws(3, 1) != first).mean() > 0.5


def test_each_port_is_free_and_blocked_for_a_while():
    for port in draws(5, 7).T:
        for level in (0, SHARES - 1):
            ends = np.flatnonzero(np.diff(port == level))
            assert np.diff(ends).max() > 60
    # Without stalls nothing stalls, not even a blocked port; half of them are half of the cycles.
    stalled = draws(5, 7) < 0.5 * SHARES
    assert not (draws(5, 7) < 0.0 * SHARES).any() and 0.3 < stalled.mean() < 0.55
