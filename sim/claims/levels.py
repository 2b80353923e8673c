"""Claims on requantizers to other outputs than integers."""

from collections.abc import Mapping, Sequence

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed

from golden import contracts
from golden.contracts import MultiplyShift, Rounding
from golden.formats import Format, IntFormat, parse
from golden.ranges import levels_range
from hw.formats import shape_of
from hw.requantize.levels import nearest_code
from hw.requantize.scale import product
from sim.claims.base import Claim, Transparent, circuit, claim, divided

__all__ = ["guarded", "right_level", "to_levels"]

SUMS = IntFormat(20)
"""Format of the sums, as in the claims on integer outputs."""


@claim("shift to levels, product free", "{}")
def guarded(name: str) -> str:
    """Shifted number, from which each format finds its code, against quotient and remainder."""
    # Equal for every output but for the clamp; this is the narrowest output.
    chosen, m = contracts.parse(name), Module()
    assert isinstance(chosen, MultiplyShift)
    total, held = _inputs(chosen, parse("e2m1"))
    pipe = Transparent(m, held)
    nearest_code(pipe, *product(pipe, chosen, total), chosen.rounding, parse("e2m1"))
    exact = _exact(pipe, chosen, held)
    shift, twice = held["shift"], exact << 1
    expected = divided(twice, shift, Rounding.FLOOR)
    got = Cat((expected << shift) != twice, expected)
    computed = Cat(pipe.computed["sticky"], pipe.computed["shifted"])
    sound = _allowed(chosen, shift)
    assert pipe.product is not None
    return circuit(m, (total, pipe.product, *held.values()), Mux(sound, computed.as_signed(), 0),
                   Mux(sound, got.as_signed(), 0))


def to_levels(name: str, output: Format, *, shifted: bool = False) -> Claim:
    """Requantizer to the nearest level, against the neighbouring levels.

    The claim begins at the product, or at the shifted number, whose shift :func:`guarded` claims.
    """
    return Claim(f"requantizer to levels, {'shifted' if shifted else 'product'} free",
                 f"{name} to {output}", lambda: _to_levels(name, output, shifted))


def _inputs(chosen: MultiplyShift, output: Format) -> tuple[Signal, dict[str, Signal]]:
    sums = levels_range(SUMS)
    held = {field: Signal(shape_of(fmt), name=field)
            for field, fmt in chosen.fields(sums, output).items() if field != "bias"}
    return Signal(shape_of(chosen.sum_format(sums)), name="total"), held


def _exact(pipe: Transparent, chosen: MultiplyShift, held: dict[str, Signal]) -> Value:
    assert pipe.product is not None
    return pipe.product + (held["addend"] if chosen.addend else 0)


def _allowed(chosen: MultiplyShift, shift: Value) -> Value:
    allowed = chosen.shift_range(chosen.sum_format(levels_range(SUMS)))
    return (shift >= allowed.lo) & (shift <= allowed.hi)


def _to_levels(name: str, output: Format, shifted: bool) -> str:
    chosen, m = contracts.parse(name), Module()
    assert isinstance(chosen, MultiplyShift)
    total, held = _inputs(chosen, output)
    scaled = total * held["multiplier"]
    scaled = scaled + held["addend"] if chosen.addend else scaled
    number = Signal(signed(len(scaled) + 1), name="number")
    sticky = Signal(name="sticky")
    pipe = Transparent(m, held, {"shifted": number, "sticky": sticky} if shifted else None)
    code = nearest_code(pipe, *product(pipe, chosen, total), chosen.rounding, output)
    if shifted:
        # Borders are multiples of 1/2, so the middle between two of them stands for all between.
        exact, shift = Cat(sticky, number).as_signed(), Const(2, 2)
        inputs = (number, sticky, *held.values())
    else:
        exact, shift = _exact(pipe, chosen, held), held["shift"]
        assert pipe.product is not None
        inputs = (total, pipe.product, *held.values())

    return right_level(m, inputs, held, code, exact, shift, _allowed(chosen, held["shift"]),
                       chosen.rounding, output)


def right_level(m: Module, inputs: Sequence[Signal], held: Mapping[str, Signal], code: Value,
                exact: Value, shift: Value, allowed: Value, rounding: Rounding, output: Format
                ) -> str:
    """RTLIL of a claim that ``code`` is the code of ``exact / 2**shift``, rounded and clamped.

    The claim holds if ``allowed``, and if the ``held`` ends of the clamp are codes of levels.
    """
    # Level of the code, and the levels next to it; a code without a level is not sound.
    levels = output.levels().tolist()
    codes = output.encode(output.levels()).tolist()
    shape = signed(1 + max(-output.min, output.max).bit_length())
    places = {end: Signal(range(len(levels)), name=f"{end}_place")
              for end in ("clamp_min", "clamp_max", "given")}
    sound = {end: Signal(name=f"{end}_sound") for end in places}
    level, below, above = (Signal(shape, name=each) for each in ("level", "below", "above"))
    even = {each: Signal(name=f"{each}_even") for each in ("level", "above")}
    for end, end_code in {**{end: held[end] for end in ("clamp_min", "clamp_max")},
                          "given": code}.items():
        with m.Switch(end_code.as_unsigned()):
            for place, each in enumerate(codes):
                with m.Case(each):
                    m.d.comb += [places[end].eq(place), sound[end].eq(1)]
    with m.Switch(places["given"]):
        for place, each in enumerate(levels):
            after = min(place + 1, len(levels) - 1)
            with m.Case(place):
                m.d.comb += [level.eq(each), below.eq(levels[max(place - 1, 0)]),
                             above.eq(levels[after]), even["level"].eq(codes[place] % 2 == 0),
                             even["above"].eq(codes[after] % 2 == 0)]

    place, lo, hi = places["given"], places["clamp_min"], places["clamp_max"]
    right = (sound["given"] & (place >= lo) & (place <= hi)
             & ((place == lo) | _reached(exact, shift, below, level, even["level"], rounding))
             & ((place == hi) | ~_reached(exact, shift, level, above, even["above"], rounding)))
    # The clamp is not empty.
    asked = allowed & (lo <= hi) & sound["clamp_min"] & sound["clamp_max"]
    return circuit(m, inputs, ~asked | right, Const(1))


def _reached(x: Value, shift: Value, lo: Value, hi: Value, even: Value, rounding: Rounding
             ) -> Value:
    """True if ``x / 2**shift`` is rounded to ``hi`` or beyond, False if to ``lo`` or below."""
    upper, lower = hi << shift, lo << shift
    twice, middle = x << 1, (lo + hi) << shift
    return {
        Rounding.FLOOR: x >= upper,
        Rounding.ZERO: Mux(x < 0, x > lower, x >= upper),
        Rounding.HALF_UP: twice >= middle,
        Rounding.HALF_EVEN: (twice > middle) | ((twice == middle) & even),
        Rounding.HALF_AWAY: (twice > middle) | ((twice == middle) & (x >= 0)),
    }[rounding]
