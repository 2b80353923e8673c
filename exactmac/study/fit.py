"""Power law of the accuracy that quantization loses, against the bit operations that remain."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["LEAST", "PowerLaw", "power_law", "power_laws"]

LEAST = 4
"""Least number of points of a fit."""


@dataclass(frozen=True)
class PowerLaw:
    r"""Fit of ``loss = factor * operations**exponent``.

    The logarithms are fitted by least squares: ``log(loss) = log(factor) + exponent *
    log(operations)``.

    Parameters
    ----------
    factor, exponent : float
    r_squared : float
        Share of the variance of ``log(loss)`` that the line explains.
    points : int
        Points of the fit.
    left_out : int
        Points whose loss is 0 or less, which have no logarithm.
    """

    factor: float
    exponent: float
    r_squared: float
    points: int
    left_out: int


def power_law(operations: Sequence[float], losses: Sequence[float]) -> PowerLaw | str:
    """Fit a power law to the points whose loss is above 0.

    Parameters
    ----------
    operations : sequence of float
        Bit operations of each point, positive.
    losses : sequence of float
        Accuracy that each point loses, in any unit.

    Returns
    -------
    PowerLaw or str
        The fit, or why there is none: fewer than :data:`LEAST` points with a loss, or all of them
        at one number of bit operations or with one loss.
    """
    x, y = np.asarray(operations, np.float64), np.asarray(losses, np.float64)
    if x.shape != y.shape or x.ndim != 1 or (x <= 0).any():
        raise ValueError(f"Operations must be positive, one for each loss, not {operations!r}")
    used = y > 0
    left_out = int((~used).sum())
    if (count := int(used.sum())) < LEAST:
        return (f"{count} point{'s' * (count != 1)} with a loss above 0, of {len(y)}; "
                f"a fit takes {LEAST}")
    x, y = np.log(x[used]), np.log(y[used])
    dx, dy = x - x.mean(), y - y.mean()
    if not dx.any() or not dy.any():
        return "all points have one loss, or one number of bit operations"
    exponent = float(dx @ dy / (dx @ dx))
    residual = dy - exponent * dx
    return PowerLaw(factor=float(np.exp(y.mean() - exponent * x.mean())), exponent=exponent,
                    r_squared=float(1 - residual @ residual / (dy @ dy)), points=count,
                    left_out=left_out)


def power_laws(runs: Sequence[Mapping]) -> dict:
    """Fit all runs of a workflow together, and each seed alone for the spread of the exponent.

    Parameters
    ----------
    runs : sequence of mapping
        Runs with ``seed``, ``bit_operations`` and ``loss``.

    Returns
    -------
    dict
        The fit's fields, and ``by_seed``: the exponent of each seed that has a fit, their mean and
        standard deviation (of the sample; None for fewer than two). Without a fit, ``reason``.
    """
    def fitted(some: Sequence[Mapping]) -> PowerLaw | str:
        return power_law([each["bit_operations"] for each in some],
                         [each["loss"] for each in some])

    whole = fitted(runs)
    if isinstance(whole, str):
        return {"reason": whole}
    found = {}
    for seed in sorted({each["seed"] for each in runs}):
        own = fitted([each for each in runs if each["seed"] == seed])
        if isinstance(own, PowerLaw):
            found[str(seed)] = own.exponent
    exponents = list(found.values())
    return {"factor": whole.factor, "exponent": whole.exponent, "r_squared": whole.r_squared,
            "points": whole.points, "left_out": whole.left_out,
            "by_seed": {"exponents": found,
                        "mean": float(np.mean(exponents)) if exponents else None,
                        "deviation": float(np.std(exponents, ddof=1)) if len(exponents) > 1
                        else None}}
