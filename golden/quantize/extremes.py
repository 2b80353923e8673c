"""Ranges of real numbers by the smallest and largest ones, of all examples or of batches."""

import numpy as np

from golden.formats import floats

__all__ = ["average_range", "collections", "examples", "least", "min_max_range"]


def min_max_range(values) -> tuple[float, float]:
    """Smallest and largest number: ONNX Runtime's ``MinMaxCalibrater``.

    Parameters
    ----------
    values : array_like of float, ``(examples, ...)``
    """
    values = examples(values)
    return values.min(), values.max()


def average_range(values, *, batch: int = 1, collect: int = 0, averaging: float = 0.01
                  ) -> tuple[float, float]:
    """Average of the smallest and of the largest number of each batch.

    Within a collection of batches it is the mean; from collection to collection it moves by
    ``end += averaging * (mean - end)``. This is ONNX Runtime's ``MinMaxCalibrater`` with
    ``moving_average``, which collects once for each call of ``collect_data``. All is computed in
    the float type of ``values``, as there.

    Parameters
    ----------
    values : array_like of float, ``(examples, ...)``
    batch : int
        Number of examples of a batch, at least 1.
    collect : int
        Number of examples of a collection; 0 collects all of them at once.
    averaging : float
        Share of the way to the mean of the next collection, in range [0, 1].

    Returns
    -------
    lo, hi : float
        Of the float type of ``values``.
    """
    values = examples(values)
    least("Batch", batch, 1)
    if not 0 <= averaging <= 1:
        raise ValueError(f"Averaging must be in range [0, 1], not {averaging}")
    lo = hi = None
    for collection in collections(values, collect):
        batches = [collection[first:first + batch] for first in range(0, len(collection), batch)]
        # Sums in the order of a column, as in ONNX Runtime.
        low = np.array([[each.min()] for each in batches]).mean(axis=0)
        high = np.array([[each.max()] for each in batches]).mean(axis=0)
        lo = low if lo is None else lo + averaging * (low - lo)
        hi = high if hi is None else hi + averaging * (high - hi)
    assert lo is not None and hi is not None
    return lo[0], hi[0]


def collections(values: np.ndarray, collect: int) -> list[np.ndarray]:
    """Examples in groups of ``collect``, the last one perhaps smaller; in one group if it is 0."""
    least("Collect", collect, 0)
    size = collect or len(values)
    return [values[first:first + size] for first in range(0, len(values), size)]


def examples(values) -> np.ndarray:
    """Return finite numbers as an array of their own float type, with an axis of examples."""
    values = np.atleast_1d(floats(values, "Values"))
    if not values.size:
        raise ValueError(f"Values must be one or more, not shape {values.shape}")
    if not (good := np.isfinite(values)).all():
        raise ValueError(f"Values must be finite, not {values[~good].flat[0]}")
    return values


def least(name: str, value, bound: int):
    """Raise an error unless ``value`` is an integer of at least ``bound``."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"{name} must be an integer, not {value!r}")
    if value < bound:
        raise ValueError(f"{name} must be at least {bound}, not {value}")
