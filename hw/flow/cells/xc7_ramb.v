// Functional models of the 7-series block RAMs, after their documented function (AMD UG473) and the
// pins that Yosys gives each bit: what synthesis emits for memories of one clock. Anything else is
// refused, by the lack of a parameter or pin if not by name. In SDP mode A reads and B writes, and
// the widest data joins both sides' pins.
`define REFUSE_UNLESS(condition, message) \
    if (!(condition)) begin $fatal(1, message); initial $fatal(1, message); end

// What must hold of either cell, whose widest data has so many bits.
`define REFUSE_OTHERS(cell, widest) \
    `REFUSE_UNLESS(DOA_REG == 0 && DOB_REG == 0, `"cell: output registers must be off`") \
    `REFUSE_UNLESS(IS_CLKARDCLK_INVERTED == 0 && IS_CLKBWRCLK_INVERTED == 0, \
                   `"cell: clocks must not be inverted`") \
    `REFUSE_UNLESS(RAM_MODE == "TDP" || RAM_MODE == "SDP", \
                   `"cell: RAM_MODE must be TDP or SDP`") \
    `REFUSE_UNLESS(RAM_MODE == "SDP" ? WRITE_WIDTH_A == 0 && READ_WIDTH_B == 0 \
                   : READ_WIDTH_A < widest && WRITE_WIDTH_B < widest, \
                   `"cell: widths must be those of the RAM_MODE`")

