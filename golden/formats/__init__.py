"""Number formats: finite sets of integer levels, each with a code of a few bits.

A *code* is the bit pattern that travels on a wire, an integer from 0 to ``2**bits - 1``; a *level*
is the integer that it stands for. Reference arithmetic works on levels, wires carry codes.
"""

from golden.formats.base import Format, check_format, finite, floats, integers
from golden.formats.block_scaled import (
    BLOCK,
    EXPONENT,
    EXPONENT_BIAS,
    BlockScaled,
    element_of,
)
from golden.formats.codebook import (
    CODEBOOK_RANGE,
    MAX_CODE_BITS,
    MAX_LEVELS,
    Codebook,
    LoadedCodebook,
)
from golden.formats.floating import FLOATS, INFINITY, MAX_BIAS, NAN, FloatFormat
from golden.formats.integer import IntFormat
from golden.formats.names import ELSEWHERE, MAX_BITS, parse
from golden.formats.odd import MAX_ODD_BITS, OddFormat

__all__ = ["Format", "IntFormat", "OddFormat", "FloatFormat", "Codebook", "LoadedCodebook",
           "BlockScaled", "check_format", "element_of", "parse", "integers", "floats", "finite",
           "FLOATS", "INFINITY", "NAN", "MAX_BITS", "MAX_BIAS", "MAX_CODE_BITS",
           "MAX_LEVELS", "MAX_ODD_BITS", "CODEBOOK_RANGE", "ELSEWHERE", "BLOCK", "EXPONENT",
           "EXPONENT_BIAS"]
