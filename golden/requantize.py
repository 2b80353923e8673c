"""Arithmetic of the requantization contracts: exact sums become output levels.

Works on blocks of an array, in ``int64`` if the largest value proves that it suffices, else in
Python integers. :mod:`golden.multipliers` turns real scales into multipliers.
:mod:`golden.speed` measures the speed.
"""

from collections.abc import Mapping

import numpy as np

from golden.contracts import (
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
    check_contract,
    title_of,
)
from golden.formats import NAN, BlockScaled, Format, IntFormat, check_format, integers
from golden.lfsr import check_states
from golden.ranges import Range, check_ends, levels_range, values_range
from golden.rounding import nearest_level
from golden.scaling import (
    add,
    check_within,
    count_thresholds,
    double_rounding,
    drawn,
    float_scaled,
    ladders,
    multiply,
    multiply_shift,
    product,
)

__all__ = ["requantize", "check_clamp", "check_parameters", "biased", "prepared"]

BLOCK = 1 << 15
"""Sums per block: few enough that the 256 KiB of each step stay in a core's second-level cache,
enough to hide the cost of calling numpy."""


def requantize(sums, contract: Contract, output: Format | None, parameters: Mapping, *,
               unbiased: Range | None = None, draws=None) -> np.ndarray:
    """Turn exact sums into output levels. See :mod:`golden.block_scaled` for block-scaled outputs.

    ``clamp(scaled(sum + bias) + zero_point)``, or ``sum + bias`` for contract ``none``. If the
    output is no integer format, there is no zero point, and the scaled sum is rounded to a level.

    Parameters
    ----------
    sums : array_like of integers
        Sums without bias; the last axis is that of the channels. ``int32`` is as good as ``int64``.
    contract : Contract
    output : Format or None
        Format of the results; ``None`` for contract ``none``.
    parameters : mapping of str to array_like of integers
        One entry for each field of the contract: a scalar, or one value per channel.
    unbiased : Range, optional
        Range of the sums, which sets the width of the bias and the largest shift. By default the
        range of s32, widened to hold the sums if the contract takes any width.
    draws : array_like of integers, of the shape of the sums
        State for each output (:func:`golden.lfsr.draws`); only for contract ``stochastic``.

    Returns
    -------
    array of ``int64``; of contract ``none``, of Python integers if ``int64`` may not suffice.

    Raises
    ------
    ValueError
        If a parameter is missing, unknown or outside its field, or a sum is outside the contract's
        range.
    """
    if isinstance(output, BlockScaled):
        raise TypeError(f"Output must be a format without exponents, not {output}: call "
                        f"requantize_blocks")
    sums, values = prepared(sums, contract, output, parameters, unbiased=unbiased)
    if isinstance(contract, Stochastic) != (draws is not None):
        raise ValueError(f"Draws must be {'left out' if draws is not None else 'given'} for "
                         f"contract {contract.name}")
    if draws is not None:
        draws = check_states(draws, "Draw")
        if draws.shape != sums.shape:
            raise ValueError(f"Draws must have the shape of the sums, {sums.shape}, "
                             f"not {draws.shape}")
    if isinstance(contract, ExactSum):
        return add(sums, values["bias"])
    return _in_blocks(sums, contract, output, values, _channels(sums), draws)


def prepared(sums, contract: Contract, output: Format | None, parameters: Mapping, *,
             unbiased: Range | None = None) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Check sums and parameters and return them as arrays; arguments as of :func:`requantize`."""
    check_contract(contract)
    if output is not None:
        check_format(output, "Output")
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
    channels = _channels(sums)
    for name, value in values.items():
        if value.size not in (1, channels):
            several = f" or {channels}, one per channel" * (channels != 1)
            raise ValueError(f"{title_of(name)} must have 1 entry{several}, not {value.size}")
    return sums, values


def biased(sums: np.ndarray, contract: Contract, values: Mapping) -> np.ndarray:
    """Sums plus bias; ``ValueError`` if one is outside the contract's range."""
    total = add(sums, values["bias"])
    if contract.takes is not None:
        check_within(total, contract.takes, "Sum plus bias")
    return total


def check_parameters(contract: Contract, output: Format | None, parameters: Mapping, *,
                     unbiased: Range) -> dict[str, np.ndarray]:
    """Return the parameters as integer arrays, in the order of the contract's fields.

    Raises
    ------
    ValueError
        If a parameter is missing, unknown, or outside its field or the contract's range, or a
        clamp is empty.
    """
    if not isinstance(parameters, Mapping):
        raise TypeError(f"Parameters must be a mapping of names to integers, not {parameters!r}")
    contract.output_format(unbiased, output)
    fields = contract.fields(unbiased, output)
    if set(parameters) != set(fields):
        raise ValueError(f"Parameters must be {', '.join(fields)} for contract {contract.name}, "
                         f"not {', '.join(parameters) or 'none'}")
    values = {name: fmt.check(parameters[name], title_of(name)) for name, fmt in fields.items()}
    for name, value in values.items():
        if value.ndim > 1:
            raise ValueError(f"{title_of(name)} must be a scalar or have one axis, not shape "
                             f"{value.shape}")
        if value.size == 0:
            raise ValueError(f"{title_of(name)} must have an entry, not none")
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
        ladder = ladders(values).T
        falls = np.argwhere(ladder[1:] < ladder[:-1])
        if len(falls):
            step, channel = falls[0].tolist()
            raise ValueError(f"Threshold {step + 2} must be at least the one before, "
                             f"{ladder[step, channel]}, not {ladder[step + 1, channel]}")
    if isinstance(contract, Clamped):
        assert output is not None  # or its fields had been refused
        check_clamp(values, output)
        if isinstance(output, BlockScaled):
            check_ends("Exponent", values["exponent_min"], values["exponent_max"])
    return values


