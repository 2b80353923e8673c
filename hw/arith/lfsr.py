"""Random register of contract ``stochastic``, any number of draws ahead."""

from amaranth.hdl import Cat, Value

from golden.contracts import LFSR_BITS, LFSR_TAPS

__all__ = ["leap"]


def leap(state: Value, draws: int) -> Value:
    """State ``draws`` draws later, each of ``LFSR_BITS`` steps: one network of XOR gates.

    Every step is linear, so each bit of the result is the parity of some bits of ``state``: at most
    6 of them after one draw, about half of them after many draws.
    """
    # Mask of the bits of `state` in each result bit's parity, lowest bit first.
    masks = [1 << bit for bit in range(LFSR_BITS)]
    for _ in range(draws * LFSR_BITS):
        fed_back = 0
        for tap in LFSR_TAPS:
            fed_back ^= masks[LFSR_BITS - 1 - tap]
        masks = [fed_back, *masks[:-1]]
    return Cat((state & mask).xor() for mask in masks) if draws else state
