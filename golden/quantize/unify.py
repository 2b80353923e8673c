"""Three ways for tensors of unequal scales and zero points to meet in a sum or a join.

``requantize``
    Each tensor has its own range; a unit rescales each operand. The network as it always was.
``more_bits``
    The operands' scales are powers of two apart, each raised by less than a factor of 2. The result
    has the finest scale and as many bits as it needs: nothing is rounded, and shifts replace the
    multipliers.
``forced_range``
    The operands and the result have one range, that of them all. Levels are added as they are; a
    sum saturates at its format's ends, a join moves levels unchanged.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import reduce
from math import frexp
from typing import Literal, get_args

import numpy as np

from golden.affine import limits
from golden.floats import FloatAdd, FloatConcat, FloatLayer, FloatNetwork
from golden.formats import MAX_BITS
from golden.networks import Quantization
from golden.quantize.joins import keeps_quantization
from golden.ranges import Range, levels_range

__all__ = ["Unify", "WAYS", "check_way", "common_values", "exact_output", "powers_apart",
           "tensors_that_meet"]

Unify = Literal["requantize", "more_bits", "forced_range"]

WAYS: Sequence[Unify] = get_args(Unify)
"""Every way."""


def check_way(way: str, scheme: str):
    """Raise ``ValueError`` if there is no such way, or a scheme would round its exact sums."""
    if way not in WAYS:
        raise ValueError(f"Unify must be one of {', '.join(WAYS)}, not {way!r}")
    if way == "more_bits" and scheme != "exact":
        raise ValueError(f"Scheme must be exact for more_bits, whose sums are exact, not {scheme}")


def tensors_that_meet(network: FloatNetwork) -> Mapping[str, tuple[str, ...]]:
    """Group of each tensor that meets others in a sum or a join, in the network's order.

    The group has the operands, the results, and every tensor that a pool or a move ties to one of
    them. Tensors that meet no other are left out.
    """
    groups = {name: {name} for name in network.shapes}
    met = set()
    for layer in network.layers:
        if isinstance(layer, FloatAdd | FloatConcat) or keeps_quantization(layer):
            joined = set[str]().union(*(groups[name] for name in (*layer.inputs, layer.name)))
            groups |= dict.fromkeys(joined, joined)
        if isinstance(layer, FloatAdd | FloatConcat):
            met.add(layer.name)
    return {name: tuple(each for each in network.shapes if each in group)
            for name, group in groups.items() if met & group}


def common_values(tensors: Sequence[np.ndarray]) -> np.ndarray:
    """Numbers of several tensors, example by example: ``(examples, numbers)``."""
    return np.concatenate([each.reshape(len(each), -1) for each in tensors], axis=1)


def powers_apart(chosen: Quantization, base: Quantization) -> Quantization:
    """Quantization with the next larger scale that is a power of two times that of ``base``.

    A zero point of 0 stays. With another one the lower end of the range stays, to half a step, and
    the upper end moves out.

    Parameters
    ----------
    chosen, base : Quantization
        Of integer formats, with one scale.
    """
    fmt, ratio = chosen.format, float(chosen.scale) / float(base.scale)
    mantissa, exponent = frexp(ratio)
    scale = float(base.scale) * 2.0 ** (exponent - (mantissa == 0.5))
    if not np.any(chosen.zero_point):
        return replace(chosen, scale=scale)
    lowest = fmt.min - float(limits(chosen)[0]) / scale
    return Quantization(fmt, scale, int(np.clip(np.floor(lowest + 0.5), fmt.min, fmt.max)))


def exact_output(layer: FloatLayer, inputs: Sequence[Quantization]) -> Quantization:
    """Quantization that holds every result of a sum or a join exactly: the finest scale, no zero.

    Parameters
    ----------
    layer : FloatAdd or FloatConcat
        A ReLU leaves out the negative results.
    inputs : sequence of Quantization
        Of integer formats, with scales that are powers of two apart.

    Raises
    ------
    ValueError
        If the scales are not, or the results have more bits than a format may have.
    """
    finest = min(float(each.scale) for each in inputs)
    ranges = []
    for each in inputs:
        ratio = float(each.scale) / finest
        if frexp(ratio)[0] != 0.5:
            raise ValueError(f"Scales of the inputs of layer {layer.name!r} must be powers of two "
                             f"apart for more_bits, not {ratio!r}")
        zero = Range(int(each.zero_point), int(each.zero_point))
        factor = Range(int(ratio), int(ratio))
        ranges.append((levels_range(each.format) - zero) * factor)
    total = reduce(Range.__add__ if isinstance(layer, FloatAdd) else _hull, ranges)
    total = Range(0, max(total.hi, 1)) if layer.least == 0 else total
    fmt = total.format
    if fmt.width > MAX_BITS:
        raise ValueError(f"Result of layer {layer.name!r} must have at most {MAX_BITS} bits for "
                         f"more_bits, not {fmt.width}")
    return Quantization(fmt, finest)


def _hull(a: Range, b: Range) -> Range:
    return Range(min(a.lo, b.lo), max(a.hi, b.hi))