def check_clamp(values: Mapping, output: Format):
    """Raise ``ValueError`` if a clamp is empty, or an end of it is no number."""
    lo, hi = values["clamp_min"], values["clamp_max"]
    for name, ends in (("minimum", lo), ("maximum", hi)):
        if output.propagates and np.any(np.abs(ends) >= NAN):
            raise ValueError(f"Clamp {name} must be a number, not infinite or NaN")
    check_ends("Clamp", lo, hi)


def _channels(sums: np.ndarray) -> int:
    return sums.shape[-1] if sums.ndim else 1


def _sums(sums) -> np.ndarray:
    # int32 accumulators of a library are widened block by block.
    narrow = isinstance(sums, np.ndarray) and sums.dtype == np.int32
    return sums if narrow else integers(sums, "Sum")


def _in_blocks(sums: np.ndarray, contract: Contract, output: Format | None, values: Mapping,
               channels: int, draws: np.ndarray | None) -> np.ndarray:
    shape = np.broadcast_shapes(sums.shape, *(value.shape for value in values.values()))
    whole = {}
    if isinstance(contract, Thresholds):
        # A sum has the place of its channel's first threshold, rather than all of them. The last
        # one is repeated, so that there are as many as bisection asks for.
        assert output is not None  # or check_parameters had refused it
        ladder = ladders(values)
        more = (1 << output.bits) - 1 - ladder.shape[1]
        ladder = np.pad(ladder, ((0, 0), (0, more)), mode="edge")
        whole = {"ladder": ladder.reshape(-1)}
        values = {"bias": values["bias"], "first": np.arange(len(ladder)) * ladder.shape[1]}
    # Blocks of whole rows, flat: numpy would work on an array of few channels row by row.
    flat, result = sums.reshape(-1), np.empty(sums.size, dtype=np.int64)
    channels = max(1, channels)  # an empty tensor may have none
    most = min(sums.size, BLOCK, max(BLOCK // 8, sums.size // 8))
    size = channels * max(1, most // channels)
    # A parameter that is the same for every channel becomes one number.
    tiled = {name: value.reshape(-1)[:1] if (value == value.flat[0]).all()
             else np.tile(value, size // channels) for name, value in values.items()}
    try:
        for start in range(0, sums.size, size):
            block = flat[start:start + size]
            own = {name: value[:block.size] for name, value in tiled.items()} | whole
            states = None if draws is None else draws.reshape(-1)[start:start + size]
            result[start:start + size] = _requantize(block, contract, output, own, states)
    except ValueError:
        # Once more, to name the index in the whole array.
        _requantize(sums, contract, output, {**values, **whole}, draws)
        raise
    return result.reshape(shape)


def _requantize(sums: np.ndarray, contract: Contract, output: Format | None,
                values: Mapping, draws: np.ndarray | None) -> np.ndarray:
    total = biased(sums, contract, values)
    match contract:
        case Thresholds():
            assert output is not None  # or check_parameters had refused it
            levels = output.levels()
            count = count_thresholds(total, values["ladder"], values["first"], output.bits)
            return levels[np.minimum(count, len(levels) - 1)]
        case Stochastic():
            assert draws is not None
            scaled = drawn(multiply(total, values["multiplier"]), values["shift"], draws)
        case MultiplyShift() if not isinstance(output, IntFormat):
            assert output is not None
            levels = nearest_level(*product(total, contract, values), output, contract.rounding)
            return np.clip(levels, values["clamp_min"], values["clamp_max"])
        case MultiplyShift():
            scaled = multiply_shift(total, contract, values)
        case DoubleRounding():
            shift = values["shift"] if contract.left else -values["shift"]
            scaled = double_rounding(total, values["multiplier"], shift)
        case Onnx():
            scaled = float_scaled(total, contract, values)
        case _:
            raise TypeError(f"Contract must be one of this module's, not {contract!r}")
    # Clamped before the zero point is added, so that the addition cannot overflow.
    zero_point = values["zero_point"]
    clamped = np.clip(scaled, values["clamp_min"] - zero_point, values["clamp_max"] - zero_point)
    return np.asarray(clamped, dtype=np.int64) + zero_point
