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
