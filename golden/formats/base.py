"""What every number format is."""

import math
import operator
import re
from abc import ABC, abstractmethod
from numbers import Real

import numpy as np

__all__ = ["Format", "integers", "floats", "finite"]


class Format(ABC):
    """A finite set of integer levels, each with a code.

    Formats are values: equal parameters make equal formats, and ``parse(str(fmt)) == fmt``.

    Members
    -------
    bits : int
        Width of a code.
    min, max : int
        Smallest and largest level.
    unit : int
        A level ``n`` is the number ``n * 2**unit``; 0 but for floats. It is part of a tensor's
        scale: no hardware depends on it.
    idle : int
        What a lane carries that is not used: the level 0, or where there is none the positive one
        of those nearest to it.
    """

    unit: int = 0

    propagates: bool = False
    """Whether infinities and NaN may be among the levels."""

    @property
    @abstractmethod
    def bits(self) -> int:
        """Width of a code in bits."""

    @property
    def parts(self) -> dict[str, int]:
        """Parts of a code by name, the highest bits first, and how many bits each has."""
        return {"code": self.bits}

    @property
    @abstractmethod
    def min(self) -> int:
        """Smallest level."""

    @property
    @abstractmethod
    def max(self) -> int:
        """Largest level."""

    @abstractmethod
    def levels(self) -> np.ndarray:
        """Every level, ascending, as ``int64``."""

    @abstractmethod
    def contains(self, levels) -> np.ndarray:
        """Whether each of ``levels`` is a level of this format, as ``bool`` of the same shape."""

    @abstractmethod
    def encode(self, levels) -> np.ndarray:
        """Codes of ``levels``, as ``int64`` of the same shape; ``ValueError`` if one has none."""

    @abstractmethod
    def decode(self, codes) -> np.ndarray:
        """Levels of ``codes``, as ``int64`` of the same shape; ``ValueError`` if one has none."""

    @property
    def stem(self) -> str:
        """Name in letters, digits and underscores: part of a module's name."""
        return re.sub("[^A-Za-z0-9]+", "_", str(self))

    @property
    def idle(self) -> int:
        """Level of a lane that is not used: 0, or the positive one of those nearest to it."""
        levels: list[int] = self.levels().tolist()
        return min(levels, key=lambda level: (abs(level), -level))

    def check_zero_point(self, values, name: str = "Zero point") -> np.ndarray:
        """Return zero points as an integer array, or raise where a tensor cannot have them.

        Only integer formats have zero points, which are levels; with any other they are 0.
        """
        array = integers(values, name)
        if array.any():
            raise ValueError(f"{name} must be 0 for {self}, which is no integer format, "
                             f"not {array[array != 0].flat[0]}")
        return array

    def check(self, levels, name: str = "Level") -> np.ndarray:
        """Return ``levels`` as an integer array, or raise naming the first that has no code.

        Values outside ``int64`` are allowed where the format holds them: the array is then of
        Python integers (``dtype=object``).
        """
        array = integers(levels, name)
        bad = np.argwhere(~self.contains(array))
        if len(bad):
            where: tuple[int, ...] = tuple(bad[0].tolist())
            place = f" at index {where if where[1:] else where[0]}" if where else ""
            raise ValueError(f"{name} must be {self.describe()}, not {array[where]}{place}")
        return array

    @abstractmethod
    def describe(self) -> str:
        """What a level must be, to complete a message: ``in range [-8, 7] of s4``."""


def integers(values, name: str) -> np.ndarray:
    """Return ``values`` as an array of ``int64``, or of Python integers where it came as such.

    Parameters
    ----------
    values : array_like
        Integers; Python integers of any size among them.
    name : str
        What they are, for the message.

    Raises
    ------
    TypeError
        Where one is not an integer.
    """
    array = _array(values, name, "an integer or an array of integers")
    if array.size == 0:
        return array.astype(np.int64)
    if array.dtype == np.float64 and not isinstance(values, np.ndarray | np.generic | float):
        # A list of Python integers that neither int64 nor uint64 holds becomes float64.
        array = np.asarray(values, dtype=object)
    if array.dtype == object:
        for value in array.flat:
            if not isinstance(value, int | np.integer):
                raise TypeError(f"{name} must be an integer, not {value!r} "
                                f"({type(value).__name__})")
        flat = np.empty(array.size, dtype=object)
        flat[:] = [operator.index(value) for value in array.flat]
        return flat.reshape(array.shape)
    if not np.issubdtype(array.dtype, np.integer):
        raise TypeError(f"{name} must be an integer, not {array.flat[0]!r} ({array.dtype})")
    if array.dtype == np.uint64 and array.max() > np.iinfo(np.int64).max:
        return array.astype(object)
    return array.astype(np.int64, copy=False)


def floats(values, name: str) -> np.ndarray:
    """Return ``values`` as an array of floats: of ``float64``, or of the type that they came as.

    Parameters
    ----------
    values : array_like
        Real numbers; Python integers of any size among them, of which those beyond ``float64``
        become infinite.
    name : str
        What they are, for the message.

    Raises
    ------
    TypeError
        Where one is no real number.
    ValueError
        Where rows differ in length.
    """
    what = "a number or an array of numbers"
    array = _array(values, name, what)
    if array.dtype == object and all(isinstance(value, Real) for value in array.flat):
        array = np.array([_float(value) for value in array.flat]).reshape(array.shape)
    if array.size and array.dtype.kind not in "iuf":
        raise TypeError(f"{name} must be {what}, not {array.tolist()!r}")
    return array if array.dtype.kind == "f" else array.astype(np.float64)


def finite(values, name: str) -> np.ndarray:
    """Return finite numbers as an array of ``float64``; others are refused as by `floats`."""
    array = floats(values, name).astype(np.float64)
    if not (good := np.isfinite(array)).all():
        raise ValueError(f"{name} must be finite, not {array[~good].flat[0]}")
    return array


def _array(values, name: str, what: str) -> np.ndarray:
    try:
        return np.asarray(values)
    except ValueError:
        raise ValueError(f"{name} must be {what}, whose rows have one length, "
                         f"not {values!r}") from None


def _float(value) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
