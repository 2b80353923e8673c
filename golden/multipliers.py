"""Integer parameters of real scales: a multiplier and a shift.

:func:`linear_parameters` serves a layer: it combines the scales of input, weights and output into
one factor, as the contract's source does, and returns the parameters of that factor.
"""

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import numpy as np

from golden.contracts import (
    Clamped,
    Contract,
    DoubleRounding,
    MultiplyShift,
    Onnx,
    Scaled,
    ScaleRule,
    check_contract,
    parse,
)
from golden.formats import IntFormat, floats
from golden.networks import check_scale
from golden.ranges import levels_range

__all__ = ["linear_parameters", "combined_scale", "quantize_multiplier", "real_scale",
           "reduce_multiplier", "scale_parameters"]


def linear_parameters(contract: Clamped | str, input, weights, output, sum_format: IntFormat, *,
                      rule: ScaleRule | None = None) -> dict[str, np.ndarray]:
    """Return the parameters with which a contract scales the sums of a layer.

    They equal those of the contract's source, bit for bit. :func:`combined_scale` turns the three
    scales into one factor, :func:`scale_parameters` the factor into parameters. Contract ``onnx``
    has ``float32(float32(input * weights) / output)``, as ONNX Runtime. ``precise``, ``rndnu`` and
    ``q31`` have a multiplier of 24 significant bits of the same factor. TFLite's contracts multiply
    and divide float32 scales in float64.

    Parameters
    ----------
    contract : Clamped or str
        Contract that scales, or its name.
    input, weights, output : float or array of float
        Real value of one level of each (:attr:`golden.networks.Quantization.step`), per tensor or
        per channel.
    sum_format : IntFormat
        Format of sum plus bias (:meth:`golden.contracts.Contract.sum_format`).
    rule : ScaleRule, optional
        Rule of a kernel, if it is not the contract's.

    Returns
    -------
    dict of str to array of ``int64``
        One entry for each field of ``contract.scaling``.

    Raises
    ------
    ValueError
        If a scale is negative or not finite, the output's is 0, or the contract cannot represent
        the factor.
    """
    chosen: Any = parse(contract) if isinstance(contract, str) else contract
    return scale_parameters(
        chosen, combined_scale(chosen, input, weights, output=output, rule=rule), sum_format,
        name="Input scale times weight scale over output scale")


def combined_scale(contract: Contract, *factors, output, rule: ScaleRule | None = None
                   ) -> np.ndarray:
    """Return the product of scales divided by the output's scale, in the floats of a rule.

    A factor may be 0. A product in float32 may underflow to 0, as in the source.

    Parameters
    ----------
    contract : Contract
    *factors : float or array of float
        Scales to multiply, from the left.
    output : float or array of float
        Scale of the output.
    rule : ScaleRule, optional
        Rule of the scales; by default ``contract.scale_rule``.

    Returns
    -------
    array of ``float64``, of the shape of the scales broadcast together

    Raises
    ------
    ValueError
        If a scale is negative, not finite or beyond the source's type, or the output's is 0.
    """
    check_contract(contract)
    rule = contract.scale_rule if rule is None else rule
    product, *rest = (_held(check_scale(each, zero=True), rule) for each in factors)
    divisor = _held(check_scale(output), rule).astype(rule.quotient)
    with np.errstate(over="ignore", under="ignore"):
        for factor in rest:
            product = product * factor
        return np.asarray(product / divisor, dtype=np.float64)


def real_scale(contract: Clamped, parameters: Mapping) -> np.ndarray:
    """Return the exact real factor of a contract's parameters.

    Parameters
    ----------
    contract : Clamped
        Contract that scales.
    parameters : mapping of str to array of integers
        Value of each field of ``contract.scaling``, and perhaps of others. An addend is no part of
        the factor.

    Returns
    -------
    array of ``float64``
    """
    if isinstance(contract, Onnx):
        return np.asarray(parameters["scale"]).astype(np.uint32).view(np.float32).astype(np.float64)
    assert isinstance(contract, Scaled)
    right = np.asarray(parameters["shift"])
    if contract.shifts_left:
        right = -right
    if isinstance(contract, DoubleRounding):
        right = right + 31
    elif isinstance(contract, MultiplyShift) and contract.origin is not None:
        right = right + contract.origin
    return np.ldexp(np.asarray(parameters["multiplier"]).astype(np.float64), -right)


