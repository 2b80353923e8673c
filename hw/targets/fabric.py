"""Fabrics: the cells of arithmetic, and its registers."""

from dataclasses import dataclass
from typing import Any, Protocol

from amaranth.hdl import Signal, Value

__all__ = ["FABRICS", "Fabric", "GENERIC", "Stages"]


class Stages(Protocol):
    """Receiver of an operation's registers: a :class:`~hw.pipeline.Pipeline`."""

    def register(self, value: Value, name: str, shape: Any = None) -> Signal:
        """Return the register of ``value``: a new stage."""
        ...


@dataclass(frozen=True)
class Fabric:
    """Multiplications, additions and shifts of a kind of chip, each with its registers.

    An operation has one register, the result, and synthesis chooses its cells. A subclass may use
    cells of its own, and more registers before the last. The pipeline counts the registers.

    Parameters
    ----------
    name : str
        Name of the fabric, as options give it.
    """

    name: str

    def multiply(self, stages: Stages, a: Value, b: Value, name: str, shape: Any = None) -> Signal:
        """Return ``a * b``."""
        return stages.register(a * b, name, shape)

    def add(self, stages: Stages, a: Value, b: Value, name: str, shape: Any = None, *,
            carry: Value | None = None, subtract: bool = False) -> Signal:
        """Return ``a + b``, or ``a - b``, plus ``carry``, which is one bit."""
        a = a if carry is None else a + carry
        return stages.register(a - b if subtract else a + b, name, shape)

    def shift_left(self, stages: Stages, value: Value, places: Value, name: str,
                   shape: Any = None) -> Signal:
        """Return ``value << places``."""
        return stages.register(value << places, name, shape)

    def shift_right(self, stages: Stages, value: Value, places: Value, name: str,
                    shape: Any = None) -> Signal:
        """Return ``value >> places``, the floor."""
        return stages.register(value >> places, name, shape)


GENERIC = Fabric("generic")
"""Plain Verilog, for any target."""

FABRICS = {fabric.name: fabric for fabric in (GENERIC,)}
