"""Which differences from exact arithmetic a runtime's float32 can have made.

Golden computes a QONNX model exactly. Its executor computes real numbers in float32, so that one
near a border between two levels may get the other. Such an element is computed once more, with
:class:`fractions.Fraction`: golden must have the level of the exact number, and the executor that
of a number no farther from it than float32 sums of so many products can be.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from golden.formats import IntFormat
from golden.layers import kind_of
from golden.layers.linear import linear_sums
from golden.networks import Layer, Linear
from golden.readers.model import Exact, Model

__all__ = ["QonnxRounding"]

UNIT = Fraction(1, 1 << 23)
"""Relative error of a float32 operation, twice over."""

OPERATIONS = 32
"""Operations of a layer that are counted besides its products and their sum."""

_WIDE = IntFormat(64)


@dataclass(frozen=True, eq=False)
class QonnxRounding:
    """Exact arithmetic of elements, and what float32 can make of them.

    Parameters
    ----------
    read : Model
    given : mapping of str to array of integers
        Levels of the inputs, and of layers as the runtime shows them.
    """

    read: Model
    given: Mapping[str, np.ndarray]

    def explained(self, name: str, own: np.ndarray, theirs: np.ndarray) -> np.ndarray:
        """Whether each element of a tensor is equal, or differs by the runtime's rounding alone.

        Parameters
        ----------
        name : str
        own, theirs : array of integers, ``(samples, *shape)``
            Levels of golden and of the runtime.
        """
        good = own == theirs
        for sample in np.flatnonzero(~good.reshape(len(own), -1).all(axis=1)):
            where = ~good[sample]
            exact, low, high = self._spans(name, int(sample), where)
            ends = np.minimum(low, high), np.maximum(low, high)
            good[sample] |= where & (exact == own[sample]) & (ends[0] <= theirs[sample]) & (
                theirs[sample] <= ends[1])
        return good

    def value(self, name: str, place: tuple[int, ...]) -> Fraction | None:
        """Exact number of an element, in levels; None if a move chose the element among others."""
        if name not in self.read.exact:
            return None
        integers, _, _ = self._integers(name, place[0])
        exact, output = self.read.exact[name], self.read.network.quantization(name)
        n = int(integers[place[1:]])
        if exact.level is None:
            return Fraction(n)
        real = exact.reals[place[-1] % len(exact.reals)](n)
        return real / Fraction(float(output.scale)) + output.scalar_zero_point()

    def _spans(self, name: str, sample: int, where: np.ndarray | None = None
               ) -> list[np.ndarray]:
        # Exact levels of a sample, and the levels of the ends of what float32 may have had; where
        # they are asked for.
        if name in self.read.exact:
            return self._exact(name, sample, where)
        network, layer = self.read.network, self.read.network.tensors[name].source
        assert isinstance(layer, Layer)
        inputs = [self._input(each, sample) for each in layer.inputs]
        return [kind_of(layer).run(layer, network, [each[k][None] for each in inputs], None)[0]
                for k in range(3)]

    def _input(self, name: str, sample: int) -> list[np.ndarray]:
        # Layers that are none of the file's are computed: the runtime does not show them.
        if name in self.given and name in self.read.tensors:
            return [self.given[name][sample]] * 3
        return self._spans(name, sample)

    def _integers(self, name: str, sample: int) -> tuple[np.ndarray, np.ndarray, int]:
        # The integers that a layer's function takes, sums of absolute products, and their number.
        network, layer = self.read.network, self.read.network.tensors[name].source
        assert isinstance(layer, Layer)
        x = self._input(layer.inputs[0], sample)[0]
        zero = network.quantization(layer.inputs[0]).scalar_zero_point()
        if not isinstance(layer, Linear):
            return x - zero, np.abs(x - zero), 1
        weights = layer.weights - np.reshape(layer.weight.zero_point, (
            -1, *[1] * (layer.weights.ndim - 1)))
        absolute = replace(layer, weights=np.abs(weights),
                           weight=replace(layer.weight, format=_WIDE, zero_point=0))
        return (linear_sums(layer, x[None], network)[0],
                linear_sums(absolute, (zero + np.abs(x - zero))[None], network)[0],
                weights[0].size)

    def _exact(self, name: str, sample: int, where: np.ndarray | None) -> list[np.ndarray]:
        exact = self.read.exact[name]
        integers, absolute, products = self._integers(name, sample)
        spans = [np.zeros(integers.shape, np.int64) for _ in range(3)]
        for place in np.ndindex(integers.shape):
            if where is None or where[place]:
                found = _span(exact, int(integers[place]), int(absolute[place]), products,
                              place[-1] if place else 0)
                for levels, level in zip(spans, found, strict=True):
                    levels[place] = level
        return spans


def _span(exact: Exact, n: int, absolute: int, products: int, channel: int
          ) -> tuple[int, int, int]:
    # Levels of one exact number, and of the least and the largest that float32 may have had.
    real = exact.reals[channel % len(exact.reals)]
    value, slope = real(n), abs(real.slope)
    error = (products + OPERATIONS) * UNIT * (slope * absolute + abs(real.offset) + abs(value))
    if exact.level is None:
        reach = 0 if slope == 0 else int(error / slope + Fraction(1, 2))
        return n, n - reach, n + reach
    return (exact.level(value, channel), exact.level(value - error, channel),
            exact.level(value + error, channel))
