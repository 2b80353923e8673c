"""Post-training quantization: a float network becomes an integer network."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from golden import contracts, units
from golden.affine import dequantize, quantize
from golden.block_scaled import Levels
from golden.contracts import Contract, ExactSum, check_contract
from golden.floats import FloatDense, FloatLayer, FloatLinear, FloatNetwork, float_tensors
from golden.formats import (
    BlockScaled,
    Format,
    IntFormat,
    LoadedCodebook,
    check_format,
    finite,
    parse,
)
from golden.layers import kind_of
from golden.layers.linear import linear_results
from golden.networks import Network, Quantization, Tensor
from golden.quantize.calibration import apart, calibrate, highest_exponents, method_of
from golden.quantize.joins import keeps_quantization, without_weights
from golden.quantize.linear import Weights, biases_of, parameters_for, step_of, weigh
from golden.quantize.unify import (
    Unify,
    check_way,
    common_values,
    exact_output,
    powers_apart,
    tensors_that_meet,
)
from golden.quantize.weights import Per, WeightRanges
from golden.quantize.winners import winners_of
from golden.run import prove
from golden.scaling import add

__all__ = ["ZeroPoints", "quantize_network"]

ZeroPoints = Literal["none", "activations", "both"]


def quantize_network(network: FloatNetwork | Sequence[FloatLayer], calibration, *,
                     weights: Format | str, activations: Format | str,
                     output: Format | str | None = None, contract: Contract | str,
                     zero_points: ZeroPoints = "activations", method: str = "mse",
                     weight_ranges: WeightRanges = "max", per: Per = "channel", window: int = 16,
                     scheme: str = "exact", unify: Unify = "requantize",
                     classifier: bool = False, correct_bias: bool = False,
                     given: Mapping[str, Quantization | Weights] | None = None,
                     name: str | None = None) -> Network:
    """Quantize a float network, with ranges from examples of its inputs.

    Weights are quantized per output channel or per tensor by :func:`quantize_weights`, block-scaled
    weights by :func:`golden.block_scaled.quantize_blocks`. A tensor gets the range that a method of
    calibration chooses from the examples, as the layers quantized so far compute them. A
    block-scaled tensor gets the highest exponents of the examples
    (:func:`golden.quantize.calibration.highest_exponents`). Pools and moves keep their input's
    quantization. A layer's clipping becomes a clamp.

    Parameters
    ----------
    network : FloatNetwork or sequence of FloatLayer
        Network, or layers of a chain.
    calibration : array_like of float, ``(examples, *input_shape)``
        Examples of the network's input.
    weights, activations : Format or str
        Formats of the weights, and of the network's input, or their names.
    output : Format or str, optional
        Format of each layer's result; by default that of the activations. With hidden layers it
        must be that, as a hidden layer's result is the next layer's input. Contract ``none`` has
        no output format.
    contract : Contract or str
        Contract of every layer of sums and of every concatenation, or its name.
    zero_points : "none", "activations" or "both"
        Tensors of integer formats that may have zero points other than 0; ``both`` are activations
        and weights. Without one, negative numbers become 0 in an unsigned format.
    method : str
        Method of calibration, and its options: ``mse``, ``percentile:percentile=99.9`` and others
        (:func:`golden.quantize.calibration.method_of`).
    weight_ranges : "max" or "least_error"
        Range of each channel's weights, as in :func:`quantize_weights`.
    per : "channel" or "tensor"
        What has a scale of its own in the weights.
    window : int
        Number of exponents of block-scaled activations or weights. If both are block-scaled, it is
        the number of exponents of their products: ``(window + 1) // 2`` go to the activations, the
        rest of ``window + 1`` to the weights. A block-scaled output has as many as the activations.
    scheme : str
        Arithmetic of sums of two tensors, one of :data:`golden.units.SCHEMES`.
    unify : "requantize", "more_bits" or "forced_range"
        What tensors that meet in a sum or a join have in common (:mod:`golden.quantize.unify`):
        nothing, scales that are powers of two apart, or one range. With ``more_bits`` the result
        has a wider format. Quantizations in ``given`` stay as they are; with ``forced_range`` a
        given one is that of all that the tensor meets.
    classifier : bool
        Whether only the largest output matters. The range of the last sums, behind which there may
        be moves and pools of maxima, then keeps the float network's winner of each example apart
        from the rest; no labels are needed. The output has one axis of classes.
    correct_bias : bool
        Whether each bias makes good what quantization moves the mean of its sums by, over the
        examples (arXiv 1906.04721).
    given : mapping of str to Quantization or Weights, optional
        Quantizations of tensors, by name, and weights of layers, by the layer's name followed by
        ``.weights``, that are not to be chosen.
    name : str, optional
        Name of the network; by default that of the float network.

    Returns
    -------
    Network
        Layers of the float network's names, proven by :func:`golden.run.prove`.

    Raises
    ------
    ValueError
        If the arguments contradict each other, or a scale or a bias cannot be represented.
    """
    weights, activations = _format(weights, "Weights"), _format(activations, "Activations")
    output = None if output is None else _format(output, "Output")
    contract = contracts.parse(contract) if isinstance(contract, str) else contract
    check_contract(contract)
    if output is None and not isinstance(contract, ExactSum):
        output = activations
    calibration = finite(calibration, "Calibration")
    if not isinstance(network, FloatNetwork):
        network = _chain(network, calibration.shape[1:])
    _check_request(network, activations, output, contract, zero_points, window)
    method_of(method)
    check_way(unify, scheme)
    if calibration.shape[1:] != network.input_shape or not len(calibration):
        raise ValueError(f"Calibration must have shape "
                         f"(examples, {', '.join(map(str, network.input_shape))}), "
                         f"not {calibration.shape}")

    share = (window + 1) // 2 if isinstance(weights, BlockScaled) else window
    left = window + 1 - share if isinstance(activations, BlockScaled) else window
    given = given or {}
    real = float_tensors(network, calibration)
    met = {} if unify == "requantize" else tensors_that_meet(network)
    levels: dict[str, Levels] = {}

    winners = winners_of(network, real[network.output]) if classifier else None
    if winners is not None and winners.tensor in met:
        raise ValueError(f"Unify must be requantize for a classifier whose last sums "
                         f"{winners.tensor!r} meet others, not {unify}")

    def ranged(tensor: str, values, fmt: Format) -> Quantization:
        group = met.get(tensor, ())
        forced = group if unify == "forced_range" else ()
        if source := next((each for each in (tensor, *forced) if each in given), None):
            return _expect(given[source], Quantization, source)
        if isinstance(fmt, BlockScaled):
            return highest_exponents(values, fmt, share)
        movable = zero_points != "none" and isinstance(fmt, IntFormat)
        if forced:
            values = common_values([real[each] for each in forced])
        elif winners is not None and tensor == winners.tensor:
            return apart(winners.outputs(values), winners.classes, fmt, zero_point=movable)
        own = calibrate(values, fmt, method=method, zero_point=movable)
        base = next((each for each in group if each in levels), None) if not forced else None
        return own if base is None else powers_apart(own, made.quantization(base))

    made = Network(name=name or network.name, inputs=(Tensor(
        network.input, ranged(network.input, calibration, activations), network.input_shape),))
    levels[network.input] = quantize(calibration, made.input)
    for index, layer in enumerate(network.layers):
        inputs = [made.quantization(each) for each in layer.inputs]
        seen = [levels[each] for each in layer.inputs]
        if isinstance(layer, FloatLinear):
            key = f"{layer.name}.weights"
            linear, sums, unbiased = weigh(
                layer, index, seen[0], made, _expect(given[key], Weights, key)
                if key in given else weights, contract,
                zero_point=zero_points == "both" and isinstance(weights, IntFormat),
                ranges=weight_ranges, per=per, window=left)
            step = step_of(linear, made)
            assert sums is not None
            if correct_bias:
                layer = _corrected(layer, step * sums.astype(np.float64),
                                   [real[each] for each in layer.inputs])
            bias = biases_of(layer, step)
            values = np.clip(step * add(sums, bias).astype(np.float64), layer.least, layer.most)
            if output is None or isinstance(contract, ExactSum):
                chosen = Quantization(contract.output_format(unbiased, output), step, 0)
            else:
                chosen = ranged(layer.name, values, output)
            linear = replace(linear, output=chosen, parameters=parameters_for(
                linear, made, unbiased, bias, chosen, least=layer.least, most=layer.most))
            made = replace(made, layers=(*made.layers, linear), outputs=())
            levels[layer.name] = linear_results(linear, sums, unbiased)
            continue
        if keeps_quantization(layer):
            chosen = inputs[0]
        elif unify == "more_bits" and layer.name not in given:
            chosen = exact_output(layer, inputs)
        else:
            assert output is not None
            chosen = ranged(layer.name, layer.run(*(
                dequantize(each, own) for each, own in zip(seen, inputs, strict=True))), output)
        own = without_weights(layer, inputs, chosen, contract, units.parse(scheme))
        made = replace(made, layers=(*made.layers, own), outputs=())
        levels[layer.name] = kind_of(own).run(own, made, seen, None)
    prove(made)
    return made


def _chain(layers: Sequence[FloatLayer], shape: tuple[int, ...]) -> FloatNetwork:
    # A fully connected first layer knows how many inputs it has.
    first = next(iter(layers), None) if isinstance(layers, Sequence) else None
    return FloatNetwork.chain(
        layers, first.weights.shape[1:] if isinstance(first, FloatDense) else shape)


def _corrected(layer: FloatLinear, sums: np.ndarray, inputs: list[np.ndarray]) -> FloatLinear:
    # With the mean of the float sums, over examples and places.
    exact = layer.unclipped(*inputs) - layer.biases()
    axes = tuple(range(sums.ndim - 1))
    return replace(layer, bias=layer.biases() + exact.mean(axis=axes) - sums.mean(axis=axes))


def _expect(value, kind: type, name: str):
    if not isinstance(value, kind):
        raise TypeError(f"Given {name!r} must be {kind.__name__}, not {value!r}")
    return value


def _format(fmt: Format | str, name: str) -> Format:
    if isinstance(fmt, str):
        try:
            fmt = parse(fmt)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    check_format(fmt, name)
    if isinstance(fmt, LoadedCodebook):
        # Its levels are those of all tables: no table has them all.
        raise ValueError(f"{name} must have levels of their own, as codebook:L/L... has, not {fmt}")
    return fmt


def _check_request(network: FloatNetwork, activations: Format, output: Format | None,
                   contract: Contract, zero_points: str, window: int):
    if zero_points not in ("none", "activations", "both"):
        raise ValueError(f"Zero points must be none, activations or both, not {zero_points!r}")
    if window < 1:
        raise ValueError(f"Window must be at least 1, not {window}")
    first, *hidden = network.layers
    if isinstance(contract, ExactSum):
        if hidden:
            raise ValueError(f"Contract must be one that scales if there are hidden layers, "
                             f"not {contract.name}")
        if np.isfinite([first.least, first.most]).any():
            raise ValueError(f"Contract must be one that clamps if there is a ReLU, "
                             f"not {contract.name}")
    elif hidden and output != activations:
        raise ValueError(f"Output must be the activations' format {activations} if there are "
                         f"hidden layers, not {output}")
