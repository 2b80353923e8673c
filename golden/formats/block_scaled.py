"""Block-scaled (MX) formats: each block of elements shares a power of two."""

from dataclasses import dataclass

import numpy as np

from golden.formats.base import Format
from golden.formats.codebook import LoadedCodebook
from golden.formats.integer import IntFormat

__all__ = ["BlockScaled", "element_of", "BLOCK", "EXPONENT", "EXPONENT_BIAS"]

BLOCK = 32
"""Elements along K that share an exponent."""

EXPONENT = IntFormat(8, signed=False, narrow=True)
"""Format of an exponent's code, E8M0: 0 to 254; code 255 is not a number."""

EXPONENT_BIAS = 127
"""Code of the exponent 0."""


@dataclass(frozen=True)
class BlockScaled(Format):
    """Codes and levels of ``element``, and an exponent for each block of 32 elements of a tensor.

    A level ``n`` of a block whose exponent has code ``x`` is ``n * 2**(unit + x - 127)``. The unit
    is the element's, but that of signed integers of N bits is ``2 - N``. Thus numbers of MXINT8
    (``mx_s8``) are at least -2 and less than 2 where the exponent is 0.

    Parameters
    ----------
    element : Format
        Format of the elements: neither a loaded codebook nor block-scaled.

    Raises
    ------
    TypeError
        If the element is no format.
    ValueError
        If the element is a loaded codebook or block-scaled.
    """

    element: Format

    def __post_init__(self):
        if not isinstance(self.element, Format):
            raise TypeError("Element of a block-scaled format must be a format, "
                            f"not {self.element!r}")
        if isinstance(self.element, BlockScaled | LoadedCodebook):
            raise ValueError("Element of a block-scaled format must be an integer, an odd, a float "
                             f"or a fixed codebook format, not {self.element}")

    @property
    def bits(self) -> int:
        """Width of an element's code in bits."""
        return self.element.bits

    @property
    def parts(self) -> dict[str, int]:
        """Parts of an element's code."""
        return self.element.parts

    @property
    def min(self) -> int:
        """Smallest level."""
        return self.element.min

    @property
    def max(self) -> int:
        """Largest level."""
        return self.element.max

    @property
    def unit(self) -> int:
        """Exponent ``u``: one level counts ``2**u`` where the block's exponent is 0."""
        if isinstance(self.element, IntFormat) and self.element.signed:
            return 2 - self.element.width
        return self.element.unit

    @property
    def stem(self) -> str:
        """Name of the format in names of modules."""
        return f"mx_{self.element.stem}"

    @property
    def propagates(self) -> bool:
        """Whether infinities and NaN may be among the levels."""
        return self.element.propagates

    @property
    def idle(self) -> int:
        """Level of an unused lane."""
        return self.element.idle

    def levels(self) -> np.ndarray:
        """Every level, ascending, as ``int64``."""
        return self.element.levels()

    def contains(self, levels) -> np.ndarray:
        """Whether each of ``levels`` is a level of the element."""
        return self.element.contains(levels)

    def encode(self, levels) -> np.ndarray:
        """Codes of ``levels``."""
        return self.element.encode(levels)

    def decode(self, codes) -> np.ndarray:
        """Levels of ``codes``."""
        return self.element.decode(codes)

    def describe(self) -> str:
        """Constraint on a level, as messages state it."""
        return self.element.describe()

    def __str__(self):
        return f"mx_{self.element}"


def element_of(fmt: Format) -> Format:
    """Format of the elements if ``fmt`` is block-scaled, else ``fmt``."""
    return fmt.element if isinstance(fmt, BlockScaled) else fmt
