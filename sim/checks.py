"""What is refused before a design is built or simulated, for it would compute something else."""

import numpy as np

from golden.block_scaled import requantize_tensor
from golden.contracts import Clamped, Contract, ExactSum, Scaled
from golden.formats import Format, IntFormat, LoadedCodebook
from golden.networks import Linear
from hw.shared import Shared, constructed
from hw.tile.config import TileConfig
from sim.backend import Backend

__all__ = ["check_design", "check_fixed", "check_layer", "check_tile"]


def check_fixed(config: TileConfig):
    """Raise ``ValueError`` where fixed parameters are not the contract's, for every sum there is.

    A result never falls where the sum rises, and neither does what a contract must hold on the
    way: it is enough to try the smallest and the largest sum with the parameters of each channel.
    """
    if config.parameters is None:
        return
    parameters = {name: value for name, value in config.parameters if name != "weight_zero_point"}
    draws = np.ones(config.channels, dtype=np.int64) if config.draws else None
    for end in (config.unbiased.lo, config.unbiased.hi):
        requantize_tensor([end] * config.channels, config.contract, config.output, parameters,
                          unbiased=config.unbiased, draws=draws)


def check_design(design: TileConfig | Shared, backend: Backend):
    """Raise ``ValueError`` where ``backend`` is known to simulate another tile or component."""
    simulated = backend.design
    if simulated is None:
        return
    if type(simulated) is not type(design):
        raise ValueError(f"Backend must simulate the given {_kind(design)}, "
                         f"not {_kind(simulated)}")
    given, other = constructed(design), constructed(simulated)
    if names := [name for name in given if given[name] != other[name]]:
        raise ValueError(f"Backend must simulate the given {_kind(design)}, "
                         f"not one that differs in {', '.join(names)}")


def check_tile(config: TileConfig, backend: Backend):
    """Raise ``ValueError`` where ``backend`` simulates another tile, or none can be ``config``."""
    check_fixed(config)
    check_design(config, backend)


def check_layer(config: TileConfig, layer: Linear):
    """Raise ``ValueError`` where a layer's sums become results in another way than the tile's."""
    if layer.contract != config.contract:
        raise ValueError(f"Contract of layer {layer.name!r} must be the tile's, "
                         f"{_named(config.contract)}, not {_named(layer.contract)}")
    if not _rounds_alike(config, layer.output.format):
        raise ValueError(f"Output of layer {layer.name!r} must be the tile's, {config.output}, "
                         f"not {layer.output.format}")


def _kind(design: object) -> str:
    return "tile" if isinstance(design, TileConfig) else type(design).__name__


def _named(contract: Contract) -> str:
    if not isinstance(contract, Scaled):
        return contract.name
    return f"{contract.name} with {contract.multiplier.width}-bit multipliers"


def _rounds_alike(config: TileConfig, fmt: Format) -> bool:
    own = config.output_format
    # The table of a loaded one is the layer's, and integers are one another's but for the clamp.
    if isinstance(config.contract, ExactSum) or isinstance(own, LoadedCodebook) or (
            isinstance(config.contract, Clamped) and isinstance(own, IntFormat)
            and isinstance(fmt, IntFormat)):
        return True
    return (type(own), own.propagates) == (type(fmt), fmt.propagates) and np.array_equal(
        own.levels(), fmt.levels())
