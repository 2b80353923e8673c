"""Emitted Verilog, compiled, against golden: formats, shapes, contracts."""

import numpy as np
import pytest

from golden.contracts import CONTRACTS, contract
from golden.formats import parse
from hw import emit
from hw.bus import AxiTile
from hw.config import TileConfig
from hw.ports import ports
from sim import vectors
from sim.jobs import expected, streams
from sim.verify import Mismatch, verify
from sim.verilator import VerilatorSimulation, available
from tests.compiled import compiled

pytestmark = pytest.mark.skipif(available() is not None, reason=str(available()))


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
    for name in CONTRACTS for zero_points in ("activations", "both")}

MIRRORED = tuple(127 - code for code in range(256))
TABLES = {
    "fixed": tile("s8n", "s8", "s8", "tflite", zero_points="activations", lut=MIRRORED, outputs=2),
    "loaded": tile("s8n", "s8", "s8", "stochastic", zero_points="both", lut="loaded", outputs=2),
}


def check(config):
    phases, _ = vectors.verification_phases(config)
    want = expected(config, phases)
    done = verify(config, compiled(config), phases, want, subject="Verilog",
                  simulator="Verilator")
    # Results that are all alike would compare nothing.
    assert done.outputs == 2 * want.size and len(np.unique(want)) > 1


# Tiles whose parts are those of another one; all are in CI.
LIKE_OTHERS = {"bits2", "bits3", "bits4", "bits16", "s4n_u8_u8", "s2n_s8_s8", "s1_u3n_s5n",
               "odd4_odd4_odd4", "odd8_u8_s8", "e2m1_e2m1_e2m1", "loaded_weights",
               "nan_of_activations", "nan_without_infinity", "1x1x1", "5x4x7_4", "8x8x8",
               *(f"{name}_both" for name in CONTRACTS if name not in (
                   "half_up", "tflite", "onnx", "pulp_round", "thresholds", "stochastic")),
               *(f"{name}_activations" for name in CONTRACTS)}


def named(tiles):
    return [pytest.param(name, marks=pytest.mark.slow if name in LIKE_OTHERS else ())
            for name in tiles]


@pytest.mark.parametrize("name", named(BITS | PAIRS | LEVELS | SHAPES))
def test_formats_and_shapes(name):
    check((BITS | PAIRS | LEVELS | SHAPES)[name])


@pytest.mark.parametrize("name", named(EVERY_CONTRACT))
def test_contracts(name):
    check(EVERY_CONTRACT[name])


@pytest.mark.parametrize("name", list(TABLES))
def test_tables(name):
    check(TABLES[name])


FAULTS = {
    # What is broken, and what it becomes; each is one line of the default tile.
    "a product": ("$signed(i[19:16]) * $signed(i[3:0])", "$signed(i[19:16]) * $signed(i[2:0])"),
    "a sum": ("product_1", "product_0"),
}


@pytest.mark.parametrize("fault", list(FAULTS))
def test_a_fault_in_the_verilog_is_caught(fault, tmp_path):
    config = BITS["bits4"]
    text = emit.verilog(AxiTile(config), "broken")
    before, after = FAULTS[fault]
    assert before in text
    source = tmp_path / "broken.v"
    source.write_text(text.replace(f"= {before}", f"= {after}") if fault == "a product"
                      else text.replace(f"= {before};", f"= {after};"))
    assert source.read_text() != text
    phases, _ = vectors.verification_phases(config)
    backend = VerilatorSimulation([source], "broken", ports(config), flags=["-Wno-UNUSED"],
                                  fast=False)
    with pytest.raises(Mismatch, match=r"^Verilog differs from golden in \d+ of \d+ outputs, "
                                       r"first in job \d+ at row \d+, column \d+: "):
        verify(config, backend, phases, expected(config, phases), subject="Verilog",
               simulator="Verilator")


CONTROL_FAULTS = {
    "a reset tied off": ("assign rst = ~ aresetn;", "assign rst = 1'h0;", "Verilog "),
    "a queue that starts a cycle late": (
        "assign inner_r_rdy = | inner_level;",
        "reg late = 1'h0; always @(posedge clk) late <= | inner_level; "
        "assign inner_r_rdy = late & (| inner_level);",
        "Verilog makes the first transfer of s_axis_activations in cycle "),
    "a word of a record that is never written": (
        "assign write_port__en = ", "assign write_port__en = 1'h0 & ",
        "Verilog differs from golden in "),
}


@pytest.mark.parametrize("fault", list(CONTROL_FAULTS))
def test_a_fault_in_the_control_is_caught(fault, tmp_path, rng):
    config = tile("s2n", "s2", "s2", multiplier_bits=2, rows=1, cols=2, lanes=1, depth=4,
                  channels=4)
    before, after, message = CONTROL_FAULTS[fault]
    source, text = tmp_path / "broken.v", emit.verilog(AxiTile(config), "broken")
    source.write_text(text.replace(before, after, 1))
    assert source.read_text() != text
    phases = [vectors.aimed(config, rng, vectors.random_phase(config, rng, jobs=20))
              for _ in range(5)]
    backend = VerilatorSimulation([source], "broken", ports(config), flags=["-Wno-lint"],
                                  fast=False)
    with pytest.raises(Mismatch, match=f"^{message}"):
        verify(config, backend, phases, expected(config, phases), subject="Verilog",
               simulator="Verilator")


def test_vectors_come_from_the_digits_network_where_it_fits():
    for config, fits in ((BITS["bits4"], True), (LEVELS["bits1"], True),
                         (LEVELS["odd2_odd2_sums"], True), (PAIRS["u1_u1_u4"], False),
                         (SHAPES["3x2x5"], False)):
        _, what = vectors.verification_phases(config)
        assert what.startswith("digits network") is fits, what


def test_every_beat_of_the_vectors_is_within_its_stream():
    config = BITS["bits4"]
    phases, _ = vectors.verification_phases(config)
    beats = streams(config, phases)
    assert len(beats["s_axis_activations"].last) == sum(int(p.beats.sum()) for p in phases)
    assert beats["s_axis_parameters"].last.sum() == len(phases)
