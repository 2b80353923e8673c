"""Netlists of every target, simulated with their cell models, against the original Verilog."""

import re
import subprocess
import zlib

import numpy as np
import pytest

from hw.drive import Beats
from hw.flow.mapping import TARGETS
from hw.flow.yosys import synthesize
from sim.verilator import VerilatorSimulation, verilator_root
from tests.plain import plain_port

ARITHMETIC = """
module dut (
    input clk, input [4:0] r,
    input [3:0] a, input [3:0] b, output reg [7:0] sum,
    input signed [32:0] x, input signed [30:0] y, output reg signed [63:0] product,
    input push, input [3:0] fifo_in, input [3:0] fifo_out, input [9:0] in, output [9:0] out,
    output reg [11:0] count
);
    initial count = 12'd5;
    initial sum = 8'd0;
    initial product = 64'd0;
    wire rst = &r;
    reg [9:0] fifo [0:11];
    assign out = fifo_out < 12 ? fifo[fifo_out] : 10'd0;
    integer i;
    initial for (i = 0; i < 12; i = i + 1) fifo[i] = 10'd0;
    always @(posedge clk) begin
        sum <= rst ? 8'd0 : sum + a * b;
        count <= rst ? 12'd5 : count + 12'd1;
        product <= x * y;
        if (push && fifo_in < 12) fifo[fifo_in] <= in;
    end
endmodule
"""
ARITHMETIC_PORTS = dict(r=5, a=4, b=4, x=33, y=31, push=1, fifo_in=4, fifo_out=4, **{"in": 10},
                        sum=-8, product=-64, out=-10, count=-12)

# Width, address bits, and bits per write enable. Together they reach every width of a block RAM.
MEMORIES = {"wide": (81, 9, 81), "lanes": (72, 9, 9), "half": (18, 10, 9), "byte": (9, 11, 9),
            "nibble": (4, 12, 4), "pair": (2, 13, 2), "bit": (1, 14, 1)}


FEW = 1 << 10
"""Words at most that a loop fills: Yosys keeps each of these apart, and takes 16 s for 2**14."""


def memory(name, folder=None):
    """A memory with two ports that often meet, contents, and a read register with enable.

    Contents of many words are read from a file in ``folder``.
    """
    width, address, lane = MEMORIES[name]
    lanes = width // lane
    if 1 << address <= FEW:
        fill = (f"for (i = 0; i < {2**address}; i = i + 1)\n"
                "        memory[i] = (i + 3) * 96'h9e3779b97f4a7c15f39cc;")
    else:
        words = [(i + 3) * 0x9e3779b97f4a7c15f39cc % 2**width for i in range(2**address)]
        (folder / "contents.hex").write_text("".join(f"{word:x}\n" for word in words))
        fill = f'$readmemh("{folder / "contents.hex"}", memory);'
    verilog = f"""
module dut (input clk, input re, input meet, input [{lanes - 1}:0] we,
    input [{address - 1}:0] wa, input [{address - 1}:0] ra,
    input [{width - 1}:0] wd, output reg [{width - 1}:0] rd);
    reg [{width - 1}:0] memory [0:{2**address - 1}];
    integer i, k;
    initial rd = 0;
    initial {fill}
    always @(posedge clk) begin
        for (k = 0; k < {lanes}; k = k + 1)
            if (we[k]) memory[wa][{lane}*k+:{lane}] <= wd[{lane}*k+:{lane}];
        if (re) rd <= memory[meet ? wa : ra];
    end
endmodule
"""
    return verilog, dict(re=1, meet=1, we=lanes, wa=address, ra=address, wd=width, rd=-width)


