"""Pool layers: averages and maxima over windows."""

from collections.abc import Sequence

import numpy as np

from golden import ops
from golden.block_scaled import Levels
from golden.formats import BlockScaled, IntFormat
from golden.layers.kind import Kind
from golden.networks import Network, Pool

__all__ = ["POOL"]


def _prove(layer: Pool, network: Network, x: Sequence[Levels] | None):
    input, output = network.quantization(layer.inputs[0]), layer.output
    if output.format != input.format or output.zero_point != input.zero_point:
        raise ValueError(
            f"Output of pool {layer.name!r} must have the input's format {input.format} and zero "
            f"point {input.zero_point}, not {output.format} and {output.zero_point}")
    if isinstance(input.format, BlockScaled):
        raise ValueError(f"Input of pool {layer.name!r} must have a format without exponents, "
                         f"not {input.format}")
    if input.format.propagates:
        raise ValueError(f"Input of pool {layer.name!r} must have a format that refuses infinities "
                         f"and NaN, not {input.format}")
    if layer.kind == "average" and not isinstance(input.format, IntFormat):
        raise ValueError(f"Input of pool {layer.name!r} must have an integer format to be "
                         f"averaged, not {input.format}")
    if layer.kind not in ("average", "max"):
        raise ValueError(f"Kind of pool {layer.name!r} must be average or max, "
                         f"not {layer.kind!r}")
    if layer.clamp is not None:
        lo, hi = output.format.check(layer.clamp, f"Clamp of pool {layer.name!r}").tolist()
        if lo > hi:
            raise ValueError(f"Clamp of pool {layer.name!r} must not be empty, "
                             f"not {layer.clamp}")


def _run(layer: Pool, network: Network, x: Sequence[Levels], sums: None) -> np.ndarray:
    pool = ops.average_pool if layer.kind == "average" else ops.max_pool
    y = pool(x[0], size=layer.size, stride=layer.stride, padding=layer.padding)
    return y if layer.clamp is None else np.clip(y, *layer.clamp)


def _check_scales(layer: Pool, network: Network):
    scale = network.quantization(layer.inputs[0]).scale
    if not np.array_equal(layer.output.scale, scale):
        raise ValueError(f"Output of pool {layer.name!r} must have the input's scale {scale}, "
                         f"not {layer.output.scale}")


POOL = Kind(_prove, _run, _check_scales)
