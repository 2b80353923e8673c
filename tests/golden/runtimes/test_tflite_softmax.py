"""TFLite's SOFTMAX, and its int16 LOGISTIC and TANH, against tflite-micro."""

import numpy as np
import pytest

from golden.formats import IntFormat, parse
from golden.networks import Quantization
from golden.runtimes.tflite_softmax import parameters_of, softmax
from golden.runtimes.tflite_tables16 import KERNELS
from tests.golden.micro import operator

S8, S16 = IntFormat(8), IntFormat(16)


@pytest.mark.parametrize("fmt, exponents, output", [
    (S8, (-8, 1), (1 / 256, -128)), (S16, (-16, -6), (1 / 32768, 0))])
def test_softmax(fmt, exponents, output, rng):
    """Rows of any length, of spread and of nearly equal elements, and any beta."""
    kind, compared = np.dtype(f"int{fmt.width}"), 0
    for number in range(24):
        scale = float(np.float32(2.0**rng.uniform(*exponents)))
        zero = int(rng.integers(-128, 128)) if fmt == S8 else 0
        x = rng.integers(fmt.min, fmt.max + 1, (1, 200, int(rng.integers(1, 40)))).astype(kind)
        if number % 2:
            x //= int(rng.integers(1, 40))
        beta = (1.0, 0.5, 2.0)[number % 3]
        theirs = operator("SOFTMAX", [(x, (scale, zero))], (x.shape, kind, output),
                          options={"beta": beta})
        own = parameters_of(Quantization(fmt, scale, zero), Quantization(fmt, *output), beta)
        np.testing.assert_array_equal(softmax(x, fmt, own), theirs)
        compared += theirs.size
    assert compared > 50_000


@pytest.mark.parametrize("name", KERNELS)
def test_tables_of_int16(name, rng):
    """Every code, with scales that are powers of two, where the kernels differ, and others."""
    x = np.arange(-32768, 32768).astype(np.int16).reshape(1, -1)
    powers = [2.0**-12, 2.0**-11, 2.0**-13]
    for scale in (*powers, *(float(np.float32(2.0**each)) for each in rng.uniform(-20, 1, 5))):
        theirs = operator(name.upper(), [(x, (scale, 0))], (x.shape, np.int16, (2.0**-15, 0)),
                          kind="ReshapeOptions")
        table = KERNELS[name](Quantization(S16, scale), Quantization(S16, 2.0**-15))
        np.testing.assert_array_equal(table[x.astype(int) & 0xFFFF], theirs)


@pytest.mark.parametrize("input, output, message", [
    (Quantization(parse("u8")), Quantization(parse("u8")), "Softmax must have an input and an"),
    (Quantization(S8), Quantization(S8, 0.5), "Output of softmax must have scale 0.00390625 and"),
    (Quantization(S16, 1.0, 3), Quantization(S16, 2.0**-15), "Zero point of an int16 softmax must"),
    (Quantization(S8, 2.0**-27), Quantization(S8, 1 / 256, -128), "Scale times beta of an int8"),
])
def test_softmax_refuses(input, output, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        parameters_of(input, output)


@pytest.mark.parametrize("input, output, message", [
    (Quantization(S8), Quantization(S16, 2.0**-15), "Input must be s16 with zero point 0, not s8"),
    (Quantization(S16), Quantization(S16, 0.5), "Output must have scale 1/32768, not 0.5"),
    (Quantization(S16, 3.0), Quantization(S16, 2.0**-15), "Scale of the input must be at most"),
])
def test_tables_of_int16_refuse(input, output, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        KERNELS["tanh"](input, output)
