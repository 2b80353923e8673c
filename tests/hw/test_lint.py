# amaranth: UnusedElaboratable=no
"""What Verilator's lint says of emitted Verilog: nothing, in tiles and units of every kind."""

import os
import re
import subprocess
from itertools import starmap

import pytest
from amaranth.hdl import Const, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from golden.contracts import CONTRACTS
from golden.contracts import parse as contract
from golden.formats import parse
from hw import emit, lint
from hw.bus.axi_tile import AxiTile
from hw.flow.tools import run_tool
from hw.requantize.requantizer import Requantizer
from hw.tile.config import TileConfig
from hw.tile.tile import MacTile
from sim import verilator
from tests.gallery import units
from tests.simulators import icarus

pytestmark = pytest.mark.skipif(verilator.available() is not None,
                                reason=str(verilator.available()))

S8, U8, S4 = parse("s8"), parse("u8"), parse("s4")


def tile(weights, activations, output, requant="half_up", **shape):
    return TileConfig(**dict(
        weights=parse(weights), activations=parse(activations),
        output=None if output is None else parse(output), contract=contract(requant),
        rows=1, cols=2, lanes=2, depth=6, channels=4) | shape)


LOADED = tile("s4n", "s4", "s4", rows=2, zero_points="activations")
CLAMPED = {"bias": 5, "multiplier": 3, "shift": 2}
FIXED = tile("s3", "u3", "u4", parameters=tuple(
    (CLAMPED | {"zero_point": 0, "clamp_min": 0, "clamp_max": 15}).items()))
TILES = [
    LOADED,
    tile("u3", "s1", "u1", lanes=1, depth=1, channels=1, cols=1),
    tile("s3", "odd4", "odd4", lanes=3, cols=6, outputs=3, channels=7),
    tile("ternary", "u4", "odd1", "thresholds"),
    tile("s3", "u3", "u5n", "thresholds", outputs=2, zero_points="both"),
    tile("binary", "bit", "ternary", "zero"),
    tile("ternary", "binary", "s4"),
    tile("bit", "bit", "e2m1", "half_even"),
    tile("binary", "binary", "codebook:-9/0/5", "half_away"),
    tile("e4m3fn", "u4", "cfloat8_1_5_2", "half_even"),
    tile("e2m1", "codebook:1/2/4/7/11", "codebook4:loaded=s8", "floor"),
    tile("e5m2:specials=propagate", "e4m3fn:specials=propagate", "e5m2:specials=propagate"),
    tile("codebook:-30/-1/2/90", "s12", "codebook3:loaded=u15"),
    tile("codebook3:loaded=s6", "codebook2:loaded=u5", "codebook2:loaded=s16", "half_away"),
    tile("mx_s8", "mx_e2m1", "s8", depth=32, window=4),
    tile("s4", "s4", "mx_e2m1", cols=32, channels=32),
    tile("s8", "s8", "s8", lut="loaded"),
    tile("s8", "s8", "s8", lut=tuple(127 - code for code in range(256))),
    FIXED,
    # Ends of the clamp that no place in the table lies beyond.
    tile("s3", "u3", "codebook:-9/0/5/7", channels=3, parameters=tuple(
        (CLAMPED | {"bias": (1, 2, 3), "clamp_min": -9, "clamp_max": 7}).items())),
]


# Of every contract, and of each kind of output.
REQUANTIZED = [
    *((name, {"none": None, "thresholds": "s3n"}.get(name, "s8")) for name in CONTRACTS),
    *(("half_even", output) for output in ("u4", "odd8", "e4m3fn", "codebook:43/54/93/97")),
    ("stochastic", "u1"),
]


def requantizer(name, output):
    c = tile("s4", "u4", output, name)
    return Requantizer(contract=c.contract, accumulator=c.accumulator, total=c.sum_format,
                       output=c.output_format, record=c.record)


class Gallery(wiring.Component):
    """Components side by side, of no use but to be emitted in one text."""

    def __init__(self, parts):
        self.parts = parts
        super().__init__({})

    def elaborate(self, platform):
        m = Module()
        for place, part in enumerate(self.parts):
            m.submodules[f"part_{place}"] = part
        return m


def said(*arguments):
    """Run Verilator's lint; return what it says, an empty text where that is nothing."""
    root = verilator.verilator_root()
    assert root is not None
    done = subprocess.run([root / "bin/verilator_bin", "--lint-only", *map(str, arguments)],
                          capture_output=True, text=True,
                          env={**os.environ, "VERILATOR_ROOT": str(root)})
    assert bool(done.returncode) == bool(done.stderr), done.stderr
    return done.stderr


