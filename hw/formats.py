"""Formats of :mod:`golden.formats` in hardware: the shape of a code, and its level."""

from amaranth.hdl import Cat, Const, Mux, Shape, Value
from amaranth.lib import data
from amaranth.utils import ceil_log2

from golden.formats import (
    EXPONENT,
    BlockScaled,
    Codebook,
    FloatFormat,
    Format,
    IntFormat,
    LoadedCodebook,
    OddFormat,
    element_of,
)
from golden.ranges import levels_range
from hw.arith import lookup

__all__ = ["beat_layout", "constant", "level", "level_shape", "levels_by_code", "most_shift",
           "raise_of", "shape_of", "table_layout", "unpacked", "unpacked_raised"]


def shape_of(fmt: Format) -> Shape:
    """Shape of a signal that holds a code of ``fmt``; for integers its value is the level."""
    element = element_of(fmt)
    return Shape(fmt.bits, signed=isinstance(element, IntFormat) and element.signed)


def beat_layout(fmt: Format, vectors: int, lanes: int) -> data.Layout:
    """Layout of a beat of an operand: codes ``[vectors][lanes]``.

    For a block-scaled format: ``codes``, and ``exponents``, the exponent's code of each vector's
    block.
    """
    codes = data.ArrayLayout(data.ArrayLayout(shape_of(fmt), lanes), vectors)
    if not isinstance(fmt, BlockScaled):
        return codes
    return data.StructLayout(
        {"codes": codes, "exponents": data.ArrayLayout(shape_of(EXPONENT), vectors)})


def table_layout(fmt: LoadedCodebook) -> data.ArrayLayout:
    """Layout of a loaded table: a level for each code."""
    return data.ArrayLayout(shape_of(fmt.range), 1 << fmt.bits)


def constant(fmt: Format, level: int) -> Const:
    """Code of a level, as a constant of :func:`shape_of`; ``ValueError`` if it has none."""
    code, shape = int(fmt.encode(level)), shape_of(fmt)
    return Const(code - (code >> fmt.bits - 1 << fmt.bits if shape.signed else 0), shape)


def level_shape(fmt: Format) -> Shape:
    """Shape of a signal that holds a level of ``fmt``."""
    return shape_of(levels_range(fmt).format)


def level(fmt: Format, code: Value) -> Value:
    """Level of a code, combinationally; ``level_shape(fmt)`` holds it.

    ========  ==========================================================
    integer   the code
    odd       wires and one inverter
    float     the significand, shifted to the left, with the sign
    codebook  a constant table as logic
    ========  ==========================================================

    The result for a code without a level has no meaning.
    """
    if isinstance(fmt, IntFormat):
        return code
    if isinstance(fmt, OddFormat):
        # 2 * code + 1 - 2**w: subtracting 2**w turns the top bit into a sign.
        return Cat(Const(1, 1), code[:-1], ~code[-1]).as_signed()
    if isinstance(fmt, FloatFormat):
        negative, significand, shift = unpacked(fmt, code)
        magnitude = (significand << shift)[:fmt.max.bit_length()]
        return Mux(negative, -magnitude, magnitude)
    if isinstance(fmt, Codebook):
        return lookup(code, levels_by_code(fmt), level_shape(fmt))
    raise TypeError(f"Format must be one that hardware decodes, not {fmt!r}")


def levels_by_code(fmt: Format) -> list[int]:
    """Level of each code; 0 for a code without a level, and for a second code of 0."""
    levels = fmt.levels()
    by_code = dict(zip(fmt.encode(levels).tolist(), levels.tolist(), strict=True))
    return [by_code.get(code, 0) for code in range(1 << fmt.bits)]


def unpacked(fmt: FloatFormat, code: Value) -> tuple[Value, Value, Value]:
    """Sign, significand and shift of a float: its level is ``+-(significand << shift)``.

    The significand includes its leading bit: 1, or 0 for an exponent of zero.
    """
    negative, significand, raised = unpacked_raised(fmt, code)
    shift = code[fmt.mantissa_bits:-1] - significand[-1] if raise_of(fmt) else raised
    return negative, significand, shift[:ceil_log2(most_shift(fmt) + 1)]


def unpacked_raised(fmt: FloatFormat, code: Value) -> tuple[Value, Value, Value]:
    """Sign, significand and shift, plus :func:`raise_of`, of a float, without a subtraction."""
    mantissa = code[:fmt.mantissa_bits]
    exponent = code[fmt.mantissa_bits:-1]
    normal = exponent.any()
    raised = Cat(exponent[0] | ~normal, exponent[1:]) if raise_of(fmt) else exponent
    return code[-1], Cat(mantissa, normal), raised


def raise_of(fmt: FloatFormat) -> int:
    """Return 1 if numbers of the exponents 0 and 1 have the same shift, else 0."""
    return int(fmt.denormals == "ieee")


def most_shift(fmt: FloatFormat) -> int:
    """Largest shift of a number of ``fmt``."""
    return fmt.max.bit_length() - fmt.mantissa_bits - 1
