# amaranth: UnusedElaboratable=no
"""Adder tree with registers."""

from functools import cache

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import data
from amaranth.lib.wiring import In, Out

from golden.formats import IntFormat
from golden.ranges import Range
from hw.arith import adder_tree
from hw.formats import shape_of
from hw.pipeline import dry_run
from hw.shared import Shared

__all__ = ["SumTree", "tree_latency"]

ARITY = 4
"""Terms added between two registers, by two levels of adders."""


class SumTree(Shared):
    """Exact sum of ``count`` terms, a register after each four-to-one stage.

    Latency is :attr:`latency`, ``ceil(log4(count))`` cycles: none for a single term. A sum per
    cycle.

    Parameters
    ----------
    term : Range
        Range of each term.
    count : int
        Number of terms.

    Members
    -------
    i : In(ArrayLayout(shape_of(term.format), count))
        Terms.
    o : Out(shape_of(term.times(count).format))
        Sum of the terms, :attr:`latency` cycles later.
    """

    i: data.View
    o: Signal

    def __init__(self, *, term: Range, count: int):
        if count < 1:
            raise ValueError(f"Count must be a positive integer, not {count!r}")
        self.term = term
        self.count = count
        super().__init__({
            "i": In(data.ArrayLayout(shape_of(term.format), count)),
            "o": Out(shape_of(self.format(count))),
        })

    def format(self, count: int) -> IntFormat:
        """Format of the sum of ``count`` terms."""
        return self.term.times(count).format

    @property
    def latency(self) -> int:
        """Cycles from the terms to their sum."""
        return tree_latency(self.count)

    def body(self, platform):
        m = Module()
        total, _ = self.total(m)
        m.d.comb += self.o.eq(total)
        return m

    def total(self, m: Module) -> tuple[Value, int]:
        """Return the sum of the terms, and its registers."""
        # Partial sums, each with its number of terms, which bounds its width.
        partials = [(self.i[k], 1) for k in range(self.count)]
        stage = 0
        while len(partials) > 1:
            stage += 1
            following = []
            for start in range(0, len(partials), ARITY):
                group = partials[start:start + ARITY]
                count = sum(terms for _, terms in group)
                partial = Signal(shape_of(self.format(count)),
                                 name=f"sum_{stage}_{len(following)}", reset_less=True)
                m.d.sync += partial.eq(adder_tree([value for value, _ in group]))
                following.append((partial, count))
            partials = following
        return partials[0][0], stage


@cache
def tree_latency(count: int) -> int:
    """Latency of a :class:`SumTree` of ``count`` terms of any range."""
    _, stages = dry_run(SumTree(term=Range(0, 1), count=count).total)
    return stages
