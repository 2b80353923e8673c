import itertools

import numpy as np
import pytest
from amaranth.hdl import Module, Signal, signed, unsigned
from amaranth.sim import Simulator
from amaranth.utils import ceil_log2

from golden.contracts import Rounding
from golden.lfsr import leap as golden_leap
from golden.rounding import shift_right as golden_shift_right
from hw.arith import adder_tree, clamp, leap, lookup, round_up, saturate, shift_right


def evaluate(inputs, values, rows):
    """Every one of ``values``, a logic function of ``inputs``, for each row of input values."""
    m = Module()
    outputs = [Signal(value.shape(), name=f"o{k}") for k, value in enumerate(values)]
    m.d.comb += [output.eq(value) for output, value in zip(outputs, values, strict=True)]
    results = []

    async def testbench(ctx):
        for row in rows:
            for signal, value in zip(inputs, row, strict=True):
                ctx.set(signal, int(value))
            results.append([ctx.get(output) for output in outputs])

    simulator = Simulator(m)
    simulator.add_testbench(testbench)
    simulator.run()
    return np.array(results).T


# A shift of up to 12 goes well beyond the 8 bits of x.
SHIFTS = np.array(list(itertools.product(range(-128, 128), range(13))))


def test_shift_and_every_rounding_exhaustively():
    x, shift = Signal(signed(8)), Signal(4)
    shifted, sticky = shift_right(x, shift)
    rounded = [(shifted >> 1) + round_up(shifted, sticky, rounding) for rounding in Rounding]
    got = evaluate([x, shift], rounded, SHIFTS)
    for rounding, results in zip(Rounding, got, strict=True):
        np.testing.assert_array_equal(
            results, golden_shift_right(SHIFTS[:, 0], SHIFTS[:, 1], rounding), rounding.name)


def test_guard_and_sticky_are_what_they_say():
    x, shift = Signal(signed(8)), Signal(4)
    shifted, sticky = shift_right(x, shift)
    assert shifted.shape() == signed(9)
    got = evaluate([x, shift], [shifted, sticky], SHIFTS)
    doubled, divisor = 2 * SHIFTS[:, 0], 1 << SHIFTS[:, 1]
    np.testing.assert_array_equal(got[0], doubled // divisor)
    np.testing.assert_array_equal(got[1], doubled % divisor != 0)


@pytest.mark.parametrize("width", [1, 2, 3, 5])
def test_narrow_values_and_every_shift_of_six_bits(width):
    x, shift = Signal(signed(width)), Signal(6)
    rows = np.array(list(itertools.product(range(-1 << width - 1, 1 << width - 1), range(64))))
    shifted, sticky = shift_right(x, shift)
    rounded = [(shifted >> 1) + round_up(shifted, sticky, rounding) for rounding in Rounding]
    for rounding, results in zip(Rounding, evaluate([x, shift], rounded, rows), strict=True):
        want = golden_shift_right(rows[:, 0], rows[:, 1], rounding)
        np.testing.assert_array_equal(results, want.astype(np.int64), rounding.name)


def test_saturate_exhaustively():
    x = Signal(signed(10))
    rows = np.arange(-512, 512)
    widths = range(1, 13)
    got = evaluate([x], [saturate(x, width) for width in widths], rows[:, None])
    for width, results in zip(widths, got, strict=True):
        np.testing.assert_array_equal(
            results, rows.clip(-1 << width - 1, (1 << width - 1) - 1), str(width))


@pytest.mark.parametrize("ends", [signed(3), unsigned(3), signed(1), unsigned(1)], ids=repr)
@pytest.mark.parametrize("shape", [signed(6), unsigned(6)], ids=repr)
def test_clamp_exhaustively(shape, ends):
    x, lo, hi = Signal(shape), Signal(ends), Signal(ends)
    levels = range(-1 << ends.width - 1, 1 << ends.width - 1) if ends.signed \
        else range(1 << ends.width)
    xs = range(-32, 32) if shape.signed else range(64)
    rows = np.array([(value, low, high) for value in xs
                     for low, high in itertools.product(levels, repeat=2) if low <= high])
    clamped = clamp(x, lo, hi)
    assert clamped.shape() == ends
    got, = evaluate([x, lo, hi], [clamped], rows)
    np.testing.assert_array_equal(got, rows[:, 0].clip(rows[:, 1], rows[:, 2]))


@pytest.mark.parametrize("shape", [signed(3), unsigned(3)], ids=repr)
@pytest.mark.parametrize("ends", [signed(5), unsigned(5)], ids=repr)
def test_clamp_of_what_is_narrower_than_its_ends(shape, ends):
    x, lo, hi = Signal(shape), Signal(ends), Signal(ends)
    levels = range(-16, 16) if ends.signed else range(32)
    xs = range(-4, 4) if shape.signed else range(8)
    rows = np.array([(value, low, high) for value in xs
                     for low, high in itertools.product(levels, repeat=2) if low <= high])
    got, = evaluate([x, lo, hi], [clamp(x, lo, hi)], rows)
    np.testing.assert_array_equal(got, rows[:, 0].clip(rows[:, 1], rows[:, 2]))


@pytest.mark.parametrize("shape", [signed(1), unsigned(1), signed(4), unsigned(4)], ids=repr)
@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 7, 8, 9, 17])
def test_adder_tree(rng, shape, count):
    terms = [Signal(shape, name=f"t{k}") for k in range(count)]
    lo, hi = (-1 << shape.width - 1, (1 << shape.width - 1) - 1) if shape.signed \
        else (0, (1 << shape.width) - 1)
    rows = rng.integers(lo, hi + 1, size=(50, count))
    rows[0], rows[1], rows[2, ::2], rows[3, 1::2] = lo, hi, hi, lo
    total = adder_tree(terms)
    # A chain would be wider: each of its additions costs a bit.
    assert len(total) == shape.width + ceil_log2(count)
    got, = evaluate(terms, [total], rows)
    np.testing.assert_array_equal(got, rows.sum(axis=1))


