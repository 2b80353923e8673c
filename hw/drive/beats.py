"""Transfers of a port."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

__all__ = ["Beats"]


@dataclass(frozen=True, eq=False)
class Beats:
    """Transfers of one port, in order: those to send to an input, or those of an output.

    Parameters
    ----------
    data : array of uint8, ``(beats, bytes)``
        ``tdata``, least significant byte first.
    last : array of bool, ``(beats,)``
        ``tlast``.
    after : mapping of str to array of int64, ``(beats,)``
        Number of transfers, by port name, that the port must have made before a beat is offered.
    """

    data: np.ndarray
    last: np.ndarray
    after: Mapping[str, np.ndarray] = field(default_factory=dict)
