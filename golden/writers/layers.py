"""Layers of a network as nodes of QONNX, each proven to give the levels that golden gives."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import lcm, prod
from typing import Any

import numpy as np

from golden import elementwise
from golden.contracts import Contract
from golden.formats import IntFormat
from golden.layers.elementwise import operations
from golden.networks import (
    Add,
    Concat,
    Conv2d,
    Dense,
    Layer,
    Linear,
    Network,
    Pool,
    Reshape,
    Transpose,
)
from golden.units import Scheme
from golden.writers.graph import Graph
from golden.writers.quantizers import MODES, Quantizer, check, constant
from golden.writers.steps import clip, fitted, rounding_of

__all__ = ["LAYERS", "Writer", "check_alone"]

MOST_BITS = 8
"""Most bits of an average."""

MOST_PAIRS = 1 << 16
"""Most pairs of levels whose sums are compared one by one."""

MOST_TERM = 48
"""Most bits of the terms of a sum of two tensors, on a scale of which both are multiples."""


@dataclass
class Writer:
    """What the layers of one file share.

    Parameters
    ----------
    network : Network
    graph : Graph
    quantizers : dict of str to Quantizer
        Quantizer of each tensor so far.
    """

    network: Network
    graph: Graph
    quantizers: dict[str, Quantizer] = field(default_factory=dict)

    def quantizer(self, layer: Layer) -> Quantizer:
        """Return the quantizer of a layer's output."""
        return Quantizer.of(layer.output, "the output")

    def finish(self, name: str, x: str, quantizer: Quantizer, *, first: bool,
               ends: tuple[Fraction, Fraction] | None = None):
        """Add what clips real numbers and the quantizer, which makes the tensor ``name``."""
        x = self.clipped(name, x, ends)
        quantizer.node(self.graph, x, name)
        self.graph.made(name, first=first)

    def clipped(self, name: str, x: str, ends: tuple[Fraction, Fraction] | None) -> str:
        """Add what clips real numbers, if there are ends; return the result's name."""
        if ends is None:
            return x
        graph = self.graph
        limits = [graph.constant(f"{name}.{title}", np.float32(float(end)))
                  for title, end in zip(("least", "most"), ends, strict=True)]
        return graph.node("Clip", [x, *limits], graph.fresh(f"{name}.clipped"))

    def added(self, name: str, x: str, values: Sequence[Fraction], shape: Sequence[int]) -> str:
        """Add a constant for each channel, or one, unless all are 0; return the result's name."""
        if not any(values):
            return x
        graph = self.graph
        bias = graph.constant(f"{name}.bias", _floats(values, shape))
        return graph.node("Add", [x, bias], graph.fresh(f"{name}.biased"))


def _floats(values: Sequence[Fraction], shape: Sequence[int]) -> np.ndarray:
    return np.array([float(each) for each in values], np.float32).reshape(shape)


def check_alone(layer: Layer):
    """Raise ``ValueError`` for what a layer has, whatever its inputs are, that QONNX cannot say."""
    if type(layer) not in LAYERS:
        raise ValueError(f"Layer must be one of {', '.join(each.__name__ for each in LAYERS)}, "
                         f"not {type(layer).__name__}")
    if isinstance(layer, Linear):
        if layer.exponents is not None or layer.table is not None:
            raise ValueError("Weights and results must have no exponents and no table")
        check(layer.weight.format, "the weights")
    if isinstance(layer, Linear | Concat):
        rounding_of(layer.contract)  # which refuses what has none
    if isinstance(layer, Linear | Add | Concat):
        Quantizer.of(layer.output, "the output")
    if isinstance(layer, Add) and not isinstance(layer.scheme, Scheme):
        raise ValueError(f"Scheme must be one of integers, not {layer.scheme.name}")
    if isinstance(layer, Pool) and layer.kind != "max":
        if np.any(layer.padding):
            raise ValueError(f"Padding of an average must be 0, as a border has fewer elements, "
                             f"not {layer.padding}")
        if layer.output.format.bits > MOST_BITS:
            raise ValueError(f"Output of an average must have at most {MOST_BITS} bits, "
                             f"not {layer.output.format.bits} ({layer.output.format})")


