"""Gradients of few bits by stochastic rounding, as DoReFa-Net has them (arXiv 1606.06160, eq. 12).

The gradient of a layer's weights is a matrix product of levels, summed exactly over the batch. It
is rounded once, by contract ``stochastic``, with the draws of the hardware's register
(:mod:`golden.lfsr`). ``docs/dynamic.md`` derives the parameters from the paper's formula.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from golden.affine import dequantize, quantize, symmetric
from golden.contracts import Clamped
from golden.contracts import parse as contract_of
from golden.formats import IntFormat, finite, integers
from golden.lfsr import leap
from golden.multipliers import scale_parameters
from golden.networks import INPUT, Dense, Network, Quantization, Tensor
from golden.ranges import dot_range
from golden.run import run

__all__ = ["GRADIENT_BITS", "GradientStep", "WeightGradient", "train_layer"]

S8 = IntFormat(8)

GRADIENT_BITS = range(2, 9)
"""Widths of a gradient's codes."""


@dataclass(frozen=True, eq=False)
class WeightGradient:
    """Gradient of a layer's weights over a batch: ``delta.T @ x``, rounded to ``bits`` bits.

    With ``n`` the exact sum of levels and ``largest`` the largest magnitude of all sums, the code
    is ``clamp(floor((n + largest) * multiplier / 2**shift + state / 2**32))`` in ``0 .. 2**bits -
    1``, where ``multiplier / 2**shift`` is the nearest to ``(2**bits - 1) / (2 * largest)`` with a
    multiplier of 31 bits. Code ``q`` stands for ``largest * (2 * q / (2**bits - 1) - 1)`` units
    of the sums: an odd level, without 0.

    Parameters
    ----------
    delta : array of integers, ``(batch, outputs)``
        Levels of the gradient of the layer's outputs.
    x : array of integers, ``(batch, inputs)``
        Levels of the layer's input.
    scale : float
        Real value of one unit of the sums: the product of both scales.
    bits : int
        Width of the codes, 2 to 8.
    seed : int
        State of the first draw, 1 to ``2**32 - 1``.

    Raises
    ------
    ValueError
        If the width is another, or the batches differ.
    """

    delta: np.ndarray
    x: np.ndarray
    scale: float
    bits: int
    seed: int

    def __post_init__(self):
        if self.bits not in GRADIENT_BITS:
            raise ValueError(f"Bits must be in range [{GRADIENT_BITS[0]}, {GRADIENT_BITS[-1]}], "
                             f"not {self.bits!r}")
        for name in ("delta", "x"):
            levels = S8.check(integers(getattr(self, name), name.capitalize()), name.capitalize())
            if levels.ndim != 2 or not levels.size:
                raise ValueError(f"{name.capitalize()} must have 2 axes, of one level at least, "
                                 f"not shape {levels.shape}")
        if len(self.delta) != len(self.x):
            raise ValueError(f"Delta must have the {len(self.x)} rows of x, not {len(self.delta)}")

    @property
    def format(self) -> IntFormat:
        """Format of the codes."""
        return IntFormat(self.bits, signed=False)

    @cached_property
    def sums_network(self) -> Network:
        """Network whose tensor ``sums`` has the exact sums; its input is ``delta.T``."""
        sums = dot_range(S8, S8, len(self.x)).format
        return self._network("sums", Quantization(sums, self.scale), "none", {"bias": 0})

    def codes_network(self, largest: int) -> Network:
        """Return the network whose tensor ``codes`` has the codes; its input is ``delta.T``.

        Parameters
        ----------
        largest : int
            Largest magnitude of the sums, which follows from their ends: those that
            :class:`hw.units.range_tracker.RangeTracker` finds. If all sums are 0, it counts as 1.
        """
        stochastic, top = contract_of("stochastic"), self.format.max
        assert isinstance(stochastic, Clamped)
        reach = max(largest, 1)
        sum_format = stochastic.sum_format(dot_range(S8, S8, len(self.x)))
        return self._network("codes", Quantization(self.format, self.scale * 2 * reach / top),
                             "stochastic", {
            "bias": reach, **scale_parameters(stochastic, top / (2 * reach), sum_format),
            "zero_point": 0, "clamp_min": 0, "clamp_max": top})

    def _network(self, name: str, output: Quantization, contract: str, parameters) -> Network:
        inputs = self.x.shape[1]
        return Network(
            name="gradient", inputs=(Tensor(INPUT, Quantization(S8), (len(self.x),)),),
            layers=(Dense(name=name, inputs=(INPUT,), output=output, weights=self.x.T,
                          weight=Quantization(S8), contract=contract_of(contract), seed=self.seed,
                          parameters={field: np.broadcast_to(value, (inputs,))
                                      for field, value in parameters.items()}),))

    def codes(self) -> tuple[np.ndarray, int]:
        """Codes of the gradient, ``(outputs, inputs)``, and the largest magnitude of its sums."""
        sums = run(self.sums_network, self.delta.T)["sums"]
        largest = int(np.abs(sums).max())
        return run(self.codes_network(largest), self.delta.T)["codes"], largest

    def real(self, codes, largest: int) -> np.ndarray:
        """Real numbers of codes; 0 if all sums are 0."""
        top = self.format.max
        return self.scale * largest * ((2 * self.format.check(codes) - top) / top)


