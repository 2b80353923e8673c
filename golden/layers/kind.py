"""Functions that prove, run and check a kind of layer."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from golden.block_scaled import Levels
from golden.networks import Network
from golden.ranges import Range

__all__ = ["Kind"]


class Kind(NamedTuple):
    """Functions of a kind of layer.

    Parameters
    ----------
    prove : callable
        ``prove(layer, network, x)`` raises ``ValueError`` if the layer would not compute what it
        says for the levels ``x`` of its inputs, or for any levels if ``x`` is None. It returns the
        range of the layer's sums, or None if it forms none.
    run : callable
        ``run(layer, network, x, sums)`` computes the layer's output from the levels of its inputs
        and the range that ``prove`` returned.
    check_scales : callable
        ``check_scales(layer, network)`` raises ``ValueError`` if the layer's parameters do not
        scale as its tensors' scales say.
    floats : bool
        Whether a layer may have inputs or an output of float32 numbers.
    """

    prove: Callable[[Any, Network, Sequence[Levels] | None], Range | None]
    run: Callable[[Any, Network, Sequence[Levels], Any], Levels]
    check_scales: Callable[[Any, Network], None]
    floats: bool = False
