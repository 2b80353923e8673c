"""Logistic function, tanh and softmax as ONNX Runtime computes them in float32.

Its library of kernels, MLAS (``logistic.cpp``, ``tanh.cpp``), has quotients of two polynomials with
fused multiply-adds, each rounded once. Processors without such an instruction round twice; their
results differ.
"""

from collections.abc import Sequence
from functools import reduce

import numpy as np

from golden.elementwise import fused_multiply_add
from golden.formats import IntFormat

__all__ = ["logistic", "softmax", "tanh"]

# Coefficients from the highest power on, of x**9, x**7 ... and of x**10, x**8 ... ; and so on.
_LOGISTIC = ((4.37031012579801e-11, 1.15627324459942e-07, 6.08574864600143e-05,
              8.51377133304701e-03, 2.48287947061529e-01),
             (6.10247389755681e-13, 5.76102136993427e-09, 6.29106785017040e-06,
              1.70198817374094e-03, 1.16817656904453e-01, 9.93151921023180e-01))
_TANH = ((-2.76076847742355e-16, 2.00018790482477e-13, -8.60467152213735e-11,
          5.12229709037114e-08, 1.48572235717979e-05, 6.37261928875436e-04,
          4.89352455891786e-03),
         (1.19825839466702e-06, 1.18534705686654e-04, 2.26843463243900e-03,
          4.89352518554385e-03))


def logistic(x) -> np.ndarray:
    """``1 / (1 + exp(-x))`` of float32 numbers, nearly: what the Runtime's Sigmoid returns."""
    y = _quotient(x, 18, *_LOGISTIC) + np.float32(0.5)
    return np.clip(y, np.float32(0), np.float32(1))


def tanh(x) -> np.ndarray:
    """``tanh(x)`` of float32 numbers, nearly: what the Runtime's Tanh returns."""
    return _quotient(x, 9, *_TANH)


def softmax(x, x_scale: float, y_scale: float, y_zero_point: int, *, output: IntFormat
            ) -> np.ndarray:
    """Softmax of levels over the last axis, as com.microsoft QLinearSoftmax.

    1. A table of 256 exponentials, in float64 and then float32: that of the difference ``d`` from
       the row's largest level is ``exp((shift - d) * x_scale)``, with which a row of ``n`` has a
       sum below ``max / e**5``; ``shift * x_scale`` is ``log(max / n) - 5``, where ``max`` is the
       largest float32, and the logarithm is rounded to float32.
    2. The entries of a row are added from its first on, in float32.
    3. ``rne(entry * floor(1 / y_scale) / sum) + y_zero_point``, in float32, cut off.

    Parameters
    ----------
    x : array of integers, ``(..., n)``
        Levels of 8 bits.
    x_scale, y_scale : float
        Scales of input and output, rounded to float32.
    y_zero_point : int
    output : IntFormat
        Format of the output.
    """
    step, factor = np.float32(x_scale), np.floor(np.float32(1) / np.float32(y_scale))
    x = np.asarray(x)
    with np.errstate(over="ignore", under="ignore"):
        most = np.finfo(np.float32).max / np.float32(x.shape[-1])
        shift = max(0.0, float(np.log(most)) - 5) / float(step)
        table = np.exp((shift - np.arange(256)) * float(step)).astype(np.float32)
        entries = table[x.max(axis=-1, keepdims=True) - x]
        total = np.add.accumulate(entries, axis=-1)[..., -1:]
        # An only element is 1; its product may overflow.
        quotient = entries * factor / total if x.shape[-1] > 1 else np.full(x.shape, factor)
        levels = np.rint(quotient) + y_zero_point
    return np.clip(levels, output.min, output.max).astype(np.int64)


def _quotient(x, end: float, odd: Sequence[float], even: Sequence[float]) -> np.ndarray:
    # An odd polynomial over an even one, of numbers that are cut off at both ends.
    x = np.clip(np.asarray(x, np.float32), np.float32(-end), np.float32(end))
    with np.errstate(under="ignore"):
        square = x * x
        over, under = (reduce(lambda total, each: fused_multiply_add(total, square, each),
                              map(np.float32, coefficients[1:]),
                              np.full_like(x, np.float32(coefficients[0])))
                       for coefficients in (odd, even))
        return over * x / under
