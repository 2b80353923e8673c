"""What there is to know of a kind of layer."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from golden.block_scaled import Levels
from golden.networks import Network
from golden.ranges import Range

__all__ = ["Kind"]


class Kind(NamedTuple):
    """How layers of a kind are proven and run.

    Parameters
    ----------
    prove : callable
        ``prove(layer, network, x)`` raises ``ValueError`` where the layer, given the levels ``x``
        of its inputs, or any that there may be where that is None, would not compute what it says.
        It returns the range of the layer's sums, or None where it has none.
    run : callable
        ``run(layer, network, x, sums)`` computes the layer's output from the levels of its inputs
        and what the proof returned.
    """

    prove: Callable[[Any, Network, Sequence[Levels] | None], Range | None]
    run: Callable[[Any, Network, Sequence[Levels], Any], Levels]
