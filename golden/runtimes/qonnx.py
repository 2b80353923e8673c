"""QONNX's quantizers of real numbers, in float32 as its executor computes them.

A network's sums are exact; this rounding is at its borders alone: inputs and constants that a
Quant or a BipolarQuant makes levels of.
"""

from collections.abc import Callable, Mapping

import numpy as np

from golden.formats import IntFormat

__all__ = ["MODES", "bipolar", "quant"]


def _signed(magnitude: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
    return lambda x: np.sign(x) * magnitude(np.abs(x))


MODES: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
    "ROUND": np.round, "HALF_EVEN": np.round, "CEIL": np.ceil, "FLOOR": np.floor,
    "UP": _signed(np.ceil), "DOWN": np.trunc,
    "HALF_UP": _signed(lambda x: np.floor(x + x.dtype.type(0.5))),
    "HALF_DOWN": _signed(lambda x: np.ceil(x - x.dtype.type(0.5)))}
"""Roundings of floats to whole floats, by QONNX's names."""


def quant(x: np.ndarray, scale: np.ndarray | np.floating, zero_point: np.ndarray | np.floating,
          fmt: IntFormat, mode: str) -> np.ndarray:
    """Quant: ``round(clamp(x / scale + zero_point))``, in the type of the operands.

    Parameters
    ----------
    x, scale, zero_point : array of float
        They broadcast together; ``x`` is finite.
    fmt : IntFormat
        The clamp has its ends.
    mode : str
        One of `MODES`.

    Returns
    -------
    array of ``int64``
        Integers ``q``, which stand for ``scale * (q - zero_point)``.
    """
    with np.errstate(over="ignore"):  # what is infinite is clamped
        y = np.asarray(x / scale + zero_point)
    return MODES[mode](np.clip(y, y.dtype.type(fmt.min), y.dtype.type(fmt.max))).astype(np.int64)


def bipolar(x: np.ndarray, scale: np.ndarray | np.floating) -> np.ndarray:
    """Quant of one signed bit: 1 where ``x / scale`` is 0 or more, else -1, as ``int64``.

    BipolarQuant does not divide: its scale is 1 here.
    """
    with np.errstate(over="ignore"):
        return np.where(x / scale >= 0, 1, -1)
