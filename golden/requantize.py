"""The arithmetic of the requantization contracts: exact sums become output levels.

Blocks of an array at a time, in ``int64`` wherever the largest value that is there proves that it
suffices, else in Python integers. Real scales become multipliers in :mod:`golden.multipliers`.
:mod:`golden.speed` measures how fast it is.
"""

from collections.abc import Callable, Mapping

import numpy as np

from golden.contracts import (
    LFSR_BITS,
    S32,
    Clamped,
    Contract,
    DoubleRounding,
    ExactSum,
    MultiplyShift,
    Onnx,
    Scaled,
    Stochastic,
    Thresholds,
)
from golden.contracts import contract as contract_of
from golden.formats import NAN, Format, IntFormat, integers
from golden.lfsr import check_states
from golden.multipliers import quantize_multiplier, scale_parameters
from golden.ranges import INT64, Range, levels_range, values_range
from golden.rounding import nearest_level, shift_right

__all__ = [
    "requantize", "check_parameters", "quantize_multiplier", "scale_parameters",
    "srdhm", "rounding_divide_by_pot", "multiply_by_quantized_multiplier",
    "multiply_by_quantized_multiplier_single",
]

BLOCK = 1 << 15
"""Sums that are requantized at once: few enough that what is made of them, 256 KiB at each step,
stays in a core's second-level cache, and enough to hide what calling numpy costs."""


def requantize(sums, contract: Contract, output: Format | None, parameters: Mapping, *,
               unbiased: Range | None = None, draws=None) -> np.ndarray:
    """Turn exact sums into output levels.

    ``clamp(scaled(sum + bias) + zero_point)``, or ``sum + bias`` for contract ``none``. Where the
    output is no integer format there is no zero point, and what is scaled is rounded to a level.

    Parameters
    ----------
    sums : array_like of integers
        Without bias; the last axis is that of the channels. ``int32`` is as good as ``int64``.
    contract : Contract
    output : Format or None
        Of the results; ``None`` for contract ``none``.
    parameters : mapping of str to array_like of integers
        One entry for each field of the contract: a scalar, or one value per channel.
    unbiased : Range, optional
        What the sums may be, which sets the width of the bias and the largest shift. By default
        that of s32; where the sums exceed it and the contract takes any, widened to hold them.
    draws : array_like of integers, of the shape of the sums
        A state for each output, for contract ``stochastic`` and for it alone
        (:func:`golden.lfsr.draws`).

    Returns
    -------
    array of ``int64``; of contract ``none``, of Python integers where ``int64`` may not do.

    Raises
    ------
    ValueError
        Where a parameter is missing, not one of the contract's, or outside its field; or where a
        sum is outside the contract's range.
    """
    sums = _sums(sums)
    actual = values_range(sums)
    if unbiased is None:
        unbiased = levels_range(contract.takes or S32)
        if contract.takes is None:
            unbiased = Range(min(unbiased.lo, actual.lo), max(unbiased.hi, actual.hi))
    elif actual not in unbiased:
        raise ValueError(f"Sum must be in range {unbiased}, not "
                         f"{actual.lo if actual.lo < unbiased.lo else actual.hi}")
    values = check_parameters(contract, output, parameters, unbiased=unbiased)
    channels = sums.shape[-1] if sums.ndim else 1
    for name, value in values.items():
        if value.size not in (1, channels):
            raise ValueError(f"{_title(name)} must have 1 entry or {channels}, one per channel, "
                             f"not {value.size}")
    if isinstance(contract, Stochastic) != (draws is not None):
        raise ValueError(f"Draws must be {'left out' if draws is not None else 'given'} for "
                         f"contract {contract.name}")
    if draws is not None:
        draws = check_states(draws, "Draw")
        if draws.shape != sums.shape:
            raise ValueError(f"Draws must have the shape of the sums, {sums.shape}, "
                             f"not {draws.shape}")
    if isinstance(contract, ExactSum):
        return _add(sums, values["bias"])
    return _in_blocks(sums, contract, output, values, channels, draws)


