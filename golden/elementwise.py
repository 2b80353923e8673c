"""Sums, products and joins of tensors of unequal scales, on levels, and their proof.

Everything that rounds is a contract's (:mod:`golden.requantize`), but for ONNX Runtime's float32
addition. Every function first proves, from the parameters and the formats, that no level whatever
can leave what its contract takes: a contract is monotonic, so the ends of a range decide.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from golden.contracts import Contract
from golden.formats import Format, IntFormat
from golden.ranges import Range, levels_range
from golden.requantize import check_clamp, requantize
from golden.units import (
    FUSED_EXPONENTS,
    Addition,
    FusedScheme,
    Multiplication,
    Operation,
    Rescaling,
    Scheme,
)

__all__ = ["check", "compute", "rescale", "multiply", "add", "concat",
           "fused_multiply_add"]


def compute(operation: Operation, operands: Sequence, parameters: Mapping) -> np.ndarray:
    """Levels of an operation's output.

    Parameters
    ----------
    operation : Operation
    operands : sequence of array_like of integers
        Levels of each operand; two are broadcast together.
    parameters : mapping of str to int
        One integer for each field of the operation.

    Returns
    -------
    array of ``int64``

    Raises
    ------
    ValueError
        Where :func:`check` does, or an operand is no level of its format.
    """
    if len(operands) != len(operation.operands):
        raise ValueError(f"Operands must be {len(operation.operands)}, not {len(operands)}")
    if type(operation) not in _FUNCTIONS:
        raise TypeError(f"Operation must be one of golden.units, not {operation!r}")
    return _FUNCTIONS[type(operation)](operation, *operands, parameters)


def rescale(operation: Rescaling, x, parameters: Mapping) -> np.ndarray:
    """``clamp(scaled(x - input_zero_point) + zero_point)``."""
    p = check(operation, parameters)
    x = operation.input.check(x, "Input")
    return _requantize(x - p["input_zero_point"], operation.contract, operation.output, p,
                       operation.sums)


def multiply(operation: Multiplication, a, b, parameters: Mapping) -> np.ndarray:
    """``clamp(scaled((a - a_zero_point) * (b - b_zero_point)) + zero_point)``."""
    p = check(operation, parameters)
    # Of at most 17 bits each: no overflow.
    a = operation.a.check(a, "Operand a") - p["a_zero_point"]
    b = operation.b.check(b, "Operand b") - p["b_zero_point"]
    return _requantize(a * b, operation.contract, operation.output, p, operation.sums)


def add(operation: Addition, a, b, parameters: Mapping) -> np.ndarray:
    """``a + b``, or ``a - b``, as the operation's scheme says."""
    p = check(operation, parameters)
    a, b = operation.a.check(a, "Operand a"), operation.b.check(b, "Operand b")
    if isinstance(operation.scheme, FusedScheme):
        return _fused_sum(a, b, p)
    a, b = (_operand(operation, name, x, p) for name, x in (("a", a), ("b", b)))
    total = a - b if operation.subtract else a + b
    return _requantize(total, operation.scheme.contract, operation.output, p, operation.sums)


def concat(operations: Sequence[Operation], tensors: Sequence, parameters: Sequence[Mapping], *,
           axis: int = -1) -> np.ndarray:
    """Join tensors along an axis, each rescaled to the output's scale.

    With equal scales and zero points a contract that can multiply by 1 changes nothing.

    Parameters
    ----------
    operations : sequence of Rescaling
        Of each tensor; their outputs have one format.
    tensors : sequence of array_like of integers
    parameters : sequence of mapping of str to int
    axis : int

    Raises
    ------
    ValueError
        Where there is no tensor, or not an operation and parameters for each, or shapes differ in
        more than the axis, or the formats of the outputs differ.
    """
    if not len(tensors) or not len(operations) == len(parameters) == len(tensors):
        raise ValueError("Tensors must be one or more, each with an operation and parameters, not "
                         f"{len(tensors)} with {len(operations)} and {len(parameters)}")
    shapes = [np.shape(tensor) for tensor in tensors]
    if not all(len(shape) == len(shapes[0]) and -len(shape) <= axis < len(shape)
               and np.delete(shape, axis).tolist() == np.delete(shapes[0], axis).tolist()
               for shape in shapes):
        raise ValueError(f"Tensors must have shapes that differ along axis {axis} only, "
                         f"not {', '.join(map(str, shapes))}")
    outputs = list(dict.fromkeys(operation.output for operation in operations))
    if len(outputs) > 1:
        raise ValueError("Outputs of the operations must have one format, "
                         f"not {', '.join(map(str, outputs))}")
    return np.concatenate([compute(operation, [x], p) for operation, x, p
                           in zip(operations, tensors, parameters, strict=True)], axis=axis)


