
// Sends the beats of a file. While it offers nothing, its payload is all ones.
module NAME_tb_source #(
    parameter integer BYTES = 1,
    parameter integer LAST = 0,     // 1 if words have a digit for tlast
    parameter integer WAITS = 0,    // counts in a word
    parameter integer BEATS = 0,
    parameter FILE = ""
) (
    input clk,
    input rst,
    input stalls,                   // it does not begin to offer a beat
    output [(WAITS != 0 ? 32 * WAITS : 1) - 1:0] after,
    input allowed,                  // whether the counts in `after` are reached
    output reg [8 * BYTES - 1:0] tdata,
    output reg tlast,
    output reg tvalid,
    input tready,
    output [31:0] count             // transfers, one in this cycle included
);
    localparam integer WIDTH = 32 * WAITS + 4 * LAST + 8 * BYTES;

    reg [WIDTH - 1:0] words [0:(BEATS != 0 ? BEATS : 1) - 1];
    string folder, path;
    initial begin
        #1;
        if (!$value$plusargs("dir=%s", folder)) folder = ".";
        path = $sformatf("%s/%s", folder, FILE);
        if (BEATS != 0) $readmemh(path, words);
    end

    reg [31:0] offered;             // beats, the one on offer included
    wire [WIDTH - 1:0] next = words[offered < BEATS ? offered : 0];
    assign count = offered - (tvalid && !tready ? 1 : 0);
    assign after = WAITS != 0 ? next[WIDTH - 1 -: (WAITS != 0 ? 32 * WAITS : 1)] : '0;

    always @(posedge clk)
        if (rst) begin
            offered <= 0;
            tvalid <= 1'b0;
            tdata <= {8 * BYTES{1'b1}};
            tlast <= 1'b1;
        end else if (!tvalid || tready) begin
            if (offered < BEATS && allowed && !stalls) begin
                offered <= offered + 1;
                tvalid <= 1'b1;
                tdata <= next[8 * BYTES - 1:0];
                tlast <= LAST != 0 ? next[LAST != 0 ? 8 * BYTES : 0] : 1'b0;
            end else begin
                tvalid <= 1'b0;
                tdata <= {8 * BYTES{1'b1}};
                tlast <= 1'b1;
            end
        end
endmodule


// Compares outputs with those of a file, and checks that they hold until taken.
module NAME_tb_sink #(
    parameter integer BYTES = 1,
    parameter integer LAST = 0,
    parameter integer BEATS = 1,
    parameter FILE = "",
    parameter WHAT = "transfer",    // of this port
    parameter integer LIMIT = 1,    // cycles for all transfers to come
    parameter integer WATCH = 16    // cycles after the last for one too many to show
) (
    input clk,
    input rst,
    input stalls,                   // it is not ready
    input whole,                    // all transfers are to come
    input [31:0] due,               // in how many cycles, neither more nor less; 0 if not known
    input others,                   // all transfers of other ports have come
    output reg done,                // they have
    input [8 * BYTES - 1:0] tdata,
    input tlast,
    input tvalid,
    output reg tready,
    output [31:0] count,            // transfers, one in this cycle included
    input error                     // must stay 0
);
    localparam integer WIDTH = 4 * LAST + 8 * BYTES;

    reg [WIDTH - 1:0] words [0:BEATS - 1];
    string folder, path;
    initial begin
        #1;
        if (!$value$plusargs("dir=%s", folder)) folder = ".";
        path = $sformatf("%s/%s", folder, FILE);
        $readmemh(path, words);
    end

    reg [31:0] taken;
    wire [WIDTH - 1:0] word = words[taken < BEATS ? taken : 0];
    wire [8 * BYTES - 1:0] expected = word[8 * BYTES - 1:0];
    wire expected_last = LAST != 0 ? word[LAST != 0 ? 8 * BYTES : 0] : 1'b0;
    assign count = taken + (tvalid && tready ? 1 : 0);

    reg held;                       // the last cycle offered what it offers below, untaken
    reg [8 * BYTES - 1:0] held_data;
    reg held_last;
    reg [31:0] cycle;
    reg [31:0] watched;
    reg failed;
    initial failed = 1'b0;

    always @(posedge clk)
        if (rst) begin
            tready <= 1'b0;
            taken <= 0;
            held <= 1'b0;
            cycle <= 0;
            watched <= 0;
            done <= 1'b0;
        end else if (!failed) begin
            tready <= !stalls;
            taken <= count;
            held <= tvalid && !tready;
            held_data <= tdata;
            held_last <= tlast;
            cycle <= cycle + 1;
            watched <= taken == BEATS ? watched + 1 : 0;
            done <= whole && watched >= WATCH;

            // One line ends the run, whichever comes first.
            failed <= 1'b1;
            if (held && !(tvalid === 1'b1 && tdata === held_data && tlast === held_last)) begin
                $display("FAIL %0s %0d did not hold until it was taken", WHAT, taken);
                $fatal(1);
            end else if (tvalid && taken == BEATS) begin
                $display("FAIL more than %0d transfers", BEATS);
                $fatal(1);
            end else if (tvalid && tready && (tdata !== expected || tlast !== expected_last)) begin
                $display("FAIL %0s %0d: got tdata %h tlast %b, expected tdata %h tlast %b",
                         WHAT, taken, tdata, tlast, expected, expected_last);
                $fatal(1);
            end else if (error !== 1'b0) begin
                $display("FAIL error is set");
                $fatal(1);
            end else if (whole && due != 0 && taken != BEATS && count == BEATS && others
                         && cycle != due) begin
                $display("FAIL %0d transfers in %0d cycles, not %0d", BEATS, cycle, due);
                $fatal(1);
            end else if (whole && taken != BEATS && cycle >= LIMIT) begin
                $display("FAIL %0d of %0d transfers after %0d cycles", taken, BEATS, cycle);
                $fatal(1);
            end else begin
                failed <= 1'b0;
            end
        end
endmodule
