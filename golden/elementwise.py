"""Sums, products and joins of tensors of unequal scales, on levels, and their proof.

Contracts do all the rounding (:mod:`golden.requantize`), except in ONNX Runtime's float32 addition.
Every function first proves, from the parameters and the formats, that no level can leave the range
of its contract. A contract is monotonic, so the ends of a range decide.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from golden.contracts import Contract
from golden.formats import Format, IntFormat
from golden.ranges import Range
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

__all__ = ["check", "compute", "concat", "fused_multiply_add"]


def compute(operation: Operation, operands: Sequence, parameters: Mapping) -> np.ndarray:
    """Levels of an operation's output.

    Parameters
    ----------
    operation : Operation
    operands : sequence of array_like of integers
        Levels of each operand; two operands are broadcast together.
    parameters : mapping of str to int
        Value of each field of the operation.

    Returns
    -------
    array of ``int64``

    Raises
    ------
    TypeError, ValueError
        If :func:`check` raises it, or an operand is no level of its format.
    """
    if len(operands) != len(operation.operands):
        raise ValueError(f"Operands must be {len(operation.operands)}, not {len(operands)}")
    p = check(operation, parameters)
    levels = [fmt.check(x, "Input" if name == "input" else f"Operand {name}") for name, fmt, x
              in zip(operation.names, operation.operands.values(), operands, strict=True)]
    if isinstance(operation, Addition) and isinstance(operation.scheme, FusedScheme):
        return _fused_sum(levels[0], levels[1], p)
    return _requantize(_total(operation, _terms(operation, levels, p)), operation.contract,
                       operation.output, p, operation.sums)


def concat(operations: Sequence[Operation], tensors: Sequence, parameters: Sequence[Mapping], *,
           axis: int = -1) -> np.ndarray:
    """Join tensors along an axis, each rescaled to the output's scale.

    With equal scales and zero points, a contract that can multiply by 1 changes nothing.

    Parameters
    ----------
    operations : sequence of Rescaling
        Operation of each tensor; their outputs have one format.
    tensors : sequence of array_like of integers
        Levels of each tensor.
    parameters : sequence of mapping of str to int
        Parameters of each operation.
    axis : int
        Axis to join along.

    Raises
    ------
    ValueError
        If there is no tensor, a tensor lacks its operation or parameters, shapes differ in more
        than the axis, or the outputs have different formats.
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


def fused_multiply_add(level, scale: np.float32 | np.ndarray, addend) -> np.ndarray:
    """``float32(level * scale + addend)``, rounded once, to nearest even.

    Parameters
    ----------
    level : array_like of integers, or array of float32
        Integers of at most 24 bits, or numbers.
    scale, addend : float32, array of float32
        Factor and addend. Neither they nor the result may overflow or be subnormal.
    """
    # The product is exact in float64. The sum is rounded to odd in its 53 bits, which then rounds
    # to 24 bits as the exact sum would.
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
    TypeError
        If the operation is none of :mod:`golden.units`.
    ValueError
        If a parameter is missing, unknown or outside its field; a clamp is empty; or some level of
        an operand would leave the range of the contract or of the scheme's intermediate format.
    """
    if not isinstance(operation, Rescaling | Multiplication | Addition):
        raise TypeError(f"Operation must be one of golden.units, not {operation!r}")
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
    if isinstance(operation, Addition) and isinstance(operation.scheme, FusedScheme):
        _check_fused(p)
        check_clamp(p, operation.output)
        return p
    ends = [np.array([fmt.min, fmt.max]) for fmt in operation.operands.values()]
    totals = _total(operation, np.ix_(*_terms(operation, ends, p)))
    for end in (totals.min(), totals.max()):
        _requantize(end, operation.contract, operation.output, p, operation.sums)
    return p


def _total(operation: Operation, terms: Sequence[np.ndarray]) -> np.ndarray:
    # Sum, difference, product or single term, which the contract scales.
    if isinstance(operation, Multiplication):
        return np.multiply(*terms)
    if isinstance(operation, Addition):
        return np.subtract(*terms) if operation.subtract else np.add(*terms)
    return terms[0]


def _terms(operation: Operation, operands: Sequence[np.ndarray], p: Mapping) -> list[np.ndarray]:
    # Factors of a product, or scaled terms of a sum. At most 17 bits, and the scheme's left shift:
    # no overflow.
    def term(name: str, x: np.ndarray) -> np.ndarray:
        centred = x - p[f"{name}_zero_point"]
        return _scaled(operation, name, centred, p) if isinstance(operation, Addition) else centred

    return [term(name, x) for name, x in zip(operation.names, operands, strict=True)]


def _requantize(sums: np.ndarray, contract: Contract, output: Format, p: Mapping, unbiased: Range
                ) -> np.ndarray:
    own = {name: p[name] for name in contract.fields(unbiased, output) if name != "bias"}
    return requantize(sums, contract, output, {"bias": 0, **own}, unbiased=unbiased)


def _scaled(operation: Addition, name: str, x: np.ndarray, p: Mapping) -> np.ndarray:
    scheme = operation.scheme
    assert isinstance(scheme, Scheme)
    wider = IntFormat(scheme.intermediate.width + 1)  # a value that saturates here is refused
    fields = {"zero_point": 0, "clamp_min": wider.min, "clamp_max": wider.max}
    own = {field.removeprefix(f"{name}_"): value for field, value in p.items()
           if field.startswith(f"{name}_") and field != f"{name}_zero_point"}
    scaled = _requantize(x << scheme.left, scheme.contract, wider, fields | own,
                         operation.scaled(getattr(operation, name)))
    return scheme.intermediate.check(scaled, f"Operand {name}, scaled,")


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
