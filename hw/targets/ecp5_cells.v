// Functional models of the ECP5's cells that exactmac instantiates, for simulation only: no timing.
// A synthesis tool has cells of its own by these names.

// Two bits of a carry chain. With f = INIT[{D, C, B, A}] the sum is f ^ carry; the next carry is
// the carry where f is 1, else INIT[{B, A}]. INJECT1 "YES" keeps the carry from the sum, and
// INIT[{B, A}] from the next carry.
module CCU2C (
    input CIN, input A0, input B0, input C0, input D0, input A1, input B1, input C1, input D1,
    output S0, output S1, output COUT
);
    parameter [15:0] INIT0 = 16'h0000;
    parameter [15:0] INIT1 = 16'h0000;
    parameter [23:0] INJECT1_0 = "YES";
    parameter [23:0] INJECT1_1 = "YES";

    wire f0 = INIT0[{D0, C0, B0, A0}];
    wire f1 = INIT1[{D1, C1, B1, A1}];
    wire open0 = INJECT1_0 != "YES";
    wire open1 = INJECT1_1 != "YES";
    wire carry = f0 ? CIN : open0 & INIT0[{2'b00, B0, A0}];
    assign S0 = f0 ^ (open0 & CIN);
    assign S1 = f1 ^ (open1 & carry);
    assign COUT = f1 ? carry : open1 & INIT1[{2'b00, B1, A1}];
endmodule

// Product of two operands of 18 bits, each signed where its SIGNED pin is set. A register whose clock
// is "NONE" is left out; the others have clock CLK0, enable CE0 and the synchronous reset RST0. A
// sign is registered with its operand. Nothing else of the cell is here.
module MULT18X18D (
    input CLK0, input CE0, input RST0, input SIGNEDA, input SIGNEDB, input SOURCEA, input SOURCEB,
    input
        A17, A16, A15, A14, A13, A12, A11, A10, A9, A8, A7, A6, A5, A4, A3, A2, A1, A0, B17, B16,
        B15, B14, B13, B12, B11, B10, B9, B8, B7, B6, B5, B4, B3, B2, B1, B0, C17, C16, C15, C14,
        C13, C12, C11, C10, C9, C8, C7, C6, C5, C4, C3, C2, C1, C0,
    output
        P35, P34, P33, P32, P31, P30, P29, P28, P27, P26, P25, P24, P23, P22, P21, P20, P19, P18,
        P17, P16, P15, P14, P13, P12, P11, P10, P9, P8, P7, P6, P5, P4, P3, P2, P1, P0, SIGNEDP
);
    parameter [31:0] REG_INPUTA_CLK = "NONE";
    parameter [31:0] REG_INPUTB_CLK = "NONE";
    parameter [31:0] REG_PIPELINE_CLK = "NONE";
    parameter [31:0] REG_OUTPUT_CLK = "NONE";

    // With one bit more, an operand is signed in either case.
    wire signed [18:0] operand_a = {SIGNEDA & A17,
        A17, A16, A15, A14, A13, A12, A11, A10, A9, A8, A7, A6, A5, A4, A3, A2, A1, A0};
    wire signed [18:0] operand_b = {SIGNEDB & B17,
        B17, B16, B15, B14, B13, B12, B11, B10, B9, B8, B7, B6, B5, B4, B3, B2, B1, B0};
    reg signed [18:0] register_a, register_b;
    reg signed [37:0] pipeline, register_p;
    wire signed [18:0] a = REG_INPUTA_CLK == "NONE" ? operand_a : register_a;
    wire signed [18:0] b = REG_INPUTB_CLK == "NONE" ? operand_b : register_b;
    wire signed [37:0] product = a * b;
    wire signed [37:0] staged = REG_PIPELINE_CLK == "NONE" ? product : pipeline;
    wire signed [37:0] p = REG_OUTPUT_CLK == "NONE" ? staged : register_p;
    always @(posedge CLK0)
        if (RST0) begin
            register_a <= 0;
            register_b <= 0;
            pipeline <= 0;
            register_p <= 0;
        end else if (CE0) begin
            register_a <= operand_a;
            register_b <= operand_b;
            pipeline <= product;
            register_p <= staged;
        end
    assign {
        P35, P34, P33, P32, P31, P30, P29, P28, P27, P26, P25, P24, P23, P22, P21, P20, P19, P18,
        P17, P16, P15, P14, P13, P12, P11, P10, P9, P8, P7, P6, P5, P4, P3, P2, P1, P0} = p[35:0];
    assign SIGNEDP = SIGNEDA | SIGNEDB;
endmodule

// Any function of four bits: INIT[{D, C, B, A}].
module LUT4 (input A, input B, input C, input D, output Z);
    parameter [15:0] INIT = 16'h0000;

    assign Z = INIT[{D, C, B, A}];
endmodule

// Multiplexer of two LUTs.
module PFUMX (input ALUT, input BLUT, input C0, output Z);
    assign Z = C0 ? ALUT : BLUT;
endmodule

// Register without enable and reset, 0 at first. The global reset is not here.
module FD1S3AX (input D, input CK, output reg Q);
    /* verilator lint_off UNUSEDPARAM */
    parameter [63:0] GSR = "ENABLED";
    /* verilator lint_on UNUSEDPARAM */

    initial Q = 1'b0;
    always @(posedge CK) Q <= D;
endmodule

// Memory of 512 words of 36 bits: port A writes, and its lowest address pins enable bytes; port B
// reads, a cycle later and through the output register. A word has the pins of both ports, those of
// A first. Enables other than those of the bytes, and clocks, are as they are instantiated; other
// parameters are refused.
module DP16KD (
    input
        CLKA, CEA, OCEA, WEA, RSTA, CSA2, CSA1, CSA0, ADA13, ADA12, ADA11, ADA10, ADA9, ADA8,
        ADA7, ADA6, ADA5, ADA4, ADA3, ADA2, ADA1, ADA0, DIA17, DIA16, DIA15, DIA14, DIA13, DIA12,
        DIA11, DIA10, DIA9, DIA8, DIA7, DIA6, DIA5, DIA4, DIA3, DIA2, DIA1, DIA0, CLKB, CEB, OCEB,
        WEB, RSTB, CSB2, CSB1, CSB0, ADB13, ADB12, ADB11, ADB10, ADB9, ADB8, ADB7, ADB6, ADB5,
        ADB4, ADB3, ADB2, ADB1, ADB0, DIB17, DIB16, DIB15, DIB14, DIB13, DIB12, DIB11, DIB10,
        DIB9, DIB8, DIB7, DIB6, DIB5, DIB4, DIB3, DIB2, DIB1, DIB0,
    output
        DOA17, DOA16, DOA15, DOA14, DOA13, DOA12, DOA11, DOA10, DOA9, DOA8, DOA7, DOA6, DOA5,
        DOA4, DOA3, DOA2, DOA1, DOA0, DOB17, DOB16, DOB15, DOB14, DOB13, DOB12, DOB11, DOB10,
        DOB9, DOB8, DOB7, DOB6, DOB5, DOB4, DOB3, DOB2, DOB1, DOB0
);
    parameter integer DATA_WIDTH_A = 18;
    parameter integer DATA_WIDTH_B = 18;
    parameter [47:0] REGMODE_A = "NOREG";
    parameter [47:0] REGMODE_B = "NOREG";
    parameter [39:0] RESETMODE = "SYNC";
    parameter [39:0] CSDECODE_A = "0b000";
    parameter [39:0] CSDECODE_B = "0b000";
    parameter [63:0] GSR = "ENABLED";

    reg [35:0] memory [0:511];
    reg [35:0] read, register;
    wire [8:0] address_a = {ADA13, ADA12, ADA11, ADA10, ADA9, ADA8, ADA7, ADA6, ADA5};
    wire [8:0] address_b = {ADB13, ADB12, ADB11, ADB10, ADB9, ADB8, ADB7, ADB6, ADB5};
    wire [35:0] word = {
        DIB17, DIB16, DIB15, DIB14, DIB13, DIB12, DIB11, DIB10, DIB9, DIB8, DIB7, DIB6, DIB5,
        DIB4, DIB3, DIB2, DIB1, DIB0, DIA17, DIA16, DIA15, DIA14, DIA13, DIA12, DIA11, DIA10,
        DIA9, DIA8, DIA7, DIA6, DIA5, DIA4, DIA3, DIA2, DIA1, DIA0};
    always @(posedge CLKA) begin
        if (WEA & ADA0) memory[address_a][8:0] <= word[8:0];
        if (WEA & ADA1) memory[address_a][17:9] <= word[17:9];
        if (WEA & ADA2) memory[address_a][26:18] <= word[26:18];
        if (WEA & ADA3) memory[address_a][35:27] <= word[35:27];
    end
    // Not at the beginning: a simulator may take a module that nothing instantiates for a top.
    always @(posedge CLKB) begin
`ifndef YOSYS
        if (DATA_WIDTH_A != 36 || DATA_WIDTH_B != 36 || REGMODE_A != "OUTREG"
            || REGMODE_B != "OUTREG" || RESETMODE != "SYNC" || CSDECODE_A != "0b000"
            || CSDECODE_B != "0b000" || GSR != "DISABLED")
            $fatal(1, "DP16KD: parameters must be those of exactmac's memories");
`endif
        read <= memory[address_b];
        register <= read;
    end
    assign {
        DOB17, DOB16, DOB15, DOB14, DOB13, DOB12, DOB11, DOB10, DOB9, DOB8, DOB7, DOB6, DOB5,
        DOB4, DOB3, DOB2, DOB1, DOB0, DOA17, DOA16, DOA15, DOA14, DOA13, DOA12, DOA11, DOA10,
        DOA9, DOA8, DOA7, DOA6, DOA5, DOA4, DOA3, DOA2, DOA1, DOA0} = register;
endmodule
