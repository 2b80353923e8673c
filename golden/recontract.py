"""Networks with another contract: their parameters follow from the real scales of the tensors."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np

from golden.contracts import (
    Clamped,
    Contract,
    ExactSum,
    Stochastic,
    Thresholds,
    check_contract,
    parse,
)
from golden.energy import sums_of
from golden.formats import IntFormat
from golden.layer_scales import linear_rule, reduce_parameters
from golden.layers import kind_of
from golden.layers.elementwise import operations
from golden.layers.linear import matters, steps, sum_ends
from golden.multipliers import combined_scale, linear_parameters
from golden.networks import (
    Add,
    Concat,
    FloatReduce,
    Layer,
    Linear,
    Move,
    Mul,
    Network,
    Pool,
    Reduce,
    Rescale,
)
from golden.ranges import values_range
from golden.thresholds import threshold_parameters
from golden.unit_scales import parameters_of
from golden.units import SCHEMES, FusedScheme, Scheme

__all__ = ["Change", "network_with", "rounds", "with_contract", "with_scheme"]

Change = Callable[[Layer, Network, Contract], Layer]
"""Function that returns a layer with a contract, or raises ``ValueError`` with the reason."""

_FUSED = "onnx", "onnx_zp_inside"
_THRESHOLDS = parse("thresholds")


def network_with(network: Network, contract: Contract, change: Change | None = None
                 ) -> tuple[Network, dict[str, str]]:
    """Return a network whose layers all have one contract, as far as they can have it.

    Parameters
    ----------
    network : Network
    contract : Contract
    change : callable, optional
        What gives a layer a contract, with the arguments and errors of :func:`with_contract`, which
        it is by default.

    Returns
    -------
    network : Network
    kept : dict of str to str
        Why a layer keeps its arithmetic, by the layer's name. Layers that only move or choose
        elements are not among them.
    """
    layers, kept = [], {}
    for layer in network.layers:
        try:
            layers.append((change or with_contract)(layer, network, contract))
        except ValueError as error:
            layers.append(layer)
            if rounds(layer):
                kept[layer.name] = str(error)
    return replace(network, layers=tuple(layers)), kept


def rounds(layer: Layer) -> bool:
    """Whether a layer computes numbers: it neither moves levels nor chooses among them."""
    return not isinstance(layer, Move) and not (isinstance(layer, Pool) and layer.kind == "max")


def with_contract(layer: Layer, network: Network, contract: Contract) -> Layer:
    """Return a layer with another contract, and the parameters that its tensors' scales give.

    They are those that the contract's source computes: :func:`golden.multipliers.linear_parameters`
    for sums of products, :func:`golden.layer_scales.reduce_parameters` for sums and means over
    axes, :func:`golden.unit_scales.parameters_of` for elementwise layers. A sum or a difference of
    two tensors gets the scheme that belongs to the contract, the first of
    :data:`golden.units.SCHEMES` that scales by it and takes the formats; contracts ``onnx`` and
    ``onnx_zp_inside`` have the fused one. Bias, zero points and clamp stay. A layer that has the
    contract stays as it is.

    Parameters
    ----------
    layer : Layer
        Layer of ``network``.
    network : Network
    contract : Contract

    Returns
    -------
    Layer
        A layer of the same name, proven for all levels of its inputs.

    Raises
    ------
    ValueError
        If the layer cannot have the contract; the message says why.
    """
    check_contract(contract)
    if getattr(layer, "contract", None) == contract:
        return layer
    match layer:
        case Linear():
            own = replace(layer, contract=contract, parameters=_linear(layer, network, contract))
        case Reduce() | FloatReduce():
            own = _reduce(layer, network, contract)
        case Rescale() | Mul():
            own = replace(layer, contract=contract)
            [operation] = operations(own, network)
            own = replace(own, parameters=parameters_of(
                operation, *map(network.quantization, layer.inputs), layer.output,
                clamp=_clamp(layer.parameters)))
        case Concat():
            own = replace(layer, contract=contract)
            own = replace(own, parameters=tuple(
                parameters_of(operation, network.quantization(name), layer.output,
                              clamp=_clamp(before))
                for operation, name, before in zip(operations(own, network), layer.inputs,
                                                   layer.parameters, strict=True)))
        case Add():
            return _added(layer, network, contract)
        case _:
            raise ValueError(f"Layer {layer.name!r} must be one that a contract scales, "
                             f"not a {type(layer).__name__}")
    kind_of(own).prove(own, network, None)
    return own


def with_scheme(layer: Add, network: Network, scheme: Scheme | FusedScheme) -> Add:
    """Return a sum or a difference of two tensors by another scheme.

    Parameters, errors and result are as of :func:`with_contract`.
    """
    if layer.scheme == scheme:
        return layer
    own = replace(layer, scheme=scheme)
    [operation] = operations(own, network)
    own = replace(own, parameters=parameters_of(
        operation, *map(network.quantization, layer.inputs), layer.output,
        clamp=_clamp(layer.parameters)))
    kind_of(own).prove(own, network, None)
    return own


def _added(layer: Add, network: Network, contract: Contract) -> Add:
    schemes = [each for each in SCHEMES.values() if _belongs(each, contract)]
    if layer.scheme in schemes:
        return layer
    error = ValueError(f"Contract of layer {layer.name!r} must be one of a scheme's, "
                       f"not {contract.name}")
    for each in schemes:
        try:
            return with_scheme(layer, network, each)
        except ValueError as reason:
            error = reason
    raise error


def _belongs(scheme: Scheme | FusedScheme, contract: Contract) -> bool:
    return (contract.name in _FUSED if isinstance(scheme, FusedScheme)
            else scheme.contract == contract)


def _clamp(parameters: Any) -> tuple[int, int]:
    return parameters["clamp_min"], parameters["clamp_max"]


def _linear(layer: Linear, network: Network, contract: Contract) -> dict[str, Any]:
    # Parameters of a linear layer.
    if isinstance(contract, ExactSum) or isinstance(layer.contract, ExactSum):
        raise ValueError(f"Contract of layer {layer.name!r} must be one that makes levels of sums, "
                         f"before and after, not {ExactSum.name}")
    if layer.table is not None:
        raise ValueError(f"Table of layer {layer.name!r} must be left out, as the scale of what it "
                         f"takes is not known")
    sums = contract.sum_format(values_range(sum_ends(layer, network)))
    kept = _kept(layer, network)
    if isinstance(contract, Thresholds):
        return {"bias": kept["bias"], **_ladder(layer, network, kept, sums)}
    if not isinstance(contract, Clamped):
        raise ValueError(f"Contract of layer {layer.name!r} must be one that scales, "
                         f"not {contract.name}")
    rule = linear_rule(type(layer), contract, layer.weight)
    input, weights = steps(layer, network)
    if layer.exponents is None:
        weights = layer.weight.step  # perhaps one for all channels
    try:
        own = linear_parameters(contract, input, weights, layer.output.step, sums, rule=rule)
    except ValueError:
        # The scale of a channel whose sums are all 0 does not matter.
        own = linear_parameters(contract, input, np.where(matters(layer, kept["bias"]), weights, 0),
                                layer.output.step, sums, rule=rule)
    return {**own, **kept}


def _kept(layer: Linear, network: Network) -> dict[str, Any]:
    # Parameters that do not scale.
    if isinstance(layer.contract, Thresholds):
        return _without_ladder(layer, network)
    before = dict(layer.parameters)
    if np.any(np.asarray(before.get("multiplier", 0)) < 0) or np.any(before.get("addend", 0)):
        raise ValueError(f"Parameters of layer {layer.name!r} must have no negative multiplier and "
                         f"no addend other than 0, as no scale says what these are")
    scaling = ("multiplier", "shift", "addend", "scale")
    return {name: value for name, value in before.items() if name not in scaling}


def _ladder(layer: Linear, network: Network, kept: Mapping[str, Any], sums: IntFormat
            ) -> dict[str, np.ndarray]:
    # Thresholds of a layer's scales. They have a clamp of every channel, from below alone.
    fmt, least = layer.output.format, np.unique(kept["clamp_min"])
    if len(least) > 1 or np.any(np.asarray(kept["clamp_max"]) != fmt.max):
        raise ValueError(f"Clamp of layer {layer.name!r} must be one for all channels that ends at "
                         f"{fmt.max} for contract thresholds")
    input, weights = steps(layer, network)
    used = np.where(matters(layer, kept["bias"]), weights, 0.0)
    return threshold_parameters(
        combined_scale(_THRESHOLDS, input, used, output=layer.output.step), fmt, sums,
        zero_point=layer.output.scalar_zero_point(), clamp_min=int(least[0]))


def _without_ladder(layer: Linear, network: Network) -> dict[str, Any]:
    # Bias, zero point and clamp of a layer of thresholds, if these are those of its scales.
    fmt, contract = layer.output.format, layer.contract
    sums = contract.sum_format(values_range(sum_ends(layer, network)))
    ladder = [layer.parameters[f"threshold_{step}"] for step in range(1, len(fmt.levels()))]
    unreached = [bool(np.all(each == sums.min)) for each in ladder]
    kept = {"bias": layer.parameters["bias"], "clamp_max": fmt.max,
            "clamp_min": int(fmt.levels()[([*unreached, False]).index(False)])}
    if isinstance(fmt, IntFormat):
        kept["zero_point"] = layer.output.scalar_zero_point()
    own = _ladder(layer, network, kept, sums)
    if not all(np.all(each == other) for each, other in zip(ladder, own.values(), strict=True)):
        raise ValueError(f"Thresholds of layer {layer.name!r} must be those of its tensors' "
                         f"scales, for another contract to have the same")
    return kept


def _reduce(layer: Reduce | FloatReduce, network: Network, contract: Contract) -> Reduce:
    if not isinstance(contract, Clamped) or isinstance(contract, Stochastic):
        raise ValueError(f"Contract of layer {layer.name!r} must be one that scales, by its "
                         f"parameters alone, not {contract.name}")
    input, output = network.quantization(layer.inputs[0]), layer.output
    sums = sums_of(layer, network)
    assert sums is not None
    shape = network.tensors[layer.inputs[0]].shape
    count = prod(shape[axis - 1] for axis in layer.axes) if layer.kind == "mean" else 1
    lo, hi = (_clamp(layer.parameters) if isinstance(layer, Reduce)
              else (output.format.min, output.format.max))
    return Reduce(
        name=layer.name, inputs=layer.inputs, output=output, axes=layer.axes, keep=layer.keep,
        kind=layer.kind, contract=contract, parameters={
            **reduce_parameters(contract, input, output, count, contract.sum_format(sums)),
            "zero_point": output.scalar_zero_point(), "clamp_min": lo, "clamp_max": hi})