@dataclass(frozen=True, eq=False)
class GradientStep:
    """One step of :func:`train_layer`.

    Parameters
    ----------
    gradient : WeightGradient
    codes : array of int64, ``(outputs, inputs)``
    largest : int
        Largest magnitude of the gradient's sums.
    weights : array of float, ``(outputs, inputs)``
        Weights after the step.
    loss : float
        Mean cross-entropy of the batch, before the step.
    """

    gradient: WeightGradient
    codes: np.ndarray
    largest: int
    weights: np.ndarray
    loss: float


def train_layer(x, labels, *, bits: int, steps: int = 100, batch: int = 32, rate: float = 1.0,
                seed: int = 1, rng: np.random.Generator) -> Iterator[GradientStep]:
    """Train one fully connected layer, a classifier, by gradients of few bits.

    The weights are real numbers and begin at 0. In each step a batch is drawn; the input has the
    nearest 8-bit levels, of one scale for all examples; ``delta`` is softmax minus the label,
    divided by the batch's size, in 8-bit levels of the batch's own scale. The weights then move by
    ``-rate`` times the quantized gradient. Each step takes the draws behind those of the step
    before.

    Parameters
    ----------
    x : array_like of float, ``(examples, inputs)``
    labels : array_like of int, ``(examples,)``
        Classes, from 0.
    bits : int
        Width of the gradient's codes, 2 to 8.
    steps, batch : int
    rate : float
        Factor of the gradient.
    seed : int
        State of the first draw, 1 to ``2**32 - 1``.
    rng : numpy.random.Generator
        Choice of the batches.

    Raises
    ------
    ValueError
        If the width is another, steps or batch are below 1, there is no example, or labels and
        examples differ in number.
    """
    x, labels = finite(x, "Input"), integers(labels, "Labels")
    if x.ndim != 2 or not x.size or labels.shape != (len(x),) or labels.min() < 0:
        raise ValueError(f"Labels must be classes from 0, one for each row of the input, "
                         f"not of shape {labels.shape} for shape {x.shape}")
    for name, value in (("Steps", steps), ("Batch", batch)):
        if integers(value, name) < 1:
            raise ValueError(f"{name} must be at least 1, not {value!r}")
    input = symmetric(np.abs(x).max(), S8)
    levels = np.asarray(quantize(x, input))
    weights = np.zeros((int(labels.max()) + 1, x.shape[1]))
    for step in range(steps):
        chosen = rng.integers(len(x), size=batch)
        scores = dequantize(levels[chosen], input) @ weights.T
        scores -= scores.max(axis=1, keepdims=True)
        shares = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        right = np.arange(batch), labels[chosen]
        loss = float(-np.log(shares[right]).mean())
        shares[right] -= 1
        delta = symmetric(np.abs(shares).max() / batch, S8)
        gradient = WeightGradient(
            np.asarray(quantize(shares / batch, delta)), levels[chosen],
            float(delta.scale * input.scale), bits, int(leap(seed, step * weights.size)))
        codes, largest = gradient.codes()
        weights = weights - rate * gradient.real(codes, largest)
        yield GradientStep(gradient, codes, largest, weights, loss)
