# amaranth: UnusedElaboratable=no
"""The MAC array: beats of operands in, totals of a job out."""

from collections.abc import Callable
from functools import cached_property
from typing import Any, Literal, NamedTuple

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out

from golden.formats import IntFormat, element_of
from hw.blocks import Block
from hw.blocks.folded import FoldedGrid
from hw.blocks.interface import OPERANDS, Cell, Operand
from hw.blocks.scaled import ScaledBlock
from hw.blocks.specials import FLAGS, Specials
from hw.blocks.vector_sums import VectorSum
from hw.delay import delay
from hw.formats import shape_of
from hw.shared import Shared
from hw.tile.config import TileConfig
from hw.tile.dsps import block_of

__all__ = ["MacArray", "Part", "step_layout", "totals_layout"]

LEAF = 16
"""Most cells of a part that is not divided further."""


class Part(Shared):
    """Cells in rows and columns, each with two accumulators: a leaf, or two halves.

    One accumulator of a cell adds up its sums, the other holds the total of the job before. The
    totals of a row shift to the left, ``outputs`` at a time; totals from the right follow.

    An array is one part, divided into halves again and again. The wires across a part's border
    grow with its rows and columns, not with its cells. Halves of one size share one module.

    Registers in each leaf move its banks, so control comes a cycle before what it acts on. Where
    synthesis removes borders, those of all leaves become one.

    The second bank takes a total when a last beat's sums are added, from the adder. Of cells that
    may take an accumulator as 0 (:attr:`~hw.blocks.interface.Cell.may_clear`), it takes it a cycle
    later, from the accumulator: that is a register, not the end of a carry chain. The next job's
    first sums are then added to 0.

    Parameters
    ----------
    cell : Cell
        Cell that computes the sums; each place gets one like it.
    total : IntFormat
        Format of the totals, wide enough for every job.
    rows, cols : int
    outputs : int
        Totals of a row per step; a divisor of ``cols``.

    Members
    -------
    i : In(StructLayout)
        Edges of the vectors: ``activations``, ``[rows]``, and ``weights``, ``[cols]``.
    valid, last : In(1)
        The cells' sums of the next cycle belong to a beat, and to a job's last beat.
    step : In(1)
        Totals shift in the next cycle.
    follow : In(ArrayLayout(ArrayLayout(total, outputs), rows))
        Totals to the right of each row.
    totals : Out(ArrayLayout(ArrayLayout(total, outputs), rows))
        First totals of each row.
    outside : Out(1)
        ``outside`` of any cell is set; only for cells that have it.
    """

    i: data.View
    valid: Signal
    last: Signal
    step: Signal
    follow: data.View
    totals: data.View
    outside: Signal

    def __init__(self, *, cell: Cell, total: IntFormat, rows: int, cols: int, outputs: int):
        self.cell = cell
        self.total = total
        self.rows = rows
        self.cols = cols
        self.outputs = outputs
        edges = cell.i.shape().members
        chain = data.ArrayLayout(data.ArrayLayout(shape_of(total), outputs), rows)
        super().__init__({
            "i": In(data.StructLayout({
                "activations": data.ArrayLayout(edges["activations"], rows),
                "weights": data.ArrayLayout(edges["weights"], cols),
            })),
            "valid": In(1), "last": In(1), "step": In(1),
            "follow": In(chain), "totals": Out(chain),
            **({"outside": Out(1)} if self._marked else {}),
        })

    @property
    def settling(self) -> int:
        """Cycles for which the second bank takes a total later than it is computed."""
        return int(self.cell.may_clear)

    @property
    def _marked(self) -> bool:
        return "outside" in self.cell.signature.members

    def body(self, platform):
        m = Module()
        if self.rows * self.cols <= LEAF or self.rows == 1 and self.cols == self.outputs:
            self._leaf(m)
        elif self.rows > self.cols // self.outputs:
            first = (self.rows + 1) // 2
            self._halves(m, "rows", [(0, first), (first, self.rows)])
        else:
            first = (self.cols // self.outputs + 1) // 2 * self.outputs
            self._halves(m, "cols", [(0, first), (first, self.cols)])
        return m

    def _halves(self, m: Module, what: Literal["rows", "cols"], spans: list[tuple[int, int]]):
        halves = []
        for (start, end), name in zip(spans, ("first", "second"), strict=True):
            shape: dict[str, Any] = {"rows": self.rows, "cols": self.cols, what: end - start}
            half = Part(cell=self.cell, total=self.total, outputs=self.outputs, **shape)
            m.submodules[name] = half
            at = {"activations": 0, "weights": 0}
            at["activations" if what == "rows" else "weights"] = start
            m.d.comb += [half.i[operand][k].eq(self.i[operand][at[operand] + k])
                         for operand in OPERANDS for k in range(half.i[operand].shape().length)]
            m.d.comb += [getattr(half, name).eq(getattr(self, name))
                         for name in ("valid", "last", "step")]
            halves.append(half)
        first, second = halves
        if self._marked:
            m.d.comb += self.outside.eq(first.outside | second.outside)
        for row in range(self.rows):
            if what == "cols":
                m.d.comb += [
                    self.totals[row].eq(first.totals[row]),
                    first.follow[row].eq(second.totals[row]),
                    second.follow[row].eq(self.follow[row]),
                ]
            else:
                half, at = (first, row) if row < first.rows else (second, row - first.rows)
                m.d.comb += [
                    self.totals[row].eq(half.totals[at]),
                    half.follow[at].eq(self.follow[row]),
                ]

    def _leaf(self, m: Module):
        # Accumulators are cleared by their registers' own reset, or taken as 0 by the cells. That
        # reset follows one of the tile, too.
        adds, ends, move, keep = Signal(), Signal(init=not self.settling), Signal(), Signal()
        load = delay(m, ends, self.settling, "load", reset_less=False)
        moves, sums, clears, outside = [], [], [], []
        for row in range(self.rows):
            following: list[Value] = [self.follow[row][k] for k in range(self.outputs)]
            for col in reversed(range(self.cols)):
                place = f"{row}_{col}"
                cell: Any = self.cell.twin()
                m.submodules[f"cell_{place}"] = cell
                accumulator = Signal(shape_of(self.total), name=f"accumulator_{place}",
                                     reset_less=True)
                finished = Signal(shape_of(self.total), name=f"finished_{place}", reset_less=True)
                total = Signal(shape_of(self.total), name=f"total_{place}")
                m.d.comb += [
                    cell.i.activations.eq(self.i.activations[row]),
                    cell.i.weights.eq(self.i.weights[col]),
                    total.eq(cell.add_to(m, accumulator, keep if self.settling else None)),
                ]
                sums.append(accumulator.eq(total))
                if not self.settling:
                    clears.append(accumulator.eq(0))
                moves.append(finished.eq(Mux(load, accumulator if self.settling else total,
                                             following[-1])))
                following = [finished, *following[:-1]]
                if self._marked:
                    outside.append(cell.outside)
            m.d.comb += [self.totals[row][k].eq(following[k]) for k in range(self.outputs)]
        # A register's own enable and reset, and one multiplexer in front of the second bank.
        m.d.sync += [
            adds.eq(self.valid),
            ends.eq(self.valid & self.last),
            move.eq((ends if self.settling else self.valid & self.last) | self.step),
        ]
        with m.If(adds):
            m.d.sync += [*sums, *([keep.eq(~ends)] if self.settling else [])]
        with m.If(ends):
            m.d.sync += clears
        with m.If(move):
            m.d.sync += moves
        if self._marked:
            m.d.comb += self.outside.eq(Cat(outside).any())


def step_layout(config: TileConfig) -> data.StructLayout:
    """Layout of a step: ``column`` counts those of a row, ``last`` marks a job's last one."""
    return data.StructLayout({"column": range(config.cols // config.outputs), "last": 1})


def totals_layout(config: TileConfig) -> data.StructLayout:
    """Layout of a step's totals, with their sidebands."""
    c = config
    return data.StructLayout({
        "totals": data.ArrayLayout(shape_of(c.accumulator), c.outputs),
        **({"row_sum": shape_of(c.row_sum)} if c.zero_points == "both" else {}),
        **({"term": shape_of(c.accumulator)} if c.inner_product != "direct" else {}),
        **({"flags": data.ArrayLayout(FLAGS, c.outputs)} if c.propagates else {}),
        **({"outside": 1} if c.block_scaled else {}),
    })


class _Side(NamedTuple):
    # A part of the array: the field of the totals that it drives, and the function of its edges.

    member: str
    part: Part
    edge: Callable[[Module, Operand, Any], list[Any]]


class MacArray(Shared):
    """Add up the sums of a job's beats, each pair of vectors in a cell of its own.

    There are two banks: one accumulates, the other holds the totals of the job before and hands
    them over row by row, ``outputs`` at a step. The beat marked ``last`` adds its sums, moves the
    totals over and clears the first bank, so the next job's first beat may follow in the next
    cycle. Clearing after a job, not before one, costs nothing: it is the registers' own
    synchronous reset. Cells that take an accumulator as 0 need none; with these, totals move over
    a cycle later (:class:`Part`).

    Nothing stalls: a last beat's sums must not arrive before the totals of the step that empties
    the second bank leave, at the earliest in the same cycle. The
    :class:`~hw.tile.entrance.Entrance` sees to that.

    Where the tile has them, sidebands go with the totals: the sum of the row's activations (raw
    levels, for weight zero points), the ``term`` that is to be subtracted from the row's totals
    (an inner product of codes), the flags of infinities and NaN, and ``outside``: a block of this
    job or of an earlier one was outside of the window.

    Steps are offered :attr:`latency` cycles after their job's last beat. Each one's totals follow
    in the cycle after its transfer, and are there in no other: so what moves the banks comes from
    registers. Throughput is one beat, and one step, per cycle.

    ==============  ================================================
    cycle           contents
    ==============  ================================================
    0               last beat; ``o.valid`` from cycle :attr:`latency`
    n               a transfer on ``o``
    n + 1           its ``totals``; the banks shift
    ==============  ================================================

    Parameters
    ----------
    config : TileConfig
        Configuration of the tile.

    Members
    -------
    i : In(stream.Signature(StructLayout, always_ready=True))
        Fields of the block's beat, and ``last``, which marks a job's last beat.
    o : Out(stream.Signature(step_layout(config)))
        Steps.
    totals : Out(totals_layout(config))
        Totals of the step that was transferred in the cycle before.
    """

    i: stream.Interface
    o: stream.Interface
    totals: data.View

    def __init__(self, config: TileConfig):
        self.config = c = config
        self._block = block_of(c)
        if c.block_scaled:
            self._block = ScaledBlock(block=self._block, weights=c.weights,
                                      activations=c.activations, window=c.window)
        super().__init__({
            "i": In(stream.Signature(data.StructLayout({**self._block.beat.members, "last": 1}),
                                     always_ready=True)),
            "o": Out(stream.Signature(step_layout(c))),
            "totals": Out(totals_layout(c)),
        })

    @cached_property
    def _sums(self) -> Part:
        c = self.config
        return Part(cell=self._block.cell, total=c.accumulator, rows=c.rows, cols=c.cols,
                    outputs=c.outputs)

    @cached_property
    def _sides(self) -> dict[str, "_Side"]:
        # By submodule: the totals, then other sums for each total or for each row, of this latency.
        c, block = self.config, self._block
        shape: dict[str, Any] = {"rows": c.rows, "cols": c.cols, "outputs": c.outputs}
        sides = {"sums": _Side("totals", self._sums, block.edge)}
        if c.zero_points == "both":
            cell = VectorSum(fmt=block.activations, lanes=c.lanes, latency=self.latency)
            rows = Part(cell=cell, total=c.row_sum, rows=c.rows, cols=1, outputs=1)
            sides["row_sums"] = _Side("row_sum", rows, cell.edge)
        if isinstance(block, FoldedGrid):
            term = block.term(self.latency)
            rows = Part(cell=term, total=c.accumulator, rows=c.rows, cols=1, outputs=1)
            sides["terms"] = _Side("term", rows, term.edge)
        if c.propagates:
            specials = Specials(weights=element_of(block.weights),
                                activations=element_of(block.activations), lanes=c.lanes,
                                latency=self.latency)
            flags = Part(cell=specials, total=IntFormat(FLAGS.size, signed=False), **shape)
            sides["flags"] = _Side("flags", flags, specials.edge)
        return sides

    @property
    def block(self) -> Block:
        """Block that computes the sums; for block-scaled operands, the block of their elements."""
        return self._block.block if isinstance(self._block, ScaledBlock) else self._block

    @property
    def latency(self) -> int:
        """Cycles from a job's last beat to its first step."""
        return self._block.latency + self._sums.settling

    def body(self, platform):
        m = Module()
        c, block, beat = self.config, self._block, self.i.p
        # In the cycle before the sums of a beat, or of a job's last one; then of this latency.
        settling = self._sums.settling
        early = delay(m, self.i.valid, block.latency - 1, "early", reset_less=False)
        early_last = delay(m, self.i.valid & beat.last, block.latency - 1, "early_last",
                           reset_less=False)
        valid = delay(m, early, settling, "valid", reset_less=False)
        last = delay(m, early_last, settling, "last", reset_less=False)
        step, row_ends = Signal(), Signal()
        for name, side in self._sides.items():
            # A row follows the row above. A part with one total per row steps at each row's end.
            part = m.submodules[name] = side.part
            m.d.comb += [
                *(part.i[operand][k].eq(vector) for operand in OPERANDS
                  for k, vector in enumerate(side.edge(m, operand, beat))),
                part.valid.eq(early if part.settling else valid),
                part.last.eq(early_last if part.settling else last),
                part.step.eq(step & row_ends if part.cols < c.cols else step),
                *(part.follow[row].eq(part.totals[row + 1]) for row in range(c.rows - 1)),
                Value.cast(self.totals[side.member]).eq(Value.cast(part.totals[0])),
            ]
        if isinstance(block, ScaledBlock):
            # The flag is sticky; a job's results carry its state at the end of the job.
            now, outside = block.is_outside(
                m, beat, self.i.valid, self._sides["sums"].part.outside), Signal()
            m.d.sync += outside.eq(outside | now)
            outside_until = Signal()
            with m.If(delay(m, last, 1, "last_inside", reset_less=False)):
                m.d.sync += outside_until.eq(outside | now)
            m.d.comb += self.totals.outside.eq(outside_until)

        # Steps to follow the next one; below 0 there is none.
        remaining = Signal(range(-1, c.steps), init=-1)
        column = Signal(range(c.cols // c.outputs))
        m.d.comb += [
            self.o.valid.eq(remaining >= 0),
            self.o.p.last.eq(remaining == 0),
            self.o.p.column.eq(column),
            step.eq(self.o.valid & self.o.ready),
            row_ends.eq(column == c.cols // c.outputs - 1),
        ]
        with m.If(step):
            m.d.sync += [remaining.eq(remaining - 1), column.eq(column + 1)]
            with m.If(row_ends):
                m.d.sync += column.eq(0)
        with m.If(last):
            m.d.sync += remaining.eq(c.steps - 1)
        return m
