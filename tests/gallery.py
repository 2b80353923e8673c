# amaranth: UnusedElaboratable=no
"""Designs of every kind: formats, shapes, contracts, options of tiles; and units."""

from golden.contracts import CONTRACTS
from golden.contracts import parse as contract
from golden.formats import parse
from golden.units import SCHEMES, Addition, Multiplication, Rescaling
from golden.units import parse as scheme
from hw.requantize.lut import Lut
from hw.tile.config import TileConfig
from hw.units import Add, AveragePool, Concat, FusedAdd, MaxPool, Multiply, Rescale
from hw.units.range_tracker import RangeTracker
from hw.units.tensor_range import TensorRange

__all__ = ["tile", "BITS", "PAIRS", "LEVELS", "SHAPES", "EVERY_CONTRACT", "TABLES", "SMALL",
           "units"]

S8, U8, S4 = parse("s8"), parse("u8"), parse("s4")


def tile(weights, activations, output, requant="half_up", *, multiplier_bits=None, **shape):
    return TileConfig(
        weights=parse(weights), activations=parse(activations),
        output=None if output is None else parse(output),
        contract=contract(requant, multiplier_bits=multiplier_bits), **shape)


BITS = {f"bits{n}": tile(f"s{n}n", f"s{n}", f"s{n}", zero_points="activations")
        for n in (2, 3, 4, 8, 16)}
PAIRS = {
    "s4n_u8_u8": tile("s4n", "u8", "u8", zero_points="activations"),
    "s2n_s8_s8": tile("s2n", "s8", "s8", zero_points="activations"),
    "u1_u1_u4": tile("u1", "u1", "u4"),
    "s1_u3n_s5n": tile("s1", "u3n", "s5n"),
    "u16_s16_u16": tile("u16", "s16", "u16", zero_points="both"),
    "s5_s7_s3": tile("s5", "s7", "s3", "half_even", multiplier_bits=9, zero_points="both"),
}
LEVELS = {
    "bits1": tile("binary", "bit", "bit"),
    "odd4_odd4_odd4": tile("odd4", "odd4", "odd4", "half_even"),
    "odd8_u8_s8": tile("odd8", "u8", "s8", zero_points="activations"),
    "ternary_odd3_odd5": tile("ternary", "odd3", "odd5", "half_away", lanes=3, depth=100),
    "binary_binary_binary": tile("binary", "binary", "binary", "thresholds", lanes=5, depth=99),
    "odd2_odd2_sums": tile("odd2", "odd2", None, "none", lanes=3, depth=100),
    "s4_odd3_ternary": tile("s4", "odd3", "ternary", "floor"),
    "e2m1_e2m1_e2m1": tile("e2m1", "e2m1", "e2m1", "half_even"),
    "e4m3fn_u4_e5m2": tile("e4m3fn", "u4", "e5m2", rows=2, cols=2, lanes=3, depth=100),
    # Multipliers too small to reach the largest levels from these sums.
    "narrow_multiplier": tile("s4", "u4", "cfloat8_1_5_2", "half_away", multiplier_bits=8, rows=1,
                              cols=2, depth=100),
    "loaded_weights": tile("codebook4:loaded=s8", "u4", "u4"),
    "loaded_all": tile("codebook3:loaded=s6", "codebook2:loaded=u5", "codebook2:loaded=s16",
                       "half_away", lanes=3, depth=100),
    "nan": tile("e5m2:specials=propagate", "e4m3fn:specials=propagate", "e5m2:specials=propagate",
                rows=2, cols=2, lanes=2, depth=100),
    "nan_of_activations": tile("s4", "e5m2:specials=propagate", "e5m2:specials=propagate",
                               rows=2, cols=2, lanes=1, depth=100),
    "nan_without_infinity": tile("u4", "e5m2:specials=propagate", "e4m3fn:specials=propagate",
                                 rows=2, cols=2, lanes=3, outputs=2, depth=100),
    # 79-bit sums, of which there are no int64.
    "cfloat8_exact": tile("cfloat8_1_5_2:denormals=paper", "e5m2", None, "none", rows=2, cols=2,
                          lanes=2, depth=100),
    "thresholds_of_87_bits": tile("e3m2", "mx_s8", "s3n", "thresholds", rows=1, cols=1, lanes=2,
                                  depth=64, channels=1, window=64),
    "codebooks": tile("codebook:-9/-4/0/5", "codebook:1/2/4/7/11", "codebook:-30/-1/2/90",
                      "half_away", lanes=3, depth=100),
}
SHAPES = {
    "1x1x1": tile("s4n", "s4", "s4", rows=1, cols=1, lanes=1, depth=9, channels=1),
    "3x2x5": tile("s8n", "s8", "s8", rows=3, cols=2, lanes=5, depth=31, channels=7),
    "2x6x3_3": tile("s4n", "s4", "s4", rows=2, cols=6, lanes=3, outputs=3, depth=100,
                    channels=13, zero_points="both"),
    "5x4x7_4": tile("s4", "s4", "s6", rows=5, cols=4, lanes=7, outputs=4, depth=7, channels=4),
    "1x16x1_2": tile("u4", "s4", "u4", rows=1, cols=16, lanes=1, outputs=2, channels=48),
    "8x8x8": tile("s4n", "s4", "s4", rows=8, cols=8, lanes=8, zero_points="activations"),
}
OUTPUTS = {"none": None, "thresholds": "s4"}
EVERY_CONTRACT = {
    f"{name}_{zero_points}": tile("s8n", "s8", OUTPUTS.get(name, "s8"), name,
                                  zero_points=zero_points, rows=2, cols=2, outputs=2)
    for name in CONTRACTS for zero_points in ("activations", "both")
    if zero_points == "both" or name in ("half_up", "tflite", "onnx", "thresholds", "none")}