def fused_multiply_add(level, scale: np.float32, addend) -> np.ndarray:
    """``float32(level * scale + addend)``, rounded once, to nearest even.

    Parameters
    ----------
    level : array_like of integers
        Of at most 24 bits.
    scale, addend : float32, array of float32
        Neither they nor the result overflow or are subnormal.
    """
    # The product is exact in float64; the sum is rounded to odd there, and what is odd in its 53
    # bits rounds to 24 as the exact sum would.
    product, addend = np.broadcast_arrays(np.asarray(level) * np.float64(scale),
                                          np.asarray(addend, np.float64))
    total = np.asarray(product + addend)
    part = total - product
    error = (product - (total - part)) + (addend - part)
    even = total.view(np.int64) & 1 == 0
    towards = np.nextafter(total, np.where(error > 0, np.inf, -np.inf))
    return np.where((error != 0) & even, towards, total).astype(np.float32)


def check(operation: Operation, parameters: Mapping) -> dict[str, int]:
    """Return the parameters as integers, proven sound for all levels of the operands.

    Raises
    ------
    ValueError
        Where one is missing, not one of the operation's, or outside its field; where a clamp is
        empty; or where some level of an operand would leave what the contract, or the scheme's
        intermediate format, takes.
    """
    fields = operation.fields
    if set(parameters) != set(fields):
        raise ValueError(f"Parameters must be {', '.join(fields)}, "
                         f"not {', '.join(parameters) or 'none'}")
    p = {}
    for name, fmt in fields.items():
        value = fmt.check(parameters[name], f"Parameter {name}")
        if value.ndim:
            raise ValueError(f"Parameter {name} must be a scalar, not shape {value.shape}")
        p[name] = int(value)
    match operation:
        case Rescaling():
            _prove(_centred(operation.input, p["input_zero_point"]), operation.sums,
                   operation.contract, operation.output, p)
        case Multiplication():
            _prove(_centred(operation.a, p["a_zero_point"])
                   * _centred(operation.b, p["b_zero_point"]), operation.sums,
                   operation.contract, operation.output, p)
        case Addition(scheme=FusedScheme()):
            _check_fused(p)
            check_clamp(p, operation.output)
        case Addition(scheme=Scheme()):
            scheme, (a, b) = operation.scheme, (_operand_range(operation, name, p) for name in "ab")
            assert isinstance(scheme, Scheme)
            _prove(a - b if operation.subtract else a + b, operation.sums, scheme.contract,
                   operation.output, p)
    return p


def _centred(fmt: Format, zero_point: int) -> Range:
    return levels_range(fmt) - Range(zero_point, zero_point)


def _prove(actual: Range, sums: Range, contract: Contract, output: Format, p: Mapping):
    # At both ends, which are all that a monotonic contract needs.
    for end in (actual.lo, actual.hi):
        _requantize(np.asarray(end), contract, output, p, sums)


def _requantize(sums: np.ndarray, contract: Contract, output: Format, p: Mapping, unbiased: Range
                ) -> np.ndarray:
    own = {name: p[name] for name in contract.fields(unbiased, output) if name != "bias"}
    return requantize(sums, contract, output, {"bias": 0, **own}, unbiased=unbiased)


def _operand(operation: Addition, name: str, x: np.ndarray, p: Mapping) -> np.ndarray:
    # What the scheme adds. At most 17 bits and the scheme's places: no overflow.
    scheme, fmt = operation.scheme, getattr(operation, name)
    assert isinstance(scheme, Scheme)
    wider = IntFormat(scheme.intermediate.width + 1)  # what saturates there is refused
    fields = {"zero_point": 0, "clamp_min": wider.min, "clamp_max": wider.max}
    own = {field.removeprefix(f"{name}_"): value for field, value in p.items()
           if field.startswith(f"{name}_") and field != f"{name}_zero_point"}
    scaled = _requantize((x - p[f"{name}_zero_point"]) << scheme.left, scheme.contract, wider,
                         fields | own, operation.scaled(fmt))
    return scheme.intermediate.check(scaled, f"Operand {name}, scaled,")


def _operand_range(operation: Addition, name: str, p: Mapping) -> Range:
    fmt = getattr(operation, name)
    ends = _operand(operation, name, np.array([fmt.min, fmt.max]), p)
    return Range(*ends.tolist())


def _check_fused(p: Mapping):
    for name, exponents in FUSED_EXPONENTS.items():
        bits = p[name] & 0x7FFFFFFF
        exponent = (bits >> 23) - 127
        zero = name == "offset" and bits == 0
        if not (zero or exponents.lo <= exponent <= exponents.hi):
            raise ValueError(
                f"Parameter {name} must be the bits of a float32 of magnitude at least "
                f"2**{exponents.lo} and less than 2**{exponents.hi + 1}"
                f"{', or of 0' if name == 'offset' else ''}, not {p[name]:#010x}")


def _fused_sum(a: np.ndarray, b: np.ndarray, p: Mapping) -> np.ndarray:
    a_scale, b_scale, offset = (np.uint32(p[name]).view(np.float32)
                                for name in ("a_scale", "b_scale", "offset"))
    total = np.rint(fused_multiply_add(a, a_scale, fused_multiply_add(b, b_scale, offset)))
    return np.clip(total, p["clamp_min"], p["clamp_max"]).astype(np.int64)


_FUNCTIONS: dict[type[Operation], Callable[..., np.ndarray]] = {
    Rescaling: rescale, Multiplication: multiply, Addition: add}