def _linear(layer: Linear, writer: Writer):
    graph, name, count = writer.graph, layer.name, len(layer.weights)
    rows = fitted(layer, writer.network, writer.quantizers[layer.inputs[0]],
                  writer.quantizer(layer))
    image = isinstance(layer, Conv2d)
    levels = layer.weights.transpose(0, 3, 1, 2) if image else layer.weights.T
    weights = constant(graph, f"{name}.weights", levels, layer.weight, rows.weights,
                       0 if image else 1, "the weights")
    x = graph.tensor(layer.inputs[0], first=image)
    sums = graph.fresh(f"{name}.sums")
    if image:
        assert isinstance(layer, Conv2d)
        graph.node("Conv", [x, weights], sums, kernel_shape=list(levels.shape[2:]),
                   strides=list(layer.stride), dilations=list(layer.dilation),
                   pads=_pads(layer.padding), group=layer.groups)
    else:
        graph.node("MatMul", [x, weights], sums)
    shape = (1, count, 1, 1) if image else (count,)
    if rows.factors is not None:
        factor = graph.constant(f"{name}.factor", _floats(rows.factors, shape))
        sums = graph.node("Mul", [sums, factor], graph.fresh(f"{name}.scaled"))
    for terms in zip(*rows.terms, strict=True):
        sums = writer.added(name, sums, terms, shape)
    writer.finish(name, sums, rows.quantizer, first=image, ends=rows.ends)
    writer.quantizers[name] = rows.quantizer


def _pads(padding: Sequence[Sequence[int]]) -> list[int]:
    # All fronts, then all ends.
    return [pad[end] for end in (0, 1) for pad in padding]


def _pool(layer: Pool, writer: Writer):
    graph, name = writer.graph, layer.name
    own = writer.quantizers[layer.inputs[0]].rounding("HALF_UP")
    ends = None if layer.clamp is None else clip(own, *layer.clamp)
    fields: dict[str, Any] = {"kernel_shape": list(layer.size), "strides": list(layer.stride),
                              "pads": _pads(layer.padding)}
    x = graph.tensor(layer.inputs[0], first=True)
    plain = layer.kind == "max" and ends is None
    output = name if plain else graph.fresh(f"{name}.pooled")
    if layer.kind == "max":
        graph.node("MaxPool", [x], output, **fields)
    else:
        graph.node("AveragePool", [x], output, **fields)
    if plain:
        graph.made(name, first=True)
    else:
        # Mean levels with their zero point, ties away from zero: HALF_UP by QONNX's name.
        writer.finish(name, output, own, first=True, ends=ends)
    writer.quantizers[name] = own


def _reshape(layer: Reshape, writer: Writer):
    graph, name = writer.graph, layer.name
    x = graph.tensor(layer.inputs[0], first=False)
    target = graph.constant(f"{name}.shape", np.array([1, *layer.target]))
    graph.node("Reshape", [x, target], name)
    graph.made(name, first=False)
    writer.quantizers[name] = writer.quantizers[layer.inputs[0]]


def _transpose(layer: Transpose, writer: Writer):
    graph, name = writer.graph, layer.name
    graph.node("Transpose", [graph.tensor(layer.inputs[0], first=False)], name,
               perm=list(layer.axes))
    graph.made(name, first=False)
    writer.quantizers[name] = writer.quantizers[layer.inputs[0]]


