"""A grid of dot products: the plain block, for any formats."""

from amaranth.hdl import Module, Signal
from amaranth.lib import data
from amaranth.lib.wiring import In, Out

from golden.formats import Format, IntFormat
from golden.ranges import dot_range
from hw.blocks.interface import Block
from hw.blocks.sum_tree import SumTree, tree_latency
from hw.delay import delay
from hw.formats import level, level_shape, shape_of
from hw.shared import Shared

__all__ = ["DotProduct", "DotProductGrid", "levels"]


class DotProduct(Shared):
    """Sum of the products of two vectors: multipliers, each with a register, then a tree.

    ===========  ==============================================
    cycle        contents
    ===========  ==============================================
    0            the vectors
    1            products
    2 ...        sums of up to 4, 16, 64 ... products
    ===========  ==============================================

    The registers behind the products matter beyond their speed: without them Yosys gathers the
    whole sum into one compressor of full adders, off the carry chains, at 1.5 times the LUTs.

    Latency is :attr:`latency`, ``1 + ceil(log4(lanes))`` cycles; a sum per cycle.

    Parameters
    ----------
    weights, activations : Format
        Of the elements.
    lanes : int
        Elements of each vector.

    Members
    -------
    i : In(StructLayout)
        Levels: ``activations`` and ``weights`` are each ``[lanes]``.
    o : Out(shape_of(dot_range(weights, activations, lanes).format))
        Their product.
    """

    i: data.View
    o: Signal

    def __init__(self, *, weights: Format, activations: Format, lanes: int):
        self.weights = weights
        self.activations = activations
        self.lanes = lanes
        super().__init__({
            "i": In(data.StructLayout({
                "activations": data.ArrayLayout(level_shape(activations), lanes),
                "weights": data.ArrayLayout(level_shape(weights), lanes),
            })),
            "o": Out(shape_of(dot_range(weights, activations, lanes).format)),
        })

    @property
    def latency(self) -> int:
        """Cycles from the vectors to their product."""
        return 1 + tree_latency(self.lanes)

    def body(self, platform):
        m = Module()
        one = dot_range(self.weights, self.activations, 1)
        m.submodules.tree = tree = SumTree(term=one, count=self.lanes)
        for k in range(self.lanes):
            product = Signal(shape_of(one.format), name=f"product_{k}", reset_less=True)
            m.d.sync += product.eq(self.i.weights[k] * self.i.activations[k])
            m.d.comb += tree.i[k].eq(product)
        m.d.comb += self.o.eq(tree.o)
        return m


class DotProductGrid(Block):
    """A :class:`DotProduct` for each row and column, of levels; see :class:`Block`.

    Codes become levels once per element, before they go to the rows and columns that use them.
    Latency is that of a dot product, ``1 + ceil(log4(lanes))`` cycles.
    """

    title = "multipliers"

    @property
    def latency(self) -> int:
        """Cycles from a beat to its sums."""
        return 1 + tree_latency(self.lanes)

    def body(self, platform):
        m = Module()
        rows = levels(m, self.activations, self.i.p.activations, "row")
        cols = levels(m, self.weights, self.i.p.weights, "col")
        for row in range(self.rows):
            for col in range(self.cols):
                dot = DotProduct(weights=self.weights, activations=self.activations,
                                 lanes=self.lanes)
                m.submodules[f"dot_{row}_{col}"] = dot
                m.d.comb += [
                    dot.i.activations.eq(rows[row]),
                    dot.i.weights.eq(cols[col]),
                    self.o.p[row][col].eq(dot.o),
                ]

        m.d.comb += self.o.valid.eq(
            delay(m, self.i.valid, self.latency, "valid", reset_less=False))
        return m


def levels(m: Module, fmt: Format, vectors: data.View, name: str) -> list[data.View]:
    """Return the levels of an array of arrays of codes; wires called ``<name>_<index>``."""
    count, vector = vectors.shape().length, vectors.shape().elem_shape
    if isinstance(fmt, IntFormat):  # codes are levels
        return [vectors[index] for index in range(count)]
    found = []
    for index in range(count):
        decoded = Signal(data.ArrayLayout(level_shape(fmt), vector.length), name=f"{name}_{index}")
        m.d.comb += [decoded[k].eq(level(fmt, vectors[index][k])) for k in range(vector.length)]
        found.append(decoded)
    return found
