"""Scales, zero points and tensors of TFLite files, drawn within the limits of their types."""

import numpy as np

from tests.golden.readers.tflite_model import Constant, Value

__all__ = ["activation", "bias_type", "linear", "near", "scale", "value", "weights", "wide", "zero"]


def scale(rng, least=-7.0, most=0.0) -> float:
    return near(rng, 2.0**rng.uniform(least, most))


def near(rng, scale) -> float:
    # Half of the scales are short decimals, whose ratios make ties.
    return float(np.float32(f"{scale:.1g}" if rng.integers(2) else scale))


def zero(rng, kind) -> int:
    return int(rng.integers(-128, 128)) if kind == "int8" else 0


def value(rng, shape, kind, **limits) -> Value:
    return Value(tuple(map(int, shape)), kind, scale(rng, **limits), zero(rng, kind))


def activation(rng) -> int:
    return int(rng.choice([0, 0, 1, 3]))


def wide(rng, kind):
    # Type of the bias.
    return np.dtype("int32") if kind == "int8" or rng.integers(3) == 0 else np.dtype("int64")


def weights(rng, shape, axis, per_channel=True):
    count = shape[axis] if per_channel else 1
    scale = np.array([near(rng, 2.0**exponent) for exponent in rng.uniform(-9, -5, count)],
                     np.float32)
    return Constant(rng.integers(-127, 128, shape).astype(np.int8), scale, np.zeros(count, int),
                    axis)


def linear(rng, kind, x, w, axis, depth, channels, bias_left_out=True):
    # The bias, and a scale that the output's levels cover about half of the sums with.
    bias = rng.integers(-1000, 1000, channels)
    bias = Constant(bias.astype(wide(rng, kind)), x.scale * w.scale, np.zeros(len(w.scale), int))
    if len(w.scale) == 1:
        bias.zero = np.zeros(1, int)
    reach = 60 * 70 * np.sqrt(depth) * (1 if kind == "int8" else 256)
    scale = near(rng, x.scale * w.scale.max() * reach / (100 if kind == "int8" else 20000)
                 * 2.0**rng.uniform(-1, 1))
    return (None if bias_left_out and rng.integers(4) == 0 else bias), scale


def bias_type(bias):
    # Without it LiteRT reads a bias of 32 bits as one of 64.
    return {"quantizedBiasType": 2 if bias is not None and bias.data.dtype == np.int32 else 0}
