"""What there is to know of a kind of layer, beside its shapes."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from golden.block_scaled import Levels
from golden.networks import Network
from golden.ranges import Range

__all__ = ["Kind"]


class Kind(NamedTuple):
    """How layers of a kind are proven, run and compared with their scales.

    Parameters
    ----------
    prove : callable
        ``prove(layer, network, x)`` raises ``ValueError`` where the layer, given the levels ``x``
        of its inputs, or any that there may be where that is None, would not compute what it says.
        It returns the range of the layer's sums, or None where it has none.
    run : callable
        ``run(layer, network, x, sums)`` computes the layer's output from the levels of its inputs
        and what the proof returned.
    check_scales : callable
        ``check_scales(layer, network)`` raises ``ValueError`` where the layer's parameters scale by
        something else than its tensors' scales say.
    """

    prove: Callable[[Any, Network, Sequence[Levels] | None], Range | None]
    run: Callable[[Any, Network, Sequence[Levels], Any], Levels]
    check_scales: Callable[[Any, Network], None]
