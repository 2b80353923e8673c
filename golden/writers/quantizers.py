"""QONNX's quantizers for the tensors of a network, and the float32 numbers that they take."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np

from golden.contracts import Rounding
from golden.formats import Format, IntFormat, OddFormat
from golden.networks import Quantization
from golden.readers.qonnx.exact import Border
from golden.readers.qonnx.steps import ROUNDINGS
from golden.runtimes.qonnx import bipolar, quant
from golden.writers.graph import DOMAIN, Graph

__all__ = ["BIPOLAR", "EXTRA", "MODES", "Quantizer", "check", "constant", "float32", "not_below"]

HALF = Fraction(1, 2)
BIPOLAR = OddFormat(1)

MODES = {Rounding.HALF_UP: "FLOOR", Rounding.HALF_EVEN: "ROUND", Rounding.HALF_AWAY: "HALF_UP",
         Rounding.FLOOR: "FLOOR", Rounding.ZERO: "DOWN"}
"""QONNX's rounding for each of this project's; what it adds to is in :data:`EXTRA`."""

EXTRA = {Rounding.HALF_UP: HALF}
"""Part of a step of the output that is added in front of the quantizer."""


def float32(value: Fraction | float, title: str) -> Fraction:
    """Return the nearest number of float32 that is 0 or not subnormal."""
    nearest = np.float32(float(value)) if abs(value) < 2.0**128 else np.float32(np.inf)
    if not np.isfinite(nearest) or (value and abs(nearest) < np.finfo(np.float32).tiny):
        raise ValueError(f"{title} must be 0 or in the range of float32, not {float(value):g}")
    return Fraction(float(nearest))


def not_below(value: Fraction, title: str) -> Fraction:
    """Return the least number of float32 that is not below a number, or the next."""
    nearest = float32(value, title)
    return nearest if nearest >= value else Fraction(float(
        np.nextafter(np.float32(float(nearest)), np.float32(np.inf))))


@dataclass(frozen=True)
class Quantizer:
    """A Quant or a BipolarQuant: ``q = round(clamp(x / scale + zero))`` stands for a level.

    The level is ``factor * (q - zero) + zero_point``: of odd levels, the zero point of the
    quantizer is -1/2 and its scale two steps.

    Parameters
    ----------
    output : Quantization
        Quantization of the levels; its scale is a number of float32.
    mode : str
        Rounding by QONNX's name. A BipolarQuant has none.
    """

    output: Quantization
    mode: str = "ROUND"

    @classmethod
    def of(cls, quantization: Quantization, title: str) -> "Quantizer":
        """Return the quantizer of a tensor, its scale rounded to float32.

        Raises
        ------
        ValueError
            If QONNX has no quantizer for the format, or float32 no such scale.
        """
        check(quantization.format, title)
        if np.ndim(quantization.scale) or np.ndim(quantization.zero_point):
            raise ValueError(f"Scale and zero point of {title} must be one for the whole tensor")
        scale = float32(Fraction(float(quantization.scale)), f"Scale of {title}")
        if not scale:
            raise ValueError(f"Scale of {title} must be positive, not 0")
        return cls(replace(quantization, scale=float(scale)))

    def rounding(self, mode: str) -> "Quantizer":
        """Return the quantizer with another rounding."""
        return replace(self, mode=mode)

    @property
    def step(self) -> Fraction:
        """Real value of one level."""
        return Fraction(float(self.output.scale))

    @property
    def factor(self) -> int:
        """Levels between two integers of the quantizer."""
        fmt = self.output.format
        return 2 if isinstance(fmt, OddFormat) and fmt != BIPOLAR else 1

    @property
    def scale(self) -> Fraction:
        """Scale of the quantizer: real value between two integers."""
        return self.step * self.factor

    @property
    def zero(self) -> Fraction:
        """Zero point of the quantizer."""
        return -HALF if self.factor == 2 else Fraction(self.output.scalar_zero_point())

    def extra(self, rounding: Rounding) -> Fraction:
        """Real number to add in front, for the quantizer to round as a contract does."""
        # A BipolarQuant's border lies in the middle as it is.
        return Fraction(0) if self.output.format == BIPOLAR else (
            EXTRA.get(rounding, Fraction(0)) * self.scale)

    def borders(self) -> list[Border]:
        """Real numbers from which on there is each level but the first."""
        fmt = self.output.format
        if fmt == BIPOLAR:
            return [Border(Fraction(0), True)]
        first = int(self._whole(fmt.min))
        places = (ROUNDINGS[self.mode].border(first + k) for k in range(1, len(fmt.levels())))
        scale, zero = self.scale, self.zero  # once: there may be 2**16 borders
        return [Border(scale * (place.at - zero), place.inclusive) for place in places]

    def _whole(self, level: int) -> Fraction:
        # The integer that stands for a level.
        return Fraction(level - self.output.scalar_zero_point(), self.factor) + self.zero

    def level(self, value: Fraction) -> int:
        """Level of a real number."""
        fmt = self.output.format
        if fmt == BIPOLAR:
            return 1 if value >= 0 else -1
        ends = self._whole(fmt.min), self._whole(fmt.max)
        q = ROUNDINGS[self.mode].whole(min(max(value / self.scale + self.zero, ends[0]), ends[1]))
        return int(self.factor * (q - self.zero)) + self.output.scalar_zero_point()

    def node(self, graph: Graph, x: str, output: str) -> str:
        """Add the quantizer of a tensor."""
        fmt = self.output.format
        scale = graph.constant(f"{output}.scale", np.float32(float(self.scale)))
        if fmt == BIPOLAR:
            return graph.node("BipolarQuant", [x, scale], output, DOMAIN)
        return graph.node("Quant", [
            x, scale, graph.constant(f"{output}.zero", np.float32(float(self.zero))),
            graph.constant(f"{output}.bits", np.float32(fmt.bits))], output, DOMAIN,
            rounding_mode=self.mode, **_flags(fmt))


def check(fmt: Format, title: str):
    """Raise ``ValueError`` if QONNX has no quantizer of a format."""
    if not isinstance(fmt, IntFormat | OddFormat) or fmt == IntFormat(1):
        raise ValueError(f"Format of {title} must be an integer one, ternary, binary, bit or odd "
                         f"to be said in QONNX, not {fmt}")


def _flags(fmt: Format) -> dict[str, int]:
    whole = fmt if isinstance(fmt, IntFormat) else IntFormat(fmt.bits)
    return {"signed": int(whole.signed), "narrow": int(whole.narrow)}


def constant(graph: Graph, name: str, levels: np.ndarray, quantization: Quantization,
             scales: Sequence[Fraction], axis: int, title: str) -> str:
    """Add quantized weights; return the name of the tensor.

    Parameters
    ----------
    graph : Graph
    name : str
    levels : array of integers
    quantization : Quantization
        Format, which :func:`check` takes, and zero points of the weights.
    scales : sequence of Fraction
        Real value of one level in each channel, numbers of float32.
    axis : int
        Axis of the channels.
    title : str
        The weights, in messages.
    """
    fmt = quantization.format
    sizes = [1] * levels.ndim
    sizes[axis] = len(scales)
    step = np.array([float(each) for each in scales], np.float32)
    step = step[0] if (step == step[0]).all() else step.reshape(sizes)
    factor = np.float32(2 if isinstance(fmt, OddFormat) and fmt != BIPOLAR else 1)
    zero = np.asarray(quantization.zero_point)
    zero = zero.reshape(sizes) if zero.ndim else zero
    reals = step * (levels - zero).astype(np.float32)
    shift = np.float32(-0.5) if factor == 2 else zero.astype(np.float32)
    # The rounding is that of float32; one is as good as another, as no number is near a tie.
    whole: Any = IntFormat(fmt.bits) if isinstance(fmt, OddFormat) else fmt
    found = bipolar(reals, np.float32(1)) if fmt == BIPOLAR else quant(
        reals, step * factor, shift, whole, "ROUND")
    if not (found * int(factor) + int(factor == 2) == levels).all():
        raise ValueError(f"Levels of {title} must be those that float32 gives back")
    inputs = [graph.constant(f"{name}.float", reals), graph.constant(f"{name}.scale",
                                                                     step * factor)]
    output = graph.fresh(name)
    if fmt == BIPOLAR:
        return graph.node("BipolarQuant", inputs, output, DOMAIN)
    return graph.node("Quant", [
        *inputs, graph.constant(f"{name}.zero", shift),
        graph.constant(f"{name}.bits", np.float32(fmt.bits))], output, DOMAIN,
        rounding_mode="ROUND", **_flags(fmt))
