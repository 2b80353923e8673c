"""Resets in the middle of a run, to verify that a reset leaves no state behind."""

from collections.abc import Sequence

from hw.drive.schedule import Phase

__all__ = ["resets"]

RESETS, RESET_CYCLES = 12, (1, 1, 1, 2, 1, 3)
"""Number of resets in a schedule, with and without stalls; cycles of each reset."""

RESETS_END = 600, 1800
"""Most cycles from one reset to the next, without stalls and with them."""


def resets(schedule: Sequence[Phase]) -> list[tuple[int, int]]:
    """Return resets in the middle of ``schedule``: cycles before each reset, and its cycles.

    Resets come from before the first word of a set until the first few sets have been used, by
    turns for runs without stalls and with them.
    """
    work = sum(len(phase.parameters["bias"]) + int(phase.beats.sum()) for phase in schedule[:6])
    places = []
    for place in range(1, RESETS + 1):
        for end, slower in zip(RESETS_END, (1, 3), strict=True):
            cycles = 3 + min(slower * work, end) * place**2 // RESETS**2
            places.append((cycles, RESET_CYCLES[place % len(RESET_CYCLES)]))
    return places
