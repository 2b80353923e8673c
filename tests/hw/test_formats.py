import itertools

import numpy as np
import pytest
from amaranth.hdl import Module, Signal, Value, signed, unsigned

from golden.formats import FLOATS, FloatFormat, Format, IntFormat, parse
from hw.delay import delay
from hw.formats import level, level_shape, shape_of
from sim.streams import run


def test_shape_holds_exactly_the_codes():
    for width, narrow in [(1, False), *itertools.product(range(2, 33), (False, True))]:
        assert shape_of(IntFormat(width, narrow=narrow)) == signed(width)
        assert shape_of(IntFormat(width, signed=False, narrow=narrow)) == unsigned(width)


def codes_of(fmt):
    """Every code that has a level; of a float there are two of 0."""
    if isinstance(fmt, FloatFormat):
        return np.array([code for code in range(1 << fmt.bits) if not fmt.special(code)])
    return fmt.encode(fmt.levels())


FORMATS = [f"{kind}{width}{narrow}" for kind in "su" for width in range(1, 9)
           for narrow in ("", "n")[:width]] + [f"odd{width}" for width in range(1, 9)] + [
    *FLOATS, "cfloat8_1_4_3:denormals=paper", "cfloat8_1_5_2:denormals=paper",
    "codebook:-7/-3/0/3/7", "codebook:0/1", "codebook:-5/-4", "codebook:5/6/7/9",
    f"codebook:{'/'.join(str(each**3) for each in range(-9, 7))}"]


@pytest.mark.parametrize("name", FORMATS)
def test_level_of_every_code(name):
    fmt = parse(name)
    code = Signal(shape_of(fmt))
    decoded = Value.cast(level(fmt, code))
    assert len(code) == fmt.bits
    out = Signal(level_shape(fmt))
    m = Module()
    m.d.comb += out.eq(decoded)
    codes = codes_of(fmt)
    seen = []

    async def testbench(ctx):
        for each in codes.tolist():
            ctx.set(code, each)
            seen.append(ctx.get(out))

    run(m, testbench)
    np.testing.assert_array_equal(seen, fmt.decode(codes))


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