def quantize_multiplier(real: float, *, single_rounding: bool = False) -> tuple[int, int]:
    """Return TFLite's ``(multiplier, shift)`` for a real scale (``QuantizeMultiplier``).

    ``real = multiplier * 2**(shift - 31)``, the multiplier in ``[2**30, 2**31)``, rounded half
    away from zero. A scale whose shift would be below -31 becomes ``(0, 0)``, as zero does.

    Parameters
    ----------
    real : float
    single_rounding : bool
        Whether to follow TFLite built with ``TFLITE_SINGLE_ROUNDING``: a shift above 30 then
        becomes the largest scale, ``(2**31 - 1, 30)``.

    Raises
    ------
    ValueError
        If the scale is negative or not finite, or its shift would exceed 31.
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


def scale_parameters(contract: Clamped, real, sum_format: IntFormat, *, offset=None,
                     name: str = "Scale") -> dict[str, np.ndarray]:
    """Return the parameters with which a contract scales by real factors.

    A multiplier is rounded half away from zero and normalized: its highest bit is set, unless the
    right shift is the largest, with which it may be smaller. TFLite's own contracts use
    :func:`quantize_multiplier`, which turns a scale below 2**-32 into zero. ``tflite_int16x8``
    reduces that multiplier to 15 bits, as its kernels do. ONNX's scale is the nearest float32.

    A signed multiplier takes negative factors too: it is that of the magnitude, with the sign. An
    addend is the nearest integer to ``offset * 2**shift``, half away from zero. If it does not fit
    its format, the shift is the largest with which it does, and the multiplier is smaller.

    A factor of 0 has multiplier 0, and shift 0 or the least allowed: every sum becomes the zero
    point, as in tflite-micro. ONNX's contracts have no scale of 0. They get the least normal
    float32 for 0 and for subnormal scales: it turns every int32 into the zero point, as subnormal
    scales do in the runtime.

    Parameters
    ----------
    contract : Clamped
        Contract that scales.
    real : float or array of float
        Factor of the tensor, or of each channel.
    sum_format : IntFormat
        Format of sum plus bias (:meth:`golden.contracts.Contract.sum_format`).
    offset : float or array of float, of the shape of ``real``, optional
        What is added to the scaled sum, in levels of the output, by a contract with an addend; by
        default 0.
    name : str
        Name of the factors in messages.

    Returns
    -------
    dict of str to array of ``int64``, of the shape of ``real``
        One entry for each field of ``contract.scaling``.

    Raises
    ------
    ValueError
        If a scale is not finite, or negative for a multiplier without a sign; or if the contract
        cannot represent it, or has no addend for the offset, or none so large.
    """
    check_contract(contract)
    if not isinstance(contract, Clamped):
        raise ValueError(f"Contract must be one that scales, not {contract.name}")
    addend = contract.addend if isinstance(contract, MultiplyShift) else None
    if addend is None and offset is not None:
        raise ValueError(f"Offset must be left out for contract {contract.name} without an addend")
    signed = isinstance(contract, Scaled) and contract.multiplier.signed
    real = floats(real, name) if signed else check_scale(real, zero=True, name=name)
    magnitude = check_scale(np.abs(real), zero=True, name=name).astype(np.float64)
    if isinstance(contract, Onnx):
        return {"scale": _float_bits(magnitude, name)}
    assert isinstance(contract, Scaled)
    offsets = np.zeros(real.shape) if offset is None else floats(offset, "Offset")
    if offsets.shape != real.shape or not np.isfinite(offsets).all():
        raise ValueError(f"Offset must be finite, and of the shape {real.shape} of the factors, "
                         f"not {offset!r}")
    found = []
    for value, added in zip(magnitude.ravel().tolist(), offsets.ravel().tolist(), strict=True):
        multiplier, shift = _multiplier_shift(contract, value, sum_format, name)
        if addend is not None:
            if value == 0 and added:
                shift = contract.shift_range(sum_format).hi
            multiplier, shift, added = _added(contract, addend, value, added, multiplier, shift)
        found.append((multiplier, shift, added if addend else 0))
    multiplier, shift, added = np.array(found, dtype=np.int64).reshape(-1, 3).T
    values = {"multiplier": np.where(real < 0, -1, 1) * multiplier.reshape(real.shape),
              "shift": shift.reshape(real.shape)}
    return values | {"addend": added.reshape(real.shape)} if addend else values


def reduce_multiplier(multiplier: int) -> int:
    """Return the 15-bit multiplier that TFLite's int16x8 kernels make of a 31-bit one."""
    return (multiplier + (1 << 15)) >> 16 if multiplier < 0x7FFF0000 else 0x7FFF


