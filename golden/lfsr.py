"""Random draws of contract ``stochastic``: states of a linear feedback shift register.

The register makes one sequence of bits, ``s[t + 32] = s[t + 16] ^ s[t + 7] ^ s[t + 2] ^ s[t]``. Its
polynomial ``x**32 + x**16 + x**7 + x**2 + 1`` is primitive, so the sequence repeats after
``2**32 - 1`` bits and not before. A *state* is 32 bits of it, the oldest highest, and never zero.
A draw takes all 32 bits and advances the register by 32 bits: draw ``n`` of a tensor is ``s[32 n]``
to ``s[32 n + 31]``, and draw 0 is the seed.

No draws share a bit. As 32 and the period have no common divisor, ``2**32 - 1`` draws come before
one repeats. The highest 16 bits of a draw and of the next are independent: every pair of them
occurs equally often, except that of zeros, which occurs once less. After a seed of few ones, some
draws have few ones.
"""

from functools import cache

import numpy as np

from golden.contracts import LFSR_BITS, LFSR_TAPS
from golden.formats import IntFormat, integers

__all__ = ["step", "leap", "draws", "check_states"]

_BYTES = LFSR_BITS // 8


def step(state: int) -> int:
    """State one bit later; all other functions follow from this one."""
    fed_back = 0
    for tap in LFSR_TAPS:
        fed_back ^= state >> (LFSR_BITS - 1 - tap) & 1
    return (state << 1 | fed_back) % (1 << LFSR_BITS)


def leap(state, count) -> np.ndarray:
    """Return states ``count`` draws later.

    A draw is linear over GF(2), so a leap of ``2**k`` draws is the product with one matrix.

    Parameters
    ----------
    state : array_like of integers
        States, 1 to ``2**32 - 1``.
    count : array_like of integers
        Numbers of draws, not negative, broadcast with ``state``.

    Returns
    -------
    array of ``int64``

    Raises
    ------
    ValueError
        If a state or a count is outside its range.
    """
    count = integers(count, "Count")
    if count.size and count.min() < 0:
        raise ValueError(f"Count must not be negative, not {count.min()}")
    state, count = np.broadcast_arrays(check_states(state, "State"), count)
    power = 0
    while (left := count >> power).any():
        state = np.where(left & 1 == 1, _apply(_power(power), state), state)
        power += 1
    return np.array(state)


def draws(seed: int, shape: tuple[int, ...]) -> np.ndarray:
    """Return the draws of a tensor, one for each element in row-major order, the seed first."""
    count = np.arange(np.prod(shape, dtype=np.int64))
    return leap(check_states(seed, "Seed"), count.reshape(shape))


def check_states(states, name: str) -> np.ndarray:
    """Return ``states`` as an integer array; ``ValueError`` if one is 0 or has over 32 bits."""
    states = IntFormat(LFSR_BITS, signed=False).check(states, name)
    if (states == 0).any():
        raise ValueError(f"{name} must be in range [1, {(1 << LFSR_BITS) - 1}], not 0")
    return states


@cache
def _power(exponent: int) -> np.ndarray:
    """Matrix of ``2**exponent`` draws, as the term of each value of each byte of a state."""
    units = [1 << bit for bit in range(LFSR_BITS)]
    if exponent:
        half = _power(exponent - 1)
        columns = _apply(half, _apply(half, np.array(units))).tolist()
    else:
        columns = units
        for _ in range(LFSR_BITS):
            columns = [step(column) for column in columns]
    table = np.zeros((_BYTES, 256), dtype=np.int64)
    for bit, column in enumerate(columns):
        table[bit // 8, np.arange(256) >> bit % 8 & 1 == 1] ^= column
    table.flags.writeable = False
    return table


def _apply(table: np.ndarray, state: np.ndarray) -> np.ndarray:
    parts = [table[byte][state >> 8 * byte & 255] for byte in range(_BYTES)]
    return np.bitwise_xor.reduce(parts)
