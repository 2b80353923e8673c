# amaranth: UnusedElaboratable=no
"""A pipeline whose later stages need what came in with the first."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from amaranth.hdl import Module, Signal, Value

from hw.delay import delay
from hw.targets.fabric import GENERIC, Fabric

__all__ = ["Pipeline", "dry_run"]

Result = TypeVar("Result")


def dry_run(part: Callable[[Module], Result]) -> Result:
    """Return what ``part`` returns when it builds its hardware in a module that is thrown away.

    This is how a latency is found: the function that makes the registers returns their number.
    """
    return part(Module())


class Pipeline:
    """Results in registers, one stage after the other, and beside them what is still to be used.

    Parameters
    ----------
    m : Module
        Where the registers go.
    held : mapping of str to Value
        What comes in. :meth:`take` gives one of them, as old as the last result, and lets it go.
    beside : callable, optional
        Gives, by name and stage, what is not held: values that many pipelines share, or that do
        not change while results are under way.
    fabric : Fabric
        What multiplies, adds and shifts: each such operation is one stage or more.

    Members
    -------
    m, fabric
        As given.
    stage : int
        Registers so far between what comes in and the last result.
    read : dict of str to int
        Stage of the last use of each value that is not held.
    """

    def __init__(self, m: Module, held: Mapping[str, Value],
                 beside: Callable[[str, int], Value] | None = None, *, fabric: Fabric = GENERIC):
        self.m = m
        self.fabric = fabric
        self._held = dict(held)
        self._beside = beside
        self.stage = 0
        self.read: dict[str, int] = {}

    def hold(self, name: str, value: Value):
        """Hold ``value``, of the stage that is now, for later ones."""
        self._held[name] = value

    def advance(self, stage: int):
        """Move all that is held along to ``stage``, which other registers have reached."""
        for name, held in self._held.items():
            self._held[name] = delay(self.m, held, stage - self.stage, f"{name}_at_{stage}")
        self.stage = stage

    def register(self, value: Value, name: str, shape: Any = None) -> Signal:
        """Return the register of ``value``: a new stage, to which all that is held moves along."""
        self.advance(self.stage + 1)
        result = Signal(value.shape() if shape is None else shape, name=name, reset_less=True)
        self.m.d.sync += result.eq(value)
        return result

    def multiply(self, a: Value, b: Value, name: str, shape: Any = None) -> Signal:
        """Return ``a * b``, of the stage that is then."""
        return self.fabric.multiply(self, a, b, name, shape)

    def add(self, a: Value, b: Value, name: str, shape: Any = None, **how: Any) -> Signal:
        """Return ``a + b``, likewise; see :meth:`hw.targets.fabric.Fabric.add`."""
        return self.fabric.add(self, a, b, name, shape, **how)

    def shift_left(self, value: Value, places: Value, name: str, shape: Any = None) -> Signal:
        """Return ``value << places``, likewise."""
        return self.fabric.shift_left(self, value, places, name, shape)

    def shift_right(self, value: Value, places: Value, name: str, shape: Any = None) -> Signal:
        """Return ``value >> places``, likewise."""
        return self.fabric.shift_right(self, value, places, name, shape)

    def __getitem__(self, name: str) -> Value:
        """What is held under ``name``, and will be used again."""
        if self._beside is not None and name not in self._held:
            self.read[name] = self.stage
            return self._beside(name, self.stage)
        return self._held[name]

    def take(self, name: str) -> Value:
        """What is held under ``name``, for the last time."""
        value = self[name]
        self._held.pop(name, None)
        return value
