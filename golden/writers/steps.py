"""Proof that a function of exact sums and a quantizer give every sum its level."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from golden.contracts import (
    Clamped,
    Contract,
    MultiplyShift,
    Onnx,
    Rounding,
    Stochastic,
    Thresholds,
)
from golden.layers.linear import linear_results, matters, steps, sum_ends
from golden.multipliers import combined_scale, real_scale
from golden.networks import Linear, Network
from golden.ranges import values_range
from golden.readers.qonnx.exact import Piece
from golden.writers.quantizers import MODES, Quantizer, float32, not_below

__all__ = ["Rows", "clip", "fitted", "rounding_of"]

TRIED = 1 << 16
"""Pairs of factors that are tried for a channel."""

_DIGITS = 24


@dataclass(frozen=True)
class Rows:
    """What stands between the sums of a layer and its quantizer.

    Parameters
    ----------
    quantizer : Quantizer
    weights : list of Fraction
        Scale of the weights of each channel.
    factors : list of Fraction or None
        Factor behind the sum of each channel, if the weights' scale is not exact enough alone.
    terms : list of list of Fraction
        Terms to add to each channel.
    ends : pair of Fraction or None
        Ends of the real numbers in front of the quantizer.
    """

    quantizer: Quantizer
    weights: list[Fraction]
    factors: list[Fraction] | None
    terms: list[list[Fraction]]
    ends: tuple[Fraction, Fraction] | None


def fitted(layer: Linear, network: Network, input: Quantizer, output: Quantizer) -> Rows:
    """Return numbers of float32 with which QONNX gives every sum of a layer its level.

    The real numbers of a channel are ``input step * weight step * sum + offset``. First the
    nearest numbers of float32 are tried; then two factors and two terms, which are exact to
    about 40 and 48 digits. Whether they suffice is decided for all sums: the least sum of each
    level must be the contract's.

    Parameters
    ----------
    layer : Linear
        Layer of ``network``.
    network : Network
    input, output : Quantizer
        Of the layer's input and output.

    Raises
    ------
    ValueError
        If a contract or a channel cannot be said.
    """
    contract = layer.contract
    ends = sum_ends(layer, network)
    wanted = _ladder(layer, ends)
    rounding = rounding_of(contract)
    quantizer = output.rounding(MODES[rounding])
    cut = None
    if isinstance(contract, Clamped):
        clamps = np.unique([np.broadcast_to(layer.parameters[f"clamp_{end}"], ends.shape[1])
                            for end in ("min", "max")], axis=1)
        if clamps.shape[1] > 1:
            raise ValueError("Clamp must be one for all channels")
        cut = clip(quantizer, *clamps[:, 0].tolist())
    else:  # the level that every sum reaches
        reached = int((wanted == ends[0]).all(axis=1).sum())
        cut = clip(quantizer, int(layer.output.format.levels()[reached]), layer.output.format.max)
    slopes, offsets = _real(layer, network, quantizer, rounding, wanted)
    borders = quantizer.borders()
    bounds = ends.T.tolist()

    def right(channel: int, slope: Fraction, offset: Fraction) -> bool:
        piece = Piece(slope, offset, *(cut or (None, None)))
        return piece.ladder(borders, *bounds[channel]) == wanted[:, channel].tolist()

    title = f"Scale of the weights of layer {layer.name!r}"
    exact = [slope / input.step for slope in slopes]
    weights = [float32(each, title) for each in exact]
    factors = [Fraction(1)] * len(weights)
    terms = [_terms(offset, 1) for offset in offsets]
    wrong = [k for k, weight in enumerate(weights)
             if not right(k, input.step * weight, sum(terms[k], Fraction(0)))]
    for k in wrong:
        weights[k], factors[k] = _pair(exact[k])
        terms[k] = _terms(offsets[k], 2)
        if not right(k, input.step * weights[k] * factors[k], sum(terms[k], Fraction(0))):
            raise ValueError(f"Contract {contract.name} of channel {k} must give every sum the "
                             f"level of a real factor, {float(exact[k] * input.step / output.step)}"
                             f", which float32 holds, and of rounding {quantizer.mode}")
    more = max(map(len, terms))
    return Rows(quantizer, weights, factors if wrong else None,
                [own + [Fraction(0)] * (more - len(own)) for own in terms], cut)


def rounding_of(contract: Contract) -> Rounding:
    """Return the rounding of exact numbers that is a contract's or, of most numbers, like it.

    ``ValueError`` if the contract has none: it draws, or makes no levels.
    """
    if not isinstance(contract, Clamped | Thresholds) or isinstance(contract, Stochastic):
        raise ValueError(f"Contract must be one that gives each sum one level, "
                         f"not {contract.name}")
    if isinstance(contract, MultiplyShift):
        return contract.rounding
    return Rounding.HALF_EVEN if isinstance(contract, Onnx) else Rounding.HALF_UP


def clip(quantizer: Quantizer, least: int, most: int) -> tuple[Fraction, Fraction] | None:
    """Real numbers between which to clip, for levels between two ends; None if all are."""
    fmt = quantizer.output.format
    if (least, most) == (fmt.min, fmt.max):
        return None
    zero = quantizer.output.scalar_zero_point()
    lo, hi = (not_below(quantizer.step * (level - zero), "End of a clamp")
              for level in (least, most))
    return lo, hi


def _ladder(layer: Linear, ends: np.ndarray) -> np.ndarray:
    # Least sum of each channel that reaches each level but the first, or the largest plus one, by
    # bisection: no contract falls.
    unbiased, levels = values_range(ends), layer.output.format.levels()
    if np.any(np.asarray(layer.parameters.get("multiplier", 0)) < 0):
        raise ValueError("Multiplier must not be negative")
    lo, hi = (np.broadcast_to(end, (len(levels) - 1, ends.shape[1])).copy()
              for end in (ends[0], ends[1] + 1))
    while (lo < hi).any():
        middle = np.minimum((lo + hi) // 2, ends[1])
        found = linear_results(layer, middle, unbiased)
        reached = np.asarray(found) >= levels[1:, None]
        open_ = lo < hi
        hi = np.where(open_ & reached, middle, hi)
        lo = np.where(open_ & ~reached, middle + 1, lo)
    return lo


def _real(layer: Linear, network: Network, quantizer: Quantizer, rounding: Rounding,
          wanted: np.ndarray) -> tuple[list[Fraction], list[Fraction]]:
    # Exact slope and offset of each channel's real numbers.
    count, contract = len(layer.weights), layer.contract
    bias = np.broadcast_to(layer.parameters["bias"], count).tolist()
    if isinstance(contract, Thresholds):
        input, weights = steps(layer, network)
        used = np.where(matters(layer, layer.parameters["bias"]), weights, 0.0)
        factors = combined_scale(contract, input, used, output=layer.output.step)
    else:
        assert isinstance(contract, Clamped)
        factors = real_scale(contract, layer.parameters)
    factors = [Fraction(each) for each in np.broadcast_to(factors, count).tolist()]
    addend = np.broadcast_to(layer.parameters.get("addend", 0), count).tolist()
    shift = np.broadcast_to(layer.parameters.get("shift", 0), count).tolist()
    slopes, offsets = [], []
    for k, factor in enumerate(factors):
        offset = factor * bias[k] + Fraction(addend[k]) / 2**shift[k]
        if not factor:
            # All sums have one level: any factor gives it, where 0 is the only sum.
            level = int(layer.output.format.levels()[int((wanted[:, k] <= 0).sum())])
            offset = Fraction(level - quantizer.output.scalar_zero_point())
            factor = Fraction(1)
        elif rounding in (Rounding.HALF_UP, Rounding.FLOOR) and not (
                quantizer.extra(rounding) * 2 == quantizer.step and factor.denominator == 1):
            # All numbers are multiples of 1 over the denominator, and so is each border: half of
            # that more puts the borders between two. Those of integers are there as they are.
            offset += Fraction(1, 2 * factor.denominator)
        slopes.append(factor * quantizer.step)
        offsets.append(offset * quantizer.step + quantizer.extra(rounding))
    return slopes, offsets


def _terms(value: Fraction, count: int) -> list[Fraction]:
    # Numbers of float32 whose sum is nearest to a number.
    terms: list[Fraction] = []
    for _ in range(count):
        rest = value - sum(terms, Fraction(0))
        if abs(rest) < Fraction(1, 1 << 120):  # too small for float32, and for any border
            break
        terms.append(float32(rest, "Bias"))
    return terms or [Fraction(0)]


def _pair(value: Fraction) -> tuple[Fraction, Fraction]:
    # Two numbers of float32, the second from 1 to 2, whose product is nearest to a number, of those
    # whose first has one of so many values.
    places = 2 * _DIGITS - 2  # of the product of the two integers
    exponent = places - _exponent(value)
    whole = int(value * Fraction(2)**(exponent + 15))
    first = np.arange(TRIED, dtype=np.int64) + (1 << _DIGITS - 1)
    second = (whole + (first << 14)) // (first << 15)
    best = int(np.argmin(np.abs(whole - ((first * second) << 15))))
    return (Fraction(int(second[best])) * Fraction(2)**(_DIGITS - 1 - exponent),
            Fraction(int(first[best]), 1 << _DIGITS - 1))


def _exponent(value: Fraction) -> int:
    # Place of the highest digit.
    guess = value.numerator.bit_length() - value.denominator.bit_length()
    return guess if Fraction(2)**guess <= value else guess - 1
