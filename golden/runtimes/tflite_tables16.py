"""Tables of TFLite's int16 kernels LOGISTIC and TANH, one level for each of 65,536 codes.

Equal to tflite-micro's reference kernels (``logistic.h``, ``tanh.h``), which interpolate between
256 values of the logistic function.
"""

import math

import numpy as np

from golden.formats import IntFormat
from golden.networks import Quantization

__all__ = ["KERNELS", "logistic", "tanh"]

S16 = IntFormat(16)
# sigmoid(k / 24) in units of 2**-16, rounded, and where the kernels' values are one more.
_ONE_MORE = (4, 8, 12, 14, 15, 16, 17, 19, 20, 21, 22, 25, 27, 28, 29, 30, 31, 33, 34, 35, 37, 39,
             40, 41, 43, 44, 45, 46, 49, 50, 54, 62, 63, 64, 66, 82, 86, 93, 100, 103, 112, 116,
             135, 255)
_SIGMOID = np.array([round(65536 / (1 + math.exp(-k / 24))) + (k in _ONE_MORE)
                     for k in range(256)])


def logistic(input: Quantization, output: Quantization) -> np.ndarray:
    """Return the table of LOGISTIC.

    Parameters
    ----------
    input, output : Quantization
        Both s16 with zero point 0; the output has scale 1/32768.

    Raises
    ------
    ValueError
        Where a format, a zero point or the scale of the output is another, or the kernel refuses
        the scale of the input.
    """
    x, size, sign = _scaled(input, output, powers=(0,))
    below, part = _sides(size, 9)
    result = np.where(size >> 9 >= 255, 0x7FFF << 10, below + part)
    return np.where(sign, (1 << 25) - result + (1 << 9) - 1, result + (1 << 9)) >> 10


def tanh(input: Quantization, output: Quantization) -> np.ndarray:
    """Return the table of TANH. Parameters and errors as :func:`logistic`."""
    x, size, sign = _scaled(input, output, powers=(0, 1))
    below, part = _sides(size, 8)
    result = np.where(size >> 8 >= 255, 0xFFFF << 8, below + part)
    return np.where(sign, (1 << 23) - result + (1 << 7) - 1, result - (1 << 23) + (1 << 7)) >> 8


KERNELS = {"logistic": logistic, "tanh": tanh}
"""Function of each table, by the kernel's name in lower case."""


def _scaled(input: Quantization, output: Quantization, powers: tuple[int, ...]):
    # Codes in units of 1/12288, their magnitudes, and which are negative.
    for title, tensor in (("Input", input), ("Output", output)):
        if tensor.format != S16 or tensor.zero_point:
            raise ValueError(f"{title} must be s16 with zero point 0, not {tensor.format} with "
                             f"zero point {tensor.zero_point}")
    if output.scale != 2.0**-15:
        raise ValueError(f"Output must have scale 1/32768, not {output.scale!r}")
    scale = float(np.float32(input.scale))
    fraction, exponent = math.frexp(scale)
    if fraction == 0.5 and 12 + exponent - 1 in powers:
        multiplier, shift = 3 << (12 + exponent - 1), 0
    else:
        multiplier, shift = scale * 4096.0 * 3.0, 0
        if multiplier > 32767:
            raise ValueError(f"Scale of the input must be at most {32767 / 12288!r}, not {scale!r}")
        while multiplier <= 32767.0 / 2.0 and shift <= 30:
            shift, multiplier = shift + 1, multiplier * 2.0
        multiplier = int(multiplier)
    codes = np.arange(1 << 16)
    x = np.where(codes > S16.max, codes - (1 << 16), codes)
    x = (x * multiplier + (1 << shift >> 1)) >> shift
    return x, np.abs(x), x < 0


def _sides(size: np.ndarray, places: int) -> tuple[np.ndarray, np.ndarray]:
    # The value below, and what the fraction adds of the difference to the next.
    index = np.minimum(size >> places, 254)
    low, high = _SIGMOID[index], _SIGMOID[index + 1]
    return low << places, (size & ((1 << places) - 1)) * (high - low)
