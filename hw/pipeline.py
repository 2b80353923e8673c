# amaranth: UnusedElaboratable=no
"""Pipelines whose later stages also use inputs of the first."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from amaranth.hdl import Module, Signal, Value

from hw.delay import delay
from hw.targets.fabric import GENERIC, Extra, Fabric, Narrowed

__all__ = ["Pipeline", "dry_run", "product_sizes"]

Result = TypeVar("Result")


def dry_run(part: Callable[[Module], Result]) -> Result:
    """Return the result of ``part`` on a module that is thrown away.

    So a latency is counted: the function that builds the registers returns their number.
    """
    return part(Module())


def product_sizes(part: Callable[[Module, Fabric], "Pipeline"], fabric: Fabric) -> list[int]:
    """Return the sizes of all products that DSPs could make, for a fabric that has a few.

    A :class:`Pipeline` chooses from them. There are none for a fabric of no DSP, or of any number.
    """
    if not fabric.dsp:
        return []
    return dry_run(lambda m: part(m, replace(fabric, dsp=None))).multipliers


class Pipeline:
    """Results in registers, stage after stage, and values that are held for later stages.

    Parameters
    ----------
    m : Module
        Module of the registers.
    held : mapping of str to Value
        Input values. :meth:`take` returns one, delayed to the last result, and releases it.
    sidebands : callable, optional
        Function from name and stage to a value that is not held: one that many pipelines share,
        or one that does not change while results are under way.
    fabric : Fabric
        Fabric that multiplies, adds and shifts; each such operation is one stage or more.
    sizes : sequence of int
        Those of :func:`product_sizes`, of which the largest take the DSPs.

    Members
    -------
    m, fabric
        Module and fabric of the parameters.
    stage : int
        Registers so far from the inputs to the last result.
    read : dict of str to int
        Stage of the last use of each value that is not held.
    dsp : list of int or None
        Sizes of the products to come that DSPs make; None for any product.
    multipliers : list of int
        Bits of one factor times bits of the other, of each product that a DSP makes.
    """

    def __init__(self, m: Module, held: Mapping[str, Value],
                 sidebands: Callable[[str, int], Value] | None = None, *,
                 fabric: Fabric = GENERIC, sizes: Sequence[int] = ()):
        self.m = m
        self.fabric = fabric
        self._held = dict(held)
        self._sidebands = sidebands
        self.stage = 0
        self.dsp = (None if fabric.dsp is None
                    else sorted(sizes, reverse=True)[:fabric.dsp])
        self.multipliers: list[int] = []
        self.read: dict[str, int] = {}

    def hold(self, name: str, value: Value):
        """Hold ``value``, which is of the current stage, for later stages."""
        self._held[name] = value

    def advance(self, stage: int):
        """Delay all held values to ``stage``, which other registers have reached."""
        for name, held in self._held.items():
            self._held[name] = delay(self.m, held, stage - self.stage, f"{name}_at_{stage}")
        self.stage = stage

    def register(self, value: Value, name: str, shape: Any = None) -> Signal:
        """Return the register of ``value``: a new stage, to which all held values are delayed."""
        self.advance(self.stage + 1)
        result = Signal(value.shape() if shape is None else shape, name=name, reset_less=True)
        self.m.d.sync += result.eq(value)
        return result

    def multiply(self, a: Value, b: Value, name: str, shape: Any = None) -> Signal:
        """Return ``a * b``, a result of the new current stage."""
        return self.fabric.multiply(self, a, b, name, shape)

    def multiply_add(self, a: Value, b: Value, extras: Sequence[Extra], name: str,
                     shape: Any = None) -> Signal:
        """Return ``a * b`` and a few bits, likewise."""
        return self.fabric.multiply_add(self, a, b, extras, name, shape)

    def add(self, a: Value, b: Value, name: str, shape: Any = None, **how: Any) -> Signal:
        """Return ``a + b``, likewise; see :meth:`hw.targets.fabric.Fabric.add`."""
        return self.fabric.add(self, a, b, name, shape, **how)

    def shift_left(self, value: Value, places: Value, name: str, shape: Any = None) -> Signal:
        """Return ``value << places``, likewise."""
        return self.fabric.shift_left(self, value, places, name, shape)

    def shift_right(self, value: Value, places: Value, name: str, shape: Any = None) -> Signal:
        """Return ``value >> places``, likewise."""
        return self.fabric.shift_right(self, value, places, name, shape)

    def narrow(self, value: Value, places: Value, width: int, **how: Any) -> Narrowed:
        """Return ``value >> places`` saturated; see :meth:`hw.targets.fabric.Fabric.narrow`."""
        return self.fabric.narrow(self, value, places, width, **how)

    def prepare(self):
        """Prepare to clamp; see :meth:`hw.targets.fabric.Fabric.prepare`."""
        self.fabric.prepare(self)

    def offset_and_clamp(self, number: Narrowed, up: Value) -> Value:
        """Add the zero point and clamp; see :meth:`hw.targets.fabric.Fabric.offset_and_clamp`."""
        return self.fabric.offset_and_clamp(self, number, up)

    def clamp(self, value: Value) -> Value:
        """Clamp between the two ends that are held: a register."""
        return self.fabric.clamp(self, value)

    def __getitem__(self, name: str) -> Value:
        """Value held under ``name``, which stays held."""
        if self._sidebands is not None and name not in self._held:
            self.read[name] = self.stage
            return self._sidebands(name, self.stage)
        return self._held[name]

    def take(self, name: str) -> Value:
        """Return the value held under ``name``, and release it."""
        value = self[name]
        self._held.pop(name, None)
        return value
