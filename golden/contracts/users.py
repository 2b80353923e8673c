"""Software and hardware that compute as each contract does, and the comparisons with them.

Each entry was run against the user, or read in its source or its documentation. Entries of SystemC
are those of Vitis HLS, whose modes have the same names. A ``part`` names the conditions under
which the user computes so.
"""

from typing import NamedTuple

__all__ = ["User", "Comparison", "USERS", "COMPARISONS"]


class User(NamedTuple):
    """Software or hardware that computes as a contract does."""

    project: str
    """Name that people search for."""

    part: str
    """Part of the project, and the condition, as a phrase."""


class Comparison(NamedTuple):
    """Results that a test compares with those of other software."""

    other: str
    """Name of the software, with version and operator."""

    cases: int
    """Number of results that were compared; all are equal."""


_AP = "ap_fixed (Vitis HLS)"
_SC = "sc_fixed (SystemC)"
_RVV = "RISC-V vector extension"
_ORT = "ONNX Runtime"

USERS: dict[str, tuple[User, ...]] = {
    "half_up": (
        User("TOSA", "RESCALE (`tosa.rescale`), SINGLE_ROUND; scale16 by "
             "`--multiplier-bits 15`"),
        User("FBGEMM", "fixed-point requantization, from a shift of 1 on"),
        User(_AP, "AP_RND"),
        User(_SC, "SC_RND"),
        User(_RVV, "`vxrm` = rnu"),
    ),
    "half_even": (
        User(_AP, "AP_RND_CONV"),
        User(_SC, "SC_RND_CONV"),
        User(_RVV, "`vxrm` = rne"),
        User("Gemmini", "rounding shift of integers"),
        User("QONNX", "rounding mode ROUND"),
    ),
    "half_away": (
        User("LiteRT", "reference kernel of FULLY_CONNECTED, int8"),
        User("TVM", "`qnn.requantize` with rounding TONEAREST"),
        User(_AP, "AP_RND_INF"),
        User(_SC, "SC_RND_INF"),
        User("QONNX", "rounding mode HALF_UP, which is away from zero"),
    ),
    "floor": (
        User(_AP, "AP_TRN, its default"),
        User(_SC, "SC_TRN, its default"),
        User(_RVV, "`vxrm` = rdn"),
        User("QONNX", "rounding mode FLOOR"),
        User("Verilog", "`>>>` of a signed value"),
    ),
    "zero": (
        User(_AP, "AP_TRN_ZERO"),
        User(_SC, "SC_TRN_ZERO"),
        User("QONNX", "rounding mode DOWN"),
        User("C", "division of integers"),
    ),
    "tflite": (
        User("TFLite", "reference kernels of CONV_2D and DEPTHWISE_CONV_2D, int8"),
        User("tflite-micro", "CONV_2D, DEPTHWISE_CONV_2D, FULLY_CONNECTED, ADD, MUL, int8"),
        User("CMSIS-NN", "`arm_nn_requantize`, as it is built by default"),
        User("gemmlowp", "SaturatingRoundingDoublingHighMul, then RoundingDivideByPOT"),
        User("TOSA", "RESCALE (`tosa.rescale`), DOUBLE_ROUND; its shift is 31 - `shift`"),
    ),
    "tflite_single": (
        User("TFLite", "built with TFLITE_SINGLE_ROUNDING"),
        User("CMSIS-NN", "built with CMSIS_NN_USE_SINGLE_ROUNDING"),
        User("TVM", "`fixed_point_multiply`, `qnn.requantize` with rounding UPWARD"),
    ),
    "tflite_int16x8": (
        User("TFLite", "int16 activations with an int64 bias"),
        User("tflite-micro", "int16 activations with an int64 bias"),
        User("CMSIS-NN", "`arm_nn_requantize_s64`, for results below 2^30"),
    ),
    "onnx": (
        User(_ORT, "QLinearMatMul, QLinearConv, QLinearGlobalAveragePool"),
        User("XNNPACK", "`fp32` requantization, that of its int8 kernels"),
        User("LiteRT", "default delegate (XNNPACK) of int8 models"),
        User("QNNPACK", "`fp32` requantization"),
        User("FBGEMM", "float requantization, with an int32 bias"),
        User("PyTorch", "`quantized::linear` without a bias, engines fbgemm, x86 and qnnpack"),
    ),
    "onnx_zp_inside": (
        User(_ORT, "QLinearMul; QLinearAdd and QLinearAveragePool of some scales"),
        User("PyTorch", "rounding of `quantize_per_tensor`"),
    ),
    "q31": (
        User("QNNPACK", "`q31` requantization"),
        User("gemmlowp", "OutputStageQuantizeDownInt32ByFixedPoint"),
    ),
    "precise": (User("QNNPACK", "`precise` requantization"),),
    "rndnu": (User("XNNPACK", "`rndnu` requantization, which its int8 kernels do not use"),),
    "pulp": (
        User("PULP", "batch normalization and requantization (pulp-nn)"),
        User("DORY", "requantization"),
        User("NEMO", "requantization"),
    ),
    "pulp_round": (User("Deeploy", "RequantShift with `rounding`"),),
    "nvdla": (User("NVDLA", "output converter; its offset is the bias, with the sign changed"),),
    "thresholds": (User("FINN", "MultiThreshold"), User("QONNX", "MultiThreshold")),
}
"""Users of each contract."""

COMPARISONS: dict[str, tuple[Comparison, ...]] = {
    "tflite": (
        Comparison("tflite-micro CONV_2D int8, per channel, over all of int32", 3_145_728),
    ),
    "tflite_int16x8": (
        Comparison("tflite-micro CONV_2D int16 with int64 bias, to both ends of 48 bits",
                   1_048_576),
    ),
    "onnx": (
        Comparison("ONNX Runtime 1.32 QLinearMatMul, per tensor and per column", 12_587_008),
        Comparison("ONNX Runtime 1.32 QLinearConv, per channel, with bias, over all of int32",
                   6_402_048),
        Comparison("ONNX Runtime 1.32 QLinearGlobalAveragePool, and QLinearAveragePool over the "
                   "whole image", 524_288),
    ),
    "onnx_zp_inside": (
        Comparison("ONNX Runtime 1.32 QLinearMul, any scales, every pair of codes", 2_621_440),
        Comparison("ONNX Runtime 1.32 QLinearAdd, equal scales of at most 8 bits, a power of two "
                   "for the result", 2_621_440),
        Comparison("ONNX Runtime 1.32 QLinearAveragePool, scales and windows that are powers of "
                   "two", 49_152),
    ),
    "thresholds": (Comparison("QONNX 1.0.0 `multithreshold`", 2_464_000),),
}
"""Comparisons of each contract, made and counted in ``tests/golden``."""
