"""Straight-through estimators: quantization that a gradient passes.

Each returns an :class:`Estimate`: real numbers that a format can represent, as float32 arrays of
JAX. Their gradient is not that of the rounding, which is 0 almost everywhere, but the one that each
docstring states; ``g`` is the gradient of the loss by the returned numbers. Levels are the nearest,
ties to the upper one, as of :func:`golden.affine.quantize`.

Needs JAX (the extra ``train``), imported when a function is called.
"""

import math
from typing import Any, NamedTuple

from golden.formats import Format, IntFormat

__all__ = ["Estimate", "binary", "dorefa_activations", "dorefa_weights", "learned_levels",
           "learned_step", "nearest", "snapped", "straight_through", "ternary"]

TERNARY_SHARE = 0.7
"""Threshold of ternary weights as a share of their mean magnitude (arXiv 1605.04711)."""


class Estimate(NamedTuple):
    """Quantized numbers of JAX.

    Parameters
    ----------
    real : array of float32
        ``step * levels``, with the estimator's gradient.
    levels, step : array of float32
        Levels, which are integers, and the real number of one level. No gradient passes them.
    """

    real: Any
    levels: Any
    step: Any


def straight_through(value, carrier):
    """Return ``value`` exactly, with the gradient of ``carrier``, both of one shape and finite."""
    from jax.lax import stop_gradient

    # The difference is 0 exactly; `carrier + (value - carrier)` would round.
    return stop_gradient(value) + (carrier - stop_gradient(carrier))


def nearest(x, fmt: Format):
    """Levels of a format that are nearest to numbers, ties to the upper level; no gradient."""
    import jax.numpy as jnp
    from jax.lax import stop_gradient

    x = stop_gradient(x)
    if isinstance(fmt, IntFormat):
        # Not floor(x + 1/2), which rounds before it floors.
        below = jnp.floor(x)
        return jnp.clip(below + (x - below >= 0.5), fmt.min, fmt.max)
    levels = fmt.levels()
    halfway = jnp.asarray((levels[:-1] + levels[1:]) / 2, jnp.float32)
    return jnp.asarray(levels, jnp.float32)[jnp.searchsorted(halfway, x, side="right")]


def learned_step(x, step, fmt: Format) -> Estimate:
    """Quantize with a step that is learned: LSQ (arXiv 1902.08153), for any format.

    ``v = x / step`` becomes the nearest level ``q``. The gradient by ``x`` is ``g`` where
    ``fmt.min < v < fmt.max``, else 0. That by a step is ``sum(g * (q - v if fmt.min < v < fmt.max
    else q)) / sqrt(numbers * fmt.max)`` over the numbers that it scales.

    Parameters
    ----------
    x : array of float32
    step : array of float32
        Positive; of a shape that broadcasts to that of ``x``.
    fmt : Format
        Format without exponents, whose highest level is positive: integers, odd levels, ternary,
        binary, ``bit`` for features 0 and 1, floats, codebooks.
    """
    import jax.numpy as jnp
    from jax.lax import stop_gradient

    if fmt.max < 1:
        raise ValueError(f"Format must have a positive level, not {fmt}")
    held = stop_gradient(step)
    v = stop_gradient(x) / held
    levels = nearest(v, fmt)
    inside = (v > float(fmt.min)) & (v < float(fmt.max))  # levels of e5m2 are beyond int32
    numbers = math.prod(x.shape) / max(1, math.prod(jnp.shape(step)))
    slope = jnp.where(inside, levels - v, levels) / math.sqrt(numbers * fmt.max)
    carrier = jnp.where(inside, x, 0.0) + step * slope
    return Estimate(straight_through(held * levels, carrier), levels, held)


def dorefa_weights(weights, bits: int) -> Estimate:
    """DoReFa's weights (arXiv 1606.06160, equations 9 and 10), with levels of ``oddN``.

    ``t = tanh(w)``, ``r = t / max|t|``, and ``r`` becomes ``level / (2**bits - 1)`` of the nearest
    odd level: ``2 * quantize(r / 2 + 1/2) - 1``. The gradient passes the rounding as it is, and
    tanh, quotient and maximum as usual. One bit is :func:`binary` of the whole tensor.
    """
    import jax.numpy as jnp

    from golden.formats import OddFormat

    fmt = OddFormat(bits)
    if bits == 1:
        return binary(weights, axes=None)
    t = jnp.tanh(weights)
    r = t / jnp.max(jnp.abs(t))
    levels = nearest(r * fmt.max, fmt)
    step = jnp.float32(1 / fmt.max)
    return Estimate(straight_through(step * levels, r), levels, step)


