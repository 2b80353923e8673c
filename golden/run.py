"""Runs a quantized network, layer by layer, after proving that no sum can leave its contract."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from golden import elementwise, ops, specials
from golden.block_scaled import Blocks, Tensor, blocks_of, check_kind, on_levels, parts
from golden.formats import BlockScaled, Format, IntFormat, integers
from golden.linear import linear_results, linear_sums, output_of, sum_ranges
from golden.networks import (
    INPUT,
    Add,
    Concat,
    Conv2d,
    Dense,
    Layer,
    Linear,
    Mul,
    Network,
    Pool,
    Quantization,
    Rescale,
    Sub,
)
from golden.ranges import Range
from golden.requantize import check_parameters
from golden.tables import check_table, lookup
from golden.units import Addition, Multiplication, Operation, Rescaling

__all__ = ["run", "prove", "operations"]


def run(network: Network, x) -> dict[str, Any]:
    """Return every tensor of a network, as levels, by name; ``"input"`` among them.

    Those of block-scaled formats are :class:`~golden.block_scaled.Blocks`, all others arrays.

    Parameters
    ----------
    network : Network
        Proven first, by :func:`prove`.
    x : array_like of integers, or Blocks
        Levels of the input format, the batch first.

    Raises
    ------
    TypeError
        Where the input is not Blocks and its format block-scaled, or the other way round.
    ValueError
        Where the proof fails, or an input is no level of its format, or has an exponent that its
        quantization has not.
    """
    unbiased = prove(network)
    tensors: dict[str, Any] = {INPUT: _checked(x, network.input)}
    for layer in network.layers:
        x, *others = (tensors[name] for name in layer.inputs)
        if isinstance(layer, Linear):
            y = _linear(layer, x, network, unbiased[layer.name])
        elif isinstance(layer, Pool):
            pool = ops.average_pool if layer.kind == "average" else ops.max_pool
            y = pool(x, size=layer.size, stride=layer.stride, padding=layer.padding)
            if layer.clamp is not None:
                y = np.clip(y, *layer.clamp)
        elif isinstance(layer, Concat):
            y = elementwise.concat(operations(layer, network), [x, *others], layer.parameters,
                                   axis=layer.axis)
        else:
            assert isinstance(layer, Rescale | Add | Mul)  # others were refused by the proof
            operation, = operations(layer, network)
            y = elementwise.compute(operation, [x, *others], layer.parameters)
        tensors[layer.name] = y
    return tensors


def _checked(x, quantization: Quantization) -> Tensor:
    # The input of a network, once it is found to be of its quantization.
    fmt = quantization.format
    check_kind(x, fmt, "Input")
    if not isinstance(x, Blocks):
        return fmt.check(x, "Input")
    found = Blocks(fmt.check(x.levels, "Input"), integers(x.exponents, "Exponent"))
    blocks_of(found.exponents, found.levels.shape)
    allowed = quantization.exponents
    bad = np.argwhere((found.exponents < allowed.lo) | (found.exponents > allowed.hi))
    if len(bad):
        where = tuple(bad[0].tolist())
        raise ValueError(f"Exponent of input block {where} must be in range {allowed}, "
                         f"not {found.exponents[where]}")
    return found


def _linear(layer: Linear, x: Tensor, network: Network, unbiased: Range) -> Tensor:
    if not network.quantization(layer.inputs[0]).format.propagates:
        y = linear_results(layer, linear_sums(layer, x, network), unbiased)
    else:
        sums = linear_sums(layer, on_levels(specials.numbers, x), network)
        counts = specials.count(parts(x)["levels"], layer.weights)
        y = on_levels(lambda levels: specials.resolve(levels, counts, layer.output.format),
                      linear_results(layer, sums, unbiased))
    return y if layer.table is None else lookup(layer.table, y, layer.output.format)


def operations(layer: Layer, network: Network) -> Sequence[Operation]:
    """What a layer that brings tensors together computes: of a Concat, for each of its inputs.

    Raises
    ------
    TypeError
        Where the layer is of another kind, or a format is no integer one.
    """
    inputs = [_integer(name, network.quantization(name).format) for name in layer.inputs]
    output = _integer(layer.name, layer.output.format)
    match layer:
        case Rescale() | Concat():
            return [Rescaling(layer.contract, fmt, output) for fmt in inputs]
        case Mul():
            return [Multiplication(layer.contract, inputs[0], inputs[1], output)]
        case Add():
            subtract = isinstance(layer, Sub)
            return [Addition(layer.scheme, inputs[0], inputs[1], output, subtract)]
    raise TypeError(f"Layer must be a Rescale, an Add, a Sub, a Mul or a Concat, not {layer!r}")


def prove(network: Network) -> dict[str, Range]:
    """Prove that every layer computes what it says, whatever levels its inputs have.

    Of a linear layer, that the weights, zero points and parameters are in their formats, that the
    zero point and exponents of its output are those of its parameters, and that each channel's sum
    plus bias stays within the contract's range through every step. All the steps are monotonic in
    the sum, so the two ends of its range decide. Of a pool, that its output has its input's format
    and zero point. Of the layers that bring tensors together, what
    :func:`golden.elementwise.check` says, and that their zero points are those of the tensors.

    Returns
    -------
    dict of str to Range
        What the sums of each linear layer may be, before the bias.

    Raises
    ------
    ValueError
        Naming the layer, the channel where it is one, the constraint and the value.
    """
    if not isinstance(network, Network):
        raise TypeError(f"Network must be a Network, not {network!r}")
    proven = {}
    for layer in network.layers:
        wanted = 2 if isinstance(layer, Add | Mul) else 1
        if len(layer.inputs) != wanted and not (isinstance(layer, Concat) and layer.inputs):
            raise ValueError(f"Layer {layer.name!r} must have {wanted} "
                             f"input{'s' if wanted > 1 else ''}, not {len(layer.inputs)}")
        if isinstance(layer, Linear):
            proven[layer.name] = _prove_linear(layer, network)
        elif isinstance(layer, Pool):
            _prove_pool(layer, network)
        elif isinstance(layer, Rescale | Add | Mul | Concat):
            _prove_elementwise(layer, network)
        else:
            raise TypeError(f"Layer must be one of golden.networks, not {layer!r}")
    return proven


def _prove_linear(layer: Linear, network: Network) -> Range:
    taken = network.quantization(layer.inputs[0])
    _check_blocks(layer, taken.format)
    ranges = sum_ranges(layer, network)
    unbiased = Range(min(r.lo for r in ranges), max(r.hi for r in ranges))
    contract, output = layer.contract, output_of(layer)
    if taken.format.propagates and not (isinstance(layer, Dense)
                                        and layer.output.format.propagates):
        raise ValueError(f"Layer {layer.name!r} must be a Dense one whose output propagates "
                         f"infinities and NaN, as its input {taken.format} does")
    if isinstance(layer, Conv2d) and np.any(layer.padding):
        if not taken.format.contains(taken.zero_point):
            raise ValueError(f"Padding of layer {layer.name!r} must be 0 where the input has "
                             f"format {taken.format}, which has no level 0, not {layer.padding}")
    try:
        values = check_parameters(contract, output, layer.parameters, unbiased=unbiased)
        if layer.table is not None:
            check_table(layer.table, layer.output.format)
        for name, value in values.items():
            if value.size not in (1, len(ranges)):
                raise ValueError(f"Parameter {name} must have 1 entry or {len(ranges)}, one per "
                                 f"channel, not {value.size}")
        exponents = layer.output.exponents
        for name, wanted in (("zero_point", layer.output.zero_point),
                             ("exponent_min", exponents.lo), ("exponent_max", exponents.hi)):
            if name in values and (values[name] != wanted).any():
                raise ValueError(f"Parameter {name} must be {wanted}, as the output's, "
                                 f"not {values[name].tolist()}")
    except ValueError as error:
        raise ValueError(f"Layer {layer.name!r}: {error}") from error
    for channel, sums in enumerate(ranges):
        own = replace(layer, parameters={name: value.flat[channel if value.size > 1 else 0]
                                         for name, value in values.items()})
        try:
            for end in (sums.lo, sums.hi):
                # The levels of contract "none" are what they are: its output must hold them.
                levels = parts(linear_results(own, end, unbiased))["levels"]
                layer.output.format.check(levels, "Output")
        except ValueError as error:
            raise ValueError(f"Layer {layer.name!r}, channel {channel}: {error}") from error
    return unbiased


def _check_blocks(layer: Linear, taken: Format):
    # What is block-scaled is in the layers that have an axis of features to cut into blocks.
    made = layer.output.format
    for fmt, verb in ((taken, "take"), (made, "make")):
        if isinstance(fmt, BlockScaled) and not isinstance(layer, Dense):
            raise ValueError(f"Layer {layer.name!r} must be a Dense one to {verb} a tensor of "
                             f"{fmt}, not a {type(layer).__name__}")
    if isinstance(made, BlockScaled):
        if output_of(layer) is None:
            raise ValueError(f"Contract of layer {layer.name!r} must be one of multiply and shift "
                             f"to make a tensor of {made}, not {layer.contract.name}")
        if layer.table is not None:
            raise ValueError(f"Table of layer {layer.name!r} must be None where its output is "
                             f"{made}, whose codes alone are no numbers")


def _prove_pool(layer: Pool, network: Network):
    taken, made = network.quantization(layer.inputs[0]), layer.output
    if made.format != taken.format or made.zero_point != taken.zero_point:
        raise ValueError(
            f"Output of pool {layer.name!r} must have the input's format {taken.format} and zero "
            f"point {taken.zero_point}, not {made.format} and {made.zero_point}")
    if isinstance(taken.format, BlockScaled):
        raise ValueError(f"Input of pool {layer.name!r} must have a format without exponents, "
                         f"not {taken.format}")
    if taken.format.propagates:
        raise ValueError(f"Input of pool {layer.name!r} must have a format that refuses infinities "
                         f"and NaN, not {taken.format}")
    if layer.kind == "average" and not isinstance(taken.format, IntFormat):
        raise ValueError(f"Input of pool {layer.name!r} must have an integer format to be "
                         f"averaged, not {taken.format}")
    if layer.kind not in ("average", "max"):
        raise ValueError(f"Kind of pool {layer.name!r} must be average or max, "
                         f"not {layer.kind!r}")
    if layer.clamp is not None:
        lo, hi = made.format.check(layer.clamp, f"Clamp of pool {layer.name!r}").tolist()
        if lo > hi:
            raise ValueError(f"Clamp of pool {layer.name!r} must not be empty, "
                             f"not {layer.clamp}")


def _prove_elementwise(layer: Rescale | Add | Mul | Concat, network: Network):
    sets = layer.parameters if isinstance(layer, Concat) else (layer.parameters,)
    try:
        found = operations(layer, network)
        if len(sets) != len(found):
            raise ValueError(f"Parameters must be {len(found)} sets, one for each input, "
                             f"not {len(sets)}")
        for index, (operation, parameters) in enumerate(zip(found, sets, strict=True)):
            elementwise.check(operation, parameters)
            names = [layer.inputs[index]] if isinstance(layer, Concat) else layer.inputs
            fields = ["input"] if len(operation.operands) == 1 else ["a", "b"]
            owners = {f"{field}_zero_point": network.quantization(name)
                      for field, name in zip(fields, names, strict=True)}
            for field, owner in (owners | {"zero_point": layer.output}).items():
                # A fused sum has its zero points in the offset.
                if field in parameters and parameters[field] != owner.zero_point:
                    raise ValueError(f"Parameter {field} must be {owner.zero_point}, as the "
                                     f"tensor's, not {parameters[field]}")
    except ValueError as error:
        raise ValueError(f"Layer {layer.name!r}: {error}") from error


def _integer(name: str, fmt: Format) -> IntFormat:
    if not isinstance(fmt, IntFormat):
        raise TypeError(f"Format of tensor {name!r} must be an integer one, not {fmt}")
    return fmt
