"""Signals and their past."""

from amaranth.hdl import Module, Signal, ValueLike

__all__ = ["delay"]


def delay(m: Module, value: ValueLike, cycles: int, name: str, *, reset_less: bool = True):
    """Return what ``value`` was ``cycles`` cycles ago; before that, zero.

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
    for cycle in range(1, cycles + 1):
        past = Signal(value.shape(), name=f"{name}_{cycle}", reset_less=reset_less)
        m.d.sync += past.eq(value)
        value = past
    return value
