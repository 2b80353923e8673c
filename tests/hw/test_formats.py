import re

import pytest
from amaranth.hdl import Const, Module, Shape, Signal, signed, unsigned

from golden.formats import Format, IntFormat
from hw.delay import delay
from hw.formats import constant, shape_of
from sim.streams import run


class Ternary(Format):
    bits, min, max = 2, -1, 1

    def levels(self):
        return [-1, 0, 1]

    def contains(self, levels):
        return abs(levels) < 2

    encode = decode = None

    def describe(self):
        return "ternary"

    def __repr__(self):
        return "Ternary()"


@pytest.mark.parametrize("width", range(1, 33))
def test_shape_holds_exactly_the_codes(width):
    for narrow in (False, True) if width > 1 else (False,):
        assert shape_of(IntFormat(width, narrow=narrow)) == signed(width)
        assert shape_of(IntFormat(width, signed=False, narrow=narrow)) == unsigned(width)


@pytest.mark.parametrize("fmt", [Ternary(), "s4", None], ids=str)
def test_only_integer_formats_have_shapes(fmt):
    with pytest.raises(TypeError, match=f"^Format must be an IntFormat, not {fmt!r}$".replace(
            "()", r"\(\)")):
        shape_of(fmt)


@pytest.mark.parametrize("fmt", [IntFormat(4), IntFormat(4, narrow=True), IntFormat(1),
                                 IntFormat(3, signed=False)], ids=str)
def test_constants_are_levels(fmt):
    for level in fmt.levels().tolist():
        value = constant(fmt, level)
        assert isinstance(value, Const)
        assert (value.value, value.shape()) == (level, Shape(fmt.width, signed=fmt.signed))
    for level in (fmt.min - 1, fmt.max + 1):
        message = f"Level must be in range [{fmt.min}, {fmt.max}] of {fmt}, not {level}"
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            constant(fmt, level)


@pytest.mark.parametrize("cycles", [0, 1, 3])
def test_delay_is_the_past(rng, cycles):
    m = Module()
    now = Signal(signed(5))
    past = delay(m, now, cycles, "now")
    assert past.shape() == now.shape()
    sent = rng.integers(-16, 16, size=20).tolist()
    seen = []

    async def testbench(ctx):
        for value in sent:
            ctx.set(now, value)
            seen.append(ctx.get(past))
            await ctx.tick()

    run(m, testbench)
    assert seen == ([0] * cycles + sent)[:20]
