"""What every block is to the tile or the array around it."""

from abc import abstractmethod

from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out

from golden.formats import Format, IntFormat
from golden.ranges import dot_range
from hw.formats import beat_layout, shape_of
from hw.shared import Shared

__all__ = ["Block"]


class Block(Shared):
    """Sums of ``lanes`` products for each pair of an activation vector and a weight vector.

    ``o[r][c] = sum(activations[r][k] * weights[c][k] for k in range(lanes))``, exact. A block has
    no state from beat to beat and never stalls: it takes a beat in any cycle, and its sums are
    there :attr:`latency` cycles later. Throughput is one beat per cycle.

    Parameters
    ----------
    weights, activations : Format
        Of the elements.
    rows, cols, lanes : int
        Activation vectors, weight vectors, and elements of each.

    Members
    -------
    i : In(stream.Signature(StructLayout, always_ready=True))
        Codes: ``activations`` is ``[rows][lanes]``, ``weights`` is ``[cols][lanes]``.
    o : Out(stream.Signature(ArrayLayout(ArrayLayout(shape_of(sums), cols), rows), ...))
        Sums, always ready likewise.
    """

    i: stream.Interface
    o: stream.Interface

    title: str
    """What the block is made of, for reports."""

    def __init__(self, *, weights: Format, activations: Format, rows: int, cols: int, lanes: int):
        for name, value in (("Rows", rows), ("Cols", cols), ("Lanes", lanes)):
            if value < 1:
                raise ValueError(f"{name} must be a positive integer, not {value!r}")
        self.weights = weights
        self.activations = activations
        self.rows = rows
        self.cols = cols
        self.lanes = lanes
        sums = data.ArrayLayout(data.ArrayLayout(shape_of(self.sums), cols), rows)
        super().__init__({
            "i": In(stream.Signature(data.StructLayout({
                "activations": beat_layout(activations, rows, lanes),
                "weights": beat_layout(weights, cols, lanes),
            }), always_ready=True)),
            "o": Out(stream.Signature(sums, always_ready=True)),
        })

    @property
    def sums(self) -> IntFormat:
        """Format of each sum, exactly as wide as ``lanes`` products need."""
        return dot_range(self.weights, self.activations, self.lanes).format

    @property
    @abstractmethod
    def latency(self) -> int:
        """Cycles from a beat to its sums."""
