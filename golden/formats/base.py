"""Base class of the number formats; conversion of arguments to arrays of numbers."""

import math
import operator
import re
from abc import ABC, abstractmethod
from numbers import Real

import numpy as np

__all__ = ["Format", "check_format", "integers", "floats", "finite"]


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
        A level ``n`` is the number ``n * 2**unit``; 0 except for float and block-scaled formats.
        The unit is part of a tensor's scale: no hardware depends on it.
    idle : int
        Level of an unused lane: 0, or else the level nearest to 0, the positive one of two.
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
        """Bit width of each part of a code, by name, the highest bits first."""
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
        """Codes of ``levels``, same shape, ``int64``; ``ValueError`` if a level has no code."""

    @abstractmethod
    def decode(self, codes) -> np.ndarray:
        """Levels of ``codes``, same shape, ``int64``; ``ValueError`` if a code has no level."""

    @property
    def stem(self) -> str:
        """Name of the format in letters, digits and underscores, for names of modules."""
        return re.sub("[^A-Za-z0-9]+", "_", str(self))

    @property
    def idle(self) -> int:
        """Level of an unused lane: 0, or else the level nearest to 0, the positive one of two."""
        levels: list[int] = self.levels().tolist()
        return min(levels, key=lambda level: (abs(level), -level))

    def check_zero_point(self, values, name: str = "Zero point") -> np.ndarray:
        """Return zero points as an integer array; ``ValueError`` if the format cannot have one.

        A zero point of an integer format is one of its levels; that of any other format is 0.
        """
        array = integers(values, name)
        if array.any():
            raise ValueError(f"{name} must be 0 for {self}, which is no integer format, "
                             f"not {array[array != 0].flat[0]}")
        return array

    def check(self, levels, name: str = "Level") -> np.ndarray:
        """Return ``levels`` as an integer array; ``ValueError`` names the first without a code.

        A format may hold levels outside ``int64``: the array is then of Python integers
        (``dtype=object``).
        """
        array = integers(levels, name)
        _refuse_first(name, array, ~self.contains(array), self.describe())
        return array

    def _check_codes(self, codes, most: int, *, without: int | None = None) -> np.ndarray:
        # Codes as an integer array; ValueError names the first that is not 0 .. most, or is
        # `without`, which has no level.
        array = integers(codes, "Code")
        bad = np.asarray((array < 0) | (array > most), dtype=bool)
        must = f"in range [0, {most}] of {self}"
        if without is not None:
            bad = bad | np.asarray(array == without, dtype=bool)
            must = f"{must} and other than {without}"
        _refuse_first("Code", array, bad, must)
        return array if most > np.iinfo(np.int64).max else array.astype(np.int64, copy=False)

    @abstractmethod
    def describe(self) -> str:
        """Constraint on a level, as messages state it: ``in range [-8, 7] of s4``."""


def check_format(fmt: Format, name: str = "Format"):
    """Raise ``TypeError`` if the argument is no format."""
    if not isinstance(fmt, Format):
        raise TypeError(f"{name} must be a format (see exactmac.parse), not {fmt!r}")


def _refuse_first(name: str, array: np.ndarray, bad: np.ndarray, must: str):
    places = np.argwhere(bad)
    if len(places):
        index: tuple[int, ...] = tuple(places[0].tolist())
        place = f" at index {index if index[1:] else index[0]}" if index else ""
        raise ValueError(f"{name} must be {must}, not {array[index]}{place}")


def integers(values, name: str) -> np.ndarray:
    """Return ``values`` as an array of ``int64``, or of Python integers if it held such.

    Parameters
    ----------
    values : array_like
        Integers, including Python integers of any size.
    name : str
        Name of the values in messages.

    Raises
    ------
    TypeError
        If a value is not an integer.
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
    """Return ``values`` as an array of floats: of their own float type, else of ``float64``.

    Parameters
    ----------
    values : array_like
        Real numbers, including Python integers of any size; those beyond ``float64`` become
        infinite.
    name : str
        Name of the values in messages.

    Raises
    ------
    TypeError
        If a value is no real number.
    ValueError
        If rows differ in length.
    """
    constraint = "a number or an array of numbers"
    array = _array(values, name, constraint)
    if array.dtype == object and all(isinstance(value, Real) for value in array.flat):
        array = np.array([_float(value) for value in array.flat]).reshape(array.shape)
    if array.size and array.dtype.kind not in "iuf":
        raise TypeError(f"{name} must be {constraint}, not {array.tolist()!r}")
    return array if array.dtype.kind == "f" else array.astype(np.float64)


def finite(values, name: str) -> np.ndarray:
    """Return ``values`` as `floats` does, in ``float64``; ``ValueError`` if one is not finite."""
    array = floats(values, name).astype(np.float64)
    if not (good := np.isfinite(array)).all():
        raise ValueError(f"{name} must be finite, not {array[~good].flat[0]}")
    return array


def _array(values, name: str, constraint: str) -> np.ndarray:
    try:
        return np.asarray(values)
    except ValueError:
        raise ValueError(f"{name} must be {constraint}, whose rows have one length, "
                         f"not {values!r}") from None


def _float(value) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
