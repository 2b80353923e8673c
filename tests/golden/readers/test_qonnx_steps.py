"""Exact functions of integers, borders of quantizers, and of float32, by their definitions."""

from fractions import Fraction

import numpy as np
import pytest

from golden.formats import IntFormat
from golden.readers.model import Unsupported
from golden.readers.qonnx import steps
from golden.readers.qonnx.exact import ROOT_BITS, Border, Piece, root
from golden.readers.qonnx.steps import ROUNDINGS, bipolar, counted, rounded, rounding, truncated
from golden.runtimes import qonnx as floats

EIGHTHS = [Fraction(n, 8) for n in range(-44, 45)]


@pytest.mark.parametrize("name", ROUNDINGS)
def test_roundings(name):
    """As the executor's, and each integer from its border on."""
    own = rounding(name.lower())
    assert own is ROUNDINGS[name]
    resolve = pytest.importorskip(
        "qonnx.custom_op.general.quant", reason="qonnx is not installed").resolve_rounding_mode
    theirs = resolve(name)(np.array(EIGHTHS, np.float64)).tolist()
    assert [own.whole(x) for x in EIGHTHS] == theirs
    for x in EIGHTHS:
        for k in range(-6, 7):
            assert own.border(k).reached(x) == (own.whole(x) >= k)


def every():
    """Steps of each kind, and the real numbers around their borders."""
    half = Fraction(1, 2)
    for name in ROUNDINGS:
        for zero in (Fraction(0), Fraction(3), half, -half, 7 + half):
            yield rounded(Fraction(1, 3), zero, IntFormat(4, signed=zero <= 0), name)
        for clamp in (None, IntFormat(3), IntFormat(3, signed=False, narrow=True)):
            yield truncated(Fraction(1, 3), Fraction(2), 2, rounding(name), (half, Fraction(1)),
                            clamp, (Fraction(-9), Fraction(7)), 3)
    yield bipolar(Fraction(2, 3))
    yield counted(np.float32([[-1, 0.5, 0.5, 2]]), half, Fraction(-1))


def test_borders_of_every_quantizer():
    """The level of a number is that of the borders that it has reached."""
    count = 0
    for own in every():
        levels, [borders] = own.ladder()
        assert len(levels) == own.count == len(borders) + 1 and own.rows == 1
        assert (np.diff(levels) > 0).all() and own.output.format.contains(np.array(levels)).all()
        around = {each.at + delta for each in borders
                  for delta in (0, Fraction(-1, 10**9), Fraction(1, 10**9))}
        for x in sorted(around | {x / 2 for x in EIGHTHS[::4]}):
            if -9 <= x <= 7:
                assert own.exactly(x, 0) == levels[sum(each.reached(x) for each in borders)]
                count += 1
    assert count > 3000


@pytest.mark.parametrize("seed", range(40))
def test_pieces(seed):
    """Chains of constants and clips, and the least integer that reaches each border."""
    rng = np.random.default_rng(seed)

    def number(least=-12, most=13):
        return Fraction(int(rng.integers(least, most)), int(rng.integers(1, 5)))

    piece, functions = Piece(), []
    for _ in range(int(rng.integers(1, 7))):
        by, (lo, hi) = number(), sorted((number(), number()))
        match int(rng.integers(4)):
            case 0:
                piece = piece.scaled(by)
                functions.append(lambda x, by=by: x * by)
            case 1:
                piece = piece.shifted(by)
                functions.append(lambda x, by=by: x + by)
            case 2:
                piece = piece.clipped(lo, None)
                functions.append(lambda x, lo=lo: max(x, lo))
            case 3:
                if rng.integers(2):
                    lo, hi = hi, lo  # crossed: the upper end wins
                piece = piece.clipped(lo, hi)
                functions.append(lambda x, lo=lo, hi=hi: min(max(x, lo), hi))

    def value(n):
        x = Fraction(n)
        for function in functions:
            x = function(x)
        return x

    numbers = range(-30, 31)
    assert [piece(n) for n in numbers] == [value(n) for n in numbers]
    assert [piece.flipped()(-n) for n in numbers] == [value(n) for n in numbers]
    rising = piece.flipped() if piece.slope < 0 else piece
    values = [rising(n) for n in numbers]
    places = sorted({*values, *(number(-40, 41) for _ in range(10))})
    borders = sorted(Border(at, bool(inclusive)) for at in places for inclusive in (1, 0))
    borders.sort(key=lambda each: (each.at, not each.inclusive))
    expected = [next((n for n in numbers if each.reached(rising(n))), 31) for each in borders]
    assert rising.ladder(borders, -30, 30) == expected
    assert rising._replace(rough=True).ladder(borders, -30, 30) == expected