def bench(ports):
    """Both modules on one stream of stimuli, and its width; a negative width is an output."""
    inputs = {name: width for name, width in ports.items() if width > 0}
    total = -(-sum(inputs.values()) // 8) * 8
    lines = [f"""module bench(input aclk, input aresetn,
    input [{total - 1}:0] s_axis_i_tdata, input s_axis_i_tvalid, output s_axis_i_tready,
    output [7:0] m_axis_o_tdata, output m_axis_o_tvalid, input m_axis_o_tready);
assign s_axis_i_tready = m_axis_o_tready;
assign m_axis_o_tvalid = s_axis_i_tvalid;"""]
    taken, shared = 0, [".clk(aclk)"]
    for name, width in inputs.items():
        shared.append(f".{name}(s_axis_i_tdata[{taken + width - 1}:{taken}])")
        taken += width
    outputs = {name: -width for name, width in ports.items() if width < 0}
    for module in ("reference", "netlist"):
        pins = [f".{name}({module}_{name})" for name in outputs]
        lines += [f"wire [{width - 1}:0] {module}_{name};" for name, width in outputs.items()]
        lines.append(f"{module} i_{module}({', '.join(shared + pins)});")
    different = " || ".join(f"reference_{name} != netlist_{name}" for name in outputs)
    return "\n".join([*lines, f"assign m_axis_o_tdata = {{7'b0, {different}}};",
                      "endmodule\n"]), total


def mismatches(folder, target, ports, reference, netlist, cycles=3000, seed="netlist"):
    """Number of cycles in which the netlist differs from the reference."""
    folder.mkdir()
    text, width = bench(ports)
    texts = {"bench": text, "reference": reference.replace("module dut", "module reference"),
             "netlist": re.sub(r"\bmodule dut\b", "module netlist", netlist)}
    for name, each in texts.items():
        (folder / f"{name}.v").write_text(each)
    streams = (plain_port("s_axis_i", "i", width), plain_port("m_axis_o", "o", 8))
    backend = VerilatorSimulation(
        [folder / f"{name}.v" for name in texts], "bench", streams, fast=False,
        flags=["-Wno-fatal", "--x-assign", "0", "--x-initial", "0",
               *target.verilator_arguments()])
    stimulus = np.random.default_rng(zlib.crc32(seed.encode())).integers(
        256, size=(cycles, width // 8), dtype=np.uint8)
    beats = Beats(stimulus, np.zeros(cycles, bool), {})
    return int(backend.run({"s_axis_i": beats}, cycles).data.sum())


@pytest.fixture(scope="session")
def netlist_of(tmp_path_factory):
    """Area and netlist of a design, each synthesized once."""
    done = {}

    def synthesized(target, verilog):
        if (target.name, verilog) not in done:
            folder = tmp_path_factory.mktemp("synthesis")
            (folder / "dut.v").write_text(verilog)
            area = synthesize([folder / "dut.v"], "dut", target, netlist=folder / "out")
            done[target.name, verilog] = area, (folder / "out.v").read_text()
        return done[target.name, verilog]

    return synthesized


def arithmetic(x, y):
    """The design with a smaller multiplier."""
    verilog = ARITHMETIC.replace("[32:0] x", f"[{x - 1}:0] x").replace("[30:0] y", f"[{y - 1}:0] y")
    return verilog, {**ARITHMETIC_PORTS, "x": x, "y": y}


@pytest.mark.parametrize("name,x,y", [
    ("ecp5", 33, 31), ("generic", 7, 5),
    # Without multiplier cells, 9200 gates and 3246 LUTs.
    *(pytest.param(name, *widths, marks=pytest.mark.slow) for name, widths in (
        ("xc7", (33, 31)), ("generic", (33, 31)), ("ice40", (17, 15)), ("ice40", (7, 5))))])
def test_arithmetic(tmp_path, netlist_of, name, x, y):
    target = TARGETS[name]
    verilog, ports = arithmetic(x, y)
    area, netlist = netlist_of(target, verilog)
    assert mismatches(tmp_path / "sim", target, ports, verilog, netlist) == 0
    cells = dict(area.cells)
    if name == "ecp5":
        assert area.dsp == cells["MULT18X18D"] == 5
        assert cells["TRELLIS_DPR16X4"] == 3
    if name == "xc7":
        assert area.dsp == 4
        assert cells["RAM32M"] == 2
    if name == "generic":
        assert area.ram == 12 * 10
    if name != "ice40":  # which has no memory in LUTs: there the FIFO is flip-flops
        assert area.ff == 8 + x + y + 12


@pytest.mark.parametrize("name,kind,blocks", [
    ("ecp5", "wide", 3), ("generic", "lanes", 72 * 512),
    *(pytest.param(*each, marks=pytest.mark.slow) for each in (
        ("ice40", "half", 5), ("xc7", "lanes", 2),
        ("generic", "wide", 81 * 512), ("xc7", "wide", 3), ("ice40", "wide", 11),
        ("ecp5", "lanes", 2), ("ecp5", "pair", 1), *(
            (name, kind, 1) for name in ("ecp5", "xc7")
            for kind in ("half", "byte", "nibble", "bit"))))])
@pytest.mark.thinned(2)
def test_memory(tmp_path, netlist_of, name, kind, blocks):
    target = TARGETS[name]
    verilog, ports = memory(kind, tmp_path)
    area, netlist = netlist_of(target, verilog)
    assert area.ram == blocks
    assert mismatches(tmp_path / "sim", target, ports, verilog, netlist) == 0


def swap(first, second):
    """Exchange two texts."""
    return lambda text: text.replace(first, "\0").replace(second, first).replace("\0", second)


def invert(pattern):
    """Invert the hexadecimal digits of every constant that a parameter of this name has."""
    def change(match):
        return match[1] + "".join(f"{15 - int(digit, 16):x}" for digit in match[2]) + ")"
    return lambda text: re.sub(rf"(\.{pattern}\(\d+'h)([0-9a-f]+)\)", change, text, count=1)


FAULTS = {
    "contents": ("ecp5", "wide", invert("INITVAL_07")),
    "data pins": ("ecp5", "wide", swap(".DIA0(", ".DIA1(")),
    "address pins": ("ecp5", "wide", swap(".ADB13(", ".ADB5(")),
    "operand pins": ("ecp5", "arithmetic", swap(".A0(", ".A1(")),
    "signs": ("ecp5", "arithmetic", swap(".SIGNEDA(1'h1)", ".SIGNEDA(1'h0)")),
    "lut": ("ecp5", "arithmetic", invert("INIT")),
    "xc7 contents": ("xc7", "wide", invert("INIT_07")),
    "xc7 parity": ("xc7", "wide", invert("INITP_03")),
    "xc7 parity pins": ("xc7", "wide", swap(".DIPADIP(", ".DIPBDIP(")),
    "ice40 lut": ("ice40", "half", invert("LUT_INIT")),
    "gate": ("generic", "lanes", lambda text: re.sub(r"= ~\(", "= (", text, count=1)),
}


@pytest.mark.parametrize("name,design,fault", [
    pytest.param(*fault, id=what, marks=pytest.mark.slow if what in (
        "data pins", "signs", "xc7 contents", "xc7 parity", "xc7 parity pins", "ice40 lut") else ())
    for what, fault in FAULTS.items()])
def test_netlist_simulation_finds_faults(tmp_path, netlist_of, name, design, fault):
    target = TARGETS[name]
    verilog, ports = arithmetic(33, 31) if design == "arithmetic" else memory(design)
    _, netlist = netlist_of(target, verilog)
    assert fault(netlist) != netlist
    assert mismatches(tmp_path / "sim", target, ports, verilog, fault(netlist)) > 0


def test_colliding_read_is_not_defined(tmp_path, netlist_of):
    # The attribute takes away the logic that returns the old word, so the block's own answer shows.
    verilog, ports = memory("wide")
    loose = verilog.replace("reg [80:0] memory", "(* no_rw_check *) reg [80:0] memory")
    _, netlist = netlist_of(TARGETS["ecp5"], loose)
    assert mismatches(tmp_path / "sim", TARGETS["ecp5"], ports, verilog, netlist) > 0


def wrapped(cell, parameters, pins):
    text = ", ".join(f".{name}({value})" for name, value in parameters.items())
    return f"{cell} #({text}) cell_i ({', '.join(f'.{pin}({net})' for pin, net in pins.items())});"


@pytest.mark.parametrize("registers,signed_a", [
    ((), 0), (("INPUTA", "INPUTB"), 1), (("OUTPUT",), 0), (("PIPELINE",), 1),
    (("INPUTA", "INPUTB", "PIPELINE", "OUTPUT"), 1)], ids=str)
def test_multiplier_registers(tmp_path, registers, signed_a):
    ports = dict(r=3, ce=1, a=18, b=18, p=-36)
    header = "module dut (input clk, input [2:0] r, input ce, input [17:0] a, input [17:0] b, " \
             "output [35:0] p);"
    pins = {**{f"A{k}": f"a[{k}]" for k in range(18)}, **{f"B{k}": f"b[{k}]" for k in range(18)},
            **{f"P{k}": f"p[{k}]" for k in range(36)}, "SIGNEDA": signed_a, "SIGNEDB": 1,
            "SOURCEA": 0, "SOURCEB": 0, "CLK0": "clk", "CE0": "ce", "RST0": "&r"}
    cell = wrapped("MULT18X18D", {f"REG_{each}_CLK": '"CLK0"' for each in registers}, pins)
    # Registers around a product are a delay of the product, since all clear and stop together.
    stages = len({"INPUTA", "PIPELINE", "OUTPUT"} & set(registers))
    extended = f"$signed({{{'a[17]' if signed_a else chr(49) + chr(39) + 'b0'}, a}})"
    reference = f"""{header}
    wire signed [36:0] now = {extended} * $signed(b);
    reg signed [36:0] d [0:3];
    integer i;
    initial for (i = 0; i < 4; i = i + 1) d[i] = 0;
    always @(posedge clk) for (i = 0; i < 4; i = i + 1)
        if (&r) d[i] <= 0; else if (ce) d[i] <= i == 0 ? now : d[i-1];
    assign p = {f"d[{stages - 1}]" if stages else "now"};
endmodule
"""
    netlist = f"{header}\n{cell}\nendmodule\n"
    assert mismatches(tmp_path / "sim", TARGETS["ecp5"], ports, reference, netlist) == 0


@pytest.mark.parametrize("name,cell,parameters,message", [
    ("ecp5", "DP16KD", {"REGMODE_A": '"OUTREG"'}, "DP16KD: REGMODE must be NOREG or"),
    ("ecp5", "DP16KD", {"CSDECODE_B": '"0b001"'}, "DP16KD: CSDECODE must be 0b000"),
    ("ecp5", "DP16KD", {"CLKBMUX": '"INV"'}, "DP16KD: clocks must not be inverted"),
    ("ecp5", "DP16KD", {"RESETMODE": '"NONE"'}, "DP16KD: RESETMODE must be SYNC or ASYNC"),
    ("ecp5", "DP16KD", {"DATA_WIDTH_A": "5"}, "block RAM: widths must be 0, 1, 2, 4 or 9 times"),
    ("ecp5", "MULT18X18D", {"REG_OUTPUT_CLK": '"CLK1"'}, "MULT18X18D: registers must be those of"),
    ("ecp5", "MULT18X18D", {"MULT_BYPASS": '"ENABLED"'}, "MULT18X18D: MULT_BYPASS must be"),
    ("ecp5", "MULT18X18D", {"SOURCEB_MODE": '"C_SHIFT"'}, "MULT18X18D: SOURCEB_MODE must be"),
    ("ecp5", "MULT18X18D", {"RESETMODE": '"ASYNC"'}, "MULT18X18D: RESETMODE must be SYNC"),
    ("xc7", "RAMB18E1", {"DOA_REG": "1"}, "RAMB18E1: output registers must be off"),
    ("xc7", "RAMB18E1", {"RAM_MODE": '"FIFO"'}, "RAMB18E1: RAM_MODE must be TDP or SDP"),
    ("xc7", "RAMB18E1", {"READ_WIDTH_A": "36"}, "RAMB18E1: widths must be those of the RAM_MODE"),
    ("xc7", "RAMB36E1", {"RAM_EXTENSION_A": '"LOWER"'}, "RAMB36E1: RAM_EXTENSION must be NONE"),
    ("xc7", "RAMB36E1", {"EN_ECC_READ": '"TRUE"'}, "RAMB36E1: error correction must be off"),
    ("xc7", "RAMB36E1", {"IS_CLKARDCLK_INVERTED": "1"}, "RAMB36E1: clocks must not be inverted"),
    ("xc7", "RAMB18E1", {"SIM_NOVELTY": "1"}, "SIM_NOVELTY"),
])
def test_models_refuse_what_they_do_not_model(tmp_path, name, cell, parameters, message):
    (tmp_path / "top.v").write_text(f"module top; {wrapped(cell, parameters, {})} endmodule\n")
    run = subprocess.run(
        [verilator_root() / "bin" / "verilator", "--lint-only", "--top-module", "top", "-Wno-fatal",
         *TARGETS[name].verilator_arguments(), tmp_path / "top.v"],
        capture_output=True, text=True, check=False)
    assert run.returncode != 0
    assert message in run.stderr
