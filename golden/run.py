"""Runs a quantized network, layer by layer, after proving that no sum can leave its contract."""

from collections.abc import Sequence

import numpy as np

from golden import elementwise, ops, specials
from golden.block_scaled import shift_levels
from golden.contracts import ExactSum, Stochastic
from golden.formats import NAN, BlockScaled, Format, IntFormat
from golden.lfsr import draws
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
    Rescale,
    Sub,
)
from golden.ranges import Range, levels_range, weights_range
from golden.requantize import check_parameters, requantize
from golden.tables import check_table, lookup
from golden.units import Addition, Multiplication, Operation, Rescaling

__all__ = ["run", "prove", "linear_sums", "linear_draws", "sum_ranges", "operations"]


def run(network: Network, x) -> dict[str, np.ndarray]:
    """Return every tensor of a network, as levels, by name; ``"input"`` among them.

    Parameters
    ----------
    network : Network
        Proven first, by :func:`prove`.
    x : array_like of integers
        Levels of the input format, the batch first.

    Raises
    ------
    ValueError
        Where the proof fails, or an input is no level of its format.
    """
    unbiased = prove(network)
    tensors = {INPUT: network.input.format.check(x, "Input")}
    for layer in network.layers:
        x, *others = (tensors[name] for name in layer.inputs)
        if isinstance(layer, Linear):
            propagates = network.quantization(layer.inputs[0]).format.propagates
            sums = linear_sums(layer, specials.numbers(x) if propagates else x, network)
            y = requantize(
                sums, layer.contract, _output(layer), layer.parameters,
                unbiased=unbiased[layer.name], draws=linear_draws(layer, sums.shape))
            if propagates:
                y = specials.resolve(y, specials.count(x, layer.weights), layer.output.format)
            if layer.table is not None:
                y = lookup(layer.table, y, layer.output.format)
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


def linear_sums(layer: Linear, x, network: Network) -> np.ndarray:
    """Exact sums of a layer, before its bias: ``sum((x - x_zero_point) * (w - w_zero_point))``.

    Parameters
    ----------
    layer : Linear
        Of ``network``.
    x : array_like of integers
        Levels of the tensor that the layer takes.
    """
    zero_points = {"x_zero_point": _input_zero_point(layer, network),
                   "w_zero_point": layer.weight.zero_point}
    if isinstance(layer, Conv2d):
        return ops.conv2d(x, layer.weights, stride=layer.stride, padding=layer.padding,
                          dilation=layer.dilation, groups=layer.groups, **zero_points)
    if isinstance(layer, Dense):
        return ops.dense(x, _scaled(layer), **zero_points)
    raise TypeError(f"Linear layer must be a Dense or a Conv2d, not {layer!r}")


def _scaled(layer: Linear) -> np.ndarray:
    # Weights of a layer on one scale.
    scaled = isinstance(layer.weight.format, BlockScaled)
    if scaled and not isinstance(layer, Dense):
        raise ValueError(f"Layer {layer.name!r} must be a Dense one to have block-scaled weights, "
                         f"not a {type(layer).__name__}")
    if scaled != (layer.exponents is not None):
        given = "given" if scaled else "left out"
        raise ValueError(f"Exponents of layer {layer.name!r} must be {given} for weights of "
                         f"{layer.weight.format}, not {layer.exponents!r}")
    return shift_levels(layer.weights, layer.exponents) if scaled else layer.weights


def linear_draws(layer: Linear, shape: tuple[int, ...]) -> np.ndarray | None:
    """Draws of a layer's outputs, which have that shape; None where its contract draws nothing."""
    return draws(layer.seed, shape) if isinstance(layer.contract, Stochastic) else None


def sum_ranges(layer: Linear, network: Network) -> list[Range]:
    """Range of the sums of each output channel, before its bias, for every possible input.

    Exact, from the weights, the zero points and the input's format.
    """
    weights = layer.weight.format.check(layer.weights, f"Weight of layer {layer.name!r}")
    if layer.weight.format.propagates and (np.abs(weights) >= NAN).any():
        raise ValueError(f"Weights of layer {layer.name!r} must be numbers, not infinite or NaN")
    weights = np.asarray(_scaled(layer))
    zero_points = layer.weight.format.check_zero_point(
        layer.weight.zero_point, f"Weight zero point of layer {layer.name!r}")
    if zero_points.shape not in ((), (len(weights),)):
        raise ValueError(f"Weight zero point of layer {layer.name!r} must be a scalar or have "
                         f"one entry for each of {len(weights)} channels, not shape "
                         f"{zero_points.shape}")
    zero_point = _input_zero_point(layer, network)
    inputs = levels_range(network.quantization(layer.inputs[0]).format)
    return weights_range(weights - zero_points.reshape(-1, *[1] * (weights.ndim - 1)),
                         inputs - Range(zero_point, zero_point))


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

    Of a linear layer, that the weights, zero points and parameters are in their formats, and that
    each channel's sum plus bias stays within the contract's range through every step. All the
    steps are monotonic in the sum, so the two ends of its range decide. Of a pool, that its
    output has its input's format and zero point. Of the layers that bring tensors together, what
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
    ranges = sum_ranges(layer, network)
    unbiased = Range(min(r.lo for r in ranges), max(r.hi for r in ranges))
    contract, output = layer.contract, _output(layer)
    taken = network.quantization(layer.inputs[0])
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
        if "zero_point" in values and (values["zero_point"] != layer.output.zero_point).any():
            raise ValueError(f"Parameter zero_point must be {layer.output.zero_point}, as the "
                             f"output's, not {values['zero_point'].tolist()}")
    except ValueError as error:
        raise ValueError(f"Layer {layer.name!r}: {error}") from error
    for channel, sums in enumerate(ranges):
        own = {name: value.flat[channel if value.size > 1 else 0]
               for name, value in values.items()}
        try:
            for end in (sums.lo, sums.hi):
                # The levels of contract "none" are what they are: its output must hold them.
                layer.output.format.check(
                    requantize(end, contract, output, own, unbiased=unbiased,
                               draws=linear_draws(layer, ())), "Output")
        except ValueError as error:
            raise ValueError(f"Layer {layer.name!r}, channel {channel}: {error}") from error
    return unbiased


def _prove_pool(layer: Pool, network: Network):
    taken, made = network.quantization(layer.inputs[0]), layer.output
    if made.format != taken.format or made.zero_point != taken.zero_point:
        raise ValueError(
            f"Output of pool {layer.name!r} must have the input's format {taken.format} and zero "
            f"point {taken.zero_point}, not {made.format} and {made.zero_point}")
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


def _input_zero_point(layer: Linear, network: Network) -> int:
    taken = network.quantization(layer.inputs[0])
    name = f"Zero point of tensor {layer.inputs[0]!r}"
    zero_point = taken.format.check_zero_point(taken.zero_point, name)
    if zero_point.ndim:
        raise ValueError(f"{name} must be a scalar, not shape {zero_point.shape}")
    return int(zero_point)


def _output(layer: Linear) -> Format | None:
    # The exact sum's format follows from the sum; a contract that has one is not told another.
    return None if isinstance(layer.contract, ExactSum) else layer.output.format
