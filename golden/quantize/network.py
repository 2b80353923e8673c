"""Post-training quantization: a float network becomes an integer network."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

import numpy as np

from golden import contracts
from golden.affine import (
    quantize,
    round_to_step,
)
from golden.block_scaled import Levels
from golden.contracts import Clamped, Contract, ExactSum, Thresholds, check_contract
from golden.formats import (
    BlockScaled,
    Format,
    IntFormat,
    check_format,
    finite,
    integers,
    parse,
)
from golden.layers.linear import (
    linear_results,
    linear_sums,
    matters,
    shifted_range,
    steps,
    sum_ends,
)
from golden.lfsr import leap
from golden.multipliers import combined_scale, linear_parameters
from golden.networks import INPUT, Dense, Network, Quantization, Tensor
from golden.quantize.calibration import (
    apart,
    highest_exponents,
    least_error,
)
from golden.quantize.weights import WeightRanges, blocks_for, spread_for
from golden.ranges import Range, levels_range, values_range
from golden.run import prove
from golden.scaling import add
from golden.thresholds import threshold_parameters

__all__ = ["FloatDense", "ZeroPoints", "quantize_network", "run_float"]

ZeroPoints = Literal["none", "activations", "both"]

LAYER_DRAWS = 1 << 24
"""Distance in draws from state 1 to the seed of the first layer, and between layers' seeds."""


@dataclass(frozen=True, eq=False)
class FloatDense:
    """Fully connected layer of real numbers: ``x @ weights.T + bias``, with an optional ReLU.

    Parameters
    ----------
    weights : array of float, ``(outputs, inputs)``
    bias : array of float, ``(outputs,)``, optional
        Bias of each output; by default 0.
    relu : bool
        Whether a ReLU follows.
    """

    weights: np.ndarray
    bias: np.ndarray | None = None
    relu: bool = False

    def __post_init__(self):
        # Lists become arrays; through object, for the instance is frozen.
        object.__setattr__(self, "weights", finite(self.weights, "Weights"))
        if self.bias is not None:
            object.__setattr__(self, "bias", finite(self.bias, "Bias"))
        if np.ndim(self.weights) != 2 or not np.size(self.weights):
            raise ValueError("Weights must have 2 axes, of one element at least, "
                             f"not shape {np.shape(self.weights)}")
        outputs = len(self.weights)
        if self.bias is not None and np.shape(self.bias) != (outputs,):
            raise ValueError(f"Bias must have shape {(outputs,)}, not {np.shape(self.bias)}")

    def biases(self) -> np.ndarray:
        """Bias of each output: zeros if the layer has none."""
        return np.zeros(len(self.weights)) if self.bias is None else self.bias


def run_float(layers: Sequence[FloatDense], x) -> np.ndarray:
    """Output of a float network."""
    for layer in layers:
        x = np.asarray(x) @ layer.weights.T + layer.biases()
        x = np.maximum(x, 0) if layer.relu else x
    return np.asarray(x)


