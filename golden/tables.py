"""Tables of 256 levels: functions of one 8-bit code, applied after the requantization.

A table lists, in the order of the codes 0 to 255, the level that each code becomes. In a signed
format, the entries of -128 to -1 follow those of 0 to 127. Any function of one 8-bit tensor is a
table. This module makes tables of functions of real numbers, rounded by name;
:mod:`golden.runtimes.tflite_tables` makes those of TFLite's kernels.
"""

from collections.abc import Callable
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np

from golden.contracts import Rounding
from golden.formats import FloatFormat, Format, IntFormat, integers
from golden.networks import Quantization
from golden.rounding import divide

__all__ = ["FUNCTIONS", "check_table", "code_levels", "hard_swish", "identity", "lookup", "sigmoid",
           "tabulate", "tanh"]

CODES = 256


def check_table(table, fmt: Format) -> np.ndarray:
    """Return a table as an integer array.

    Raises
    ------
    ValueError
        If the table has not 256 entries, an entry is no level of ``fmt``, or ``fmt`` has not 8
        bits.
    """
    if fmt.bits != 8:
        raise ValueError(f"Table must be of a format of 8 bits, not {fmt}")
    table = integers(table, "Table")
    if table.shape != (CODES,):
        raise ValueError(f"Table must have {CODES} levels, not shape {table.shape}")
    return fmt.check(table, "Table entry")


def lookup(table, levels, fmt: Format) -> np.ndarray:
    """Return the table's entry for each of ``levels``; both are levels of ``fmt``."""
    return check_table(table, fmt)[fmt.encode(fmt.check(levels))]


def identity(fmt: Format) -> np.ndarray:
    """Return the table that leaves every level of ``fmt`` unchanged."""
    table = np.full(CODES, fmt.max)
    table[fmt.encode(fmt.levels())] = fmt.levels()
    if isinstance(fmt, FloatFormat) and fmt.propagates:
        table[:] = fmt.decode(np.arange(CODES))
    return table


def code_levels(fmt: Format) -> np.ndarray:
    """Levels of the codes 0 to 255 of an 8-bit integer format.

    The code that a narrow format leaves out has the level of the full range.
    """
    if not isinstance(fmt, IntFormat) or fmt.bits != 8:
        raise ValueError(f"Table must be of an integer format of 8 bits, not {fmt}")
    codes = np.arange(CODES)
    return np.where(codes > 127, codes - CODES, codes) if fmt.signed else codes


def tabulate(function: Callable[[Fraction], Fraction], input: Quantization, output: Quantization,
             rounding: Rounding = Rounding.HALF_UP) -> np.ndarray:
    """Return the table of a function of a real number.

    ``clamp(round(f(s_x * (code - z_x)) / s_y) + z_y)``, where only ``round`` rounds.

    Parameters
    ----------
    function : callable
        Function of a real number: exact, or so near that the rounded result is exact, as those of
        :data:`FUNCTIONS` are.
    input, output : Quantization
        Quantization of input and output: 8-bit integers, one scale and zero point each.
    rounding : Rounding

    Returns
    -------
    array of ``int64``, ``(256,)``
    """
    codes, fmt = code_levels(input.format), output.format
    code_levels(fmt)
    (s_x, z_x), (s_y, z_y) = _real(input), _real(output)
    values = [function(s_x * (code - z_x)) / s_y for code in codes.tolist()]
    levels = divide(np.array([value.numerator for value in values], dtype=object),
                    np.array([value.denominator for value in values], dtype=object), rounding)
    return np.clip(levels + z_y, fmt.min, fmt.max).astype(np.int64)


def hard_swish(x: Fraction) -> Fraction:
    """Compute ``x * min(max(x + 3, 0), 6) / 6``, exactly."""
    return x * min(max(x + 3, Fraction(0)), Fraction(6)) / 6


def sigmoid(x: Fraction) -> Fraction:
    """Compute ``1 / (1 + exp(-x))``, within ``10**-100``, and strictly between 0 and 1."""
    return 1 / (1 + _exp(-x))


def tanh(x: Fraction) -> Fraction:
    """Compute ``1 - 2 / (exp(2 x) + 1)``, within ``10**-100``, and strictly between -1 and 1."""
    return 1 - 2 / (_exp(2 * x) + 1)


FUNCTIONS: dict[str, Callable[[Fraction], Fraction]] = {
    "hard_swish": hard_swish, "sigmoid": sigmoid, "tanh": tanh}
"""Functions by name. ``sigmoid`` and ``tanh`` are irrational except at 0: nothing is a tie."""

_FAR = 200
"""Largest magnitude of the argument. Beyond, ``exp(-x)`` is within ``10**-86`` of 0 anyway."""


def _exp(x: Fraction) -> Fraction:
    with localcontext() as context:
        context.prec = 120
        x = min(max(x, Fraction(-_FAR)), Fraction(_FAR))
        return Fraction((Decimal(x.numerator) / Decimal(x.denominator)).exp())


def _real(tensor: Quantization) -> tuple[Fraction, int]:
    scale, zero_point = float(tensor.scale), int(tensor.zero_point)
    if not (np.isfinite(scale) and scale > 0):
        raise ValueError(f"Scale must be positive and finite, not {scale!r}")
    tensor.format.check(zero_point, "Zero point")
    return Fraction(scale), zero_point
