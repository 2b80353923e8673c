
import pytest
from amaranth.hdl import Module, Signal, signed, unsigned

from golden.formats import Format, IntFormat
from hw.delay import delay
from hw.formats import shape_of
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
