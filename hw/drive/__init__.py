"""Host side of a tile: layers to matrices, these to jobs, jobs to beats; outputs to results."""

from hw.drive.beats import Beats
from hw.drive.layers import LayerSchedule, layer_schedule
from hw.drive.lower import Loops, Lowering, Product, lower
from hw.drive.schedule import (
    Phase,
    fold,
    matmul_phases,
    matmul_results,
    record_of,
    resolved,
)
from hw.drive.tiles import longest, tile_of, tiles_of
from hw.drive.transfers import output_beats, output_levels, streams

__all__ = ["Beats", "LayerSchedule", "Loops", "Lowering", "Phase", "Product", "fold",
           "layer_schedule", "longest", "lower", "matmul_phases", "matmul_results", "output_beats",
           "output_levels", "record_of", "resolved", "streams", "tile_of", "tiles_of"]
