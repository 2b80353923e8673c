"""Dynamic quantization: activations are quantized by the range that each batch has at run time.

Weights are levels of one scale per tensor before any input is known. The numbers between layers
are those of ONNX Runtime: float32, each operation rounded by itself. ``docs/dynamic.md`` has every
step.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from golden.affine import quantize, symmetric
from golden.contracts import S32, Onnx, Thresholds
from golden.contracts import parse as contract_of
from golden.floats import FloatDense
from golden.formats import Format, IntFormat, integers, parse
from golden.multipliers import linear_parameters
from golden.networks import INPUT, Dense, Network, Quantization, Tensor
from golden.ranges import check_ends
from golden.run import run
from golden.runtimes.onnx_ops import dynamic_quantize_linear, dynamic_range

__all__ = ["CONTRACTS", "DynamicLayer", "DynamicResult", "U8", "code_thresholds", "codes_network",
           "dynamic_input", "output_quantization", "quantize_dynamic", "real_sums", "run_dynamic",
           "sums_network"]

U8 = IntFormat(8, signed=False)
"""Format of dynamic codes, as DynamicQuantizeLinear has it."""

CONTRACTS = "thresholds", "onnx"
"""Contracts that make the codes of the next layer: exactly, or by one float32 factor."""


@dataclass(frozen=True, eq=False)
class DynamicLayer:
    """A fully connected layer: weights of one scale, and a bias of real numbers.

    Parameters
    ----------
    name : str
    weights : array of integers, ``(outputs, inputs)``
        Levels of the weights.
    weight : Quantization
        Quantization of the weights: one scale, a float32, and zero point 0.
    bias : array of float32, ``(outputs,)``
        Bias. It joins the sums once the scale of the input is known.
    relu : bool
        Whether a ReLU follows.
    """

    name: str
    weights: np.ndarray
    weight: Quantization
    bias: np.ndarray
    relu: bool = False

    def step(self, input: Quantization) -> np.float32:
        """Real value of one unit of the sums: ``float32(input.scale * weight.scale)``."""
        with np.errstate(over="ignore", under="ignore"):
            step = np.float32(input.scale) * np.float32(self.weight.scale)
        if not (np.isfinite(step) and step > 0):
            raise ValueError(f"Scale of the sums of layer {self.name!r} must be a positive and "
                             f"finite float32, not {step}")
        return step

    def bias_levels(self, input: Quantization) -> np.ndarray:
        """Bias in units of the sums: ``rne(float32(bias / step))``.

        Raises
        ------
        ValueError
            If a bias leaves int32, since the input's scale is too small for it.
        """
        step = self.step(input)
        with np.errstate(over="ignore"):
            levels = np.rint(self.bias / step).astype(np.float64)
        if not (good := (levels >= S32.min) & (levels <= S32.max)).all():
            raise ValueError(f"Bias of layer {self.name!r} must be in range [{S32.min}, {S32.max}] "
                             f"in units of the sums, {step}, not {levels[~good][0]:g}")
        return levels.astype(np.int64)


@dataclass(frozen=True, eq=False)
class DynamicResult:
    """A layer that has run on a batch.

    Parameters
    ----------
    layer : DynamicLayer
    input : Quantization
        Quantization of the layer's input in this batch.
    levels : array of int64, ``(batch, inputs)``
        Codes of the input.
    sums : array of int64, ``(batch, outputs)``
        Exact sums plus bias.
    output : array of float32, ``(batch, outputs)``
        Real numbers of the sums, after the ReLU if there is one.
    """

    layer: DynamicLayer
    input: Quantization
    levels: np.ndarray
    sums: np.ndarray
    output: np.ndarray


def quantize_dynamic(layers: Sequence[FloatDense], weights: Format | str
                     ) -> tuple[DynamicLayer, ...]:
    """Quantize the weights of a chain of layers, each with one scale of float32.

    The scale is ``float32(max|W| / weights.max)``; levels are rounded half up.

    Parameters
    ----------
    layers : sequence of FloatDense
        Layers, each of which takes the output of the one before; the last has no ReLU.
    weights : Format or str
        Signed integer format of the weights, or its name.

    Raises
    ------
    TypeError
        If a layer is no FloatDense.
    ValueError
        If there is no layer, the weights' format is no signed integer format, or a layer is clipped
        other than by a ReLU or does not take the output of the one before.
    """
    weights = parse(weights) if isinstance(weights, str) else weights
    if not isinstance(weights, IntFormat) or not weights.signed:
        raise ValueError(f"Weights must be of a signed integer format, not {weights}")
    if not len(layers):
        raise ValueError("Layers must be one or more, not none")
    done: list[DynamicLayer] = []
    for index, layer in enumerate(layers):
        if not isinstance(layer, FloatDense):
            raise TypeError(f"Layer must be a FloatDense, not {layer!r}")
        name = layer.name or f"dense{index}"
        if layer.most != np.inf or layer.least not in (0, -np.inf):
            raise ValueError(f"Layer {name!r} must have a ReLU or no clipping to be quantized "
                             f"dynamically, not {layer.least} and {layer.most}")
        if done and layer.weights.shape[1] != len(done[-1].weights):
            raise ValueError(f"Layer {name!r} must take the {len(done[-1].weights)} outputs of "
                             f"layer {done[-1].name!r}, not {layer.weights.shape[1]}")
        scale = float(np.float32(symmetric(np.abs(layer.weights).max(), weights).scale))
        weight = Quantization(weights, scale)
        done.append(DynamicLayer(name, np.asarray(quantize(layer.weights, weight)), weight,
                                 layer.biases().astype(np.float32), layer.least == 0))
    return tuple(done)


def dynamic_input(x) -> tuple[np.ndarray, Quantization]:
    """Codes of a tensor of float32 numbers, and their quantization: DynamicQuantizeLinear."""
    levels, scale, zero_point = dynamic_quantize_linear(x)
    return levels, Quantization(U8, float(scale), int(zero_point))


def sums_network(layer: DynamicLayer, input: Quantization) -> Network:
    """Return the layer with its exact sums plus bias as output, once its input's range is known.

    The sums are MatMulInteger's plus the bias in int32. Tensor ``sums`` has them, by contract
    ``none``.
    """
    return _network(layer, input, "sums", Quantization(S32, float(layer.step(input))),
                    contract_of("none"), {})


def codes_network(layer: DynamicLayer, input: Quantization, output: Quantization,
                  contract: str = "thresholds") -> Network:
    """Return the layer with dynamic codes as output, once the range of its sums is known, too.

    Parameters
    ----------
    layer : DynamicLayer
    input, output : Quantization
        Quantizations of the batch's input and output.
    contract : "thresholds" or "onnx"
        Contract of tensor ``codes``. With ``thresholds`` they are DynamicQuantizeLinear's,
        whatever the sums (:func:`code_thresholds`). Contract ``onnx`` has one factor,
        ``float32(step / output.scale)``, in place of a multiplication and a division: near
        a border between two codes it may give the other one.
    """
    if contract not in CONTRACTS:
        raise ValueError(f"Contract must be one of {', '.join(CONTRACTS)}, not {contract!r}")
    own = contract_of(contract)
    if isinstance(own, Thresholds):
        return _network(layer, input, "codes", output, own, code_thresholds(layer, input, output))
    assert isinstance(own, Onnx)
    return _network(layer, input, "codes", output, own, {
        **linear_parameters(own, input.scale, layer.weight.scale, output.scale, S32),
        "zero_point": output.zero_point, "clamp_max": U8.max,
        "clamp_min": output.zero_point if layer.relu else U8.min})


def _network(layer: DynamicLayer, input: Quantization, name: str, output: Quantization, contract,
             parameters) -> Network:
    outputs, inputs = layer.weights.shape
    each = {"bias": layer.bias_levels(input)} | {
        field: np.broadcast_to(value, (outputs,)) for field, value in parameters.items()}
    return Network(name=layer.name, inputs=(Tensor(INPUT, input, (inputs,)),), layers=(Dense(
        name=name, inputs=(INPUT,), output=output, weights=layer.weights, weight=layer.weight,
        contract=contract, parameters=each),))


def real_sums(layer: DynamicLayer, input: Quantization, sums) -> np.ndarray:
    """Real numbers of sums: ``float32(float32(sum) * step)``, and 0 if a ReLU clips them."""
    sums = integers(sums, "Sum")
    with np.errstate(over="ignore", under="ignore"):
        reals = sums.astype(np.float32) * layer.step(input)
    return np.where(reals > 0, reals, np.float32(0)) if layer.relu else reals


def output_quantization(layer: DynamicLayer, input: Quantization, minimum: int, maximum: int
                        ) -> Quantization:
    """Quantization of a layer's output from the ends of its sums in a batch.

    A number never falls as its sum rises, so the numbers' ends are those of the sums.

    Parameters
    ----------
    layer : DynamicLayer
    input : Quantization
    minimum, maximum : int
        Smallest and largest sum of the batch, which
        :class:`hw.units.range_tracker.RangeTracker` finds.
    """
    check_ends("Sums'", minimum, maximum)
    scale, zero_point = dynamic_range(*real_sums(layer, input, [minimum, maximum]))
    return Quantization(U8, float(scale), int(zero_point))


def code_thresholds(layer: DynamicLayer, input: Quantization, output: Quantization
                    ) -> dict[str, int]:
    """Thresholds that turn sums into dynamic codes.

    ``threshold_k`` is the least sum of int32 whose code is ``k`` or more. The code of a sum is
    that of its number, ``clamp(rne(float32(real / output.scale)) + zero_point)``: rounded four
    times, but never falling as the sum rises, so that thresholds give it exactly. A threshold
    that no sum reaches is ``2**31``.
    """
    def codes(sums: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore", under="ignore"):
            rounded = np.rint(real_sums(layer, input, sums) / np.float32(output.scale))
        return np.clip(rounded + np.float64(output.zero_point), U8.min, U8.max)

    # Bisection of all thresholds at once: the code at `above` has been reached.
    levels = np.arange(1, U8.max + 1)
    below, above = np.full(len(levels), S32.min - 1), np.full(len(levels), S32.max + 1)
    for _ in range(S32.width + 1):
        middle = (below + above) // 2
        inside = (below < middle) & (middle < above)
        reached = codes(middle) >= levels
        above = np.where(inside & reached, middle, above)
        below = np.where(inside & ~reached, middle, below)
    return {f"threshold_{level}": int(least)
            for level, least in zip(levels.tolist(), above, strict=True)}


def run_dynamic(layers: Sequence[DynamicLayer], x, contract: str = "thresholds"
                ) -> list[DynamicResult]:
    """Run a chain of layers on a batch; the last result's output is the network's.

    The input is quantized by DynamicQuantizeLinear. Each later layer takes codes that the layer
    before makes of its sums, by the quantization that follows from their ends in this batch.

    Parameters
    ----------
    layers : sequence of DynamicLayer
    x : array_like of float32, ``(batch, inputs)``
    contract : "thresholds" or "onnx"
        Contract of the codes between layers (:func:`codes_network`).

    Raises
    ------
    ValueError
        If a tensor's range has no positive and finite scale, or a bias leaves int32.
    """
    levels, input = dynamic_input(x)
    results: list[DynamicResult] = []
    for place, layer in enumerate(layers, 1):
        sums = run(sums_network(layer, input), levels)["sums"]
        results.append(DynamicResult(layer, input, levels, sums, real_sums(layer, input, sums)))
        if place < len(layers):
            output = output_quantization(layer, input, int(sums.min()), int(sums.max()))
            levels = run(codes_network(layer, input, output, contract), levels)["codes"]
            input = output
    return results
