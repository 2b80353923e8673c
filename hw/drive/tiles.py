"""Tiles that the layers of a network need: formats, contract, zero points and depth."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np

from golden.contracts import Clamped, ExactSum
from golden.formats import EXPONENT_BIAS, BlockScaled, Format, IntFormat
from golden.networks import Layer, Linear, Network, Reduce
from hw.drive.lower import lower
from hw.tile.choices import usual_zero_points
from hw.tile.config import TileConfig

__all__ = ["longest", "tile_of", "tiles_of"]

_BIT = IntFormat(1, signed=False)
_ZERO_POINTS = ("none", "activations", "both")


def longest(network: Network, layer: Layer, *, cols: int = 1) -> int:
    """Return the number of products of the longest sum of a layer.

    Groups of a convolution that share the columns of a tile have longer sums than one alone.

    Parameters
    ----------
    network : Network
    layer : Dense, Conv2d, TransposeConv2d or Reduce
        Layer of ``network``.
    cols : int
        Columns that groups may share.
    """
    name = layer.inputs[0]
    lowering = lower(layer, (1, *network.tensors[name].shape), network.quantization(name),
                     columns=cols)
    return max(product.weights.shape[1] for product in lowering.products)


def tile_of(network: Network, layer: Layer, **choices: Any) -> TileConfig:
    """Return the least tile that computes a layer of sums.

    It has the formats of the layer's weights, input and output, and the layer's contract. It has
    zero points of weights where one of them is not 0, and a loaded table where the layer has one.
    Its window holds every exponent that the layer may have. By default it is as deep as the
    layer's longest sum: that of groups that share its columns, unless the contract does not take so
    many products. A Reduce has weights of 1.

    Parameters
    ----------
    network : Network
    layer : Dense, Conv2d, TransposeConv2d or Reduce
        Layer of ``network``.
    **choices
        Other choices of a :class:`~hw.tile.config.TileConfig`: its shape.

    Raises
    ------
    TypeError
        If the layer has no sums of products.
    ValueError
        If no tile of that shape computes the layer; the message names the layer.
    """
    if not isinstance(layer, Linear | Reduce):
        raise TypeError(f"Layer must be one of sums to need a tile, not {type(layer).__name__} "
                        f"{layer.name!r}")
    input = network.quantization(layer.inputs[0])
    weights, zero_points, table = _BIT, 0, None
    if isinstance(layer, Linear):
        weights, zero_points, table = layer.weight.format, layer.weight.zero_point, layer.table
    own: dict[str, Any] = {
        "weights": weights, "activations": input.format, "contract": layer.contract,
        "output": None if isinstance(layer.contract, ExactSum) else layer.output.format,
        "zero_points": ("both" if np.any(zero_points) else "activations" if input.zero_point else
                        usual_zero_points(weights, input.format)),
        "lut": None if table is None else "loaded"}
    if any(isinstance(fmt, BlockScaled) for fmt in (weights, input.format)):
        exponents = getattr(layer, "exponents", None)
        codes = np.array([EXPONENT_BIAS]) if exponents is None else exponents
        own["window"] = int(input.exponents.hi - input.exponents.lo + codes.max() - codes.min() + 1)
    cols, lanes = (choices.get(name, getattr(TileConfig, name)) for name in ("cols", "lanes"))
    depths = [choices.pop("depth")] if choices.get("depth") is not None else []
    try:
        # Sums of groups that share columns are longer, perhaps too long for the contract.
        for shared in (cols, 1) if not depths else ():
            depths.append(max(longest(network, layer, cols=shared), lanes))
        for depth in depths[:-1]:
            with suppress(ValueError):
                return TileConfig(**own, **choices, depth=depth)
        return TileConfig(**own, **choices, depth=depths[-1])
    except (TypeError, ValueError) as error:
        raise ValueError(f"Layer {layer.name!r}: {error}") from error


def tiles_of(network: Network, layers: Iterable[Layer], **choices: Any) -> dict[str, TileConfig]:
    """Return a tile for each of some layers of sums, by name, as few different ones as they need.

    Layers share a tile that computes all of them: one whose integer formats hold those of each
    layer, as deep as the longest sum of them all.

    Parameters
    ----------
    network : Network
    layers : iterable of Layer
        Layers of ``network`` that have sums of products.
    **choices
        As for :func:`tile_of`.

    Raises
    ------
    TypeError, ValueError
        As :func:`tile_of`; or if a given depth is less than the longest sum of all layers.
    """
    layers, groups = list(layers), list[tuple[TileConfig, list[str]]]()
    if layers and (depth := choices.get("depth")) is not None:
        needs = {layer.name: longest(network, layer) for layer in layers}
        most = max(needs, key=lambda name: needs[name])
        if needs[most] > depth:
            raise ValueError(f"Depth must be at least the {needs[most]} products of a sum of layer "
                             f"{most!r}, not {depth}")
    # A Reduce joins whatever tile has a weight of 1.
    for layer in sorted(layers, key=lambda each: isinstance(each, Reduce)):
        own = tile_of(network, layer, **choices)
        for place, (tile, names) in enumerate(groups):
            both = _joined(tile, own, weights=isinstance(layer, Linear))
            if both is not None:
                groups[place] = both, [*names, layer.name]
                break
        else:
            groups.append((own, [layer.name]))
    found = {name: tile for tile, names in groups for name in names}
    return {layer.name: found[layer.name] for layer in network.layers if layer.name in found}


def _joined(one: TileConfig, other: TileConfig, *, weights: bool) -> TileConfig | None:
    # The tile that computes what either computes; None if there is none.
    # An integer result may be clamped to fewer levels (sim.checks.check_layer).
    formats = {"activations": _larger(one.activations, other.activations),
               "output": _larger(one.output, other.output,
                                 width=isinstance(one.contract, Clamped))}
    if weights:
        formats["weights"] = _larger(one.weights, other.weights)
    elif not one.weights.contains(1):
        return None
    exact = one.output is None and other.output is None
    if any(fmt is None for name, fmt in formats.items() if not (exact and name == "output")):
        return None
    if (one.contract, one.lut) != (other.contract, other.lut):
        return None
    most = {name: max(getattr(one, name), getattr(other, name)) for name in ("depth", "window")}
    try:
        return replace(one, **formats, **most, zero_points=max(
            one.zero_points, other.zero_points, key=_ZERO_POINTS.index))
    except ValueError:
        # The contract does not take the sums of both.
        return None


def _larger(one: Format | None, other: Format | None, *, width: bool = False) -> Format | None:
    # That of two formats which has the levels of both, in the same codes; None if neither has.
    if one == other:
        return one
    if not (isinstance(one, IntFormat) and isinstance(other, IntFormat)
            and one.signed == other.signed and (width or one.width == other.width)):
        return None
    for large, small in ((one, other), (other, one)):
        if large.contains(small.min) and large.contains(small.max):
            return large
    return None