def test_roots():
    for value in (Fraction(4), Fraction(9, 16), Fraction(1 << 100)):
        found, irrational = root(value)
        assert found**2 == value and not irrational
    for value in (Fraction(2), Fraction(1, 3), Fraction(1 << 101), Fraction(3, 1 << 300)):
        found, irrational = root(value)
        assert irrational and abs(found**2 / value - 1) < Fraction(1, 2**(ROOT_BITS - 2))


def test_borders_that_roots_leave_open():
    near = Piece(Fraction(1), Fraction(1, 1 << 400), rough=True)
    assert near.ladder([Border(Fraction(1, 2), True)], 0, 3) == [1]
    for piece in (near, near.clipped(Fraction(0), None).shifted(Fraction(1, 1 << 400)),
                  near.scaled(Fraction(0)).shifted(1 + Fraction(1, 1 << 400))):
        with pytest.raises(Unsupported, match="^Borders must differ from sums within 384 digits"):
            piece._replace(rough=True).ladder([Border(Fraction(1), True)], 0, 3)


@pytest.mark.parametrize("name", floats.MODES)
def test_float32_borders(name, rng):
    """Quant in float32 as the executor's, on random numbers and on ties."""
    quant = pytest.importorskip("qonnx.custom_op.general.quant",
                                reason="qonnx is not installed").quant
    for signed, narrow, zero in ((1, 0, 0), (0, 1, 3), (1, 1, 0.5)):
        scale = np.float32(rng.choice([0.3, 0.25, 1 / 3]))
        x = rng.normal(0, 4, 3000).astype(np.float32)
        x[::2] = np.float32(rng.integers(-40, 40, 1500) / 2) * scale
        x[:3] = 3e38, -3e38, 0
        fmt = IntFormat(5, signed=bool(signed), narrow=bool(narrow))
        with np.errstate(over="ignore"):
            theirs = quant(x, scale, np.float32(zero), np.float32(5), signed, narrow, name)
        own = floats.quant(x, scale, np.float32(zero), fmt, name)
        np.testing.assert_array_equal((own - np.float32(zero)).astype(np.float32) * scale, theirs)


def test_the_bipolar_border():
    x = np.float32([-1, -1e-45, -0.0, 0.0, 1e-45, 2])
    assert floats.bipolar(x, np.float32(1)).tolist() == [-1, -1, 1, 1, 1, 1]
    # The quotient is -0.0, which is not below 0.
    assert floats.bipolar(x, np.float32(3)).tolist() == [-1, 1, 1, 1, 1, 1]


def test_labels():
    """Integers, with a zero point that is a level, that is none, or half of one."""
    both = steps.Range(0, 15)
    for zero, name, factor, shift in ((0, "u4", 1, 0), (15, "u4", 1, 0), (16, "s5", 1, 16),
                                      (7.5, "odd4", 2, 15), (7, "u4", 1, 0), (8.5, "s6", 2, 17)):
        found = steps.labels(both, Fraction(zero), Fraction(3), IntFormat(4, signed=False))
        assert (str(found.output.format), found.factor, found.shift) == (name, factor, shift)
        reals = [found.output.scale * (found(q) - found.output.zero_point) for q in range(16)]
        assert reals == [3 * (q - zero) for q in range(16)]
