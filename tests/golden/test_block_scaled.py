from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest

from golden import block_scaled
from golden.affine import dequantize, limits, quantize
from golden.block_scaled import Blocks, dequantize_blocks, on_levels, parts, quantize_blocks
from golden.formats import BLOCK, EXPONENT, INFINITY, NAN, BlockScaled, parse
from golden.networks import Quantization
from golden.quantize.calibration import highest_exponents
from golden.ranges import Range

DTYPES = {
    "mx_e2m1": ml_dtypes.float4_e2m1fn, "mx_e2m3": ml_dtypes.float6_e2m3fn,
    "mx_e3m2": ml_dtypes.float6_e3m2fn, "mx_e4m3fn": ml_dtypes.float8_e4m3fn,
    "mx_e5m2": ml_dtypes.float8_e5m2,
}


def mx(name: str) -> BlockScaled:
    fmt = parse(name)
    assert isinstance(fmt, BlockScaled)
    return fmt


EMAX = {"mx_e2m1": 2, "mx_e2m3": 2, "mx_e3m2": 4, "mx_e4m3fn": 8, "mx_e5m2": 15, "mx_s8": 0}


@pytest.mark.parametrize("name", [*EMAX, "mx_odd4", "mx_s2n", "mx_codebook:-7/-3/0/3/7",
                                  "mx_e4m3fn:specials=propagate"])
def test_elements_are_those_of_the_format(name):
    fmt, element = parse(name), parse(name.removeprefix("mx_"))
    assert str(fmt) == name and fmt == parse(name)
    assert (fmt.bits, fmt.min, fmt.max, fmt.idle, fmt.propagates) == (
        element.bits, element.min, element.max, element.idle, element.propagates)
    levels = fmt.levels()
    np.testing.assert_array_equal(levels, element.levels())
    np.testing.assert_array_equal(fmt.encode(levels), element.encode(levels))
    np.testing.assert_array_equal(fmt.decode(fmt.encode(levels)), levels)
    assert fmt.contains(levels).all() and fmt.stem == f"mx_{element.stem}"


@pytest.mark.parametrize("times", [2, 10_000])
def test_blocks_of_blocks_have_no_name(times):
    with pytest.raises(ValueError, match="^Element of a block-scaled format must be an integer, "
                                         "an odd, a float or a fixed codebook format, not mx_s4$"):
        parse("mx_" * times + "s4")


@pytest.mark.parametrize("bits", range(1, 17))
def test_signed_integers_are_at_least_minus_2_and_less_than_2(bits):
    fmt = mx(f"mx_s{bits}")
    numbers = dequantize_blocks([fmt.min, fmt.max], [127], fmt)
    assert numbers.tolist() == [-2, 2 - 2.0**fmt.unit] and fmt.unit == 2 - bits


def test_exponents_are_e8m0():
    codes = np.arange(255)
    values = codes.astype(np.uint8).view(ml_dtypes.float8_e8m0fnu).astype(np.float64)
    fmt = mx("mx_e2m1")
    one = int(2.0**-fmt.unit)
    levels = np.full((255, 1), one)
    np.testing.assert_array_equal(dequantize_blocks(levels, codes[:, None], fmt)[:, 0], values)
    assert np.isnan(np.array(255, np.uint8).view(ml_dtypes.float8_e8m0fnu).astype(np.float64))
    assert not EXPONENT.contains(255)


