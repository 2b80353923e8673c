// Functional model of the ECP5 block RAM, after the cell's documented function (Lattice TN1264) and
// the pins that Yosys gives each bit: what synthesis emits for memories of one clock. Anything else
// is refused. A 36-bit port joins both sides' data pins: A writes, B reads.
`define REFUSE_UNLESS(condition, message) \
    if (!(condition)) begin $fatal(1, message); initial $fatal(1, message); end

/* verilator lint_off MODDUP */
module DP16KD #(
    parameter integer DATA_WIDTH_A = 18, DATA_WIDTH_B = 18,
    parameter REGMODE_A = "NOREG", REGMODE_B = "NOREG",
    parameter RESETMODE = "SYNC", ASYNC_RESET_RELEASE = "SYNC",
    parameter CSDECODE_A = "0b000", CSDECODE_B = "0b000",
    parameter WRITEMODE_A = "NORMAL", WRITEMODE_B = "NORMAL",
    parameter CLKAMUX = "CLKA", CLKBMUX = "CLKB",
    parameter GSR = "ENABLED",
    parameter [319:0]
        INITVAL_00 = 0, INITVAL_01 = 0, INITVAL_02 = 0, INITVAL_03 = 0, INITVAL_04 = 0,
        INITVAL_05 = 0, INITVAL_06 = 0, INITVAL_07 = 0, INITVAL_08 = 0, INITVAL_09 = 0,
        INITVAL_0A = 0, INITVAL_0B = 0, INITVAL_0C = 0, INITVAL_0D = 0, INITVAL_0E = 0,
        INITVAL_0F = 0, INITVAL_10 = 0, INITVAL_11 = 0, INITVAL_12 = 0, INITVAL_13 = 0,
        INITVAL_14 = 0, INITVAL_15 = 0, INITVAL_16 = 0, INITVAL_17 = 0, INITVAL_18 = 0,
        INITVAL_19 = 0, INITVAL_1A = 0, INITVAL_1B = 0, INITVAL_1C = 0, INITVAL_1D = 0,
        INITVAL_1E = 0, INITVAL_1F = 0, INITVAL_20 = 0, INITVAL_21 = 0, INITVAL_22 = 0,
        INITVAL_23 = 0, INITVAL_24 = 0, INITVAL_25 = 0, INITVAL_26 = 0, INITVAL_27 = 0,
        INITVAL_28 = 0, INITVAL_29 = 0, INITVAL_2A = 0, INITVAL_2B = 0, INITVAL_2C = 0,
        INITVAL_2D = 0, INITVAL_2E = 0, INITVAL_2F = 0, INITVAL_30 = 0, INITVAL_31 = 0,
        INITVAL_32 = 0, INITVAL_33 = 0, INITVAL_34 = 0, INITVAL_35 = 0, INITVAL_36 = 0,
        INITVAL_37 = 0, INITVAL_38 = 0, INITVAL_39 = 0, INITVAL_3A = 0, INITVAL_3B = 0,
        INITVAL_3C = 0, INITVAL_3D = 0, INITVAL_3E = 0, INITVAL_3F = 0
) (
    input
        DIA17, DIA16, DIA15, DIA14, DIA13, DIA12, DIA11, DIA10, DIA9, DIA8, DIA7, DIA6, DIA5,
        DIA4, DIA3, DIA2, DIA1, DIA0,
        ADA13, ADA12, ADA11, ADA10, ADA9, ADA8, ADA7, ADA6, ADA5, ADA4, ADA3, ADA2, ADA1, ADA0,
        CEA, OCEA, CLKA, WEA, RSTA, CSA2, CSA1, CSA0,
    output
        DOA17, DOA16, DOA15, DOA14, DOA13, DOA12, DOA11, DOA10, DOA9, DOA8, DOA7, DOA6, DOA5,
        DOA4, DOA3, DOA2, DOA1, DOA0,
    input
        DIB17, DIB16, DIB15, DIB14, DIB13, DIB12, DIB11, DIB10, DIB9, DIB8, DIB7, DIB6, DIB5,
        DIB4, DIB3, DIB2, DIB1, DIB0,
        ADB13, ADB12, ADB11, ADB10, ADB9, ADB8, ADB7, ADB6, ADB5, ADB4, ADB3, ADB2, ADB1, ADB0,
        CEB, OCEB, CLKB, WEB, RSTB, CSB2, CSB1, CSB0,
    output
        DOB17, DOB16, DOB15, DOB14, DOB13, DOB12, DOB11, DOB10, DOB9, DOB8, DOB7, DOB6, DOB5,
        DOB4, DOB3, DOB2, DOB1, DOB0
);
/* verilator lint_on MODDUP */
    `REFUSE_UNLESS(REGMODE_A == REGMODE_B && (REGMODE_A == "NOREG" || REGMODE_A == "OUTREG"),
                   "DP16KD: REGMODE must be NOREG or OUTREG, the same for both ports")
    `REFUSE_UNLESS(CSDECODE_A == "0b000" && CSDECODE_B == "0b000",
                   "DP16KD: CSDECODE must be 0b000")
    `REFUSE_UNLESS(CLKAMUX == "CLKA" && CLKBMUX == "CLKB",
                   "DP16KD: clocks must not be inverted")
    `REFUSE_UNLESS(RESETMODE == "SYNC" || RESETMODE == "ASYNC",
                   "DP16KD: RESETMODE must be SYNC or ASYNC")

    // Yosys says ASYNC where a memory has no reset at all, so only its use is refused.
    always @(posedge RSTA or posedge RSTB)
        if (RESETMODE == "ASYNC")
            $fatal(1, "DP16KD: an asynchronous reset is not modelled");
    always @(posedge CSA0 or posedge CSA1 or posedge CSA2
             or posedge CSB0 or posedge CSB1 or posedge CSB2)
        $fatal(1, "DP16KD: chip selects must stay 0");
    always @(posedge CLKB)
        if (DATA_WIDTH_B == 36 && CEB && WEB)
            $fatal(1, "DP16KD: a 36-bit port B must not write");

    function [8*16-1:0] mode(input [8*16-1:0] writemode);
        mode = writemode == "WRITETHROUGH" ? "WRITE_FIRST"
             : writemode == "READBEFOREWRITE" ? "READ_FIRST" : "NO_CHANGE";
    endfunction

    wire [13:0] address_a = {
        ADA13, ADA12, ADA11, ADA10, ADA9, ADA8, ADA7, ADA6, ADA5, ADA4, ADA3, ADA2, ADA1, ADA0};
    wire [13:0] address_b = {
        ADB13, ADB12, ADB11, ADB10, ADB9, ADB8, ADB7, ADB6, ADB5, ADB4, ADB3, ADB2, ADB1, ADB0};
    wire [17:0] data_a = {
        DIA17, DIA16, DIA15, DIA14, DIA13, DIA12, DIA11, DIA10, DIA9, DIA8, DIA7, DIA6, DIA5,
        DIA4, DIA3, DIA2, DIA1, DIA0};
    wire [17:0] data_b = {
        DIB17, DIB16, DIB15, DIB14, DIB13, DIB12, DIB11, DIB10, DIB9, DIB8, DIB7, DIB6, DIB5,
        DIB4, DIB3, DIB2, DIB1, DIB0};
    wire [35:0] read_a, read_b;

    // Below 18 bits the lowest address pins select data, from there on they enable bytes.
    exactmac_ram #(
        .ADDRESS(14), .BYTES(4), .GATED_RESET(0),
        .READ_A(DATA_WIDTH_A == 36 ? 0 : DATA_WIDTH_A), .WRITE_A(DATA_WIDTH_A),
        .READ_B(DATA_WIDTH_B), .WRITE_B(DATA_WIDTH_B == 36 ? 0 : DATA_WIDTH_B),
        .MODE_A(mode(WRITEMODE_A)), .MODE_B(mode(WRITEMODE_B))
    ) ram (
        .clock_a(CLKA), .enable_a(CEA), .reset_a(RSTA), .address_a(address_a),
        .write_a({4{WEA && !RSTA}} & (DATA_WIDTH_A >= 18 ? address_a[3:0] : 4'b1111)),
        .data_a({data_b, data_a}), .read_a(read_a),
        .clock_b(CLKB), .enable_b(CEB), .reset_b(RSTB), .address_b(address_b),
        .write_b({4{WEB && !RSTB}} & (DATA_WIDTH_B >= 18 ? address_b[3:0] : 4'b1111)),
        .data_b({18'd0, data_b}), .read_b(read_b)
    );

    wire [17:0] out_a = DATA_WIDTH_B == 36 ? read_b[17:0] : read_a[17:0];
    wire [17:0] out_b = DATA_WIDTH_B == 36 ? read_b[35:18] : read_b[17:0];
    reg [17:0] register_a, register_b;
    always @(posedge CLKA)
        if (OCEA) register_a <= out_a;
    always @(posedge CLKB)
        if (OCEB) register_b <= out_b;

    assign {
        DOA17, DOA16, DOA15, DOA14, DOA13, DOA12, DOA11, DOA10, DOA9, DOA8, DOA7, DOA6, DOA5,
        DOA4, DOA3, DOA2, DOA1, DOA0}
        = REGMODE_A == "OUTREG" ? register_a : out_a;
    assign {
        DOB17, DOB16, DOB15, DOB14, DOB13, DOB12, DOB11, DOB10, DOB9, DOB8, DOB7, DOB6, DOB5,
        DOB4, DOB3, DOB2, DOB1, DOB0}
        = REGMODE_B == "OUTREG" ? register_b : out_b;

    // Each INITVAL has 16 words of 18 bits, 20 bits apart; a row of the model is two of them.
    localparam [64*320-1:0] INITIAL = {
        INITVAL_3F, INITVAL_3E, INITVAL_3D, INITVAL_3C, INITVAL_3B, INITVAL_3A, INITVAL_39,
        INITVAL_38, INITVAL_37, INITVAL_36, INITVAL_35, INITVAL_34, INITVAL_33, INITVAL_32,
        INITVAL_31, INITVAL_30, INITVAL_2F, INITVAL_2E, INITVAL_2D, INITVAL_2C, INITVAL_2B,
        INITVAL_2A, INITVAL_29, INITVAL_28, INITVAL_27, INITVAL_26, INITVAL_25, INITVAL_24,
        INITVAL_23, INITVAL_22, INITVAL_21, INITVAL_20, INITVAL_1F, INITVAL_1E, INITVAL_1D,
        INITVAL_1C, INITVAL_1B, INITVAL_1A, INITVAL_19, INITVAL_18, INITVAL_17, INITVAL_16,
        INITVAL_15, INITVAL_14, INITVAL_13, INITVAL_12, INITVAL_11, INITVAL_10, INITVAL_0F,
        INITVAL_0E, INITVAL_0D, INITVAL_0C, INITVAL_0B, INITVAL_0A, INITVAL_09, INITVAL_08,
        INITVAL_07, INITVAL_06, INITVAL_05, INITVAL_04, INITVAL_03, INITVAL_02, INITVAL_01,
        INITVAL_00};
    integer row;
    initial
        for (row = 0; row < 512; row = row + 1)
            ram.memory[row] = {INITIAL[40*row+20+:18], INITIAL[40*row+:18]};
endmodule
`undef REFUSE_UNLESS
