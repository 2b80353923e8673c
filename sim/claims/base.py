"""What a claim is, and what definitions and parts are made of."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial, wraps
from typing import ParamSpec

from amaranth.back import rtlil  # pyright: ignore[reportAttributeAccessIssue] - not in the stubs
from amaranth.hdl import Cat, Const, Module, Signal, Value, signed

from golden.contracts import Rounding
from hw.pipeline import Pipeline

__all__ = ["Claim", "Transparent", "circuit", "claim", "divided"]

P = ParamSpec("P")


@dataclass(frozen=True)
class Claim:
    """A part of the hardware beside its definition.

    Parameters
    ----------
    subject, instance : str
        What it is about, and which of its kind.
    circuit : callable
        Makes the RTLIL of a module ``claim``, all whose inputs are free and whose output
        ``differs`` is 1 where part and definition differ.
    """

    subject: str
    instance: str
    circuit: Callable[[], str]


def claim(subject: str, instance: str) -> Callable[[Callable[P, str]], Callable[P, Claim]]:
    """Make of a function that returns a circuit one that returns the claim, of the same arguments.

    These are formatted into ``instance``.
    """
    def claiming(make: Callable[P, str]) -> Callable[P, Claim]:
        @wraps(make)
        def made(*args: P.args, **kwargs: P.kwargs) -> Claim:
            return Claim(subject, instance.format(*args), partial(make, *args, **kwargs))
        return made
    return claiming


def circuit(m: Module, inputs: Sequence[Signal], got: Value, want: Value) -> str:
    """RTLIL of a claim that ``got``, the part's, is ``want``, whatever the inputs."""
    # As wide as both, so that nothing is lost before they are compared.
    shape = signed(1 + max(len(got), len(want)))
    one, other = Signal(shape, name="part"), Signal(shape, name="definition")
    differs = Signal(name="differs")
    m.d.comb += [one.eq(got), other.eq(want), differs.eq(one != other)]
    ports = [(signal.name, signal, None) for signal in (*inputs, differs)]
    return rtlil.convert(m, name="claim", ports=ports, emit_src=False)


def divided(x: Value, shift: Value, rounding: Rounding) -> Value:
    """``x / 2**shift`` by its definition: the floor, and one more where the remainder says so."""
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
    """A pipeline without registers, whose product is an input of its own.

    Parameters
    ----------
    m : Module
    held : mapping of str to Value
        As of any :class:`~hw.pipeline.Pipeline`.
    given : mapping of str to Value
        What takes the place of results, or of values held on the way, by their names.

    Members
    -------
    product : Signal or None
        That input.
    made : dict of str to Value
        What the part computed: results, and values held on the way, by name.
    """

    def __init__(self, m: Module, held: Mapping[str, Value],
                 given: Mapping[str, Value] | None = None):
        super().__init__(m, held)
        self._given = given or {}
        self.product: Signal | None = None
        self.made: dict[str, Value] = {}

    def hold(self, name: str, value: Value):
        """Hold ``value``, or what is given for it."""
        self.made[name] = value
        super().hold(name, self._given.get(name, value))

    def register(self, value: Value, name: str, shape=None) -> Signal:
        """Return ``value`` at once, or for a product something free of its shape."""
        wire = Signal(value.shape() if shape is None else shape, name=name)
        self.made[name] = value
        if name.endswith("product"):
            self.product = wire
        else:
            self.m.d.comb += wire.eq(self._given.get(name, value))
        return wire
