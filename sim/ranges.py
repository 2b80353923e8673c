"""Ends of tensors, found by a range tracker in simulated hardware."""

from collections.abc import Sequence

import numpy as np

from hw.drive import LayerSchedule, output_levels
from hw.tile.config import TileConfig
from hw.units.tensor_range import TensorRange
from sim.backend import Backend, Trace
from sim.checks import check_design
from sim.components import beats_of

__all__ = ["tile_transfers", "transfers_of", "track"]


def transfers_of(levels: np.ndarray, outputs: int) -> tuple[np.ndarray, np.ndarray]:
    """Transfers of a tensor's elements in row-major order, and which of their levels count."""
    count = levels.size
    transfers = np.zeros(-(-count // outputs) * outputs, dtype=np.int64)
    transfers[:count] = levels.ravel()
    keep = np.arange(len(transfers)) < count
    return transfers.reshape(-1, outputs), keep.reshape(-1, outputs)


def tile_transfers(config: TileConfig, schedule: LayerSchedule, trace: Trace
                   ) -> tuple[np.ndarray, np.ndarray]:
    """Transfers of a layer on a tile's ``o``, and which of their levels are the layer's.

    The others are those of rows and columns that only fill a job.
    """
    results = output_levels(config, trace.data, schedule.phases)
    assert isinstance(results, np.ndarray)
    places = schedule.output(np.arange(results.size).reshape(results.shape))
    keep = np.zeros(results.size, dtype=bool)
    keep[np.asarray(places).ravel()] = True
    return results.reshape(-1, config.outputs), keep.reshape(-1, config.outputs)


def track(unit: TensorRange, backend: Backend,
          tensors: Sequence[tuple[np.ndarray, np.ndarray]], *, stall: float = 0.0, seed: int = 0
          ) -> tuple[np.ndarray, Trace]:
    """Find the ends of tensors on a simulated range tracker.

    Parameters
    ----------
    unit : TensorRange
    backend : Backend
        Simulation of that unit.
    tensors : sequence of pair of array, ``(transfers, outputs)``
        Levels of the transfers of each tensor, and which of them count.
    stall, seed
        Parameters of :meth:`sim.backend.Backend.run`.

    Returns
    -------
    array of int64 ``(tensors, 2)``, Trace
        Minimum and maximum of each tensor, and the simulation's trace.

    Raises
    ------
    ValueError
        If the backend simulates another unit.
    """
    check_design(unit, backend)
    levels, keep = (np.concatenate(each) for each in zip(*tensors, strict=True))
    last = np.zeros(len(levels), dtype=bool)
    last[np.cumsum([len(each) for each, _ in tensors]) - 1] = True
    payload = unit.payloads["i"]
    inputs = {"s_axis_i": beats_of(payload, {"codes": unit.results.encode(levels),
                                             "keep": keep.astype(np.int64)}, last=last)}
    trace = backend.run(inputs, len(tensors), stall=stall, seed=seed)
    return unit.results.decode(unit.payloads["o"].unpack(trace.data, "ends")), trace
