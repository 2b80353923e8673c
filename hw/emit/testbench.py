"""Write a self-checking SystemVerilog testbench of a tile, and its vector files.

The testbench needs nothing but a simulator. It has one driver per input port and one checker per
output port, each with a file of words, one per beat: ``<name>_<stream>.hex``. A word has, from the
left:

- a 32-bit count for each port that this one waits for, in the order of their names: the beat is
  not offered before that port has made so many transfers;
- a digit for ``tlast``, if the port has it;
- ``tdata``.

``<name>_stalls.hex`` has a word for each of :data:`hw.emit.stalls.PERIOD` cycles: the draw of each
port, from the right.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from hw.emit.stalls import PERIOD, draws
from hw.tile.ports import CLOCKING, Clocking, StreamPort

__all__ = ["STALL", "STALL_SEED", "stall_words", "testbench", "vectors"]

COUNT_BITS = 32

STALL, STALL_SEED = 2, 0
"""Default number of stalls of each port in 8 cycles, and seed of the draws."""

# Drivers and checkers, with the prefix NAME_ for the module's name.
MODULES = Path(__file__).with_suffix(".sv")


def testbench(name: str, ports: tuple[StreamPort, ...], beats: Mapping[str, int], *,
              after: Mapping[str, Sequence[str]] | None = None, error: bool = False,
              resets: Sequence[tuple[int, int]] = (), cycles: tuple[int, int] = (0, 0),
              clocking: Clocking = CLOCKING) -> str:
    """Text of ``<name>_tb.sv``.

    First the vectors start once for each of ``resets``, which cuts them off; then they run
    without stalls, and after another reset with stalls. A run ends with one line, ``PASS <n>
    transfers``, of all output ports, or ``FAIL`` and the first error, and after a failure by
    ``$fatal``. A transfer may have several results.
    ``+dir=<folder>`` is the folder of the vectors, and ``+stall=<n>`` the number of stalls of each
    port in eight cycles, on average.

    Parameters
    ----------
    name : str
        Name of the module under test, and prefix of helper modules.
    ports : tuple of StreamPort
        Ports of the module, at least one of them an output.
    beats : mapping of str to int
        Beats in the vector file of each port, by port name; at least one for an output. A missing
        input makes no transfer.
    after : mapping of str to sequence of str
        Ports that an input waits for, by the input's name. Its words have a count for each.
    error : bool
        True if the module has an output ``error``, which must stay 0.
    resets : sequence of (int, int)
        Cycles of traffic before each reset, and cycles of the reset; by turns without stalls and
        with them.
    cycles : (int, int)
        Cycles until all outputs have come, without stalls and with ``STALL``: neither fewer nor
        more. 0 if not known.
    clocking : Clocking
        Names of the module's clock and reset; the testbench's own are ``aclk`` and ``aresetn``.
    """
    after = after or {}
    drains = {port.name: beats.get(port.name, 0) for port in ports if not port.is_input}
    if not drains:
        raise ValueError("Ports must have an output, not only "
                         f"{', '.join(port.name for port in ports)}")
    for drain, count in drains.items():
        if count < 1:
            raise ValueError(f"Beats of {drain} must be positive, not {count!r}")
    for after_cycles, length in resets:
        if after_cycles < 0 or length < 1:
            raise ValueError("Resets must be after 0 cycles or more, and for 1 or more, not "
                             f"{(after_cycles, length)}")
    known = {port.name for port in ports}
    named = {*beats, *after, *(other for others in after.values() for other in others)}
    if unknown := sorted(named - known):
        raise ValueError(f"Beats and after must name ports, not {unknown[0]!r}")

    files = [f"{name}_{stream}.hex" for stream in ("stalls", *(
        port.stream for port in ports if not port.is_input or beats.get(port.name)))]
    text = [_HEADER.format(
        name=name, stall=STALL, period=PERIOD, width=8 * len(ports),
        row_bits=PERIOD.bit_length() - 1, resets=len(resets), cycles=cycles[0],
        stalled=cycles[1], outputs=sum(drains.values()),
        after=_packed(32, [after for after, _ in resets]),
        lengths=_packed(32, [length for _, length in resets]), looks="\n".join(
            f'        look("{file}");' for file in files))]
    text += [_wires(port, len(after.get(port.name, ()))) for port in ports]
    text.append("    wire error;\n" if error else "    wire error = 1'b0;\n")
    for place, port in enumerate(ports):
        waits = sorted(after.get(port.name, ()))
        if port.is_input:
            text.append(_source(name, port, beats.get(port.name, 0), waits, place))
        else:
            # Generous to slow designs, and still soon enough to notice a hang.
            limit = 1000 + 64 * sum(beats.values())
            text.append(_sink(name, port, drains, limit, place))
    text.append(f"    assign done = {' && '.join(f'{drain}_done' for drain in drains)};\n")
    text.append(_device(name, ports, error, clocking))
    text.append(MODULES.read_text().replace("NAME_", f"{name}_"))
    return "\n".join(text)


def vectors(port: StreamPort, data: np.ndarray, last: np.ndarray,
            after: Mapping[str, np.ndarray] | None = None) -> str:
    """Text of ``<name>_<stream>.hex``.

    Parameters
    ----------
    port : StreamPort
    data : array of uint8, ``(beats, bytes)``
        ``tdata``, least significant byte first.
    last : array of bool, ``(beats,)``
        ``tlast``; not used for a port without it.
    after : mapping of str to array of int, ``(beats,)``
        Transfers to wait for, by port name. The names must be those of the testbench's ``after``.
    """
    after = dict(sorted((after or {}).items()))
    if data.dtype != np.uint8 or data.ndim != 2 or data.shape[1] != port.bytes:
        raise ValueError(f"Data of {port.name} must be uint8 of shape (beats, {port.bytes}), "
                         f"not {data.dtype} of shape {data.shape}")
    for name, counts in after.items():
        if counts.size and not 0 <= counts.min() <= counts.max() < 2**COUNT_BITS:
            raise ValueError(f"Counts after {name} must be in 0 .. {2**COUNT_BITS - 1}, "
                             f"not {counts.min()} .. {counts.max()}")
    lines = []
    for beat, row in enumerate(data):
        word = [f"{int(counts[beat]):08x}" for counts in after.values()]
        if port.last:
            word.append(f"{int(last[beat])}")
        word.append(row[::-1].tobytes().hex())
        lines.append("_".join(word) + "\n")
    return "".join(lines)


def stall_words(ports: int) -> str:
    """Text of ``<name>_stalls.hex``."""
    return "".join(f"{row[::-1].tobytes().hex()}\n" for row in draws(ports, STALL_SEED))


def _packed(bits: int, values: Sequence[int]) -> str:
    # One constant of all values, the first in its lowest bits.
    return "{" + ", ".join(f"{bits}'d{value}" for value in reversed(values or [0])) + "}"


def _wires(port: StreamPort, waits: int) -> str:
    p = port.name
    after = f"    wire [{max(1, COUNT_BITS * waits) - 1}:0] {p}_after;\n" if port.is_input else ""
    return f"""\
    wire [{8 * port.bytes - 1}:0] {p}_tdata;
    wire {p}_tvalid, {p}_tready, {p}_tlast;
    wire [31:0] {p}_count;
{after}"""


def _source(name: str, port: StreamPort, beats: int, waits: list[str], place: int) -> str:
    p = port.name
    # The first name's count is leftmost in the word.
    allowed = " && ".join(
        f"{other}_count >= {p}_after[{COUNT_BITS * place} +: {COUNT_BITS}]"
        for place, other in zip(reversed(range(len(waits))), waits, strict=True)) or "1'b1"
    return f"""\
    {name}_tb_source #(
        .BYTES({port.bytes}), .LAST({int(bool(port.last))}), .WAITS({len(waits)}), .BEATS({beats}),
        .FILE("{name}_{port.stream}.hex")
    ) {p}_source (
        .clk(aclk), .rst(!aresetn), .stalls({{24'b0, draw[{8 * place} +: 8]}} < share),
        .after({p}_after), .allowed({allowed}),
        .tdata({p}_tdata), .tlast({p}_tlast), .tvalid({p}_tvalid),
        .tready({p}_tready), .count({p}_count)
    );
"""


def _sink(name: str, port: StreamPort, drains: Mapping[str, int], limit: int, place: int) -> str:
    p = port.name
    others = " && ".join(f"{drain}_count == {count}" for drain, count in drains.items()
                         if drain != p) or "1'b1"
    what = "transfer" if len(drains) == 1 else f"{p} transfer"
    unused = "" if port.last else f"    assign {p}_tlast = 1'b0;\n"
    return f"""\
{unused}    wire {p}_done;
    {name}_tb_sink #(
        .BYTES({port.bytes}), .LAST({int(bool(port.last))}), .BEATS({drains[p]}),
        .FILE("{name}_{port.stream}.hex"), .WHAT("{what}"), .LIMIT({limit})
    ) {p}_sink (
        .clk(aclk), .rst(!aresetn), .stalls({{24'b0, draw[{8 * place} +: 8]}} < share),
        .whole(whole), .due(due), .others({others}), .done({p}_done),
        .tdata({p}_tdata), .tlast({p}_tlast), .tvalid({p}_tvalid),
        .tready({p}_tready), .count({p}_count), .error(error)
    );
"""


def _device(name: str, ports: tuple[StreamPort, ...], error: bool, clocking: Clocking) -> str:
    pins = {clocking.clock: "aclk", clocking.reset: "aresetn"}
    pins |= {signal: signal for port in ports for signal in port.signals}
    pins |= {"error": "error"} if error else {}
    connections = ",\n".join(f"        .{pin}({signal})" for pin, signal in pins.items())
    return f"    {name} dut (\n{connections}\n    );\nendmodule\n"


_HEADER = """\
// Self-checking testbench of {name}: streams its vector files in, and compares what comes out.
//
//   +dir=<folder>  where the vector files are, if not in the working directory
//   +stall=<n>     each port stalls in n of 8 cycles on average, 0 to 7
//
// Several times a reset cuts the vectors off; then they run without stalls, then with them. One
// line says "PASS <n> transfers" (of one run, with one result or more each), or "FAIL" and the
// first thing wrong; then the simulation ends, after a failure with an exit status that is not 0.

`timescale 1ns / 1ps

module {name}_tb;
    localparam integer STALL = {stall};  // unless +stall says otherwise
    // Cycles in which all transfers must have come, without stalls and with STALL; 0 if not known.
    localparam [31:0] CYCLES = {cycles}, CYCLES_STALLED = {stalled};
    // After how many cycles each reset comes, and how many it takes.
    localparam integer RESETS = {resets};
    localparam [32 * (RESETS != 0 ? RESETS : 1) - 1:0] AFTER = {after};
    localparam [32 * (RESETS != 0 ? RESETS : 1) - 1:0] LENGTHS = {lengths};

    // A file that is not there would be read as unknown values.
    string folder;
    integer handle, missing;
    task look(input string file);
        if (missing == 0) begin
            handle = $fopen($sformatf("%s/%s", folder, file), "r");
            if (handle != 0) $fclose(handle);
            else begin
                missing = 1;
                $display("FAIL vector file %s/%s cannot be read", folder, file);
                $fatal(1);
            end
        end
    endtask
    initial begin
        missing = 0;
        if (!$value$plusargs("dir=%s", folder)) folder = ".";
{looks}
    end

    reg aclk;
    initial begin
        aclk = 1'b0;
        forever #5 aclk = ~aclk;
    end

    integer stall;
    initial begin
        if (!$value$plusargs("stall=%d", stall)) stall = STALL;
        if (stall < 0 || stall > 7) stall = 7;
    end

    // What each port draws in a cycle: it stalls if that is less than its share of 256.
    reg [{width} - 1:0] draws [0:{period} - 1];
    initial #1 $readmemh($sformatf("%s/%s", folder, "{name}_stalls.hex"), draws);
    reg [{row_bits} - 1:0] row, first_row;
    wire [{width} - 1:0] draw = draws[row];
    always @(posedge aclk) row <= aresetn ? row + 1'b1 : first_row;

    // Changes away from the rising edge, where simulators might order it differently.
    reg aresetn;
    reg whole;                      // the vectors run to their end
    reg [31:0] share;
    wire done;
    wire [31:0] due = share == 0 ? CYCLES : share == 32 * STALL ? CYCLES_STALLED : 0;
    integer act;
    initial begin
        aresetn = 1'b0;
        whole = 1'b0;
        first_row = 0;
        share = 0;
        repeat (4) @(negedge aclk);
        for (act = 0; act < RESETS; act = act + 1) begin
            share = act % 2 != 0 ? 32 * stall : 0;
            aresetn = 1'b1;
            repeat (AFTER[32 * act +: 32] + 1) @(negedge aclk);
            aresetn = 1'b0;
            first_row = first_row + {row_bits}'d251;
            repeat (LENGTHS[32 * act +: 32]) @(negedge aclk);
        end
        aresetn = 1'b0;
        whole = 1'b1;
        first_row = 0;
        share = 0;
        @(negedge aclk);
        aresetn = 1'b1;
        while (!done) @(negedge aclk);
        if (stall != 0) begin
            aresetn = 1'b0;
            share = 32 * stall;
            @(negedge aclk);
            aresetn = 1'b1;
            while (!done) @(negedge aclk);
        end
        $display("PASS %0d transfers", {outputs});
        $finish;
    end
"""
