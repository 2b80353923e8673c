"""Delayed signals."""

from typing import Any, TypeVar

from amaranth.hdl import Const, Module, Signal, Value
from amaranth.lib import data

__all__ = ["FIFO_LATENCY", "delay"]

FIFO_LATENCY = 2
"""Cycles through an empty SyncFIFOBuffered."""

AnyValue = TypeVar("AnyValue", bound=Value | data.View)


def delay(m: Module, value: AnyValue, cycles: int, name: str, *,
          reset_less: bool = True) -> AnyValue:
    """Return ``value``, delayed by ``cycles`` cycles; zero at first. A constant stays as it is.

    Parameters
    ----------
    m : Module
        Module of the registers. Call this outside of any ``m.If``, which would stop them.
    value : Value or data.View
        Current signal.
    cycles : int
        Registers in a row, none for 0.
    name : str
        Name of the registers: ``<name>_1``, ``<name>_2`` ...
    reset_less : bool
        False if a reset must clear the registers, as for valid bits.
    """
    for cycle in range(1, 1 if isinstance(value, Const) else cycles + 1):
        past: Any = Signal(value.shape(), name=f"{name}_{cycle}", reset_less=reset_less)
        m.d.sync += past.eq(value)
        value = past
    return value
