# amaranth: UnusedElaboratable=no
"""Gradients of weights on simulated hardware: exact sums, their range, then stochastic rounding."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from golden.contracts import parse as contract_of
from golden.formats import IntFormat
from golden.quantize.gradients import GRADIENT_BITS, WeightGradient
from golden.run import run
from hw.tile.config import TileConfig
from hw.units.tensor_range import TensorRange
from sim.backend import Backend
from sim.dynamic import run_one, same_ends
from sim.ranges import tile_transfers, track

__all__ = ["GradientDesigns", "gradient_designs", "gradient_on"]


@dataclass(frozen=True)
class GradientDesigns:
    """Hardware of the gradients of weights.

    Parameters
    ----------
    sums : TileConfig
        Tile of the exact sums.
    codes : TileConfig
        Tile that rounds them, by contract ``stochastic``.
    tracker : TensorRange
        Range tracker of the results of ``sums``.
    """

    sums: TileConfig
    codes: TileConfig
    tracker: TensorRange


def gradient_designs(bits: int, *, batch: int, **shape: Any) -> GradientDesigns:
    """Return the designs of gradients of at most so many bits.

    Parameters
    ----------
    bits : int
        Width of the widest codes; narrower ones have a lower clamp on the same tile.
    batch : int
        Products of each sum.
    **shape
        Shape of the tiles: choices of a :class:`~hw.tile.config.TileConfig`.
    """
    if bits not in GRADIENT_BITS:
        raise ValueError(f"Bits must be in range [{GRADIENT_BITS[0]}, {GRADIENT_BITS[-1]}], "
                         f"not {bits!r}")
    own = {"weights": IntFormat(8), "activations": IntFormat(8), "zero_points": "none",
           "depth": batch} | shape
    sums = TileConfig(**own, output=None, contract=contract_of("none"))
    codes = TileConfig(**own, output=IntFormat(bits, signed=False),
                       contract=contract_of("stochastic"))
    return GradientDesigns(sums, codes, TensorRange(results=sums.output_format,
                                                    outputs=sums.outputs))


def gradient_on(designs: GradientDesigns, backends: Callable[[Any], Backend],
                gradient: WeightGradient) -> tuple[np.ndarray, int]:
    """Compute a gradient, as :meth:`golden.quantize.gradients.WeightGradient.codes` does.

    Parameters
    ----------
    designs : GradientDesigns
    backends : callable
        Simulation of a tile or of the tracker, such as :class:`~sim.layers.designs.Designs`.
    gradient : WeightGradient

    Returns
    -------
    array of int64 ``(outputs, inputs)``, int
        Codes, and the largest magnitude of the sums.

    Raises
    ------
    Mismatch
        If sums, ends or codes of hardware and golden differ.
    """
    x = gradient.delta.T
    sums = run_one(gradient.sums_network, designs.sums, backends, x)
    assert sums.schedule is not None and sums.trace is not None
    [ends], _ = track(designs.tracker, backends(designs.tracker), [tile_transfers(
        designs.sums, sums.schedule, sums.trace)])
    same_ends("gradient", ends, run(gradient.sums_network, x)["sums"])
    largest = int(np.abs(ends).max())
    codes = run_one(gradient.codes_network(largest), designs.codes, backends, x)
    return np.asarray(codes.output), largest
