"""Names of the formats."""

import re
from dataclasses import replace

from golden.formats.base import Format
from golden.formats.block_scaled import BlockScaled
from golden.formats.codebook import CODEBOOK_RANGE, MAX_CODE_BITS, Codebook, LoadedCodebook
from golden.formats.floating import FLOATS
from golden.formats.integer import IntFormat
from golden.formats.odd import MAX_ODD_BITS, OddFormat
from golden.suggest import nearest

__all__ = ["parse", "ELSEWHERE", "MAX_BITS"]

MAX_BITS = 16
"""Widest integer format of an operand or an output; accumulators and biases may be wider."""

_NAMED: dict[str, Format] = {
    "bit": IntFormat(1, signed=False),
    "ternary": IntFormat(2, narrow=True),
    "binary": OddFormat(1),
    **FLOATS,
}


_ALIASES = {
    "([su][1-9][0-9]?n?|odd[1-9][0-9]?)": r"\1",  # in capitals
    "s?int_?([1-9][0-9]?)": r"s\1",
    "i([1-9][0-9]?)": r"s\1",
    "uint_?([1-9][0-9]?)": r"u\1",
    "((fp8|float8|f8)(_?e4m3)?|e4m3)(fn)?": "e4m3fn",
    "(fp8|float8)_?e5m2": "e5m2",
    "(fp6|float6)(_?e2m3)?(fn)?": "e2m3",
    "(fp6|float6)_?e3m2(fn)?": "e3m2",
    "(fp4|float4|nvfp4)(_?e2m1)?(fn)?": "e2m1",
    "mxfp4": "mx_e2m1",
    "mxfp6": "mx_e2m3",
    "mxfp8": "mx_e4m3fn",
    "mxint8": "mx_s8",
    "bool": "bit",
    "bipolar": "binary",
}
"""Patterns of other projects' names, and the format's name here, for suggestions."""

ELSEWHERE = {
    "sN": "`int8`, `int4`, `int2` (numpy, ml_dtypes, ONNX); `INTN` (QONNX); `ap_int<N>` (Vitis "
          "HLS)",
    "sNn": "narrow range (QONNX); TFLite's int8 weights, -127 to 127",
    "uN": "`uint8`, `uint4`, `uint2` (numpy, ml_dtypes, ONNX); `UINTN` (QONNX); `ap_uint<N>` "
          "(Vitis HLS)",
    "uNn": "unsigned narrow range (QONNX)",
    "oddN": "DoReFa's weights; symmetric int4 and int2",
    "ternary": "`TERNARY` (QONNX); ternary weights",
    "binary": "`BIPOLAR` (QONNX); binary weights",
    "bit": "`BINARY` (QONNX); `bool`; binary features",
    "cfloat8_1_4_3": "CFloat8_1_4_3 (Tesla Dojo)",
    "cfloat8_1_5_2": "CFloat8_1_5_2 (Tesla Dojo)",
    "e4m3fn": "`float8_e4m3fn` (ml_dtypes, PyTorch); `FLOAT8E4M3FN` (ONNX); OCP FP8 E4M3; elements "
              "of MXFP8",
    "e5m2": "`float8_e5m2` (ml_dtypes, PyTorch); `FLOAT8E5M2` (ONNX); OCP FP8 E5M2; elements of "
            "MXFP8",
    "e2m1": "`float4_e2m1fn` (ml_dtypes); `FLOAT4E2M1` (ONNX); elements of MXFP4 and of NVFP4",
    "e2m3": "`float6_e2m3fn` (ml_dtypes); elements of MXFP6",
    "e3m2": "`float6_e3m2fn` (ml_dtypes); elements of MXFP6",
    "codebook": "non-uniform quantization; look-up table (LUT) quantization",
    "mx_F": "OCP MX: MXFP4 is `mx_e2m1`, MXFP6 `mx_e2m3` or `mx_e3m2`, MXFP8 `mx_e4m3fn` or "
            "`mx_e5m2`, MXINT8 `mx_s8`",
}
"""Other projects' names of each format or family of formats, for the manual."""


