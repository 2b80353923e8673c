"""Host side of a tile: matrices to jobs, jobs to beats, and outputs to results."""

from hw.drive.beats import Beats
from hw.drive.schedule import (
    Phase,
    fold,
    matmul_phases,
    matmul_results,
    record_of,
    resolved,
)
from hw.drive.transfers import output_beats, output_levels, streams

__all__ = ["Beats", "Phase", "fold", "matmul_phases", "matmul_results",
           "output_beats", "output_levels", "record_of", "resolved", "streams"]