def _held(scale: np.ndarray, rule: ScaleRule) -> np.ndarray:
    with np.errstate(over="ignore", under="ignore"):
        held = scale.astype(rule.held)
    bad = scale[~np.isfinite(held) | ((held == 0) & (scale != 0))]
    if bad.size:
        raise ValueError(f"Scale must be neither 0 nor infinite as a {rule.held}, "
                         f"not {bad.flat[0].item()!r}")
    return held.astype(rule.product)


def _float_bits(real: np.ndarray, name: str) -> np.ndarray:
    with np.errstate(over="ignore", under="ignore"):
        narrow = real.astype(np.float32)
    if (bad := real[~np.isfinite(narrow)]).size:
        raise ValueError(f"{name} must be finite as a float32, not {bad.flat[0].item()!r}")
    normal = np.maximum(narrow, np.finfo(np.float32).smallest_normal)
    return normal.view(np.uint32).astype(np.int64)


def _multiplier_shift(contract: Scaled, real: float, sum_format: IntFormat, name: str
                      ) -> tuple[int, int]:
    allowed = contract.shift_range(sum_format)
    if real == 0:
        return 0, max(0, allowed.lo)
    if contract.shifts_left:
        # TFLite's: 31 bits, flushed to zero if too small.
        limit = (2**31 - 0.5) * 2.0**(allowed.hi - 31)
        multiplier, shift = _normalize(real, 31)
        if shift < allowed.lo:
            multiplier, shift = 0, 0
        if contract.multiplier.width == 15:
            multiplier = reduce_multiplier(multiplier)
    else:
        bits = contract.multiplier.width - contract.multiplier.signed
        # Shift besides the parameter: that of the doubling high multiplication.
        fixed = 31 if isinstance(contract, DoubleRounding) else 0
        limit = (2**bits - 0.5) / 2.0**(allowed.lo + fixed)
        multiplier, exponent = _normalize(real, bits)
        shift = bits - exponent - fixed
        if shift > allowed.hi:
            shift = allowed.hi
            multiplier = _half_away(Fraction(real) * 2**(shift + fixed))
            if multiplier == 0:
                raise ValueError(f"{name} must be at least 2**-{shift + fixed + 1} for contract "
                                 f"{contract.name}, not {real!r}")
    if not allowed.lo <= shift <= allowed.hi:
        raise ValueError(f"{name} must be less than {limit!r} for contract {contract.name} with "
                         f"{contract.multiplier.width}-bit multipliers, not {real!r}")
    return multiplier, shift


def _added(contract: Scaled, addend: IntFormat, real: float, offset: float, multiplier: int,
           shift: int) -> tuple[int, int, int]:
    """Multiplier, shift and addend: the shift is that given, or less, such that the addend fits."""
    for right in range(shift, -1, -1):
        added = _half_away(Fraction(offset) * 2**right)
        if addend.contains(added):
            own = multiplier if right == shift else _half_away(Fraction(real) * 2**right)
            return own, right, added
    raise ValueError(f"Offset must be in range {levels_range(addend)} of the addend for contract "
                     f"{contract.name}, not {offset!r}")


def _normalize(real: float, bits: int) -> tuple[int, int]:
    """``(m, e)`` with ``real = m * 2**(e - bits)`` nearly, and ``2**(bits - 1) <= m < 2**bits``."""
    fraction, exponent = math.frexp(real)
    multiplier = _half_away(Fraction(fraction) * 2**bits)
    return (multiplier >> 1, exponent + 1) if multiplier == 1 << bits else (multiplier, exponent)


def _half_away(value: Fraction) -> int:
    nearest = math.floor(abs(value) + Fraction(1, 2))
    return nearest if value >= 0 else -nearest
