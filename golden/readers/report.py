"""What of a model computes on levels, where real numbers remain and why, what shares a scale."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from golden.networks import (
    Concat,
    DynamicQuantize,
    Extreme,
    Float32,
    FloatAveragePool,
    FloatOperation,
    FloatReduce,
    FloatSoftmax,
    Layer,
    LeakyRelu,
    Lookup,
    Move,
    Network,
    Pool,
    Quantization,
    Rescale,
    Softmax,
    TableSoftmax,
    ToFloat,
)
from golden.readers.model import Boundary, Model

__all__ = ["Computed", "Remaining", "Report", "Shared", "described", "report"]

MOST_LETTERS = 44
"""Most letters of a name that a report shows, the last ones."""


@dataclass(frozen=True)
class Computed:
    """An operator that computes levels from levels.

    Parameters
    ----------
    tensor : str
        Output in the network.
    place : int, str or None
        Index or name of that tensor in the file; None if the file does not have it.
    operator : str
        Class of the layer.
    arithmetic : str
        Contract or scheme, or how levels are computed without one.
    quantization : str
        Format, scale and zero point of the output.
    """

    tensor: str
    place: int | str | None
    operator: str
    arithmetic: str
    quantization: str


@dataclass(frozen=True)
class Remaining:
    """A quantize or dequantize operator that stays outside of the network, and why.

    Parameters
    ----------
    operator, real, levels : str
        As in :class:`golden.readers.model.Boundary`.
    reason : str
    """

    operator: str
    real: str
    levels: str
    reason: str


@dataclass(frozen=True)
class Shared:
    """Tensors that must have one scale and one zero point.

    Parameters
    ----------
    tensors : tuple of str
    quantization : str
    operators : tuple of str
        Operators that keep levels as they are, and so force this, each with its output.
    """

    tensors: tuple[str, ...]
    quantization: str
    operators: tuple[str, ...]


@dataclass(frozen=True)
class Report:
    """How a model is divided between levels and real numbers; ``str`` gives a text.

    Parameters
    ----------
    name, runtime : str
        Name of the network, and the runtime whose arithmetic it has.
    computed : tuple of Computed
        Operators on levels, in order.
    quantize, dequantize : tuple of Remaining
        Where real numbers become levels, and levels real numbers.
    shared : tuple of Shared
    """

    name: str
    runtime: str
    computed: tuple[Computed, ...]
    quantize: tuple[Remaining, ...]
    dequantize: tuple[Remaining, ...]
    shared: tuple[Shared, ...]

    def __str__(self) -> str:
        lines = [f"{self.name} as {self.runtime} computes it", "",
                 f"operators on levels: {len(self.computed)}{self._added()}"]
        lines += _aligned([("place", "tensor", "operator", "arithmetic", "levels"), *(
            (str(each.place if each.place is not None else "-"), _short(each.tensor),
             each.operator, each.arithmetic, each.quantization) for each in self.computed)])
        for title, remaining, end in (("quantize", self.quantize, "inputs"),
                                      ("dequantize", self.dequantize, "outputs")):
            lines += ["", f"{title} operators that remain: {len(remaining)}" + (
                "" if remaining else f"; the model's {end} are levels")]
            lines += _aligned([(each.operator, _short(each.real), _short(each.levels), each.reason)
                               for each in remaining])
        lines += ["", f"groups of tensors with one scale and zero point: {len(self.shared)}"]
        for each in self.shared:
            lines += [f"  {each.quantization}: {', '.join(map(_short, each.tensors))}",
                      f"    forced by {', '.join(each.operators)}"]
        return "\n".join(lines)

    def _added(self) -> str:
        # Layers that the file does not have: other layouts, tables in front of a joining.
        added = sum(each.place is None for each in self.computed)
        return f", {added} of them added by the reader" if added else ""


def report(model: Model) -> Report:
    """Return what of a model computes on levels, and where real numbers remain.

    Parameters
    ----------
    model : Model
        Of any reader.
    """
    network = model.network
    return Report(
        network.name, model.runtime, tuple(
            Computed(layer.name, model.tensors.get(layer.name), type(layer).__name__,
                     _arithmetic(layer), described(layer.output)) for layer in network.layers),
        _remaining(model.quantize, "its input is an input of the model, of real numbers"),
        _remaining(model.dequantize, "its output is an output of the model, of real numbers"),
        tuple(_shared(network)))


def _arithmetic(layer: Layer) -> str:
    for name in ("contract", "scheme"):
        if (own := getattr(layer, name, None)) is not None:
            return f"{name} {own.name}"
    match layer:
        case Lookup():
            return "table"
        case Softmax() | LeakyRelu():
            return "fixed point"
        case DynamicQuantize() | ToFloat() | FloatOperation():
            return "float32, one operation"
        case FloatAveragePool() | FloatReduce() | FloatSoftmax() | TableSoftmax():
            return "float32 inside"
        case Pool():
            return f"{layer.kind} of levels"
        case Extreme():
            return f"{layer.kind} of levels"
        case Move():
            return "moves levels"
    return "integers"


def _keeps(layer: Layer, network: Network) -> bool:
    # Whether a layer keeps levels as they are: it moves, selects, averages or clamps them.
    if isinstance(layer, Move | Pool):
        return not isinstance(layer.output.format, Float32)
    return isinstance(layer, Concat | Rescale) and all(
        _same(network.quantization(name), layer.output) for name in layer.inputs)


def _same(a: Quantization, b: Quantization) -> bool:
    return a.format == b.format and np.array_equal(a.scale, b.scale) and np.array_equal(
        a.zero_point, b.zero_point)


def _shared(network: Network) -> Iterable[Shared]:
    # Tensors joined by layers that keep levels, in the order of the network.
    groups: dict[str, list[str]] = {}
    forced: dict[str, list[str]] = {}
    for layer in network.layers:
        if not _keeps(layer, network):
            continue
        joined: list[str] = []
        by: list[str] = []
        for name in (*layer.inputs, layer.name):
            own = groups.get(name, [name])
            joined += [each for each in own if each not in joined]
            by += [each for each in forced.get(own[0], []) if each not in by]
        for each in joined:
            groups[each] = joined
            forced.pop(each, None)
        forced[joined[0]] = [*by, f"{type(layer).__name__} ({_short(layer.name)})"]
    for first, operators in forced.items():
        yield Shared(tuple(groups[first]), described(network.quantization(first)), tuple(operators))


def _remaining(boundaries: Sequence[Boundary], reason: str) -> tuple[Remaining, ...]:
    return tuple(Remaining(each.operator, each.real, each.levels, each.reason or reason)
                 for each in boundaries)


def described(quantization: Quantization) -> str:
    """Return format, scale and zero point of a quantization as a text."""
    if isinstance(quantization.format, Float32):
        return str(quantization.format)
    if isinstance(quantization.scale, float) and isinstance(quantization.zero_point, int):
        return (f"{quantization.format}, scale {quantization.scale:.6g}, "
                f"zero point {quantization.zero_point}")
    return f"{quantization.format}, scales per channel"


def _short(name: str) -> str:
    return name if len(name) <= MOST_LETTERS else f"...{name[3 - MOST_LETTERS:]}"


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  " + "  ".join(f"{text:{width}}" for text, width in zip(
        row, widths, strict=True)).rstrip() for row in rows]