def check_parameters(contract: Contract, output: Format | None, parameters: Mapping, *,
                     unbiased: Range) -> dict[str, np.ndarray]:
    """Return the parameters as integer arrays, in the order of the contract's fields.

    Raises
    ------
    ValueError
        Where one is missing, not one of the contract's, or outside its field or the contract's
        range; or where a clamp is empty.
    """
    contract.output_format(unbiased, output)
    fields = contract.fields(unbiased, output)
    if set(parameters) != set(fields):
        raise ValueError(f"Parameters must be {', '.join(fields)} for contract {contract.name}, "
                         f"not {', '.join(parameters) or 'none'}")
    values = {name: fmt.check(parameters[name], _title(name)) for name, fmt in fields.items()}
    for name, value in values.items():
        if value.ndim > 1:
            raise ValueError(f"{_title(name)} must be a scalar or have one axis, not shape "
                             f"{value.shape}")
        if value.size == 0:
            raise ValueError(f"{_title(name)} must have an entry, not none")
    if isinstance(contract, Scaled):
        shifts = contract.shift_range(contract.sum_format(unbiased))
        shift = values["shift"]
        outside = shift[(shift < shifts.lo) | (shift > shifts.hi)]
        if outside.size:
            raise ValueError(f"Shift must be in range {shifts} of contract {contract.name}, "
                             f"not {outside.flat[0]}")
    if isinstance(contract, Onnx):
        exponent = values["scale"] >> 23
        outside = values["scale"][(exponent < 1) | (exponent > 254)]
        if outside.size:
            raise ValueError("Scale must be the bits of a positive normal float32, "
                             f"not {outside.flat[0]:#010x}")
    if isinstance(contract, Thresholds):
        ladder = np.stack(np.broadcast_arrays(
            *(np.atleast_1d(value) for name, value in values.items() if name != "bias")))
        falls = np.argwhere(ladder[1:] < ladder[:-1])
        if len(falls):
            step, channel = falls[0].tolist()
            raise ValueError(f"Threshold {step + 2} must be at least the one before, "
                             f"{ladder[step, channel]}, not {ladder[step + 1, channel]}")
    if isinstance(contract, Clamped):
        assert output is not None  # or its fields had been refused
        _check_clamp(values, output)
    return values


def _check_clamp(values: Mapping, output: Format):
    lo, hi = np.broadcast_arrays(values["clamp_min"], values["clamp_max"])
    for name, ends in (("minimum", lo), ("maximum", hi)):
        if output.propagates and np.any(np.abs(ends) >= NAN):
            raise ValueError(f"Clamp {name} must be a number, not infinite or NaN")
    if (lo > hi).any():
        raise ValueError(f"Clamp minimum must be at most the maximum {hi[lo > hi].flat[0]}, "
                         f"not {lo[lo > hi].flat[0]}")


def _sums(sums) -> np.ndarray:
    # Accumulators as they come from a library are widened block by block.
    array = np.asarray(sums)
    return array if array.dtype == np.int32 else integers(sums, "Sum")


