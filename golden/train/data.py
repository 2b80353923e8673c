"""Images and signals to train on: scikit-learn's digits and mnist1d, neither downloaded.

Each has a training part, a validation part for choices, and a test part that is judged once.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from golden.suggest import suggestion

__all__ = ["DATA", "Data", "data", "digit_images"]

SEED = 0
"""Seed of the digits' split, that of the packaged network."""

VALIDATION = {"digits": 257, "mnist1d": 800}
"""Number of the training part's examples that are kept for validation: its last."""

CALIBRATION = 256
"""Number of training examples that calibrate ranges: the first."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Data:
    """Examples of three parts.

    Parameters
    ----------
    name : str
    inputs : mapping of str to array of float32, ``(examples, *shape)``
        Inputs of the parts ``training``, ``validation`` and ``test``.
    labels : mapping of str to array of int64, ``(examples,)``
        Classes of the same parts.

    Members
    -------
    calibration : array of float64
        The first training examples, which calibrate ranges.
    """

    name: str
    inputs: Mapping[str, np.ndarray]
    labels: Mapping[str, np.ndarray]

    @property
    def calibration(self) -> np.ndarray:
        """First training examples, which calibrate ranges."""
        return self.inputs["training"][:CALIBRATION].astype(np.float64)


def digit_images(seed: int = SEED) -> tuple[Any, Any, Any, Any]:
    """Return training images, test images and their labels: 70 % and 30 % of the digits.

    Pixels are 0 to 16, row by row.
    """
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    images, labels = map(np.asarray, load_digits(return_X_y=True))
    parts = train_test_split(images, labels, test_size=0.3, random_state=seed, stratify=labels)
    train_images, test_images, train_labels, test_labels = map(np.asarray, parts)
    return train_images, test_images, train_labels, test_labels


def _digits() -> tuple[Any, Any, Any, Any]:
    train, test, train_labels, test_labels = digit_images()
    return train / 16, test / 16, train_labels, test_labels


def _mnist1d() -> tuple[Any, Any, Any, Any]:
    # `make_dataset` generates; `get_dataset` of the same module would download.
    from mnist1d.data import get_dataset_args, make_dataset

    state = np.random.get_state()  # which it seeds
    made = make_dataset(get_dataset_args())
    np.random.set_state(state)
    # As an image of height 1 with one channel.
    train, test, *labels = (np.asarray(made[name]) for name in ("x", "x_test", "y", "y_test"))
    return train[:, None, :, None], test[:, None, :, None], labels[0], labels[1]


DATA: Mapping[str, Callable[[], tuple[Any, Any, Any, Any]]] = {
    "digits": _digits, "mnist1d": _mnist1d}
"""Makers of the data by name: training inputs, test inputs, and the labels of both."""


@cache
def data(name: str) -> Data:
    """Return the examples called ``name``, one of :data:`DATA`.

    ``ModuleNotFoundError`` if the package that has them is not installed; ``ValueError`` if the
    name is unknown.
    """
    if name not in DATA:
        raise ValueError(f"Data must be one of {', '.join(DATA)}, not {name!r}"
                         f"{suggestion(name, DATA)}")
    train, test, train_labels, test_labels = DATA[name]()
    first = len(train) - VALIDATION[name]
    return Data(
        name=name,
        inputs={"training": train[:first].astype(np.float32),
                "validation": train[first:].astype(np.float32),
                "test": test.astype(np.float32)},
        labels={"training": train_labels[:first].astype(np.int64),
                "validation": train_labels[first:].astype(np.int64),
                "test": test_labels.astype(np.int64)})