MIRRORED = tuple(127 - code for code in range(256))
TABLES = {
    "fixed": tile("s8n", "s8", "s8", "tflite", zero_points="activations", lut=MIRRORED, outputs=2),
    "loaded": tile("s8n", "s8", "s8", "stochastic", zero_points="both", lut="loaded", outputs=2),
}


def small(*formats, **shape):
    """Return a tile of two rows, columns and lanes, but for what is given."""
    return tile(*formats, **{"rows": 2, "cols": 2, "lanes": 2, **shape})


FIXED = (("bias", (5, -7, 0, 100, 3)), ("multiplier", (1 << 30, 3 << 28, 5, 1 << 29, 77)),
         ("shift", 32), ("zero_point", -3), ("clamp_min", (-128, -100, -5, 0, -128)),
         ("clamp_max", 127))
SMALL = {
    "1x1x1": small("s4n", "u4", "s8", rows=1, cols=1, lanes=1, depth=6, channels=3),
    # Block-scaled, loaded codebook and loaded table, draws; 6 beats at most, 3 groups.
    "mixed": small("mx_s4", "codebook2:loaded=s6", "s8", "stochastic", rows=1, cols=4, lanes=2,
                  outputs=2, depth=12, channels=10, window=5, lut="loaded"),
    "fixed": small("s4", "u4", "s8", depth=8, channels=5, parameters=FIXED),
    "both": small("s8", "u8", "u8", "tflite", depth=10, channels=6, zero_points="both"),
    "3x6x5/3": small("u3", "s5", "s4", "half_even", rows=3, cols=6, lanes=5, outputs=3, depth=35,
                    channels=31, zero_points="both"),
    "block-scaled": small("mx_e2m1", "mx_s8", "s8", lanes=8, depth=40, channels=4, window=9),
    "shared exponent": small("mx_s8", "e4m3fn", "mx_e2m1", rows=1, cols=32, lanes=1, outputs=8,
                            depth=7, channels=96),
    "codebooks": small("codebook3:loaded=s6", "codebook2:loaded=u5", "codebook2:loaded=s16",
                      "half_away", depth=6, channels=6, outputs=2),
    "table": small("s4n", "s4", "u8", "pulp", depth=30, channels=8, lut="loaded"),
    "stochastic": small("s4n", "u4", "s8", "stochastic", depth=16, channels=2, rows=3),
    "one beat": small("ternary", "odd3", "odd5", "floor", lanes=9, depth=9, channels=5),
    "sums": small("binary", "bit", None, "none", lanes=3, depth=21, channels=1, outputs=2),
    "nan": small("e5m2:specials=propagate", "e4m3fn:specials=propagate", "e5m2:specials=propagate",
                lanes=1, depth=5, channels=4),
    "thresholds": small("s3n", "s3", "s3", "thresholds", lanes=1, depth=4, channels=12),
    "thresholds in memories": small("s3n", "s3", "s5n", "thresholds", lanes=1, depth=4, channels=6,
                                    outputs=2, zero_points="both"),
}


def units():
    yield from (Add(operation=Addition(scheme(name), S8, U8, S8, subtract=True), lanes=1)
                for name in SCHEMES if name != "onnx")
    yield FusedAdd(operation=Addition(scheme("onnx"), S8, U8, S8), lanes=1)
    for name in ("half_even", "tflite", "onnx_zp_inside"):
        yield Multiply(operation=Multiplication(contract(name), S8, U8, U8), lanes=1)
        yield Rescale(operation=Rescaling(contract(name), S8, S4), lanes=1)
    yield Concat(operation=Rescaling(contract("tflite"), S8, S8), tensors=3, lanes=1)
    yield AveragePool(values=S8, lanes=1, window=9)
    yield MaxPool(values=U8, lanes=1)
    yield Lut(outputs=1, codes=None)
    yield RangeTracker(results=S8, outputs=3)
    yield TensorRange(results=S8, outputs=3)
