// One job on a board: sends the words of "One job by hand" (../driving.md) to a tile of one sum and two
// lanes, and shows the result, 7, on eight LEDs. The button begins again.

module top (
    input            clk_25mhz,
    input            button,
    output reg [7:0] led
);
    // The button is asynchronous and the tile's reset is not: two registers take it over.
    reg [1:0] running = 2'b00;
    always @(posedge clk_25mhz) running <= {running[0], !button};
    wire aclk = clk_25mhz;
    wire aresetn = running[1];

    // Words that each port has transferred. The tile takes activations and weights in the same cycle.
    reg [1:0] parameters = 0;
    reg       jobs = 0;
    reg [1:0] beats = 0;

    wire        s_axis_parameters_tready, s_axis_job_tready;
    wire        s_axis_activations_tready, s_axis_weights_tready;
    wire        m_axis_o_tvalid, m_axis_o_tlast, error;
    wire [7:0]  m_axis_o_tdata;

    tile tile_0 (
        .aclk                      (aclk),
        .aresetn                   (aresetn),
        .s_axis_parameters_tdata   (parameters == 0 ? 32'h0000000a :
                                    parameters == 1 ? 32'h40000000 : 32'h0ff00070),
        .s_axis_parameters_tvalid  (parameters != 3),
        .s_axis_parameters_tready  (s_axis_parameters_tready),
        .s_axis_parameters_tlast   (parameters == 2),
        .s_axis_job_tdata          (8'h02),
        .s_axis_job_tvalid         (!jobs),
        .s_axis_job_tready         (s_axis_job_tready),
        .s_axis_activations_tdata  (beats == 0 ? 16'h0201 : 16'h0403),
        .s_axis_activations_tvalid (beats != 2),
        .s_axis_activations_tready (s_axis_activations_tready),
        .s_axis_activations_tlast  (beats == 1),
        .s_axis_weights_tdata      (beats == 0 ? 16'h0605 : 16'hf807),
        .s_axis_weights_tvalid     (beats != 2),
        .s_axis_weights_tready     (s_axis_weights_tready),
        .s_axis_weights_tlast      (beats == 1),
        .m_axis_o_tdata            (m_axis_o_tdata),
        .m_axis_o_tvalid           (m_axis_o_tvalid),
        .m_axis_o_tready           (1'b1),
        .m_axis_o_tlast            (m_axis_o_tlast),
        .error                     (error)
    );

    always @(posedge clk_25mhz) begin
        if (parameters != 3 && s_axis_parameters_tready) parameters <= parameters + 2'd1;
        if (!jobs && s_axis_job_tready) jobs <= 1'b1;
        if (beats != 2 && s_axis_activations_tready) beats <= beats + 2'd1;
        if (m_axis_o_tvalid) led <= m_axis_o_tdata;
        if (error) led <= 8'hff;
        if (!aresetn) begin
            parameters <= 0;
            jobs <= 0;
            beats <= 0;
            led <= 0;
        end
    end
endmodule