def _add(layer: Add, writer: Writer):
    graph, name, network = writer.graph, layer.name, writer.network
    assert isinstance(layer.scheme, Scheme)
    shapes = [network.tensors[each].shape for each in layer.inputs]
    if shapes[0] != shapes[1]:
        raise ValueError(f"Inputs must have one shape, not {shapes[0]} and {shapes[1]}")
    inputs = [writer.quantizers[each] for each in layer.inputs]
    own, extra = _rounding(writer.quantizer(layer), layer.scheme.contract)
    ends = clip(own, layer.parameters["clamp_min"], layer.parameters["clamp_max"])
    tables = [each.output.format.levels() for each in inputs]
    if prod(map(len, tables)) > MOST_PAIRS:
        raise ValueError(f"Pairs of levels must be at most {MOST_PAIRS}, not "
                         f"{prod(map(len, tables))}")
    a, b = (each.reshape(-1) for each in np.meshgrid(*tables, indexing="ij"))
    [operation] = operations(layer, network)
    wanted = elementwise.compute(operation, [a, b], layer.parameters)
    zeros = [each.output.scalar_zero_point() for each in inputs]
    # Both terms in units of which both scales are multiples.
    ratio = inputs[0].step / inputs[1].step
    unit = inputs[1].step / ratio.denominator
    if max(int(abs(table - zero).max()) * factor for table, zero, factor in zip(
            tables, zeros, (ratio.numerator, ratio.denominator), strict=True)
           ).bit_length() >= MOST_TERM:
        raise ValueError(f"Scales of the inputs must be to each other as integers with which "
                         f"levels have at most {MOST_TERM} bits, not as {ratio.numerator} to "
                         f"{ratio.denominator}")
    units = (a - zeros[0]).astype(object) * ratio.numerator + (
        b - zeros[1]).astype(object) * ratio.denominator
    _same(wanted, units, unit, own, extra, ends)
    first = all(map(graph.has_first, layer.inputs))
    names = [graph.tensor(each, first=first) for each in layer.inputs]
    total = graph.node("Add", names, graph.fresh(f"{name}.sums"))
    writer.finish(name, writer.added(name, total, [extra], ()), own, first=first, ends=ends)
    writer.quantizers[name] = own


def _concat(layer: Concat, writer: Writer):
    graph, name, network = writer.graph, layer.name, writer.network
    rank = len(network.tensors[name].shape)
    axis = layer.axis % (rank + 1) if layer.axis < 0 else layer.axis
    first = rank == 3 and all(map(graph.has_first, layer.inputs))
    own, extra = _rounding(writer.quantizer(layer), layer.contract)
    parts = []
    for index, (operation, x, parameters) in enumerate(zip(
            operations(layer, network), layer.inputs, layer.parameters, strict=True)):
        input = writer.quantizers[x]
        levels = input.output.format.levels()
        wanted = elementwise.compute(operation, [levels], parameters)
        part = graph.tensor(x, first=first)
        if _alike(input, own) and (wanted == levels).all():
            parts.append(part)
            continue
        ends = clip(own, parameters["clamp_min"], parameters["clamp_max"])
        zero = input.output.scalar_zero_point()
        _same(wanted, (levels - zero).astype(object), input.step, own, extra, ends)
        place = graph.fresh(f"{name}.part{index}")
        part = writer.clipped(place, writer.added(place, part, [extra], ()), ends)
        parts.append(own.node(graph, part, place))
    graph.node("Concat", parts, name, axis=(0, 2, 3, 1)[axis] if first else axis)
    graph.made(name, first=first)
    writer.quantizers[name] = own


def _rounding(quantizer: Quantizer, contract: Contract) -> tuple[Quantizer, Fraction]:
    # The quantizer that rounds as a contract, and what is added in front of it.
    rounding = rounding_of(contract)
    return quantizer.rounding(MODES[rounding]), quantizer.extra(rounding)


def _alike(one: Quantizer, other: Quantizer) -> bool:
    a, b = one.output, other.output
    return (a.format, a.scale, a.zero_point) == (b.format, b.scale, b.zero_point)


def _same(wanted: np.ndarray, units: np.ndarray, unit: Fraction, quantizer: Quantizer,
          extra: Fraction, ends: tuple[Fraction, Fraction] | None):
    # Whether the quantizer gives real numbers ``unit * units + extra`` the levels of golden.
    assert isinstance(quantizer.output.format, IntFormat)
    denominator = lcm(unit.denominator, extra.denominator)
    values, places = np.unique(units, return_inverse=True)
    found = []
    for each in values.tolist():
        value = Fraction(each * (unit.numerator * (denominator // unit.denominator))
                         + extra.numerator * (denominator // extra.denominator), denominator)
        found.append(quantizer.level(
            value if ends is None else min(max(value, ends[0]), ends[1])))
    if not (differ := np.array(found)[places] != wanted).any():
        return
    raise ValueError(f"Levels must be those of exact sums of the tensors' scales, rounded "
                     f"{quantizer.mode}, not others for {int(differ.sum())} of {differ.size} "
                     f"inputs")


LAYERS: Mapping[type[Layer], Callable[..., None]] = {
    Dense: _linear, Conv2d: _linear, Pool: _pool, Reshape: _reshape, Transpose: _transpose,
    Add: _add, Concat: _concat}
"""What writes each kind of layer."""
