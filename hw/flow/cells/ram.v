// Two-port block RAM of one clock, the common part of the vendors' cells.
//
// Widths are those of the data sheets: 0 for a port that does not do it, 1, 2, 4, and 9 bits and
// up, which include a parity bit per byte. 2**ADDRESS bits without parity lie in rows of BYTES
// bytes of nine bits; an address counts single bits, and its low bits below the width are ignored.
//
// What silicon leaves undefined is returned inverted, so that a netlist that relies on it differs
// from its source: a bit read while the other port writes it, unless that port's mode is
// READ_FIRST, which returns the old one.
module exactmac_ram #(
    parameter ADDRESS = 14, BYTES = 4,
    parameter GATED_RESET = 0, // whether a reset of the output needs the enable
    parameter READ_A = 0, WRITE_A = 0, READ_B = 0, WRITE_B = 0,
    parameter MODE_A = "READ_FIRST", MODE_B = "READ_FIRST",
    parameter [9*BYTES-1:0] INITIAL_A = 0, INITIAL_B = 0, RESET_A = 0, RESET_B = 0
) (
    input clock_a, enable_a, reset_a,
    input [ADDRESS-1:0] address_a,
    input [BYTES-1:0] write_a,
    input [9*BYTES-1:0] data_a,
    output reg [9*BYTES-1:0] read_a,
    input clock_b, enable_b, reset_b,
    input [ADDRESS-1:0] address_b,
    input [BYTES-1:0] write_b,
    input [9*BYTES-1:0] data_b,
    output reg [9*BYTES-1:0] read_b
);
    localparam WIDTH = 9 * BYTES;
    localparam LOW = $clog2(8 * BYTES);

    /* verilator lint_off MULTIDRIVEN */
    reg [WIDTH-1:0] memory [0:2**(ADDRESS-LOW)-1];
    /* verilator lint_on MULTIDRIVEN */

    function known(input integer width);
        known = width == 0 || width == 1 || width == 2 || width == 4
             || (width % 9 == 0 && $countones(width / 9) == 1 && width <= WIDTH);
    endfunction
    if (!(known(READ_A) && known(WRITE_A) && known(READ_B) && known(WRITE_B))) begin
        $fatal(1, "block RAM: widths must be 0, 1, 2, 4 or 9 times a power of two");
        initial $fatal(1, "block RAM: widths must be 0, 1, 2, 4 or 9 times a power of two");
    end

    // First bit in its row of what an address selects.
    function integer first(input integer width, input [LOW-1:0] address);
        if (width == 0)
            first = 0;
        else if (width < 9)
            first = 9 * (address / 8) + address % 8 / width * width;
        else
            first = address / 8 / (width / 9) * width;
    endfunction

    // Bits of a row that a write changes. Below nine bits the first enable is the only one.
    function [WIDTH-1:0] changed(input integer width, input [LOW-1:0] address,
                                 input [BYTES-1:0] enables);
        integer k;
        begin
            for (k = 0; k < WIDTH; k = k + 1)
                changed[k] = k < width && enables[k / 9];
            changed = changed << first(width, address);
        end
    endfunction

    function [WIDTH-1:0] selected(input integer width, input [LOW-1:0] address,
                                  input [WIDTH-1:0] row);
        selected = (row >> first(width, address)) & ~({WIDTH{1'b1}} << width);
    endfunction

    wire [ADDRESS-LOW-1:0] row_a = address_a[ADDRESS-1:LOW], row_b = address_b[ADDRESS-1:LOW];
    wire [WIDTH-1:0] mask_a = enable_a ? changed(WRITE_A, address_a[LOW-1:0], write_a) : 0;
    wire [WIDTH-1:0] mask_b = enable_b ? changed(WRITE_B, address_b[LOW-1:0], write_b) : 0;
    wire [WIDTH-1:0] old_a = memory[row_a], old_b = memory[row_b];
    wire [WIDTH-1:0] new_a =
        old_a & ~mask_a | (data_a << first(WRITE_A, address_a[LOW-1:0])) & mask_a;
    wire [WIDTH-1:0] new_b =
        old_b & ~mask_b | (data_b << first(WRITE_B, address_b[LOW-1:0])) & mask_b;
    wire [WIDTH-1:0] undefined_a = row_a == row_b && MODE_B != "READ_FIRST" ? mask_b : 0;
    wire [WIDTH-1:0] undefined_b = row_a == row_b && MODE_A != "READ_FIRST" ? mask_a : 0;

    initial read_a = INITIAL_A;
    initial read_b = INITIAL_B;

    always @(posedge clock_a) begin
        if (mask_a != 0)
            memory[row_a] <= new_a;
        if (mask_a != 0 && mask_b != 0)
            $fatal(1, "block RAM: both ports wrote at once, which is not modelled");
        if (reset_a && (enable_a || !GATED_RESET))
            read_a <= RESET_A;
        else if (enable_a && (MODE_A != "NO_CHANGE" || mask_a == 0))
            read_a <= selected(READ_A, address_a[LOW-1:0],
                               (MODE_A == "WRITE_FIRST" ? new_a : old_a) ^ undefined_a);
    end
    always @(posedge clock_b) begin
        if (mask_b != 0)
            memory[row_b] <= new_b;
        if (reset_b && (enable_b || !GATED_RESET))
            read_b <= RESET_B;
        else if (enable_b && (MODE_B != "NO_CHANGE" || mask_b == 0))
            read_b <= selected(READ_B, address_b[LOW-1:0],
                               (MODE_B == "WRITE_FIRST" ? new_b : old_b) ^ undefined_b);
    end
endmodule
