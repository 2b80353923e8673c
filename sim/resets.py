"""Resets in the middle of a run, to verify that one leaves nothing behind."""

from collections.abc import Sequence

from hw.drive.schedule import Phase

__all__ = ["resets"]

RESETS, RESET_CYCLES = 12, (1, 1, 1, 2, 1, 3)
"""Resets in the middle of schedule, with and without stalls, and how many cycles each takes."""

RESETS_END = 600, 1800
"""No reset is later than so many cycles after the one before, without stalls and with them."""


def resets(schedule: Sequence[Phase]) -> list[tuple[int, int]]:
    """Return resets in the middle of these schedule: after how many cycles of them, and how long.

    From before the first word of a set has been written until the first few sets have been used,
    by turns of ports that do not stall, and that do.
    """
    work = sum(len(phase.parameters["bias"]) + int(phase.beats.sum()) for phase in schedule[:6])
    found = []
    for place in range(1, RESETS + 1):
        for end, slower in zip(RESETS_END, (1, 3), strict=True):
            cycles = 3 + min(slower * work, end) * place**2 // RESETS**2
            found.append((cycles, RESET_CYCLES[place % len(RESET_CYCLES)]))
    return found
