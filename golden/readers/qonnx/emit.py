"""Layers of QONNX's quantizers: exact sums, and one function of them that never falls.

Contract ``thresholds`` computes any such function exactly: threshold ``k`` of a channel is the
least sum that reaches level ``k``. Where a channel's function falls, its weights change sign. A
function of one tensor of levels is a table.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np

from golden import contracts
from golden.contracts import THRESHOLD_BITS, ExactSum
from golden.formats import MAX_BITS, Format
from golden.networks import Quantization, Reshape
from golden.ranges import Range, levels_range, weights_ends
from golden.readers.model import Exact, Unsupported
from golden.readers.onnx.moves import joined
from golden.readers.onnx.tensors import Levels
from golden.readers.qonnx.exact import Border, Piece
from golden.readers.qonnx.steps import Steps
from golden.readers.qonnx.tensors import Tensors
from golden.readers.qonnx.values import Pending, Sums
from golden.readers.qonnx.wide import scaled

__all__ = ["exact_sums", "quantized", "values_of"]

THRESHOLDS = contracts.parse("thresholds")
_MOST_REAL = Fraction(float(np.finfo(np.float32).max))


def values_of(tensors: Tensors, pending: Pending) -> tuple[Fraction, Fraction]:
    """Return the least and the largest real number of a tensor, over all levels of its inputs."""
    tensors.spend(len(pending.pieces), _digits(pending.pieces))
    if isinstance(pending.base, tuple):
        ends = [end for each in pending.base for end in values_of(tensors, each)]
    elif isinstance(pending.base, Levels):
        own = _integers(pending.base)
        ends = [piece(n) for piece in pending.pieces for n in (own.lo, own.hi)]
    else:
        least, most = _sum_ends(pending.base, pending.base.weights, pending.base.zero).tolist()
        pieces = _each(pending.pieces, len(least))
        ends = [piece(n) for own in (least, most) for piece, n in zip(pieces, own, strict=True)]
    return min(ends), max(ends)


def quantized(tensors: Tensors, name: str, pending: Pending, steps: Steps) -> Levels:
    """Append the layers that make levels of real numbers; return the tensor ``name``."""
    key = tensors.fresh(name, "quantized") if pending.moves else name
    if isinstance(pending.base, tuple):
        parts = []
        for place, each in enumerate(pending.base):
            own = tensors.fresh(name, f"part{place}")
            parts.append(tensors.with_zero(own, quantized(tensors, own, each, steps)))
            del tensors.levels[own]
        assert pending.joins is not None
        joined(pending.joins, tensors, key, parts, parts[0].quantization)
        levels = tensors.levels[key]
    elif isinstance(pending.base, Levels):
        [piece] = pending.pieces
        levels = _table(tensors, key, pending.base, piece, steps)
    else:
        levels = _layer(tensors, key, pending.base, pending.pieces, steps)
    if pending.moves:
        del tensors.levels[key]
    return tensors.replayed(name, levels, pending.moves)


def exact_sums(tensors: Tensors, name: str, pending: Pending) -> Levels:
    """Append the layers of an output of the graph that no quantizer makes: its exact sums.

    The function from these to the real numbers stays outside of the network.
    """
    base = pending.base
    if not isinstance(base, Sums):
        raise Unsupported("Output must be what a quantizer makes, or real numbers of sums")
    pieces = _each(pending.pieces, len(base.weights))
    if any(each.operator == "MaxPool" for each in pending.moves) and any(
            piece.slope < 0 for piece in pieces):
        raise Unsupported("Output must be what a quantizer makes where a MaxPool is of negative "
                          "factors")
    key = tensors.fresh(name, "sums") if pending.moves else name
    contract = contracts.parse("none")
    assert isinstance(contract, ExactSum)
    ends = _sum_ends(base, base.weights, base.zero)
    for channel, (piece, own) in enumerate(zip(pieces, ends.T.tolist(), strict=True)):
        if (most := max(abs(piece(n)) for n in own)) > _MOST_REAL:
            raise Unsupported(f"Output must be real numbers that float32 holds, not "
                              f"{float(most):g} as in channel {channel}")
    unbiased = Range(int(ends.min()), int(ends.max()))
    slopes = np.array([float(abs(piece.slope)) for piece in pieces])
    output = Quantization(contract.sum_format(unbiased), _one(slopes, float))
    levels = _appended(tensors, key, base, output, pieces, None, base.weights, base.zero,
                       contract=contract, parameters={"bias": np.zeros(len(pieces), np.int64)})
    if pending.moves:
        del tensors.levels[key]
    return tensors.replayed(name, levels, pending.moves)


def _each(pieces: Sequence[Piece], count: int) -> list[Piece]:
    return list(pieces) * (count // len(pieces))


def _integers(levels: Levels) -> Range:
    zero = levels.quantization.scalar_zero_point()
    return levels_range(levels.quantization.format) - Range(zero, zero)


def _sum_ends(sums: Sums, weights: np.ndarray, zero: np.ndarray) -> np.ndarray:
    centred = weights - zero.reshape(-1, *[1] * (weights.ndim - 1))
    return weights_ends(centred, _integers(sums.input))


def _table(tensors: Tensors, key: str, base: Levels, piece: Piece, steps: Steps) -> Levels:
    zero, own, sign = base.quantization.scalar_zero_point(), _integers(base), 1
    rising = piece
    if piece.slope < 0:
        rising, own, sign = piece.flipped(), Range(-own.hi, -own.lo), -1
    reached, [borders] = _ladder(tensors, steps, [piece])
    ladder = np.array(rising.ladder(borders, own.lo, own.hi))
    levels = tensors.tabled(key, base, steps.output, lambda levels: np.array(reached)[
        np.searchsorted(ladder, sign * (levels - zero), side="right")])
    if levels.layouts is not base.layouts:
        _remember(tensors, levels, (piece,), steps)
    return levels


def _layer(tensors: Tensors, key: str, sums: Sums, pieces: Sequence[Piece], steps: Steps
           ) -> Levels:
    count, output = len(sums.weights), steps.output
    falls = np.array([piece.slope < 0 for piece in _each(pieces, count)])
    own = [piece.flipped() if fall else piece
           for piece, fall in zip(_each(pieces, count), falls, strict=True)]
    weights, zero = sums.weights, sums.zero
    if falls.any():
        signs = np.where(falls, -1, 1)
        weights = weights * signs.reshape(-1, *[1] * (weights.ndim - 1))
        zero = zero * signs
    ends = _sum_ends(sums, weights, zero).T.tolist()
    levels, borders = _ladder(tensors, steps, own)
    # Of each channel the least sum of each level, and behind the last one that is never reached.
    ladders = np.empty((count, len(levels) + 1), np.int64)
    for k, (piece, (least, most)) in enumerate(zip(own, ends, strict=True)):
        ladders[k] = least, *piece.ladder(borders[k % steps.rows], least, most), most + 1
    if output.format.bits > THRESHOLD_BITS:
        contract, parameters = scaled(own, steps, levels, ladders, ends)
        # The weights have the whole factor, as the contract's multiplier has.
        step = Fraction(float(sums.input.quantization.scale))
        sums = replace(sums, scale=np.array([float(piece.slope / step) for piece in own]))
    else:
        contract = THRESHOLDS
        parameters = _thresholds(output.format, levels, ladders)
    return _appended(tensors, key, sums, output, own, steps, weights, zero, contract=contract,
                     parameters=parameters)


def _ladder(tensors: Tensors, steps: Steps, pieces: Sequence[Piece]
            ) -> tuple[Sequence[int], Sequence[Sequence[Border]]]:
    # Levels and borders, of which each piece takes one row.
    tensors.spend(2 * steps.rows * steps.count)
    tensors.spend(len(pieces) * steps.count, _digits(pieces))
    return steps.ladder()


def _digits(pieces: Sequence[Piece]) -> int:
    return max(piece.digits for piece in pieces)


def _thresholds(fmt: Format, levels: Sequence[int], ladders: np.ndarray
                ) -> dict[str, np.ndarray]:
    # A threshold for each level of the format but the first: of levels that never come, the one
    # of the next that comes; behind the last, a sum that is never reached.
    places = np.searchsorted(np.array(levels), fmt.levels()[1:])
    steps = {f"threshold_{k}": ladders[:, place] for k, place in enumerate(places.tolist(), 1)}
    return {"bias": np.zeros(len(ladders), np.int64), **steps}


def _appended(tensors: Tensors, key: str, sums: Sums, output: Quantization,
              pieces: Sequence[Piece], steps: Steps | None, weights: np.ndarray, zero: np.ndarray,
              **fields: Any) -> Levels:
    # The layer itself, and the shape that its results get.
    fmt = sums.format
    if not fmt.contains(weights).all() or (zero.any() and not fmt.contains(zero).all()):
        fmt = Range(int(min(weights.min(), zero.min())), int(max(weights.max(), zero.max()))).format
        if fmt.width > MAX_BITS:
            raise Unsupported(f"Weights must have at most {MAX_BITS} bits where their signs "
                              f"change, not {fmt.width}")
    weight = Quantization(fmt, _one(sums.scale, float), _one(zero, int))
    layer: Callable[..., Any] = sums.layer
    if sums.target is None:
        levels = tensors.made(key, output, layer, inputs=[sums.input], last=sums.last,
                              weights=weights, weight=weight, **fields, **sums.fields)
        _remember(tensors, levels, pieces, steps)
        return levels
    inner = tensors.fresh(key, "sums")
    levels = tensors.made(inner, output, layer, inputs=[sums.input], weights=weights,
                          weight=weight, **fields, **sums.fields)
    _remember(tensors, levels, pieces, steps)
    del tensors.levels[inner]
    return tensors.made(key, output, Reshape, names=[levels.layouts[False]], last=sums.last,
                        target=sums.target)


def _one(values: np.ndarray, kind: type) -> Any:
    # Scales may be 0 for channels alone.
    same = (values == values[0]).all() and (values[0] or kind is int)
    return kind(values[0]) if same else values


def _remember(tensors: Tensors, levels: Levels, pieces: Sequence[Piece], steps: Steps | None):
    [name] = levels.layouts.values()
    tensors.exact[name] = (Exact(tuple(pieces), None) if steps is None else
                           Exact(tuple(pieces), steps.exactly, steps.rule is not None))

