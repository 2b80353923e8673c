# amaranth: UnusedElaboratable=no
"""Shifting, rounding and clamping in the cells of Lattice's ECP5."""

from dataclasses import dataclass

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed

from hw.targets.base import Narrowed, Stages
from hw.targets.chain import ONE, Segments
from hw.targets.ecp5 import table
from hw.targets.select import Select

__all__ = ["clamped", "narrowed", "prepared"]


@dataclass(frozen=True, kw_only=True)
class Window(Narrowed):
    """Number that is shifted but for one place, and not saturated.

    Parameters
    ----------
    near, below, sticky : Value
        As of :class:`~hw.targets.base.Narrowed`, for those who do not take the window.
    bits : Value
        Bits of the number, without the sign, and another one below.
    step : Value
        Whether the other one is dropped: a shift by one more place.
    points : int
        Bits of the number below the point.
    beyond, negative : Value
        Whether the number does not fit; its sign.
    """

    bits: Value
    step: Value
    points: int
    beyond: Value
    negative: Value


def narrowed(stages: Stages, value: Value, places: Value, width: int, below: int,
             prefix: str) -> Window:
    """Return ``value >> places``, of which a carry chain shifts the last place.

    Each register takes two bits of ``places``, from the highest on, or a single one that is left
    over; the lowest is not for registers. It keeps the bits that later ones may shift into the
    number. Those above must equal the sign. Between the first register and the last, bits are
    kept exclusive-or the sign, which costs nothing: those above must be 0 then. What is held, and
    the submodules, have names that begin with ``prefix``.
    """
    size = width + below
    stages.hold(f"{prefix}places", places)
    stages.hold(f"{prefix}sign", value[-1])
    stages.hold(f"{prefix}beyond", Const(0, 1))
    stages.hold(f"{prefix}sticky", Const(0, 1))
    word, flipped = [*value[:-1]], False
    tops = range(len(places), 1, -2) or range(1, 0, -1)
    for top in tops:
        low = max(top - 2, 1)
        choice, sign, step = stages[f"{prefix}places"][low:top], stages[f"{prefix}sign"], 1 << low
        kept, options, last = size - 2 + step, 1 << len(choice), low == 1
        flips = flipped == last
        far, lost = [], []
        for option in range(options):
            # Bits that are above what is kept, or lost below, with some choices.
            start, lowest = kept + option * step, option * step
            above = word[start:start + step] if option < options - 1 else word[start:]
            far.append(Cat(above if flipped else [bit ^ sign for bit in above]).any())
            if option == options - 1:
                break
            far[option] &= choice <= option
            under = word[lowest:lowest + step]
            lost.append(Cat([bit ^ sign for bit in under] if flipped else under).any()
                        & (choice > option))
        chosen = _chosen(stages.m, f"{prefix}select_{low}", word, choice, kept, step,
                         outside=Const(0, 1) if flipped else sign,
                         inverted=sign if flips else Const(0, 1))
        flipped ^= flips
        if last:
            far.append(~stages[f"{prefix}places"][0] & (chosen[-1] != sign))
        for name, found in (("beyond", far), ("sticky", lost)):
            first = Cat(found[:2]).any()
            rest = Cat(stages.take(f"{prefix}{name}"), *found[2:]).any()
            # The first register looks at the whole value: two flags, joined in the next one.
            stages.hold(f"{prefix}{name}", Cat(first, rest) if top == len(places) and not last
                        else first | rest)
        word = [*stages.register(Cat(chosen), f"{prefix}window_{low}")]
    bits, step = Cat(word), stages.take(f"{prefix}places")[0]
    negative, beyond = stages.take(f"{prefix}sign"), stages.take(f"{prefix}beyond")
    shifted = Mux(step, bits[1:], bits[:-1])
    near = Cat(Mux(beyond, (~negative).replicate(width - 1), shifted[below:]), negative)
    return Window(near=near.as_signed(), below=shifted[:below],
                  sticky=stages.take(f"{prefix}sticky") | (step & bits[0]), bits=bits, step=step,
                  points=below, beyond=beyond, negative=negative)


def _chosen(m: Module, name: str, word: list[Value], choice: Value, kept: int, step: int, *,
            outside: Value, inverted: Value) -> list[Value]:
    """``kept`` bits of ``word >> choice * step``, each inverted or not."""
    def bit(place: int) -> Value:
        return word[place] if place < len(word) else outside

    rows = [[bit(place + option * step) for place in range(kept)]
            for option in range(1 << len(choice))]
    # Cells where three or four bits of the word meet; synthesis does as well with two.
    cells = max(0, min(kept, len(word) - 2 * step)) if len(rows) == 4 else 0
    chosen = []
    if cells:
        m.submodules[name] = cell = Select(width=cells)
        m.d.comb += [cell.choice.eq(choice), cell.invert.eq(inverted),
                     *(cell.words[option].eq(Cat(row[:cells]))
                       for option, row in enumerate(rows))]
        chosen = [*cell.o]
    for place in range(cells, kept):
        column = [row[place] for row in rows]
        near = Mux(choice[0], column[1], column[0]) if len(rows) > 1 else column[0]
        # What is outside gives 0 where it is inverted: a synchronous reset.
        chosen.append(Mux(choice[1], outside ^ inverted, near ^ inverted) if len(rows) == 4
                      else near ^ inverted)
    return chosen