def test_adder_tree_exhaustively():
    terms = [Signal(signed(3)), Signal(unsigned(2)), Signal(signed(4))]
    rows = np.array(list(itertools.product(range(-4, 4), range(4), range(-8, 8))))
    got, = evaluate(terms, [adder_tree(terms)], rows)
    np.testing.assert_array_equal(got, rows.sum(axis=1))


def test_adder_tree_of_nothing():
    with pytest.raises(ValueError, match="^Terms must not be empty$"):
        adder_tree([])


@pytest.mark.parametrize("draws", [0, 1, 2, 3, 16, 1024])
def test_leap(rng, draws):
    """Linear: what it does to each bit of a state is all that it does. And to some states."""
    state = Signal(32)
    states = np.concatenate([1 << np.arange(32), rng.integers(1, 2**32, 50)])
    [got] = evaluate([state], [leap(state, draws)], states[:, None])
    np.testing.assert_array_equal(got, golden_leap(states, draws))


@pytest.mark.parametrize("bits", range(6))
def test_lookup(rng, bits):
    index = Signal(bits)
    tables = [rng.integers(-9, 8, size=1 << bits).tolist(), [5] * (1 << bits),
              [-1, 3] * (1 << bits >> 1) or [-1], list(range(1 << bits))]
    shapes = [signed(5), unsigned(3), signed(3), unsigned(max(bits, 1))]
    values = [lookup(index, table, shape) for table, shape in zip(tables, shapes, strict=True)]
    assert all(value.shape() == shape for value, shape in zip(values, shapes, strict=True))
    got = evaluate([index], values, [(code,) for code in range(1 << bits)])
    np.testing.assert_array_equal(got, tables)


def test_a_table_has_an_entry_for_each_index():
    with pytest.raises(ValueError, match="^Table must have 4 entries, not 3$"):
        lookup(Signal(2), [1, 2, 3], unsigned(2))
