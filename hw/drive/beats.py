"""Transfers that a port makes or is to make."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

__all__ = ["Beats"]


@dataclass(frozen=True, eq=False)
class Beats:
    """Transfers of one port, in order: those that an input is to make, or an output made.

    Parameters
    ----------
    data : array of uint8, ``(beats, bytes)``
        ``tdata``, least significant byte first.
    last : array of bool, ``(beats,)``
        ``tlast``.
    after : mapping of str to array of int64, ``(beats,)``
        Per port name: a beat is not offered before that port has made so many transfers.
    """

    data: np.ndarray
    last: np.ndarray
    after: Mapping[str, np.ndarray] = field(default_factory=dict)
