
import numpy as np
import pytest
from amaranth.hdl import Module, Signal, Value, signed, unsigned

from golden.formats import Format, IntFormat, parse
from hw.delay import delay
from hw.formats import level, level_shape, shape_of
from sim.streams import run


@pytest.mark.parametrize("width", range(1, 33))
def test_shape_holds_exactly_the_codes(width):
    for narrow in (False, True) if width > 1 else (False,):
        assert shape_of(IntFormat(width, narrow=narrow)) == signed(width)
        assert shape_of(IntFormat(width, signed=False, narrow=narrow)) == unsigned(width)


FORMATS = [f"{kind}{width}{narrow}" for kind in "su" for width in range(1, 9)
           for narrow in ("", "n")[:width]] + [f"odd{width}" for width in range(1, 9)]


@pytest.mark.parametrize("name", FORMATS)
def test_level_of_every_code(name):
    fmt = parse(name)
    code = Signal(shape_of(fmt))
    decoded = Value.cast(level(fmt, code))
    assert len(code) == fmt.bits and decoded.shape() == level_shape(fmt)
    out = Signal(decoded.shape())
    m = Module()
    m.d.comb += out.eq(decoded)
    levels = fmt.levels()
    seen = []

    async def testbench(ctx):
        for each in fmt.encode(levels).tolist():
            ctx.set(code, each)
            seen.append(ctx.get(out))

    run(m, testbench)
    np.testing.assert_array_equal(seen, levels)


def test_level_of_an_unknown_format():
    class Unheard(Format):
        bits, min, max = 2, -1, 1
        levels = contains = encode = decode = describe = None

        def __repr__(self):
            return "Unheard()"

    with pytest.raises(TypeError, match=r"^Format must be one that hardware decodes, "
                                        r"not Unheard\(\)$"):
        level(Unheard(), Signal(2))


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
