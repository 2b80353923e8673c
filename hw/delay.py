"""Signals and their past."""

from typing import Any, TypeVar

from amaranth.hdl import Const, Module, Signal, Value
from amaranth.lib import data

__all__ = ["FIFO_LATENCY", "delay"]

FIFO_LATENCY = 2
"""Cycles through an empty SyncFIFOBuffered."""

AnyValue = TypeVar("AnyValue", bound=Value | data.View)


def delay(m: Module, value: AnyValue, cycles: int, name: str, *,
          reset_less: bool = True) -> AnyValue:
    """Return what ``value`` was ``cycles`` cycles ago; before that, zero. A constant stays itself.

    Parameters
    ----------
    m : Module
        Where the registers go. Call it outside of any ``m.If``, under which they would stand
        still.
    value : Value or data.View
        The signal now.
    cycles : int
        Registers in a row, none for 0.
    name : str
        Of the registers: ``<name>_1``, ``<name>_2`` ...
    reset_less : bool
        False where the registers must be cleared by a reset, as valid bits must.
    """
    for cycle in range(1, 1 if isinstance(value, Const) else cycles + 1):
        past: Any = Signal(value.shape(), name=f"{name}_{cycle}", reset_less=reset_less)
        m.d.sync += past.eq(value)
        value = past
    return value
