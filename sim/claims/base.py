"""Claims, and what their definitions and parts share."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial, wraps
from typing import ParamSpec

from amaranth.back import rtlil  # pyright: ignore[reportAttributeAccessIssue] - not in the stubs
from amaranth.hdl import Cat, Const, Module, Signal, Value, signed

from golden.contracts import Rounding
from hw.pipeline import Pipeline
from hw.targets.fabric import GENERIC, Fabric

__all__ = ["Claim", "Transparent", "circuit", "claim", "divided"]

P = ParamSpec("P")


@dataclass(frozen=True)
class Claim:
    """Claim that a part of the hardware equals its definition.

    Parameters
    ----------
    subject, instance : str
        Kind of part, and the part among its kind.
    circuit : callable
        Function that returns the RTLIL of a module ``claim``. Its inputs are free, and its output
        ``differs`` is 1 if part and definition differ.
    """

    subject: str
    instance: str
    circuit: Callable[[], str]


def claim(subject: str, instance: str) -> Callable[[Callable[P, str]], Callable[P, Claim]]:
    """Decorate a function that returns a circuit, so that it returns the claim.

    The arguments are formatted into ``instance``.
    """
    def claiming(make: Callable[P, str]) -> Callable[P, Claim]:
        @wraps(make)
        def claimed(*args: P.args, **kwargs: P.kwargs) -> Claim:
            return Claim(subject, instance.format(*args), partial(make, *args, **kwargs))
        return claimed
    return claiming


def circuit(m: Module, inputs: Sequence[Signal], got: Value, expected: Value) -> str:
    """RTLIL of a claim that ``got``, from the part, is ``expected`` for all inputs."""
    # As wide as both, so that the comparison loses no bit.
    shape = signed(1 + max(len(got), len(expected)))
    one, other = Signal(shape, name="part"), Signal(shape, name="definition")
    differs = Signal(name="differs")
    m.d.comb += [one.eq(got), other.eq(expected), differs.eq(one != other)]
    ports = [(signal.name, signal, None) for signal in (*inputs, differs)]
    return rtlil.convert(m, name="claim", ports=ports, emit_src=False)


def divided(x: Value, shift: Value, rounding: Rounding) -> Value:
    """``x / 2**shift`` by its definition: the floor, plus one if the remainder rounds up."""
    most = (1 << len(shift)) - 1
    power = Const(1, 1) << shift
    extended = Cat(x, x[-1].replicate(most))
    rest = (extended & (power - 1))[:most]
    twice, quotient, negative = rest << 1, x >> shift, x < 0
    tie, above = twice == power, twice > power
    up = {
        Rounding.FLOOR: Const(0, 1),
        Rounding.ZERO: negative & (rest != 0),
        Rounding.HALF_UP: above | tie,
        Rounding.HALF_EVEN: above | (tie & quotient[0]),
        Rounding.HALF_AWAY: above | (tie & ~negative),
    }[rounding]
    return quotient + up


class Transparent(Pipeline):
    """Pipeline without registers, with its product as a free input.

    Parameters
    ----------
    m : Module
    held : mapping of str to Value
        Input values, as for any :class:`~hw.pipeline.Pipeline`.
    replaced : mapping of str to Value
        Values that take the place of results or held values, by name.
    fabric : Fabric

    Members
    -------
    product : Signal or None
        Free input for the product.
    computed : dict of str to Value
        Results and held values that the part computed, by name.
    """

    def __init__(self, m: Module, held: Mapping[str, Value],
                 replaced: Mapping[str, Value] | None = None, *, fabric: Fabric = GENERIC):
        super().__init__(m, held, fabric=fabric)
        self._replaced = replaced or {}
        self.product: Signal | None = None
        self.computed: dict[str, Value] = {}

    def hold(self, name: str, value: Value):
        """Hold ``value``, or its replacement."""
        self.computed[name] = value
        super().hold(name, self._replaced.get(name, value))

    def advance(self, stage: int):
        """Count the stage; nothing is delayed."""
        self.stage = stage

    def register(self, value: Value, name: str, shape=None) -> Signal:
        """Return ``value`` at once; for a product, a free input of its shape."""
        wire = Signal(value.shape() if shape is None else shape, name=name)
        self.computed[name] = value
        if name.endswith("product"):
            self.product = wire
        else:
            self.m.d.comb += wire.eq(self._replaced.get(name, value))
        return wire