def parse(name: str) -> Format:
    """Return the format called ``name``.

    ``s4``, ``u8``, ``s8n`` (narrow)
        Integers of at most :data:`MAX_BITS` bits. ``ternary`` is ``s2n``, ``bit`` is ``u1``.
    ``odd4``
        Odd levels of at most ``MAX_ODD_BITS`` bits. ``binary`` is ``odd1``.
    ``e4m3fn``, ``cfloat8_1_4_3:bias=12,denormals=paper``
        Floats: see :data:`golden.formats.FLOATS`. Tesla's formats have the two parameters ``bias``
        and ``denormals``; ``e4m3fn`` and ``e5m2`` have ``specials=propagate``.
    ``codebook:-7/-3/0/3/7``
        Table of levels. ``codebook4:loaded=s8`` is a table of up to 2**4 levels of s8, loaded at
        run time.
    ``mx_e2m1``, ``mx_s8``
        Block-scaled elements of any format above except loaded tables; each block of 32 elements
        has an exponent.

    Raises
    ------
    ValueError
        If no operand or output can have a format of that name.
    """
    if not isinstance(name, str):
        raise TypeError(f"Format must be a name, not {name!r}")
    family, colon, parameters = name.partition(":")
    if name.startswith("mx_"):
        try:
            # Blocks of blocks are refused, however many of them.
            element = parse(re.sub("^(mx_)+", "mx_", name.removeprefix("mx_")))
        except ValueError as error:
            raise ValueError(f"Element of {name!r}: {error}") from None
        return BlockScaled(element)
    if family == "codebook":
        return _codebook(name, parameters)
    if match := re.fullmatch(r"codebook([0-9]{1,3}):loaded=(.*)", name):
        return LoadedCodebook(int(match[1]), _range(match[2]))
    if family in FLOATS and colon:
        return _float(name, family, parameters)
    if name in _NAMED:
        return _NAMED[name]
    match = re.fullmatch(r"(s|u|odd)([1-9][0-9]{0,8}|0)(n?)", name)
    if match is None or (match[1] == "odd" and match[3]):
        raise ValueError(
            f"Format must be one of s1..s{MAX_BITS}, u1..u{MAX_BITS}, either with n for the narrow "
            f"range, odd1..odd{MAX_ODD_BITS}, {', '.join(_NAMED)}, codebook:LEVEL/LEVEL..., "
            f"codebook1..codebook{MAX_CODE_BITS} with :loaded=INTEGER, mx_FORMAT, not {name!r}"
            f"{_suggestion(name)}")
    width = int(match[2])
    if match[1] == "odd":
        return OddFormat(width)
    if not 1 <= width <= MAX_BITS:
        raise ValueError(f"Format width must be in range [1, {MAX_BITS}], not {width} ({name!r})")
    return IntFormat(width, signed=match[1] == "s", narrow=bool(match[3]))


def _suggestion(name: str) -> str:
    # An alias may stand for a format that there is not, as s32 for int32.
    near = nearest(name, _NAMED, _ALIASES)
    try:
        return f" (did you mean {near}?)" if near and parse(near) else ""
    except ValueError:
        return ""


def _float(name: str, family: str, parameters: str) -> Format:
    # Tesla's formats have a choice of bias and denormals, the others of how NaN is treated.
    tesla = family.startswith("cfloat")
    choices = "bias=N or denormals=ieee or paper" if tesla else "specials=refuse or propagate"
    pattern = "(bias)=(-?[0-9]{1,9})|(denormals)=([a-z]+)" if tesla else "(specials)=([a-z]+)"
    changed = {}
    for part in parameters.split(","):
        match = re.fullmatch(pattern, part)
        key, value = [group for group in match.groups() if group] if match else ("", "")
        if not key or key in changed:
            raise ValueError(f"Parameters of {family} must be {choices}, each once and separated "
                             f"by commas, not {parameters!r}")
        changed[key] = int(value) if key == "bias" else value
    return replace(FLOATS[family], **changed)


def _range(text: str) -> IntFormat:
    match = re.fullmatch(r"([su])([1-9][0-9]{0,3})(n?)", text)
    if match is None:
        raise ValueError(
            f"Codebook range must be an integer format within {CODEBOOK_RANGE} "
            f"(s1..{CODEBOOK_RANGE}, u1..u{CODEBOOK_RANGE.width - 1}), not {text!r}")
    return IntFormat(int(match[2]), signed=match[1] == "s", narrow=bool(match[3]))


def _codebook(name: str, levels: str) -> Format:
    parts = levels.split("/") if levels else []
    if not all(re.fullmatch(r"-?[0-9]{1,9}", part) for part in parts):
        raise ValueError(f"Codebook must be integers separated by slashes, not {name!r}")
    return Codebook(map(int, parts))
