# amaranth: UnusedElaboratable=no
"""What is gathered beside a tile's sums, and leaves in step with its totals."""

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import data

from golden.contracts import LFSR_BITS
from golden.formats import IntFormat, element_of
from hw.accumulate import Accumulator
from hw.arith import leap
from hw.blocks import Block
from hw.blocks.scaled import ScaledBlock
from hw.blocks.specials import FLAGS, Specials
from hw.blocks.vector_sums import VectorSums
from hw.config import TileConfig

__all__ = ["flags_of", "outside_of", "row_sum_of", "states_of"]


def flags_of(m: Module, config: TileConfig, block: Block | ScaledBlock, arrived: Value,
             step: Value) -> data.View:
    """Flags of the infinities and NaN among the products of the totals that leave.

    Parameters
    ----------
    m : Module
        The tile's.
    config : TileConfig
    block : Block or ScaledBlock
        Beside which it stands.
    arrived, step : Value
        Whether the last sums of a job leave the block, and totals the accumulator.
    """
    c = config
    specials = m.submodules.specials = Specials(
        weights=element_of(block.weights), activations=element_of(block.activations), rows=c.rows,
        cols=c.cols, lanes=c.lanes, latency=block.latency)
    flags = IntFormat(FLAGS.size, signed=False)
    accumulator = m.submodules.flags = Accumulator(
        sums=flags, total=flags, count=c.rows * c.cols, outputs=c.outputs, merge="or")
    m.d.comb += [
        specials.i.activations.eq(block.i.p.activations),
        specials.i.weights.eq(block.i.p.weights),
        accumulator.i.p.last.eq(arrived),
        accumulator.i.valid.eq(block.o.valid),
        accumulator.o.ready.eq(step),
    ]
    m.d.comb += [accumulator.i.p.sums[row * c.cols + col].eq(specials.o[row][col])
                 for row in range(c.rows) for col in range(c.cols)]
    return accumulator.o.p.totals


def row_sum_of(m: Module, config: TileConfig, block: Block | ScaledBlock, arrived: Value,
               next_row: Value) -> Value:
    """Sum of the activations of the row that leaves, until ``next_row``; as :func:`flags_of`."""
    c = config
    row_sums = m.submodules.row_sums = VectorSums(
        fmt=block.activations, vectors=c.rows, lanes=c.lanes, latency=block.latency)
    accumulator = m.submodules.row_accumulator = Accumulator(
        sums=row_sums.sums, total=c.row_sum, count=c.rows, outputs=1)
    m.d.comb += [
        row_sums.i.eq(block.i.p.activations),
        accumulator.i.p.sums.eq(row_sums.o),
        accumulator.i.p.last.eq(arrived),
        accumulator.i.valid.eq(block.o.valid),
        accumulator.o.ready.eq(next_row),
    ]
    return accumulator.o.p.totals[0]


def states_of(m: Module, config: TileConfig, arrived: Value, first: data.View, step: Value,
              row_ends: Value) -> list[Value]:
    """States that the totals of this step draw, given those of each row's first one."""
    c = config
    rows = Signal(data.ArrayLayout(LFSR_BITS, c.rows), name="row_states", reset_less=True)
    with m.If(step):
        m.d.sync += rows[0].eq(leap(rows[0], c.outputs))
        with m.If(row_ends):
            m.d.sync += [rows[row].eq(rows[row + 1]) for row in range(c.rows - 1)]
    with m.If(arrived):
        m.d.sync += rows.eq(first)
    return [leap(rows[0], k) for k in range(c.outputs)]


def outside_of(m: Module, block: ScaledBlock, arrived: Value) -> Value:
    """Whether a block of the job that leaves, or of one before, was outside; as :func:`flags_of`.

    It is sticky; with the results of a job goes what it is at the job's end.
    """
    outside = Signal()
    outside_until = Signal()
    m.d.sync += outside.eq(outside | block.outside)
    with m.If(arrived):
        m.d.sync += outside_until.eq(outside | block.outside)
    return outside_until
