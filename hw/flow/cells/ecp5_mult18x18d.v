// Functional model of the ECP5 18x18 multiplier, after the cell's documented function: a product of
// two operands, each signed or not, and registers of clock 0 where they are asked for. Anything
// else is refused. A sign is registered with its operand.
`define REFUSE_UNLESS(condition, message) \
    if (!(condition)) begin $fatal(1, message); initial $fatal(1, message); end

module MULT18X18D #(
    parameter REG_INPUTA_CLK = "NONE", REG_INPUTA_CE = "CE0", REG_INPUTA_RST = "RST0",
    parameter REG_INPUTB_CLK = "NONE", REG_INPUTB_CE = "CE0", REG_INPUTB_RST = "RST0",
    parameter REG_INPUTC_CLK = "NONE",
    parameter REG_PIPELINE_CLK = "NONE", REG_PIPELINE_CE = "CE0", REG_PIPELINE_RST = "RST0",
    parameter REG_OUTPUT_CLK = "NONE", REG_OUTPUT_CE = "CE0", REG_OUTPUT_RST = "RST0",
    parameter CLK0_DIV = "ENABLED", GSR = "ENABLED",
    parameter SOURCEB_MODE = "B_SHIFT", MULT_BYPASS = "DISABLED", RESETMODE = "SYNC"
) (
    input
        A17, A16, A15, A14, A13, A12, A11, A10, A9, A8, A7, A6, A5, A4, A3, A2, A1, A0,
        B17, B16, B15, B14, B13, B12, B11, B10, B9, B8, B7, B6, B5, B4, B3, B2, B1, B0,
        C17, C16, C15, C14, C13, C12, C11, C10, C9, C8, C7, C6, C5, C4, C3, C2, C1, C0,
        SIGNEDA, SIGNEDB, SOURCEA, SOURCEB, CLK0, CE0, RST0,
    output
        P35, P34, P33, P32, P31, P30, P29, P28, P27, P26, P25, P24, P23, P22, P21, P20, P19,
        P18, P17, P16, P15, P14, P13, P12, P11, P10, P9, P8, P7, P6, P5, P4, P3, P2, P1, P0,
        SIGNEDP
);
    `define KNOWN(stage) ((REG_``stage``_CLK == "NONE" || REG_``stage``_CLK == "CLK0") \
        && REG_``stage``_CE == "CE0" && REG_``stage``_RST == "RST0")
    `REFUSE_UNLESS(`KNOWN(INPUTA) && `KNOWN(INPUTB) && `KNOWN(PIPELINE) && `KNOWN(OUTPUT)
                   && REG_INPUTC_CLK == "NONE",
                   "MULT18X18D: registers must be those of CLK0, CE0 and RST0, or none")
    `REFUSE_UNLESS(MULT_BYPASS == "DISABLED", "MULT18X18D: MULT_BYPASS must be DISABLED")
    `REFUSE_UNLESS(SOURCEB_MODE == "B_SHIFT", "MULT18X18D: SOURCEB_MODE must be B_SHIFT")
    `REFUSE_UNLESS(RESETMODE == "SYNC", "MULT18X18D: RESETMODE must be SYNC")
    `undef KNOWN
    always @(posedge SOURCEA or posedge SOURCEB)
        $fatal(1, "MULT18X18D: operands must not come from the shift chains");

    wire [17:0] operand_a = {
        A17, A16, A15, A14, A13, A12, A11, A10, A9, A8, A7, A6, A5, A4, A3, A2, A1, A0};
    wire [17:0] operand_b = {
        B17, B16, B15, B14, B13, B12, B11, B10, B9, B8, B7, B6, B5, B4, B3, B2, B1, B0};
    // One bit more holds either kind of operand; the product of two such has 38 bits, of which
    // the upper two are copies of the sign.
    wire signed [18:0] a_now = {SIGNEDA & operand_a[17], operand_a};
    wire signed [18:0] b_now = {SIGNEDB & operand_b[17], operand_b};
    reg signed [18:0] a_then = 0, b_then = 0;
    wire signed [18:0] a = REG_INPUTA_CLK == "NONE" ? a_now : a_then;
    wire signed [18:0] b = REG_INPUTB_CLK == "NONE" ? b_now : b_then;
    wire signed [37:0] product = a * b;
    reg signed [37:0] pipeline = 0, result = 0;
    wire signed [37:0] staged = REG_PIPELINE_CLK == "NONE" ? product : pipeline;
    wire signed [37:0] p = REG_OUTPUT_CLK == "NONE" ? staged : result;

    always @(posedge CLK0)
        if (RST0) begin
            a_then <= 0;
            b_then <= 0;
            pipeline <= 0;
            result <= 0;
        end else if (CE0) begin
            a_then <= a_now;
            b_then <= b_now;
            pipeline <= product;
            result <= staged;
        end

    assign {
        P35, P34, P33, P32, P31, P30, P29, P28, P27, P26, P25, P24, P23, P22, P21, P20, P19,
        P18, P17, P16, P15, P14, P13, P12, P11, P10, P9, P8, P7, P6, P5, P4, P3, P2, P1, P0}
        = p[35:0];
    assign SIGNEDP = SIGNEDA | SIGNEDB;
endmodule
`undef REFUSE_UNLESS