def quantize_network(layers: Sequence[FloatDense], calibration, *, weights: Format | str,
                     activations: Format | str, output: Format | str | None = None,
                     contract: Contract | str, zero_points: ZeroPoints = "activations",
                     weight_ranges: WeightRanges = "max", window: int = 16,
                     classifier: bool = False,
                     name: str = "network") -> Network:
    """Quantize fully connected layers, with ranges from examples of their inputs.

    Weights are quantized per output channel by :func:`quantize_weights`, block-scaled weights by
    :func:`golden.block_scaled.quantize_blocks`. A tensor gets the range with the least squared
    error over the examples, as the layers quantized so far compute them. A block-scaled tensor
    gets the highest exponents of the examples
    (:func:`golden.quantize.calibration.highest_exponents`). A ReLU becomes a clamp at the zero
    point.

    Parameters
    ----------
    layers : sequence of FloatDense
    calibration : array_like of float, ``(examples, inputs)``
        Examples of the network's input.
    weights, activations : Format or str
        Formats of the weights, and of the network's input, or their names.
    output : Format or str, optional
        Format of each layer's result; by default that of the activations. With hidden layers it
        must be that, as a hidden layer's result is the next layer's input. Contract ``none`` has
        no output format.
    contract : Contract or str
        Contract of every layer, or its name.
    zero_points : "none", "activations" or "both"
        Tensors of integer formats that may have zero points other than 0; ``both`` are activations
        and weights. Without one, negative numbers become 0 in an unsigned format.
    weight_ranges : "max" or "least_error"
        Range of each channel's weights, as in :func:`quantize_weights`.
    window : int
        Number of exponents of block-scaled activations or weights. If both are block-scaled, it is
        the number of exponents of their products: ``(window + 1) // 2`` go to the activations, the
        rest of ``window + 1`` to the weights. A block-scaled output has as many as the activations.
    classifier : bool
        Whether only the largest of the last layer's outputs matters. Its range then keeps the
        float network's winner of each example apart from the rest; no labels are needed.
    name : str
        Name of the network.

    Returns
    -------
    Network
        Layers ``dense0``, ``dense1`` ..., proven by :func:`golden.run.prove`.

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
    _check_request(layers, activations, output, contract, zero_points, window)
    calibration = finite(calibration, "Calibration")
    features = np.shape(layers[0].weights)[1]
    if calibration.shape[1:] != (features,) or not len(calibration):
        raise ValueError(f"Calibration must have shape (examples, {features}), "
                         f"not {calibration.shape}")

    share = (window + 1) // 2 if isinstance(weights, BlockScaled) else window
    left = window + 1 - share if isinstance(activations, BlockScaled) else window

    def ranged(values, fmt: Format, choose=least_error, *examples) -> Quantization:
        if isinstance(fmt, BlockScaled):
            return highest_exponents(values, fmt, share)
        movable = zero_points != "none" and isinstance(fmt, IntFormat)
        return choose(values, *examples, fmt, zero_point=movable)

    network = Network(name=name, inputs=(
        Tensor(INPUT, ranged(calibration, activations), (features,)),))
    x = quantize(calibration, network.input)
    for index, layer in enumerate(layers):
        dense, sums, unbiased = _weigh(layer, index, x, network, weights, contract,
                                       zero_points == "both" and isinstance(weights, IntFormat),
                                       weight_ranges, left)
        step = _step(dense, network)
        bias = integers(list(map(int, round_to_step(layer.biases() / step, 1))), "Bias")
        real = step * add(sums, bias).astype(np.float64)
        if layer.relu:
            real = np.maximum(real, 0)
        if output is None or isinstance(contract, ExactSum):
            chosen = Quantization(contract.output_format(unbiased, output), step, 0)
        elif classifier and layer is layers[-1]:
            winners = np.argmax(run_float(layers, calibration), axis=1)
            chosen = ranged(real, output, apart, winners)
        else:
            chosen = ranged(real, output)
        dense = replace(dense, output=chosen, parameters=_parameters(
            dense, network, unbiased, bias, chosen, relu=layer.relu))
        network = replace(network, layers=(*network.layers, dense), outputs=())
        x = linear_results(dense, sums, unbiased)
    prove(network)
    return network


def _format(fmt: Format | str, name: str) -> Format:
    if isinstance(fmt, str):
        try:
            return parse(fmt)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    check_format(fmt, name)
    return fmt


def _check_request(layers: Sequence[FloatDense], activations: Format, output: Format | None,
                   contract: Contract, zero_points: str, window: int):
    if zero_points not in ("none", "activations", "both"):
        raise ValueError(f"Zero points must be none, activations or both, not {zero_points!r}")
    if window < 1:
        raise ValueError(f"Window must be at least 1, not {window}")
    if not isinstance(layers, Sequence | np.ndarray):
        raise TypeError(f"Layers must be a sequence of FloatDense, not {layers!r}")
    if not len(layers):
        raise ValueError("Layers must be one or more, not none")
    for layer in layers:
        if not isinstance(layer, FloatDense):
            raise TypeError(f"Layer must be a FloatDense, not {layer!r}")
    for before, after in pairwise(layers):
        if len(before.weights) != np.shape(after.weights)[1]:
            raise ValueError(f"Weights must take the {len(before.weights)} outputs of the layer "
                             f"before, not {np.shape(after.weights)[1]}")
    if isinstance(contract, ExactSum):
        if len(layers) > 1:
            raise ValueError(f"Contract must be one that scales if there are hidden layers, "
                             f"not {contract.name}")
        if layers[0].relu:
            raise ValueError(f"Contract must be one that clamps if there is a ReLU, "
                             f"not {contract.name}")
    elif len(layers) > 1 and output != activations:
        raise ValueError(f"Output must be the activations' format {activations} if there are "
                         f"hidden layers, not {output}")


def _weigh(layer: FloatDense, index: int, x: Levels, network: Network, fmt: Format,
           contract: Contract, zero_point: bool, ranges: WeightRanges, window: int
           ) -> tuple[Dense, np.ndarray, Range]:
    # The layer and its sums; it has no parameters yet, and its input's quantization as output.
    tensor = network.outputs[0]
    input = network.quantization(tensor)
    # A bias has as many bits as the sums of these weights need, and at least 32.
    products = levels_range(fmt) * shifted_range(input)
    if isinstance(fmt, BlockScaled):
        products = products * Range(1, 1 << window - 1)
    widest = products.times(layer.weights.shape[1]).format.width
    for places in (max(30, widest - 2), 30):
        if isinstance(fmt, BlockScaled):
            weight, blocks = Quantization(fmt), blocks_for(
                layer.biases(), layer.weights, fmt, input, places=places, window=window)
        else:
            weight = spread_for(layer.biases(), layer.weights, fmt, input, places=places,
                                zero_point=zero_point, ranges=ranges)
            blocks = quantize(layer.weights, weight), None
        dense = Dense(name=f"dense{index}", inputs=(tensor,), output=input, contract=contract,
                      weights=np.asarray(blocks[0]), weight=weight, exponents=blocks[1],
                      parameters={}, seed=int(leap(1, (index + 1) * LAYER_DRAWS)))
        unbiased = values_range(sum_ends(dense, network))
        bias = np.abs(layer.biases() / _step(dense, network)).max(initial=0.0)
        if bias < 2.0 ** (contract.bias_format(unbiased).width - 2):
            break
    return dense, linear_sums(dense, x, network), unbiased


def _step(layer: Dense, network: Network) -> np.ndarray:
    # Real value of one unit of each channel's sum.
    input, weights = steps(layer, network)
    return input * weights


def _parameters(layer: Dense, network: Network, unbiased: Range, bias: np.ndarray,
                output: Quantization, *, relu: bool) -> dict[str, np.ndarray]:
    contract, fmt, zero_point = layer.contract, output.format, int(output.zero_point)
    # A channel whose sums are all 0 may have scales that no contract can represent.
    input, weights = steps(layer, network)
    scales = input, np.where(matters(layer, bias), weights, 0.0), output.step
    total = contract.sum_format(unbiased)
    # A ReLU clamps at the zero point, or at the next level above if the format has no 0.
    lowest = min(fmt.levels()[fmt.levels() >= zero_point].tolist()) if relu else fmt.min
    if isinstance(contract, ExactSum):
        return {"bias": bias}
    if isinstance(contract, Thresholds):
        ladder = threshold_parameters(combined_scale(contract, *scales[:2], output=scales[2]), fmt,
                                      total, zero_point=zero_point, clamp_min=lowest)
        return {"bias": bias} | ladder
    assert isinstance(contract, Clamped)
    ones = np.ones(len(bias), dtype=np.int64)
    zero_points = {"zero_point": zero_point * ones} if isinstance(fmt, IntFormat) else {}
    exponents = ({"exponent_min": output.exponents.lo * ones,
                  "exponent_max": output.exponents.hi * ones}
                 if isinstance(fmt, BlockScaled) else {})
    return {"bias": bias,
            **linear_parameters(contract, *scales, total),
            **zero_points, "clamp_min": lowest * ones, "clamp_max": fmt.max * ones, **exponents}