def dorefa_activations(x, bits: int) -> Estimate:
    """DoReFa's activations (arXiv 1606.06160, equations 5 and 6): ``uN`` of numbers cut to 0 .. 1.

    The gradient is ``g`` where ``0 <= x <= 1``, else 0.
    """
    import jax.numpy as jnp

    fmt = IntFormat(bits, signed=False)
    levels = nearest(x * fmt.max, fmt)
    inside, step = (x >= 0) & (x <= 1), jnp.float32(1 / fmt.max)
    return Estimate(straight_through(step * levels, jnp.where(inside, x, 0.0)), levels, step)


def ternary(weights) -> Estimate:
    """Ternary weights (arXiv 1605.04711): threshold and scale of each channel, the first axis.

    ``threshold = 0.7 * mean|w|``. Weights beyond it become plus or minus the mean of the magnitudes
    beyond it, all others 0. The gradient by the weights is ``g``.
    """
    import jax.numpy as jnp
    from jax.lax import stop_gradient

    held = stop_gradient(weights)
    sizes, axes = jnp.abs(held), tuple(range(1, held.ndim))
    beyond = sizes > TERNARY_SHARE * jnp.mean(sizes, axes, keepdims=True)
    count = jnp.sum(beyond, axes, keepdims=True)
    total = jnp.sum(jnp.where(beyond, sizes, 0.0), axes, keepdims=True)
    # All weights of a channel are 0: any step will do.
    step = jnp.where(count > 0, total / jnp.maximum(count, 1), 1.0)
    levels = jnp.where(beyond, jnp.sign(held), 0.0)
    return Estimate(straight_through(step * levels, weights), levels, step)


def binary(weights, axes: tuple[int, ...] | None = ()) -> Estimate:
    """Binary weights: ``mean|w|`` with the sign of the weight, that of 0 positive.

    The gradient by the weights is ``g``.

    Parameters
    ----------
    weights : array of float32
    axes : tuple of int, optional
        Axes that share a mean; by default all but the first, which is the channels'. None is all.
    """
    import jax.numpy as jnp
    from jax.lax import stop_gradient

    held = stop_gradient(weights)
    axes = tuple(range(1, held.ndim)) if axes == () else axes
    mean = jnp.mean(jnp.abs(held), axes, keepdims=axes is not None)
    step = jnp.where(mean > 0, mean, 1.0)
    levels = jnp.where(held >= 0, 1.0, -1.0)
    return Estimate(straight_through(step * levels, weights), levels, step)


def snapped(x, step):
    """Nearest multiple of a step, ties up; the gradient by ``x`` is ``g``, that by the step 0."""
    import jax.numpy as jnp
    from jax.lax import stop_gradient

    held = stop_gradient(step)
    v = stop_gradient(x) / held
    below = jnp.floor(v)
    return straight_through((below + (v - below >= 0.5)) * held, x)


def learned_levels(x, step, table) -> Estimate:
    """Quantize to the levels of a codebook, which are learned with the step.

    The table is snapped to integers; ``v = x / step`` becomes the nearest of them. The gradient by
    ``x`` and that by the step are those of :func:`learned_step`, with ``max|table|`` for
    ``fmt.max``. That by an entry of the table is ``step * g``, added up over the numbers that
    became it.

    Parameters
    ----------
    x : array of float32
    step : array of float32
        Positive; of a shape that broadcasts to that of ``x``.
    table : array of float32, ``(levels,)``
        Ascending once snapped; equal entries are one level.
    """
    import jax.numpy as jnp
    from jax.lax import stop_gradient

    whole, held = snapped(table, jnp.float32(1)), stop_gradient(step)
    v, levels = stop_gradient(x) / held, stop_gradient(whole)
    which = jnp.sum(v[..., None] >= (levels[:-1] + levels[1:]) / 2, axis=-1)
    own = levels[which]
    inside = (v > levels[0]) & (v < levels[-1])
    numbers = math.prod(x.shape) / max(1, math.prod(jnp.shape(step)))
    slope = jnp.where(inside, own - v, own) / jnp.sqrt(numbers * jnp.max(jnp.abs(levels)))
    carrier = jnp.where(inside, x, 0.0) + step * slope + held * whole[which]
    return Estimate(straight_through(held * own, carrier), own, held)