def _in_blocks(sums: np.ndarray, contract: Contract, output: Format | None, values: Mapping,
               channels: int, draws: np.ndarray | None) -> np.ndarray:
    # Blocks of whole rows, flat: numpy would work on an array of few channels row by row.
    flat, result = sums.reshape(-1), np.empty(sums.size, dtype=np.int64)
    size = channels * max(1, min(BLOCK, sums.size) // channels)
    # What is the same for every channel is one number.
    tiled = {name: value.reshape(-1)[:1] if (value == value.flat[0]).all()
             else np.tile(value, size // channels) for name, value in values.items()}
    try:
        for start in range(0, sums.size, size):
            block = flat[start:start + size]
            here = {name: value[:block.size] for name, value in tiled.items()}
            drawn = None if draws is None else draws.reshape(-1)[start:start + size]
            result[start:start + size] = _requantize(block, contract, output, here, drawn)
    except ValueError:
        _requantize(sums, contract, output, values, draws)  # to name the place in all of it
        raise
    return result.reshape(
        np.broadcast_shapes(sums.shape, *(value.shape for value in values.values())))


def _requantize(sums: np.ndarray, contract: Contract, output: Format | None,
                values: Mapping, draws: np.ndarray | None) -> np.ndarray:
    total = _add(sums, values["bias"])
    if contract.takes is not None:
        _check_within(total, contract.takes, "Sum plus bias")
    match contract:
        case Thresholds():
            assert output is not None  # or check_parameters had refused it
            return output.levels()[_count_thresholds(total, values)]
        case Stochastic():
            assert draws is not None
            scaled = _drawn(_multiply(total, values["multiplier"]), values["shift"], draws)
        case MultiplyShift() if not isinstance(output, IntFormat):
            assert output is not None
            levels = nearest_level(*_product(total, contract, values), output, contract.rounding)
            return np.clip(levels, values["clamp_min"], values["clamp_max"])
        case MultiplyShift():
            scaled = _multiply_shift(total, contract, values)
        case DoubleRounding():
            shift = values["shift"] if contract.left else -values["shift"]
            scaled = _double_rounding(total, values["multiplier"], shift)
        case Onnx():
            scaled = _float_scaled(total, contract, values)
        case _:
            raise TypeError(f"Contract must be one of this module's, not {contract!r}")
    # Clamped before the zero point is added, so that the addition cannot overflow.
    zero_point = values["zero_point"]
    clamped = np.clip(scaled, values["clamp_min"] - zero_point, values["clamp_max"] - zero_point)
    return np.asarray(clamped, dtype=np.int64) + zero_point


def srdhm(a, b) -> np.ndarray:
    """Compute gemmlowp's ``SaturatingRoundingDoublingHighMul`` of int32 operands.

    ``(a * b + 2**30) >> 31``: ties towards positive infinity. The one result that int32 does not
    hold, of two times -2**31, becomes 2**31 - 1.
    """
    a, b = S32.check(a, "Operand"), S32.check(b, "Operand")
    # At most 2**62 + 2**30: no overflow.
    return np.minimum((a * b + (1 << 30)) >> 31, S32.max)


def rounding_divide_by_pot(x, exponent) -> np.ndarray:
    """Compute gemmlowp's ``RoundingDivideByPOT`` of an int32: ties away from zero.

    ``(x + 2**(exponent - 1) - (x < 0)) >> exponent``; the exponent is in range [0, 31].
    """
    x, exponent = S32.check(x, "Value"), integers(exponent, "Exponent")
    bad = exponent[(exponent < 0) | (exponent > 31)]
    if bad.size:
        raise ValueError(f"Exponent must be in range [0, 31], not {bad.flat[0]}")
    half = (np.int64(1) << exponent) >> 1
    return np.asarray((x + half - ((x < 0) & (exponent > 0))) >> exponent)


def multiply_by_quantized_multiplier(x, multiplier, shift) -> np.ndarray:
    """Compute TFLite's ``MultiplyByQuantizedMultiplier`` of an int32, with double rounding.

    ``RoundingDivideByPOT(SRDHM(x << max(shift, 0), multiplier), max(-shift, 0))``.

    Raises
    ------
    ValueError
        Where an operand is out of range, or the left shift overflows int32.
    """
    return _double_rounding(*_quantized(x, multiplier, shift, 31))


def multiply_by_quantized_multiplier_single(x, multiplier, shift) -> np.ndarray:
    """Compute TFLite's ``MultiplyByQuantizedMultiplier`` of an int32, with single rounding.

    ``(x * multiplier + 2**(30 - shift)) >> (31 - shift)``: ties towards positive infinity.

    Raises
    ------
    ValueError
        Where an operand is out of range, or the result is beyond int32.
    """
    x, multiplier, shift = _quantized(x, multiplier, shift, 30)
    single = contract_of("tflite_single")
    assert isinstance(single, MultiplyShift)
    return _multiply_shift(x, single, {"multiplier": multiplier, "shift": shift})


def _quantized(x, multiplier, shift, largest: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    shift = integers(shift, "Shift")
    bad = shift[(shift < -31) | (shift > largest)]
    if bad.size:
        raise ValueError(f"Shift must be in range [-31, {largest}], not {bad.flat[0]}")
    return (S32.check(x, "Value"), IntFormat(31, signed=False).check(multiplier, "Multiplier"),
            shift)


# Those below take operands that have been checked.

def _double_rounding(x: np.ndarray, multiplier: np.ndarray, shift: np.ndarray) -> np.ndarray:
    if (shift > 0).any():
        # At most 2**31 * 2**31: no overflow.
        x = np.asarray(x << np.maximum(shift, 0))
        _check_within(x, S32, "Sum plus bias, shifted left,")
    # The multiplier is not -2**31, so nothing saturates. At most 2**62: no overflow.
    high = (x * multiplier + (1 << 30)) >> 31
    exponent = np.maximum(-shift, 0)
    half = (np.int64(1) << exponent) >> 1
    # Without an exponent there is no half to take the one from.
    return np.asarray((high + (half - ((high < 0) & (exponent > 0)))) >> exponent)


def _product(x: np.ndarray, contract: MultiplyShift, values: Mapping
             ) -> tuple[np.ndarray, np.ndarray]:
    # What is shifted, and by how much to the right.
    product = _multiply(x, values["multiplier"])
    if contract.adds:
        product = _add(product, values["addend"])
    shift = values["shift"]
    return product, shift if contract.origin is None else contract.origin - shift


def _multiply_shift(x: np.ndarray, contract: MultiplyShift, values: Mapping) -> np.ndarray:
    result = shift_right(*_product(x, contract, values), contract.rounding)
    if contract.result is not None:
        _check_within(result, contract.result, "Scaled sum")
    return result


def _drawn(product: np.ndarray, shift: np.ndarray, draws: np.ndarray) -> np.ndarray:
    # The fraction is cut to the bits of a draw: what is below them, adding a draw cannot carry.
    if shift.max() > 62:
        product, shift = product.astype(object), shift.astype(object)
    floor = np.asarray(product >> shift)
    fraction = product - np.left_shift(floor, shift)
    left = LFSR_BITS - shift
    aligned = (fraction << np.maximum(left, 0)) >> np.maximum(-left, 0)
    return np.asarray(floor + ((aligned + draws) >> LFSR_BITS))


def _float_scaled(x: np.ndarray, contract: Onnx, values: Mapping) -> np.ndarray:
    # numpy's float32 is IEEE binary32 and rounds each operation to nearest even.
    scale = values["scale"].astype(np.uint32).view(np.float32)
    zero_point = values["zero_point"].astype(np.float32)
    with np.errstate(over="ignore", under="ignore"):
        # Narrower first, which loses nothing of an s32 and is converted faster.
        scaled = x.astype(np.int32).astype(np.float32) * scale
    if contract.inside:
        scaled = scaled + zero_point
    # No output has levels beyond, and infinity is no integer.
    rounded = np.rint(np.clip(scaled, -(2.0**40), 2.0**40)).astype(np.int64)
    return rounded - values["zero_point"] if contract.inside else rounded


def _count_thresholds(x: np.ndarray, values: Mapping) -> np.ndarray:
    shape = np.broadcast_shapes(x.shape, *(value.shape for value in values.values()))
    count = np.zeros(shape, dtype=np.int64)
    for name, threshold in values.items():
        if name != "bias":
            count += x >= threshold
    return count


def _check_within(values: np.ndarray, fmt: Format, name: str):
    # Two reductions; the check that finds the place is made only where there is one.
    if values_range(values) not in levels_range(fmt):
        fmt.check(values, name)


def _add(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    a, b = _as_wide_as(Range.__add__, a, b)
    # With its dtype, for a Python integer of 64 bits would become uint64.
    return np.asarray(a + b, dtype=a.dtype)


def _multiply(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    a, b = _as_wide_as(Range.__mul__, a, b)
    return np.asarray(a * b, dtype=a.dtype)


def _as_wide_as(operation: Callable[[Range, Range], Range], a: np.ndarray, b: np.ndarray
                ) -> tuple[np.ndarray, np.ndarray]:
    ranges = values_range(a), values_range(b)
    kind = np.int64 if all(r in INT64 for r in (operation(*ranges), *ranges)) else object
    return a.astype(kind, copy=False), b.astype(kind, copy=False)


def _title(name: str) -> str:
    return name.replace("_", " ").capitalize().replace("Clamp min", "Clamp minimum").replace(
        "Clamp max", "Clamp maximum")
