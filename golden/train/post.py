"""Post-training quantization of trained float networks: the best of formats and calibrations."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Literal

import numpy as np

from golden.affine import quantize
from golden.floats import FloatNetwork, run_float
from golden.formats import Format, IntFormat, parse
from golden.networks import Network, Quantization
from golden.quantize import Weights, quantize_network
from golden.train.codebooks import codebook_for
from golden.train.export import CONTRACT, output_for
from golden.train.start import linear_layers

__all__ = ["Choice", "METHODS", "choices", "post_network"]

METHODS = "mse", "min_max"
"""Methods of calibration that are tried."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One way of post-training quantization.

    Parameters
    ----------
    weights : str
        Name of a format, or ``codebook`` with ``bits`` for a codebook made of each layer's weights.
    activations : str
        Name of the format of the input and of every layer's input.
    ranges, method, correct_bias
        As of :func:`golden.quantize.quantize_network`; ``ranges`` is its ``weight_ranges``.
    """

    weights: str
    activations: str
    ranges: Literal["max", "least_error"] = "least_error"
    method: str = "mse"
    correct_bias: bool = False

    def __str__(self):
        return (f"{self.weights}, {self.ranges}, {self.method}"
                f"{', bias corrected' * self.correct_bias}")


def choices(bits: int) -> Iterator[Choice]:
    """Ways to try at a width, the plainest first.

    Weights are two's complement, narrow or not, odd, or of a codebook of at most 4 bits; those of 1
    bit are binary. ``s2n`` is ternary.
    """
    if bits == 1:
        weights = ["binary"]
    else:
        weights = [f"s{bits}n", f"s{bits}", f"odd{bits}"] + ["codebook"] * (bits <= 4)
    activations = "bit" if bits == 1 else f"s{bits}"
    for fmt, ranges, method, correct in product(
            weights, ("max", "least_error"), METHODS, (False, True)):
        if fmt == "codebook" and ranges == "max":
            continue
        yield Choice(weights=fmt if fmt != "codebook" else f"codebook{bits}", ranges=ranges,
                     activations=activations, method=method, correct_bias=correct)


def post_network(network: FloatNetwork, choice: Choice, calibration: np.ndarray, *, name: str
                 ) -> Network:
    """Return the quantized network of a float network.

    Tensors of integer formats have zero points. The last layer's result has
    :data:`golden.train.export.OUTPUT`.
    """
    given: dict[str, Quantization | Weights] = {
        network.output: output_for(run_float(network, calibration))}
    fmt: Format = IntFormat(8)
    if choice.weights.startswith("codebook"):
        count = 1 << int(choice.weights.removeprefix("codebook"))
        for layer in linear_layers(network):
            given[f"{layer.name}.weights"] = _codebook_weights(layer.weights, count)
    else:
        fmt = parse(choice.weights)
    return quantize_network(
        network, calibration, weights=fmt, activations=choice.activations, contract=CONTRACT,
        given=given, method=choice.method, weight_ranges=choice.ranges,
        correct_bias=choice.correct_bias, name=name)


def _codebook_weights(weights: np.ndarray, count: int) -> Weights:
    # One table a layer, of weights as shares of their channel's largest.
    sizes = np.abs(weights).reshape(len(weights), -1).max(axis=1)
    sizes = np.where(sizes > 0, sizes, 1.0)
    shares = weights / sizes.reshape(-1, *[1] * (weights.ndim - 1))
    book, step = codebook_for(shares, count)
    chosen = Quantization(book, sizes * step)
    return Weights(np.asarray(quantize(weights, chosen)), chosen)