@pytest.mark.parametrize("name", DTYPES)
def test_quantization_is_the_cast_of_ml_dtypes(rng, name):
    fmt = mx(name)
    values = rng.normal(size=(40, 3 * BLOCK)) * 2.0**rng.integers(-100, 100, size=(40, 1))
    values = values.astype(np.float32).astype(np.float64)
    values[0], values[1, :BLOCK] = 0, 0
    # Ties of every two levels, in units of a block whose largest number is the largest level.
    levels = fmt.levels()[fmt.levels() <= fmt.max]
    ties = (levels[:-1] + levels[1:]) / 2 * 2.0**fmt.unit
    for start in range(0, len(ties), BLOCK - 1):
        block = np.resize(ties[start:start + BLOCK - 1], BLOCK)
        block[-1] = fmt.max * 2.0**fmt.unit
        values = np.vstack([values, np.pad(block, (0, 2 * BLOCK))])
    found, codes = quantize_blocks(values, fmt)

    blocks = np.abs(values).reshape(len(values), 3, BLOCK).max(axis=2)
    used = blocks > 0
    exponents = np.floor(np.log2(blocks, where=used, out=np.zeros_like(blocks))) - EMAX[name]
    np.testing.assert_array_equal(codes[used], exponents[used] + 127)
    assert (codes[~used] == codes[used].min()).all()
    scale = 2.0**(np.repeat(codes, BLOCK, axis=1) - 127)
    largest = fmt.max * 2.0**fmt.unit
    cast = np.clip(values / scale, -largest, largest).astype(DTYPES[name]).astype(np.float64)
    np.testing.assert_array_equal(found * 2.0**fmt.unit, cast)
    np.testing.assert_array_equal(dequantize_blocks(found, codes, fmt), cast * scale)


def test_quantization_to_int8_is_exact_where_it_can_be(rng):
    fmt = mx("mx_s8")
    levels = rng.integers(-127, 128, size=(30, 2 * BLOCK))
    levels[:, ::BLOCK] = 64 + rng.integers(64, size=(30, 2))
    codes = rng.integers(60, 190, size=(30, 2))
    # MXINT8: value = i/64, and the scale is that of the block's largest power of two.
    values = levels / 64 * 2.0**(np.repeat(codes, BLOCK, axis=1) - 127)
    found = quantize_blocks(values, fmt)
    np.testing.assert_array_equal(found[0], levels)
    np.testing.assert_array_equal(found[1], codes)
    assert quantize_blocks([127.5 / 64, 0.5 / 64, 1.5 / 64, -2.5 / 64], fmt)[0].tolist() == [
        127, 0, 2, -2]


def test_quantization_at_the_ends():
    fmt = mx("mx_e2m1")
    np.testing.assert_array_equal(quantize_blocks([[1e-60], [1e60], [-1e60]], fmt)[0],
                                  [[0], [fmt.max], [fmt.min]])
    np.testing.assert_array_equal(quantize_blocks([[1e-60], [1e60]], fmt)[1], [[0], [254]])
    levels, codes = quantize_blocks([[0.0], [0.0]], fmt)
    assert levels.tolist() == [[0], [0]] and codes.tolist() == [[127], [127]]
    levels, codes = quantize_blocks([[1.0], [2.0**-3], [2.0**-5], [0.0]], fmt, window=4)
    assert codes.tolist() == [[125], [122], [122], [122]]
    np.testing.assert_array_equal(dequantize_blocks(levels, codes, fmt),
                                  [[1.0], [2.0**-3], [2.0**-5], [0.0]])
    assert quantize_blocks(np.ones((2, BLOCK + 1)), fmt)[1].shape == (2, 2)


@pytest.mark.parametrize("weights, activations", [
    ("mx_e2m1", "mx_e4m3fn"), ("mx_s8", "mx_s8"), ("mx_e5m2", "mx_e5m2"), ("mx_odd4", "mx_e3m2")])
