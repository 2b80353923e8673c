"""From a real scale to the integers that stand for it: a multiplier and a shift."""

import math
from fractions import Fraction

import numpy as np

from golden.contracts import Contract, MultiplyShift, Scaled, TfliteSingle
from golden.formats import IntFormat

__all__ = ["quantize_multiplier", "scale_parameters"]


def quantize_multiplier(real: float, *, single_rounding: bool = False) -> tuple[int, int]:
    """Return TFLite's ``(multiplier, shift)`` for a real scale (``QuantizeMultiplier``).

    ``real = multiplier * 2**(shift - 31)``, the multiplier in ``[2**30, 2**31)``, rounded half
    away from zero. A scale whose shift would be below -31 becomes ``(0, 0)``, as zero does.

    Parameters
    ----------
    real : float
    single_rounding : bool
        As TFLite does where built with ``TFLITE_SINGLE_ROUNDING``: a shift above 30 becomes the
        largest scale there is, ``(2**31 - 1, 30)``.

    Raises
    ------
    ValueError
        Where the scale is negative or not finite, or its shift would exceed 31.
    """
    real = float(real)
    if not (math.isfinite(real) and real >= 0):
        raise ValueError(f"Scale must be finite and not negative, not {real!r}")
    if real == 0:
        return 0, 0
    multiplier, shift = _normalize(real, 31)
    if shift < -31:
        return 0, 0
    if single_rounding and shift > 30:
        return (1 << 31) - 1, 30
    if shift > 31:
        raise ValueError(f"Scale must be less than {2**31 - 0.5!r}, not {real!r}")
    return multiplier, shift


def scale_parameters(contract: Contract, real, sum_format: IntFormat
                     ) -> tuple[np.ndarray, np.ndarray]:
    """Return the multipliers and shifts with which a contract scales by positive reals.

    The multiplier is rounded half away from zero and normalized: its highest bit is set, unless
    the right shift of a multiply-shift contract is at its end, where it is smaller. The TFLite
    contracts get :func:`quantize_multiplier`, which turns a scale below 2**-32 into zero.

    Parameters
    ----------
    contract : Contract
        One that scales.
    real : float or array of float
        Per tensor, or per channel.
    sum_format : IntFormat
        Of sum plus bias (:meth:`golden.contracts.Contract.sum_format`).

    Returns
    -------
    multiplier, shift : arrays of ``int64``, of the shape of ``real``

    Raises
    ------
    ValueError
        Where a scale is not positive and finite, or the contract cannot represent it.
    """
    if not isinstance(contract, Scaled):
        raise ValueError(f"Contract must have a multiplier, not {contract.name}")
    real = np.asarray(real, dtype=np.float64)
    pairs = [_scale_parameters(contract, value, sum_format) for value in real.ravel().tolist()]
    multiplier, shift = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    return multiplier.reshape(real.shape), shift.reshape(real.shape)


def _scale_parameters(contract: Scaled, real: float, sum_format: IntFormat) -> tuple[int, int]:
    if not (math.isfinite(real) and real > 0):
        raise ValueError(f"Scale must be positive and finite, not {real!r}")
    bits = contract.multiplier_bits
    allowed = contract.shift_range(sum_format)
    if isinstance(contract, MultiplyShift):
        multiplier, exponent = _normalize(real, bits)
        shift, limit = bits - exponent, 2**bits - 0.5
        if shift > allowed.hi:
            shift = allowed.hi
            multiplier = _half_up(Fraction(real) * 2**shift)
            if multiplier == 0:
                raise ValueError(f"Scale must be at least 2**-{shift + 1} for contract "
                                 f"{contract.name}, not {real!r}")
        representable = shift >= 0
    else:
        # The single-rounding build would clamp a large scale, which is to compute another one.
        single = isinstance(contract, TfliteSingle)
        limit = 2.0**30 - 0.25 if single else 2**31 - 0.5
        representable = real < limit
        multiplier, shift = quantize_multiplier(real) if representable else (0, 0)
    if not representable:
        raise ValueError(f"Scale must be less than {limit!r} for contract {contract.name} with "
                         f"{bits}-bit multipliers, not {real!r}")
    return multiplier, shift


def _normalize(real: float, bits: int) -> tuple[int, int]:
    """``(m, e)`` with ``real = m * 2**(e - bits)`` nearly, and ``2**(bits - 1) <= m < 2**bits``."""
    fraction, exponent = math.frexp(real)
    multiplier = _half_up(Fraction(fraction) * 2**bits)
    return (multiplier >> 1, exponent + 1) if multiplier == 1 << bits else (multiplier, exponent)


def _half_up(value: Fraction) -> int:
    # Of a positive number, which is half away from zero too.
    return math.floor(value + Fraction(1, 2))
