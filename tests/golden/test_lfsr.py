"""The register against its definition: one bit at a time."""

import re

import numpy as np
import pytest

from golden.contracts import LFSR_BITS, LFSR_TAPS
from golden.lfsr import draws, leap, step

PERIOD = 2**32 - 1
FACTORS = (3, 5, 17, 257, 65537)


def sequence(state, bits):
    """The bits themselves, from the recurrence that the polynomial is."""
    s = [state >> (31 - k) & 1 for k in range(32)]
    while len(s) < bits:
        s.append(s[-32 + 16] ^ s[-32 + 7] ^ s[-32 + 2] ^ s[-32])
    return s


def number(bits):
    return int("".join(map(str, bits)), 2)


@pytest.mark.parametrize("seed", [1, 2**31, 0xDEADBEEF, PERIOD])
def test_a_state_is_32_bits_of_the_sequence(seed):
    assert (LFSR_BITS, LFSR_TAPS) == (32, (16, 7, 2, 0))
    s, state = sequence(seed, 32 * 40), seed
    for t in range(200):
        assert state == number(s[t:t + 32])
        state = step(state)
    assert draws(seed, (39,)).tolist() == [number(s[32 * n:32 * n + 32]) for n in range(39)]


def test_pinned_draws():
    """What a driver in another language can be compared with."""
    assert [f"{state:08x}" for state in draws(1, (6,)).tolist()] == PINNED


PINNED = ["00000001", "00010084", "00014095", "40314851", "1001519c", "0130d8dc"]


def test_full_period():
    """No state comes again before all 2**32 - 1 have been: the order of the matrix is that."""
    every_bit = 1 << np.arange(32)
    # A draw is 32 bits, and 32 has no factor in common with the period.
    np.testing.assert_array_equal(leap(every_bit, PERIOD), every_bit)
    for factor in FACTORS:
        assert (leap(every_bit, PERIOD // factor) != every_bit).any()
    assert np.prod(FACTORS) == PERIOD and np.gcd(32, PERIOD) == 1


def test_leaps_add_up(rng):
    states = rng.integers(1, 2**32, (5, 1))
    counts = rng.integers(0, 2**40, 7)
    far = leap(states, counts)
    assert far.shape == (5, 7) and far.dtype == np.int64
    np.testing.assert_array_equal(leap(far, PERIOD - counts % PERIOD), np.tile(states, 7))
    np.testing.assert_array_equal(leap(leap(states, 3), counts), leap(states, counts + 3))
    np.testing.assert_array_equal(leap(states, 0), states)
    assert leap(5, 0).shape == ()


def test_draws_are_row_major():
    np.testing.assert_array_equal(draws(77, (2, 3, 4)).reshape(-1), draws(77, (24,)))
    np.testing.assert_array_equal(draws(77, (24,))[7:], draws(int(leap(77, 7)), (17,)))
    assert draws(77, ()).tolist() == 77
    assert draws(77, (0, 3)).shape == (0, 3)


def rank(rows):
    """Of a matrix over GF(2), each row an integer."""
    found = {}
    for row in rows:
        while row and (high := row.bit_length()) in found:
            row ^= found[high]
        if row:
            found[high] = row
    return len(found)


@pytest.mark.parametrize("neighbours, bits", [(1, 32), (2, 16), (3, 7), (4, 7), (8, 4)])
def test_high_bits_of_neighbours_are_independent(neighbours, bits):
    """As linear functions of the first state: then every combination is equally frequent."""
    images = [leap(1 << bit, np.arange(neighbours)).tolist() for bit in range(32)]
    rows = [sum((images[bit][n] >> (31 - k) & 1) << bit for bit in range(32))
            for n in range(neighbours) for k in range(bits)]
    assert rank(rows) == neighbours * bits


@pytest.mark.parametrize("state", [0, -1, 2**32])
def test_bad_states(state):
    allowed = r"\[1, 4294967295\]" if state == 0 else r"\[0, 4294967295\] of u32"
    with pytest.raises(ValueError, match=rf"^State must be in range {allowed}, not {state}$"):
        leap(state, 1)
    with pytest.raises(ValueError, match=rf"^Seed must be in range {allowed}, not {state}$"):
        draws(state, (2,))


def test_bad_count():
    with pytest.raises(ValueError, match=re.escape("Count must not be negative, not -2")):
        leap(1, [3, -2])
