# amaranth: UnusedElaboratable=no
"""A long short-term memory on simulated hardware, step by step."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from golden.contracts import parse as contract_of
from golden.quantize.dynamic import U8
from golden.quantize.lstm import OUTPUT, DynamicLstm, LstmStep
from hw.tile.config import TileConfig
from hw.units.tensor_range import TensorRange
from sim.backend import Backend
from sim.dynamic import run_one, same_ends
from sim.layers.on_units import LANES
from sim.layers.placement import placement
from sim.layers.run import run_placed
from sim.ranges import track, transfers_of

__all__ = ["lstm_tile", "run_lstm_on"]


def lstm_tile(lstm: DynamicLstm, **shape: Any) -> TileConfig:
    """Return the tile of the gates' matrix product.

    Parameters
    ----------
    lstm : DynamicLstm
    **shape
        Shape of the tile: choices of a :class:`~hw.tile.config.TileConfig`; by default as deep as
        the sums.
    """
    return TileConfig(**{
        "weights": lstm.layer.weight.format, "activations": U8, "output": OUTPUT.format,
        "contract": contract_of("onnx"), "zero_points": "activations",
        "depth": lstm.layer.weights.shape[1]} | shape)


def run_lstm_on(tile: TileConfig, backends: Callable[[Any], Backend], lstm: DynamicLstm, x
                ) -> Iterator[LstmStep]:
    """Run a long short-term memory, as :meth:`golden.quantize.lstm.DynamicLstm.steps` does.

    In each step the tracker finds the ends of the ``h`` that the multiplication has made; scale
    and zero point follow. A table then turns ``h`` into dynamic codes, the tile computes the
    gates with that scale and zero point, and tables, products and the sum make ``c`` and ``h``.

    Parameters
    ----------
    tile : TileConfig
        Tile of :func:`lstm_tile`.
    backends : callable
        Simulation of a tile or a unit, such as :class:`~sim.layers.designs.Designs`.
    lstm : DynamicLstm
    x : array_like of float32, ``(steps, batch, inputs)``

    Yields
    ------
    LstmStep
        Results of the hardware.

    Raises
    ------
    Mismatch
        If a range or a tensor of hardware and golden differ; the message names the layer.
    """
    tracker = TensorRange(results=OUTPUT.format, outputs=LANES)
    cell = placement(lstm.cell)
    x = lstm.sequence(x)
    h = c = before = np.zeros((x.shape[1], lstm.hidden), dtype=np.int64)
    for now, golden in zip(x, lstm.steps(x), strict=True):
        [ends], _ = track(tracker, backends(tracker), [transfers_of(h, tracker.outputs)])
        same_ends("h", ends, before)
        input = lstm.quantization(now, *ends.tolist())
        recoded = lstm.recoded(input)
        design = placement(recoded).designs["codes"]
        old = np.asarray(run_one(recoded, design, backends, h).output)
        codes = np.concatenate([lstm.codes(now, input), old], axis=1)
        gates = np.asarray(run_one(lstm.gates(input), tile, backends, codes).output)
        made = {done.layer.name: np.asarray(done.output) for done in run_placed(
            cell, lstm.split(gates, c), backends, proof=lstm.proof)}
        c, h, before = made["new"], made["h"], golden.output
        yield LstmStep(input, codes, gates, c, h)
