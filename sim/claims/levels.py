"""Requantizers whose output is not an integer format."""

from amaranth.hdl import Const, Module, Mux, Signal, Value, signed

from golden.contracts import MultiplyShift, Rounding, contract
from golden.formats import Format, IntFormat
from golden.ranges import levels_range
from hw.formats import shape_of
from hw.levels import nearest_code
from hw.scale import product
from sim.claims.base import Claim, Transparent, circuit

__all__ = ["to_levels"]

SUMS = IntFormat(16)
"""Of the sums: what is shifted by more than a product has bits is proven with few bits too."""


def to_levels(name: str, output: Format) -> Claim:
    """A requantizer from its product on, against the levels beside the one it gives."""
    return Claim("requantizer to levels, product free", f"{name} to {output}",
                 lambda: _to_levels(name, output))


def _to_levels(name: str, output: Format) -> str:
    way, m = contract(name), Module()
    assert isinstance(way, MultiplyShift)
    sums = levels_range(SUMS)
    total = Signal(shape_of(way.sum_format(sums)), name="total")
    held = {field: Signal(shape_of(fmt), name=field)
            for field, fmt in way.fields(sums, output).items() if field != "bias"}
    pipe = Transparent(m, held)
    code = nearest_code(pipe, *product(pipe, way, total), way.rounding, output)
    assert pipe.product is not None
    exact = pipe.product + (held["addend"] if way.adds else 0)
    shift = held["shift"]

    # The level of the code, and of those beside it; that of a code without one is none.
    levels = output.levels().tolist()
    codes = output.encode(output.levels()).tolist()
    shape = signed(1 + max(-output.min, output.max).bit_length())
    places = {end: Signal(range(len(levels)), name=f"{end}_place")
              for end in ("clamp_min", "clamp_max", "given")}
    sound = {end: Signal(name=f"{end}_sound") for end in places}
    level, below, above = (Signal(shape, name=each) for each in ("level", "below", "above"))
    even = {each: Signal(name=f"{each}_even") for each in ("level", "above")}
    for end, given in {**{end: held[end] for end in ("clamp_min", "clamp_max")},
                       "given": code}.items():
        with m.Switch(given.as_unsigned()):
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
             & ((place == lo) | _reached(exact, shift, below, level, even["level"], way.rounding))
             & ((place == hi) | ~_reached(exact, shift, level, above, even["above"], way.rounding)))
    # An allowed shift, and a clamp of codes that have levels, and is not empty.
    allowed = way.shift_range(way.sum_format(sums))
    asked = ((shift >= allowed.lo) & (shift <= allowed.hi) & (lo <= hi)
             & sound["clamp_min"] & sound["clamp_max"])
    return circuit(m, (total, pipe.product, *held.values()), ~asked | right, Const(1))


def _reached(x: Value, shift: Value, lo: Value, hi: Value, even: Value, rounding: Rounding
             ) -> Value:
    """Whether ``x / 2**shift`` is rounded to ``hi`` or beyond, rather than to ``lo`` or below."""
    upper, lower = hi << shift, lo << shift
    twice, middle = x << 1, (lo + hi) << shift
    return {
        Rounding.FLOOR: x >= upper,
        Rounding.ZERO: Mux(x < 0, x > lower, x >= upper),
        Rounding.HALF_UP: twice >= middle,
        Rounding.HALF_EVEN: (twice > middle) | ((twice == middle) & even),
        Rounding.HALF_AWAY: (twice > middle) | ((twice == middle) & (x >= 0)),
    }[rounding]