// Either cell, with LANES bytes to each side's data pins.
module exactmac_ramb #(
    parameter LANES = 2,
    parameter integer READ_WIDTH_A = 0, READ_WIDTH_B = 0, WRITE_WIDTH_A = 0, WRITE_WIDTH_B = 0,
    parameter WRITE_MODE_A = "WRITE_FIRST", WRITE_MODE_B = "WRITE_FIRST",
    parameter [9*LANES-1:0] INIT_A = 0, INIT_B = 0, SRVAL_A = 0, SRVAL_B = 0,
    parameter [8192*LANES-1:0] INITIAL = 0,
    parameter [1024*LANES-1:0] PARITY = 0
) (
    input CLKARDCLK, CLKBWRCLK, ENARDEN, ENBWREN, RSTRAMARSTRAM, RSTRAMB,
    input [12+$clog2(LANES):0] ADDRARDADDR, ADDRBWRADDR,
    input [8*LANES-1:0] DIADI, DIBDI,
    input [LANES-1:0] DIPADIP, DIPBDIP,
    input [LANES-1:0] WEA,
    input [2*LANES-1:0] WEBWE,
    output [8*LANES-1:0] DOADO, DOBDO,
    output [LANES-1:0] DOPADOP, DOPBDOP
);
    localparam HALF = 9 * LANES;
    localparam WIDE_READ = READ_WIDTH_A == 2 * HALF, WIDE_WRITE = WRITE_WIDTH_B == 2 * HALF;
    wire [2*HALF-1:0] read_a, read_b;
    wire [2*HALF-1:0] data_a, data_b;

    // The model keeps a parity bit on top of its byte, the pins keep parity apart.
    genvar k;
    generate
        for (k = 0; k < LANES; k = k + 1) begin : lane
            assign data_a[9*k+:9] = {DIPADIP[k], DIADI[8*k+:8]};
            assign data_a[9*(k+LANES)+:9] = 0;
            // The widest write takes its lower half from the pins of side A.
            assign data_b[9*k+:9] = WIDE_WRITE ? {DIPADIP[k], DIADI[8*k+:8]}
                                               : {DIPBDIP[k], DIBDI[8*k+:8]};
            assign data_b[9*(k+LANES)+:9] = {DIPBDIP[k], DIBDI[8*k+:8]};
            assign {DOPADOP[k], DOADO[8*k+:8]} = read_a[9*k+:9];
            assign {DOPBDOP[k], DOBDO[8*k+:8]} = WIDE_READ ? read_a[9*(k+LANES)+:9]
                                                          : read_b[9*k+:9];
        end
    endgenerate

    function [HALF-1:0] interleave(input [HALF-1:0] value);
        integer i;
        for (i = 0; i < LANES; i = i + 1)
            interleave[9*i+:9] = {value[8*LANES+i], value[8*i+:8]};
    endfunction

    exactmac_ram #(
        .ADDRESS(13 + $clog2(LANES)), .BYTES(2 * LANES), .GATED_RESET(1),
        .READ_A(READ_WIDTH_A), .WRITE_A(WRITE_WIDTH_A),
        .READ_B(READ_WIDTH_B), .WRITE_B(WRITE_WIDTH_B),
        .MODE_A(WRITE_MODE_A), .MODE_B(WRITE_MODE_B),
        .INITIAL_A({WIDE_READ ? interleave(INIT_B) : {HALF{1'b0}}, interleave(INIT_A)}),
        .INITIAL_B({{HALF{1'b0}}, interleave(INIT_B)}),
        .RESET_A({WIDE_READ ? interleave(SRVAL_B) : {HALF{1'b0}}, interleave(SRVAL_A)}),
        .RESET_B({{HALF{1'b0}}, interleave(SRVAL_B)})
    ) ram (
        .clock_a(CLKARDCLK), .enable_a(ENARDEN), .reset_a(RSTRAMARSTRAM),
        .address_a(ADDRARDADDR), .write_a({{LANES{1'b0}}, WEA}),
        .data_a(data_a), .read_a(read_a),
        .clock_b(CLKBWRCLK), .enable_b(ENBWREN), .reset_b(RSTRAMB),
        .address_b(ADDRBWRADDR), .write_b(WEBWE),
        .data_b(data_b), .read_b(read_b)
    );

    integer row, byte_;
    initial
        for (row = 0; row < 512; row = row + 1)
            for (byte_ = 0; byte_ < 2 * LANES; byte_ = byte_ + 1)
                ram.memory[row][9*byte_+:9] = {
                    PARITY[2*LANES*row+byte_], INITIAL[8*(2*LANES*row+byte_)+:8]};
endmodule

/* verilator lint_off MODDUP */
module RAMB18E1 #(
    parameter integer DOA_REG = 0, DOB_REG = 0,
    parameter integer READ_WIDTH_A = 0, READ_WIDTH_B = 0, WRITE_WIDTH_A = 0, WRITE_WIDTH_B = 0,
    parameter RAM_MODE = "TDP", WRITE_MODE_A = "WRITE_FIRST", WRITE_MODE_B = "WRITE_FIRST",
    parameter [17:0] INIT_A = 0, INIT_B = 0, SRVAL_A = 0, SRVAL_B = 0,
    parameter IS_CLKARDCLK_INVERTED = 0, IS_CLKBWRCLK_INVERTED = 0,
    parameter [255:0]
        INITP_00 = 0, INITP_01 = 0, INITP_02 = 0, INITP_03 = 0, INITP_04 = 0, INITP_05 = 0,
        INITP_06 = 0, INITP_07 = 0,
    parameter [255:0]
        INIT_00 = 0, INIT_01 = 0, INIT_02 = 0, INIT_03 = 0, INIT_04 = 0, INIT_05 = 0, INIT_06 =
        0, INIT_07 = 0, INIT_08 = 0, INIT_09 = 0, INIT_0A = 0, INIT_0B = 0, INIT_0C = 0, INIT_0D
        = 0, INIT_0E = 0, INIT_0F = 0, INIT_10 = 0, INIT_11 = 0, INIT_12 = 0, INIT_13 = 0,
        INIT_14 = 0, INIT_15 = 0, INIT_16 = 0, INIT_17 = 0, INIT_18 = 0, INIT_19 = 0, INIT_1A =
        0, INIT_1B = 0, INIT_1C = 0, INIT_1D = 0, INIT_1E = 0, INIT_1F = 0, INIT_20 = 0, INIT_21
        = 0, INIT_22 = 0, INIT_23 = 0, INIT_24 = 0, INIT_25 = 0, INIT_26 = 0, INIT_27 = 0,
        INIT_28 = 0, INIT_29 = 0, INIT_2A = 0, INIT_2B = 0, INIT_2C = 0, INIT_2D = 0, INIT_2E =
        0, INIT_2F = 0, INIT_30 = 0, INIT_31 = 0, INIT_32 = 0, INIT_33 = 0, INIT_34 = 0, INIT_35
        = 0, INIT_36 = 0, INIT_37 = 0, INIT_38 = 0, INIT_39 = 0, INIT_3A = 0, INIT_3B = 0,
        INIT_3C = 0, INIT_3D = 0, INIT_3E = 0, INIT_3F = 0
) (
    input CLKARDCLK, CLKBWRCLK, ENARDEN, ENBWREN, REGCEAREGCE, REGCEB,
    input RSTRAMARSTRAM, RSTRAMB, RSTREGARSTREG, RSTREGB,
    input [13:0] ADDRARDADDR, ADDRBWRADDR,
    input [15:0] DIADI, DIBDI,
    input [1:0] DIPADIP, DIPBDIP,
    input [1:0] WEA,
    input [3:0] WEBWE,
    output [15:0] DOADO, DOBDO,
    output [1:0] DOPADOP, DOPBDOP
);
/* verilator lint_on MODDUP */
    `REFUSE_OTHERS(RAMB18E1, 36)

    exactmac_ramb #(
        .LANES(2),
        .READ_WIDTH_A(READ_WIDTH_A), .READ_WIDTH_B(READ_WIDTH_B),
        .WRITE_WIDTH_A(WRITE_WIDTH_A), .WRITE_WIDTH_B(WRITE_WIDTH_B),
        .WRITE_MODE_A(WRITE_MODE_A), .WRITE_MODE_B(WRITE_MODE_B),
        .INIT_A(INIT_A), .INIT_B(INIT_B), .SRVAL_A(SRVAL_A), .SRVAL_B(SRVAL_B),
        .INITIAL({
            INIT_3F, INIT_3E, INIT_3D, INIT_3C, INIT_3B, INIT_3A, INIT_39, INIT_38, INIT_37,
            INIT_36, INIT_35, INIT_34, INIT_33, INIT_32, INIT_31, INIT_30, INIT_2F, INIT_2E,
            INIT_2D, INIT_2C, INIT_2B, INIT_2A, INIT_29, INIT_28, INIT_27, INIT_26, INIT_25,
            INIT_24, INIT_23, INIT_22, INIT_21, INIT_20, INIT_1F, INIT_1E, INIT_1D, INIT_1C,
            INIT_1B, INIT_1A, INIT_19, INIT_18, INIT_17, INIT_16, INIT_15, INIT_14, INIT_13,
            INIT_12, INIT_11, INIT_10, INIT_0F, INIT_0E, INIT_0D, INIT_0C, INIT_0B, INIT_0A,
            INIT_09, INIT_08, INIT_07, INIT_06, INIT_05, INIT_04, INIT_03, INIT_02, INIT_01,
            INIT_00}),
        .PARITY({
            INITP_07, INITP_06, INITP_05, INITP_04, INITP_03, INITP_02, INITP_01, INITP_00})
    ) both (.*);
endmodule

/* verilator lint_off MODDUP */
module RAMB36E1 #(
    parameter integer DOA_REG = 0, DOB_REG = 0,
    parameter integer READ_WIDTH_A = 0, READ_WIDTH_B = 0, WRITE_WIDTH_A = 0, WRITE_WIDTH_B = 0,
    parameter RAM_MODE = "TDP", WRITE_MODE_A = "WRITE_FIRST", WRITE_MODE_B = "WRITE_FIRST",
    parameter RAM_EXTENSION_A = "NONE", RAM_EXTENSION_B = "NONE",
    parameter EN_ECC_READ = "FALSE", EN_ECC_WRITE = "FALSE",
    parameter [35:0] INIT_A = 0, INIT_B = 0, SRVAL_A = 0, SRVAL_B = 0,
    parameter IS_CLKARDCLK_INVERTED = 0, IS_CLKBWRCLK_INVERTED = 0,
    parameter [255:0]
        INITP_00 = 0, INITP_01 = 0, INITP_02 = 0, INITP_03 = 0, INITP_04 = 0, INITP_05 = 0,
        INITP_06 = 0, INITP_07 = 0, INITP_08 = 0, INITP_09 = 0, INITP_0A = 0, INITP_0B = 0,
        INITP_0C = 0, INITP_0D = 0, INITP_0E = 0, INITP_0F = 0,
    parameter [255:0]
        INIT_00 = 0, INIT_01 = 0, INIT_02 = 0, INIT_03 = 0, INIT_04 = 0, INIT_05 = 0, INIT_06 =
        0, INIT_07 = 0, INIT_08 = 0, INIT_09 = 0, INIT_0A = 0, INIT_0B = 0, INIT_0C = 0, INIT_0D
        = 0, INIT_0E = 0, INIT_0F = 0, INIT_10 = 0, INIT_11 = 0, INIT_12 = 0, INIT_13 = 0,
        INIT_14 = 0, INIT_15 = 0, INIT_16 = 0, INIT_17 = 0, INIT_18 = 0, INIT_19 = 0, INIT_1A =
        0, INIT_1B = 0, INIT_1C = 0, INIT_1D = 0, INIT_1E = 0, INIT_1F = 0, INIT_20 = 0, INIT_21
        = 0, INIT_22 = 0, INIT_23 = 0, INIT_24 = 0, INIT_25 = 0, INIT_26 = 0, INIT_27 = 0,
        INIT_28 = 0, INIT_29 = 0, INIT_2A = 0, INIT_2B = 0, INIT_2C = 0, INIT_2D = 0, INIT_2E =
        0, INIT_2F = 0, INIT_30 = 0, INIT_31 = 0, INIT_32 = 0, INIT_33 = 0, INIT_34 = 0, INIT_35
        = 0, INIT_36 = 0, INIT_37 = 0, INIT_38 = 0, INIT_39 = 0, INIT_3A = 0, INIT_3B = 0,
        INIT_3C = 0, INIT_3D = 0, INIT_3E = 0, INIT_3F = 0, INIT_40 = 0, INIT_41 = 0, INIT_42 =
        0, INIT_43 = 0, INIT_44 = 0, INIT_45 = 0, INIT_46 = 0, INIT_47 = 0, INIT_48 = 0, INIT_49
        = 0, INIT_4A = 0, INIT_4B = 0, INIT_4C = 0, INIT_4D = 0, INIT_4E = 0, INIT_4F = 0,
        INIT_50 = 0, INIT_51 = 0, INIT_52 = 0, INIT_53 = 0, INIT_54 = 0, INIT_55 = 0, INIT_56 =
        0, INIT_57 = 0, INIT_58 = 0, INIT_59 = 0, INIT_5A = 0, INIT_5B = 0, INIT_5C = 0, INIT_5D
        = 0, INIT_5E = 0, INIT_5F = 0, INIT_60 = 0, INIT_61 = 0, INIT_62 = 0, INIT_63 = 0,
        INIT_64 = 0, INIT_65 = 0, INIT_66 = 0, INIT_67 = 0, INIT_68 = 0, INIT_69 = 0, INIT_6A =
        0, INIT_6B = 0, INIT_6C = 0, INIT_6D = 0, INIT_6E = 0, INIT_6F = 0, INIT_70 = 0, INIT_71
        = 0, INIT_72 = 0, INIT_73 = 0, INIT_74 = 0, INIT_75 = 0, INIT_76 = 0, INIT_77 = 0,
        INIT_78 = 0, INIT_79 = 0, INIT_7A = 0, INIT_7B = 0, INIT_7C = 0, INIT_7D = 0, INIT_7E =
        0, INIT_7F = 0
) (
    input CLKARDCLK, CLKBWRCLK, ENARDEN, ENBWREN, REGCEAREGCE, REGCEB,
    input RSTRAMARSTRAM, RSTRAMB, RSTREGARSTREG, RSTREGB,
    input [15:0] ADDRARDADDR, ADDRBWRADDR,
    input [31:0] DIADI, DIBDI,
    input [3:0] DIPADIP, DIPBDIP,
    input [3:0] WEA,
    input [7:0] WEBWE,
    output [31:0] DOADO, DOBDO,
    output [3:0] DOPADOP, DOPBDOP
);
/* verilator lint_on MODDUP */
    `REFUSE_OTHERS(RAMB36E1, 72)
    `REFUSE_UNLESS(RAM_EXTENSION_A == "NONE" && RAM_EXTENSION_B == "NONE",
                   "RAMB36E1: RAM_EXTENSION must be NONE")
    `REFUSE_UNLESS(EN_ECC_READ == "FALSE" && EN_ECC_WRITE == "FALSE",
                   "RAMB36E1: error correction must be off")

    exactmac_ramb #(
        .LANES(4),
        .READ_WIDTH_A(READ_WIDTH_A), .READ_WIDTH_B(READ_WIDTH_B),
        .WRITE_WIDTH_A(WRITE_WIDTH_A), .WRITE_WIDTH_B(WRITE_WIDTH_B),
        .WRITE_MODE_A(WRITE_MODE_A), .WRITE_MODE_B(WRITE_MODE_B),
        .INIT_A(INIT_A), .INIT_B(INIT_B), .SRVAL_A(SRVAL_A), .SRVAL_B(SRVAL_B),
        .INITIAL({
            INIT_7F, INIT_7E, INIT_7D, INIT_7C, INIT_7B, INIT_7A, INIT_79, INIT_78, INIT_77,
            INIT_76, INIT_75, INIT_74, INIT_73, INIT_72, INIT_71, INIT_70, INIT_6F, INIT_6E,
            INIT_6D, INIT_6C, INIT_6B, INIT_6A, INIT_69, INIT_68, INIT_67, INIT_66, INIT_65,
            INIT_64, INIT_63, INIT_62, INIT_61, INIT_60, INIT_5F, INIT_5E, INIT_5D, INIT_5C,
            INIT_5B, INIT_5A, INIT_59, INIT_58, INIT_57, INIT_56, INIT_55, INIT_54, INIT_53,
            INIT_52, INIT_51, INIT_50, INIT_4F, INIT_4E, INIT_4D, INIT_4C, INIT_4B, INIT_4A,
            INIT_49, INIT_48, INIT_47, INIT_46, INIT_45, INIT_44, INIT_43, INIT_42, INIT_41,
            INIT_40, INIT_3F, INIT_3E, INIT_3D, INIT_3C, INIT_3B, INIT_3A, INIT_39, INIT_38,
            INIT_37, INIT_36, INIT_35, INIT_34, INIT_33, INIT_32, INIT_31, INIT_30, INIT_2F,
            INIT_2E, INIT_2D, INIT_2C, INIT_2B, INIT_2A, INIT_29, INIT_28, INIT_27, INIT_26,
            INIT_25, INIT_24, INIT_23, INIT_22, INIT_21, INIT_20, INIT_1F, INIT_1E, INIT_1D,
            INIT_1C, INIT_1B, INIT_1A, INIT_19, INIT_18, INIT_17, INIT_16, INIT_15, INIT_14,
            INIT_13, INIT_12, INIT_11, INIT_10, INIT_0F, INIT_0E, INIT_0D, INIT_0C, INIT_0B,
            INIT_0A, INIT_09, INIT_08, INIT_07, INIT_06, INIT_05, INIT_04, INIT_03, INIT_02,
            INIT_01, INIT_00}),
        .PARITY({
            INITP_0F, INITP_0E, INITP_0D, INITP_0C, INITP_0B, INITP_0A, INITP_09, INITP_08,
            INITP_07, INITP_06, INITP_05, INITP_04, INITP_03, INITP_02, INITP_01, INITP_00})
    ) both (.ADDRARDADDR(ADDRARDADDR[14:0]), .ADDRBWRADDR(ADDRBWRADDR[14:0]), .*);
endmodule
`undef REFUSE_OTHERS
`undef REFUSE_UNLESS
