"""Emitted Verilog, compiled, against golden: formats, shapes, contracts."""

import numpy as np
import pytest

from golden.contracts import CONTRACTS
from hw import emit
from hw.bus.axi_tile import AxiTile
from hw.drive import streams
from hw.tile.ports import ports
from sim import vectors
from sim.jobs import expected
from sim.verify import Mismatch, verify
from sim.verilator import VerilatorSimulation, available
from tests.compiled import compiled
from tests.gallery import BITS, EVERY_CONTRACT, LEVELS, PAIRS, SHAPES, TABLES, tile

pytestmark = pytest.mark.skipif(available() is not None, reason=str(available()))


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
               "u1_u1_u4", "s4_odd3_ternary", "odd2_odd2_sums", "narrow_multiplier", "1x16x1_2",
               "s5_s7_s3", "ternary_odd3_odd5", "codebooks", "u16_s16_u16", "bits8", "loaded_all",
               "nan", "2x6x3_3",
               *(f"{name}_both" for name in CONTRACTS if name != "onnx"),
               *(f"{name}_activations" for name in CONTRACTS)}


def named(tiles):
    return [pytest.param(name, marks=pytest.mark.slow if name in LIKE_OTHERS else ())
            for name in tiles]


@pytest.mark.parametrize("name", named(BITS | PAIRS | LEVELS | SHAPES))
@pytest.mark.thinned(3)
def test_formats_and_shapes(name):
    check((BITS | PAIRS | LEVELS | SHAPES)[name])


@pytest.mark.parametrize("name", named(EVERY_CONTRACT))
def test_contracts(name):
    check(EVERY_CONTRACT[name])


@pytest.mark.parametrize("name", [
    name if name == "loaded" else pytest.param(name, marks=pytest.mark.slow) for name in TABLES])
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
        "Verilog makes the first transfer of m_axis_o in cycle "),
    "a word of a record that is never written": (
        "if (\\$signature__en )", "if (1'h0)",
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
