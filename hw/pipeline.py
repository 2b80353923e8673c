"""A pipeline whose later stages need what came in with the first."""

from collections.abc import Callable, Mapping

from amaranth.hdl import Module, Signal, Value

from hw.delay import delay

__all__ = ["Pipeline"]


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

    Members
    -------
    stage : int
        Registers so far between what comes in and the last result.
    """

    def __init__(self, m: Module, held: Mapping[str, Value],
                 beside: Callable[[str, int], Value] | None = None):
        self._m = m
        self._held = dict(held)
        self._beside = beside
        self.stage = 0

    def hold(self, name: str, value: Value):
        """Hold ``value``, of the stage that is now, for later ones."""
        self._held[name] = value

    def register(self, value: Value, name: str, shape=None) -> Signal:
        """Return the register of ``value``: a new stage, to which all that is held moves along."""
        self.stage += 1
        for other, held in self._held.items():
            self._held[other] = delay(self._m, held, 1, f"{other}_at_{self.stage}")
        result = Signal(value.shape() if shape is None else shape, name=name, reset_less=True)
        self._m.d.sync += result.eq(value)
        return result

    def __getitem__(self, name: str) -> Value:
        """What is held under ``name``, and will be used again."""
        if self._beside is not None and name not in self._held:
            return self._beside(name, self.stage)
        return self._held[name]

    def take(self, name: str) -> Value:
        """What is held under ``name``, for the last time."""
        value = self[name]
        self._held.pop(name, None)
        return value