@pytest.mark.slow
def test_verilog_of_every_kind_passes(tmp_path):
    parts = [*map(MacTile, TILES), *starmap(requantizer, REQUANTIZED), *units()]
    (tmp_path / "gallery.v").write_text(emit.modules(Gallery(parts), "gallery"))
    (tmp_path / "gallery.vlt").write_text(lint.waivers("gallery"))
    assert said("-Wall", tmp_path / "gallery.v", tmp_path / "gallery.vlt") == ""


def test_waivers_are_for_one_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = "module other(input a, input b, output c);\n  assign c = a;\nendmodule\n"
    waivers = lint.waivers("mac")
    for name, passes in (("mac", True), ("other", False), ("my_mac", False)):
        (tmp_path / f"{name}.v").write_text(text)
        (tmp_path / "mac.vlt").write_text(waivers)
        for path in (f"{name}.v", tmp_path / f"{name}.v"):
            assert (said("-Wall", path, "mac.vlt") == "") == passes, path


@pytest.mark.parametrize("config", [LOADED, FIXED], ids=["loaded", "fixed"])
def test_tile_and_template_pass_as_they_are(tmp_path, config):
    """The template in a module that has a clock and a reset of its own."""
    top = AxiTile(config)
    (tmp_path / "mac.v").write_text(emit.verilog(top, "mac"))
    assert said(tmp_path / "mac.v") == ""
    found = said("-Wall", tmp_path / "mac.v")
    assert set(re.findall("^%Warning-([A-Z]+):", found, re.MULTILINE)) == set(lint.WAIVED)
    (tmp_path / "host.v").write_text("module host(input aclk, input aresetn);\n\n"
                                     f"{emit.template(top.ports, 'mac')}\nendmodule\n")
    assert said(tmp_path / "host.v", tmp_path / "mac.v") == ""


class Operands(wiring.Component):
    """Results of operands that are not as wide as they."""

    i: In(8)
    o: Out(12)
    p: Out(1)
    q: Out(12)
    r: Out(9)
    s: Out(1)
    t: Out(16)

    def elaborate(self, platform):
        m = Module()
        short, signed = self.i[:3], self.i[4:].as_signed()
        m.d.comb += [
            self.o.eq(self.i + short),
            self.p.eq(self.i == short),
            self.q.eq(self.i.as_signed() - signed),
            self.r.eq(signed + Const(-3)),
            self.s.eq(signed < self.i.as_signed()),
            self.t.eq(short << self.i[:3]),
        ]
        return m


def test_operands_are_as_wide_as_results():
    text = emit.modules(Operands(), "operands")
    for line in ("{ 1'h0, i } + { 6'h00, i[2:0] }",
                 "$signed({ i[7], i }) - $signed({ {5{i[7]}}, i[7:4] })",
                 "$signed({ i[7], i[7:4] }) + $signed(5'h1d)",
                 "$signed({ {4{i[7]}}, i[7:4] }) < $signed(i)",
                 "{ 7'h00, i[2:0] } << i[2:0]",
                 "p = ~| i[7:3]"):
        assert f"{line};" in text


def test_an_escaped_name_ends_in_a_space():
    text = r"y = { \$2 , \$2 , i[1], i[1], i[0] };"
    assert lint.tidy(text) == r"y = { {2{\$2 }}, {2{i[1]}}, i[0] };"


class Held(wiring.Component):
    """Two registers in a row; their input is constant from time 0 on."""

    i: In(1)
    o: Out(1)

    def elaborate(self, platform):
        m = Module()
        first = Signal()
        m.d.sync += [first.eq(self.i), self.o.eq(first)]
        return m


HELD = """
module held_tb;
    reg clk = 0, rst = 1, i = 0;
    wire o;
    held held_0 (.clk(clk), .rst(rst), .i(i), .o(o));
    initial begin
        #1 clk = 1;
        #1 $display("o %b", o);
    end
endmodule
"""


def test_one_edge_resets_in_icarus(tmp_path):
    """A combinational block whose inputs never change is evaluated too."""
    (tmp_path / "held.v").write_text(emit.modules(Held(), "held"))
    (tmp_path / "held_tb.sv").write_text(HELD)
    done = run_tool("simulator", icarus(tmp_path, "held"))
    assert done.stdout.split() == ["o", "0"]
