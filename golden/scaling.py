"""Scaling of a sum plus bias by the contracts. The functions expect checked operands.

Exact in ``int64`` if the largest value proves that it suffices, else in Python integers; in float32
if a contract is defined in it.
"""

from collections.abc import Callable, Mapping

import numpy as np

from golden.contracts import LFSR_BITS, S32, MultiplyShift, Onnx
from golden.formats import Format
from golden.ranges import INT64, Range, levels_range, values_range
from golden.rounding import shift_right

__all__ = ["add", "check_within", "count_thresholds", "double_rounding", "drawn", "float_scaled",
           "ladders", "multiply", "multiply_shift", "product"]


def double_rounding(x: np.ndarray, multiplier: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """``half_away(half_up((x << max(shift, 0)) * multiplier / 2**31) / 2**max(-shift, 0))``."""
    if (shift > 0).any():
        # At most 2**31 * 2**31: no overflow.
        x = np.asarray(x << np.maximum(shift, 0))
        check_within(x, S32, "Sum plus bias, shifted left,")
    # The multiplier is not -2**31, so nothing saturates. At most 2**62: no overflow.
    high = (x * multiplier + (1 << 30)) >> 31
    exponent = np.maximum(-shift, 0)
    half = (np.int64(1) << exponent) >> 1
    # With an exponent of 0 there is no half to subtract 1 from.
    return np.asarray((high + (half - ((high < 0) & (exponent > 0)))) >> exponent)


def product(x: np.ndarray, contract: MultiplyShift, values: Mapping
            ) -> tuple[np.ndarray, np.ndarray]:
    """Product, with the addend if there is one, and the right shift of it."""
    multiplied = multiply(x, values["multiplier"])
    if contract.addend:
        multiplied = add(multiplied, values["addend"])
    shift = values["shift"]
    return multiplied, shift if contract.origin is None else contract.origin - shift


def multiply_shift(x: np.ndarray, contract: MultiplyShift, values: Mapping) -> np.ndarray:
    """``round((x * multiplier + addend) / 2**right)`` to an integer."""
    result = shift_right(*product(x, contract, values), contract.rounding)
    if contract.result is not None:
        check_within(result, contract.result, "Scaled sum")
    return result


def drawn(product: np.ndarray, shift: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """``floor(product / 2**shift + draw / 2**32)``."""
    # The fraction is cut to the bits of a draw: adding a draw carries nothing from below them.
    if shift.max() > 62:
        product, shift = product.astype(object), shift.astype(object)
    floor = np.asarray(product >> shift)
    fraction = product - np.left_shift(floor, shift)
    left = LFSR_BITS - shift
    aligned = (fraction << np.maximum(left, 0)) >> np.maximum(-left, 0)
    return np.asarray(floor + ((aligned + draws) >> LFSR_BITS))


def float_scaled(x: np.ndarray, contract: Onnx, values: Mapping) -> np.ndarray:
    """``rne(float32(x) * scale)``; with the zero point inside, ``rne(... + z) - z``."""
    # numpy's float32 is IEEE binary32 and rounds each operation to nearest even.
    scale = values["scale"].astype(np.uint32).view(np.float32)
    zero_point = values["zero_point"].astype(np.float32)
    with np.errstate(over="ignore", under="ignore"):
        # int32 holds any s32 and is converted faster.
        scaled = x.astype(np.int32).astype(np.float32) * scale
    if contract.inside:
        scaled = scaled + zero_point
    # No output has levels beyond 2**40, and infinity is no integer.
    rounded = np.rint(np.clip(scaled, -(2.0**40), 2.0**40)).astype(np.int64)
    return rounded - values["zero_point"] if contract.inside else rounded


def ladders(values: Mapping) -> np.ndarray:
    """Thresholds in their order, ``(channels, thresholds)``; one row if none has an axis."""
    return np.stack(np.broadcast_arrays(
        *(np.atleast_1d(value) for name, value in values.items() if name != "bias")), axis=-1)


def count_thresholds(x: np.ndarray, ladder: np.ndarray, first: np.ndarray, bits: int
                     ) -> np.ndarray:
    """Number of thresholds that each ``x`` has reached, found by bisection.

    The thresholds of an ``x`` are the ``2**bits - 1`` from place ``first`` of the flat ``ladder``.
    """
    place = np.zeros(x.shape, dtype=np.int64) + first
    for bit in reversed(range(bits)):
        place += (x >= ladder[place + ((1 << bit) - 1)]).astype(np.int64) << bit
    return place - first


def check_within(values: np.ndarray, fmt: Format, name: str):
    """Raise ``ValueError`` for the first of ``values`` outside ``fmt``."""
    # Two reductions; the slower check runs only to find the index.
    if values_range(values) not in levels_range(fmt):
        fmt.check(values, name)


def add(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Exact sum."""
    a, b = _as_wide_as(Range.__add__, a, b)
    # With its dtype, for a Python integer of 64 bits would become uint64.
    return np.asarray(a + b, dtype=a.dtype)


def multiply(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Exact product."""
    a, b = _as_wide_as(Range.__mul__, a, b)
    return np.asarray(a * b, dtype=a.dtype)


def _as_wide_as(operation: Callable[[Range, Range], Range], a: np.ndarray, b: np.ndarray
                ) -> tuple[np.ndarray, np.ndarray]:
    ranges = values_range(a), values_range(b)
    kind = np.int64 if all(r in INT64 for r in (operation(*ranges), *ranges)) else object
    return a.astype(kind, copy=False), b.astype(kind, copy=False)
