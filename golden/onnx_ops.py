"""Arithmetic of ONNX operators that no contract has, as ONNX Runtime computes it: in float32."""

import numpy as np

__all__ = ["dynamic_range"]


def dynamic_range(minimum, maximum) -> tuple[np.ndarray, np.ndarray]:
    """Scale and zero point that DynamicQuantizeLinear chooses for a tensor, from its ends.

    ``lo = min(0, minimum)``, ``hi = max(0, maximum)``, ``scale = (hi - lo) / 255`` and
    ``zero_point = clamp(rne(-lo / scale), 0, 255)``, each step rounded to float32 (ONNX operator
    DynamicQuantizeLinear, ONNX Runtime). The scale is 1 where both ends are 0.

    The ends may be found among the integers that the real numbers are made of, where
    :class:`hw.range_tracker.RangeTracker` finds them: a product ``float32(n) * scale`` by a
    positive scale never falls where ``n`` rises, so the ends of one are those of the other.

    Parameters
    ----------
    minimum, maximum : array_like of float32
        Smallest and largest element; of many tensors at once, of one shape.

    Returns
    -------
    scale : array of float32
    zero_point : array of uint8

    Raises
    ------
    ValueError
        Where an end is not finite, a minimum exceeds its maximum, or the two are so far apart, or
        so near to 0, that there is no positive, finite scale.
    """
    ends = [np.asarray(value, dtype=np.float32) for value in (minimum, maximum)]
    for name, end in zip(("Minimum", "Maximum"), ends, strict=True):
        if not np.isfinite(end).all():
            raise ValueError(f"{name} must be finite, not {end[~np.isfinite(end)].flat[0]}")
    lo, hi = np.broadcast_arrays(*ends)
    if (lo > hi).any():
        raise ValueError(f"Minimum must be at most the maximum {hi[lo > hi].flat[0]}, "
                         f"not {lo[lo > hi].flat[0]}")
    lo, hi = np.minimum(lo, np.float32(0)), np.maximum(hi, np.float32(0))
    with np.errstate(over="ignore", under="ignore"):
        scale = np.where(lo == hi, np.float32(1), (hi - lo) / np.float32(255))
    bad = ~np.isfinite(scale) | (scale == 0)
    if bad.any():
        raise ValueError("Range must have a positive and finite scale, not "
                         f"[{lo[bad].flat[0]}, {hi[bad].flat[0]}]")
    zero_point = np.clip(np.rint(np.negative(lo) / scale), 0, 255)
    return scale, zero_point.astype(np.uint8)