# Halves of a carry chain: the function that its carry is added to.
ADD = table(lambda a, b, c, d: a != (c and d))
SUBTRACT = table(lambda a, b, c, d: a != (d and not c))
SHIFT = table(lambda a, b, c, d: a != (c if b else d))
"""``a`` and the bit that ``b`` chooses."""
FORCE = table(lambda a, b, c, d: (a != b and not c) if d else b)
"""``a + b``; where ``c``, the carry is ``b``."""
FORCED = table(lambda a, b, c, d: a != b and not c)
"""Bit of ``a + b``; where ``c``, the carry that comes in."""
POSITIVE = table(lambda a, b, c, d: (a and not b) != (c and d))
"""``c``, and ``a`` without ``b``."""
REACHED = table(lambda a, b, c, d: not (d and not b and (a or c)))
"""The carry is 1 for ``a`` or ``c`` without ``b``; else that which comes in."""
EITHER = table(lambda a, b, c, d: a != (c or d))
"""``a``, and ``c`` or ``d``."""


def prepared(stages: Stages):
    """Hold ``zero_point - clamp_min``, and ``clamp_min - clamp_max - 1`` without its sign."""
    zero_point, lo, hi = stages["zero_point"], stages.take("clamp_min"), stages["clamp_max"]
    width = len(lo)
    if isinstance(zero_point, Const) and isinstance(lo, Const) and isinstance(hi, Const):
        offset = Const(zero_point.value - lo.value, signed(width + 1))
        room = Const(lo.value - hi.value - 1, signed(width + 1))[:width]
    else:
        segments = Segments()
        offset = Signal(signed(width + 1))
        room = Signal(width)
        wide = [_extended(each, width + 1) for each in (zero_point, lo)]
        stages.m.d.comb += [
            offset.eq(Cat(segments.add([(SUBTRACT, (a, ONE, b)) for a, b in zip(
                *wide, strict=True)], carry=ONE))),
            room.eq(Cat(segments.add([(SUBTRACT, (a, ONE, b)) for a, b in zip(
                lo, hi, strict=True)])))]
        segments.place(stages.m, "prepared")
    stages.hold("offset", offset)
    stages.hold("room", room)


def clamped(stages: Stages, number: Narrowed, up: Value) -> Value:
    """Add the zero point and clamp, without a multiplexer: three additions, each a register.

    With ``distance = number + up + zero_point - clamp_min``, ``over = max(distance, 0) -
    (clamp_max - clamp_min) - 1`` and the result ``clamp_max + 1 + over``, or ``clamp_max`` where
    ``over`` is not negative. A number that does not fit forces the sign of ``distance`` to its
    own, and where that is positive ``over`` to be not negative.
    """
    shape = stages["clamp_max"].shape()
    width = shape.width
    offset, segments = stages.take("offset"), Segments()
    if isinstance(number, Window):
        bits, beyond, negative = number.bits[number.points:], number.beyond, number.negative
        halves = [(SHIFT, (offset[k] if k <= width else offset[-1], number.step,
                           bits[k + 1], bits[k])) for k in range(len(bits) - 1)]
    else:
        beyond, negative = Const(0, 1), number.near[-1]
        halves = [(ADD, (offset[k] if k <= width else offset[-1], ONE, bit))
                  for k, bit in enumerate(number.near[:-1])]
    stages.hold("out", beyond)
    halves += [(FORCE, (offset[-1], negative, beyond)), (FORCED, (offset[-1], negative, beyond))]
    *distance, below = stages.register(
        Cat(segments.add(halves, carry=up)), "distance")

    above = Cat(distance[width:]).any()
    over = stages.register(Cat(segments.add([
        *((POSITIVE, (bit, below, room)) for bit, room in zip(
            distance, stages.take("room"), strict=False)),
        (REACHED, (above, below, stages.take("out")))], last=True)), "over")
    result = stages.register(Cat(segments.add([
        (EITHER, (end, ONE, bit, over[-1])) for end, bit in zip(
            stages.take("clamp_max"), over, strict=False)], carry=ONE)), "clamped", shape)
    segments.place(stages.m, "clamp")
    return result


def _extended(value: Value, width: int) -> Value:
    return Cat(value, (value[-1] if value.shape().signed else Const(0, 1)).replicate(
        width - len(value)))