@pytest.mark.parametrize("window", [1, 16, 64])
@pytest.mark.parametrize("depth", [1, BLOCK, 2 * BLOCK + 5])
def test_matmul_is_exact(rng, weights, activations, window, depth):
    w_format, x_format = mx(weights), mx(activations)
    x = rng.choice(x_format.levels(), size=(3, depth))
    w = rng.choice(w_format.levels(), size=(2, depth))
    blocks, reach = -(-depth // BLOCK), rng.integers(window)
    x_codes = 40 + rng.integers(reach + 1, size=(3, blocks))
    w_codes = 90 + rng.integers(window - reach, size=(2, blocks))
    found = block_scaled.matmul(x, x_codes, w, w_codes, base=130, window=window)

    def number(level, code, fmt):
        return Fraction(int(level)) * Fraction(2)**(int(code) - 127 + fmt.unit)

    unit = Fraction(2)**(130 - 254 + w_format.unit + x_format.unit)
    for m in range(3):
        for n in range(2):
            total = sum(number(x[m, k], x_codes[m, k // BLOCK], x_format)
                        * number(w[n, k], w_codes[n, k // BLOCK], w_format) for k in range(depth))
            assert found[m, n] * unit == total


def test_levels_on_one_scale(rng):
    fmt = mx("mx_e5m2")
    levels = rng.choice(fmt.levels(), size=(4, 2 * BLOCK))
    for reach in (3, 90):
        codes = 20 + rng.integers(reach, size=(4, 2))
        codes[0] = 20, 20 + reach
        found = block_scaled.shift_levels(levels, codes)
        for (row, column), level in np.ndenumerate(levels):
            assert found[row, column] == int(level) << int(codes[row, column // BLOCK]) - 20


@pytest.mark.parametrize("arguments, message", [
    (dict(x_codes=[[120, 127]]),
     r"Combined exponent of block \(0, 0, 0\) must be in range \[250, 265\], not 247"),
    (dict(x_codes=[[123, 139]]),
     r"Combined exponent of block \(1, 0, 0\) must be in range \[250, 265\], not 266"),
    (dict(x_codes=[[255, 127]]), r"Exponent must be in range \[0, 254\] of u8n, not 255 at .*"),
    (dict(x_codes=[[127]]),
     r"Exponents must have shape \(1, 2\), one for each 32 levels, not \(1, 1\)"),
    (dict(weights=np.ones((1, 1), int), w_codes=[[127]]),
     r"Operands must have equal last axes, not shapes \(1, 64\) and \(1, 1\)"),
])
def test_messages(arguments, message):
    usual = dict(x=np.ones((1, 64), int), x_codes=[[127, 127]], weights=np.ones((1, 64), int),
                 w_codes=[[127, 127]])
    with pytest.raises(ValueError, match=f"^{message}$"):
        block_scaled.matmul(**(usual | arguments), base=250, window=16)


@pytest.mark.parametrize("name, message", [
    *[(f"mx_{element}", "Element of a block-scaled format must be an integer, an odd, a float or a "
       f"fixed codebook format, not {element}") for element in ("mx_e2m1", "codebook4:loaded=s8")],
    *[(f"mx_{element}", rf"Element of 'mx_{element}': Format must be one of s1\.\.s16, .*, "
       f"not '{element}'{meant}") for element, meant in (
           ("", ""), ("e2m", r" \(did you mean e2m3\?\)"))],
    ("mx_odd9", r"Element of 'mx_odd9': Format width must be in range \[1, 8\] for odd levels, "
                r"not 9 \(odd9\)"),
])
def test_elements_that_are_refused(name, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        parse(name)


def test_numbers_that_are_refused():
    with pytest.raises(ValueError, match="^Numbers to quantize must be finite, not nan$"):
        quantize_blocks([1.0, np.nan], mx("mx_e2m1"))
    with pytest.raises(ValueError, match="^Format must have a positive level to quantize to, "
                                         "not mx_s1$"):
        quantize_blocks([1.0], mx("mx_s1"))
    with pytest.raises(ValueError, match="^Window must be None where exponents are given, not 3$"):
        quantize_blocks([1.0], mx("mx_e2m1"), window=3, exponents=Range(0, 9))


def test_exponents_in_a_given_range():
    fmt, exponents = mx("mx_e2m1"), Range(124, 126)
    values = [[64.0], [1.0], [0.75], [2.0**-4], [2.0**-9], [0.0]]
    levels, codes = quantize_blocks(values, fmt, exponents=exponents)
    np.testing.assert_array_equal(codes[:, 0], [126, 125, 124, 124, 124, 124])
    # Saturated, as they are, and in coarser steps.
    np.testing.assert_array_equal(dequantize_blocks(levels, codes, fmt)[:, 0],
                                  [3.0, 1.0, 0.75, 2.0**-4, 0, 0])
    tensor = Quantization(fmt, scale=0.5, exponents=exponents)
    found = quantize(np.array(values) / 2, tensor)
    assert isinstance(found, Blocks)
    np.testing.assert_array_equal(found.levels, levels)
    np.testing.assert_array_equal(found.exponents, codes)
    np.testing.assert_array_equal(dequantize(found, tensor),
                                  dequantize_blocks(levels, codes, fmt) / 2)
    assert limits(tensor) == (-1.5, 1.5)
    assert (tensor.step, tensor.least_step) == (0.25, 0.25 / 8)


def test_the_highest_exponents():
    fmt = mx("mx_s8")
    for values, binades, expected in [
            ([[1.0, 3.0], [0.25, 0]], 1, Range(128, 128)), ([[1.0, 3.0]], 5, Range(124, 128)),
            ([[0.0]], 2, Range(126, 127)), ([[2.0**-125]], 9, Range(0, 2)),
            ([[2.0**200]], 1, Range(254, 254)), ([[1.0]], 300, Range(0, 127))]:
        found = highest_exponents(values, fmt, binades)
        assert (found.exponents, found.scale, found.format) == (expected, 1.0, fmt)


def test_specials_stand_for_themselves():
    fmt = mx("mx_e5m2:specials=propagate")
    blocks = Blocks(np.array([NAN, INFINITY, -INFINITY, 4]), np.array([130]))
    np.testing.assert_array_equal(dequantize(blocks, Quantization(fmt)),
                                  [np.nan, np.inf, -np.inf, 2.0**(2 - 16 + 3)])


def test_parts_of_a_tensor():
    levels, codes = np.array([1, 2]), np.array([127])
    assert parts(levels) == {"levels": levels} and list(parts(Blocks(levels, codes))) == [
        "levels", "exponents"]
    doubled = on_levels(lambda each: 2 * each, Blocks(levels, codes))
    assert isinstance(doubled, Blocks) and doubled.exponents is codes
    for found in (doubled.levels, on_levels(lambda each: 2 * each, levels)):
        np.testing.assert_array_equal(found, [2, 4])


@pytest.mark.parametrize("call, error, message", [
    (lambda: quantize_blocks([1.0], mx("mx_e2m1"), window=0), ValueError,
     "Window must be at least 1, not 0"),
    (lambda: quantize_blocks(3.0, mx("mx_e2m1")), ValueError,
     r"Numbers to quantize must have an axis of blocks, not shape \(\)"),
    (lambda: dequantize_blocks(3, 127, mx("mx_e2m1")), ValueError,
     r"Levels must have an axis of blocks, not shape \(\)"),
    (lambda: block_scaled.shift_levels([1, 2], [100], least=120), ValueError,
     "Least exponent must be at most 100, the lowest code, not 120"),
    (lambda: dequantize([1, 2], Quantization(mx("mx_e2m1"))), TypeError,
     "Levels must be Blocks for mx_e2m1, not list"),
    (lambda: dequantize(block_scaled.Blocks(np.ones((1, 2)), np.ones((1, 1))),
                        Quantization(parse("s8"))), TypeError,
     "Levels must be an array of levels for s8, not Blocks"),
    (lambda: Quantization(mx("mx_e2m1"), exponents=(100, 120)), TypeError,
     r"Exponents must be a Range, not \(100, 120\)"),
    (lambda: Quantization(parse("e2m1"), zero_point=3), ValueError,
     "Zero point must be 0 for e2m1, which is no integer format, not 3"),
    (lambda: Quantization(mx("mx_s4"), zero_point=3), ValueError,
     "Zero point must be 0 for mx_s4, which is no integer format, not 3"),
])
def test_what_is_no_tensor_of_blocks_is_refused(call, error, message):
    with pytest.raises(error, match=f"^{message}$"):
        call()


def test_numbers_beyond_float64_saturate():
    fmt = mx("mx_e2m1")
    found = quantize([1e10, -1e10], Quantization(fmt, scale=1e-300))
    assert found[0].tolist() == [12, -12] and found[1].tolist() == [127]


def test_an_empty_batch_has_no_blocks():
    found = quantize_blocks(np.zeros((0, 40)), mx("mx_e2m1"))
    assert (found.levels.shape, found.exponents.shape) == ((0, 40), (0, 2))
