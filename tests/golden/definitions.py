"""The contracts by their definitions, one sum at a time and in rational arithmetic."""

from fractions import Fraction
from math import ceil, floor, trunc

__all__ = ["ROUND", "Refused", "expected", "parameters", "scale_bits", "scale_value", "to_float32"]

HALF = Fraction(1, 2)
INFINITY = Fraction(2**1000)


class Refused(Exception):
    """A step leaves int32, which the source does not define."""


def half_up(value):
    return floor(value + HALF)


def half_away(value):
    return half_up(value) if value > 0 else ceil(value - HALF)


ROUND = {"floor": floor, "zero": trunc, "half_up": half_up, "half_even": round,
         "half_away": half_away}


def to_float32(value) -> Fraction:
    """IEEE binary32, to nearest even, subnormals included; infinity is ``INFINITY``."""
    value = Fraction(value)
    magnitude = abs(value)
    exponent = magnitude.numerator.bit_length() - magnitude.denominator.bit_length()
    if magnitude < Fraction(2)**exponent:
        exponent -= 1
    unit = Fraction(2)**(max(exponent, -126) - 23)
    nearest = round(magnitude / unit) * unit  # of a Fraction: half to even
    if nearest >= 2**128:
        nearest = INFINITY
    return nearest if value > 0 else -nearest


def scale_value(bits: int) -> Fraction:
    """Positive normal binary32 of these bits."""
    return Fraction((1 << 23) | (bits & ((1 << 23) - 1))) * Fraction(2)**((bits >> 23) - 150)


def scale_bits(exponent: int, mantissa: int = 0) -> int:
    """Bits of ``(1 + mantissa / 2**23) * 2**exponent``."""
    return (exponent + 127) << 23 | mantissa


def int32(value: int) -> int:
    if not -2**31 <= value < 2**31:
        raise Refused(value)
    return value


def tflite(x, p):
    high = half_up(Fraction(int32(x << max(p["shift"], 0)) * p["multiplier"], 2**31))
    return half_away(Fraction(high, 2**max(-p["shift"], 0)))


def tflite_single(x, p):
    return int32(half_up(x * p["multiplier"] * Fraction(2)**(p["shift"] - 31)))


def tflite_int16x8(x, p):
    return int32(half_up(x * p["multiplier"] * Fraction(2)**(p["shift"] - 15)))


def onnx(x, p):
    return round(to_float32(to_float32(x) * scale_value(p["scale"])))


def onnx_zp_inside(x, p):
    product = to_float32(to_float32(x) * scale_value(p["scale"]))
    return round(to_float32(product + p["zero_point"])) - p["zero_point"]


def q31(x, p):
    return half_away(Fraction(half_up(Fraction(x * p["multiplier"], 2**31)), 2**p["shift"]))


def once(rounding):
    return lambda x, p: ROUND[rounding](
        Fraction(x * p["multiplier"] + p.get("addend", 0), 2**p["shift"]))


SCALED = {
    **{name: once(name) for name in ROUND},
    "tflite": tflite, "tflite_single": tflite_single, "tflite_int16x8": tflite_int16x8,
    "onnx": onnx, "onnx_zp_inside": onnx_zp_inside,
    "q31": q31, "precise": once("half_away"), "rndnu": once("half_up"),
    "pulp": once("floor"), "pulp_round": once("half_up"), "nvdla": once("half_away"),
}


def expected(x: int, name: str, output, p) -> int:
    """Output of a contract for one sum; ``Refused`` where the source leaves it undefined."""
    total = x + p["bias"]
    if name == "thresholds":
        return output.min + sum(total >= value for key, value in p.items() if key != "bias")
    return min(max(SCALED[name](total, p) + p["zero_point"], p["clamp_min"]), p["clamp_max"])


SCALES = {
    **dict.fromkeys(["onnx", "onnx_zp_inside"], {"scale": scale_bits(-1)}),
    **dict.fromkeys(["tflite", "tflite_single", "q31"], {"multiplier": 2**30, "shift": 0}),
    **dict.fromkeys(["precise", "rndnu"], {"multiplier": 2**23, "shift": 24}),
    **dict.fromkeys(["pulp", "pulp_round"], {"multiplier": 2**30, "shift": 31, "addend": 0}),
    "tflite_int16x8": {"multiplier": 2**14, "shift": 0},
    "nvdla": {"multiplier": 2**14, "shift": 15},
}


def parameters(name: str, output, **changed) -> dict:
    """Half the sum, with what is changed."""
    if name == "thresholds":
        steps = range(1, output.max - output.min + 1)
        return {"bias": 0} | {
            f"threshold_{k}": 2 * (output.min + k) - 1 for k in steps} | changed
    scaling = SCALES.get(name, {"multiplier": 2**30, "shift": 31})
    return {"bias": 0, **scaling, "zero_point": 0, "clamp_min": output.min,
            "clamp_max": output.max} | changed
